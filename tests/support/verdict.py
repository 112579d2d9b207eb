"""The verdict on reading what may be damaged: it works or says what is wrong, soon and in little memory.

A result is right, and so is an error of ours that says what is wrong, on one line, and what to do.
"""

import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from scriptforge.errors import ScriptforgeError

SECONDS, MEGABYTES = 5.0, 250

_SECONDS_OF_WORK = 0.1
"""Of processor time, for `_slowness` on a usual machine without another load."""


class _TooLongError(BaseException):
    """More processor time has passed than was allowed; nothing that is attacked catches it."""


def problem_of(
    call: Callable[[], object], seconds: float = SECONDS, megabytes: float = MEGABYTES
) -> str | None:
    """Make a call; return what cannot be explained about it, None if nothing. A person may interrupt it.

    Args:
        call: reads something.
        seconds: of processor time that it may take, in proportion more where the machine is slow.
        megabytes: that the process may grow by, where the system says how large it was.
    """
    idle = _begin_to_measure()
    problem = None
    try:
        with _limited(seconds):
            call()
    except _TooLongError:
        problem = f"more than {seconds:.0f} seconds"
    except ScriptforgeError as error:
        if not (error.message.strip() and error.hint.strip()) or "\n" in error.message.strip():
            problem = f"an error that is no line and a remedy: {error.message!r}, {error.hint!r}"[:300]
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the panic of a library in Rust is no Exception
        problem = f"{type(error).__name__}{_place(error)}: {error}"[:300]
    grown = _status("VmHWM") - idle
    return problem or (f"{grown:.0f} MB" if grown > megabytes else None)


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise an error in the block when it has taken so much processor time, where the system can tell."""
    if not hasattr(signal, "SIGPROF"):
        yield
        return

    allowed = seconds

    def look_at_machine(number: int, frame: FrameType | None) -> None:
        # A machine may be slower at one time than at another, so it is measured again when its time is up.
        nonlocal allowed
        more = seconds * _slowness() - allowed
        if more <= 0:
            raise _TooLongError
        allowed += more
        signal.setitimer(signal.ITIMER_PROF, more)

    before = signal.signal(signal.SIGPROF, look_at_machine)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _slowness() -> float:
    """Return how many times slower than usual the machine is at present; other loads slow it down, too."""
    text = "a " * 1_000_000
    began = time.process_time()
    re.findall(r"\w+", text)
    return (time.process_time() - began) / _SECONDS_OF_WORK


def _place(error: BaseException) -> str:
    """Return in which function of the package an error was raised."""
    found = ""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if "scriptforge" in code.co_filename:
            found = f" in {code.co_qualname}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return found


def _begin_to_measure() -> float:
    """Return the megabytes that the process holds, and let the system forget what it held at most."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(name: str) -> float:
    """Return one of the system's figures on this process, in megabytes; 0 where there is none."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith(name)), 0.0)
