"""How a text begins: what a person typed, or what another program pipes in."""

import os
import sys

_PIPE_PATIENCE = 0.1  # seconds


def read_prime(given: str | None) -> str:
    """The prime of the option, or what is piped in where there is none, or all of stdin for `-`."""
    if given == "-" or (given is None and _is_piped()):
        return sys.stdin.read().strip("\r\n")
    return given or ""


def _is_piped() -> bool:
    """Whether something waits on stdin; an open pipe in which nothing comes is not waited for."""
    import select
    import stat

    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
        if stat.S_ISREG(mode):
            return True
        return stat.S_ISFIFO(mode) and bool(select.select([sys.stdin], [], [], _PIPE_PATIENCE)[0])
    except (OSError, ValueError):
        return False
