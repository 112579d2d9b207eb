"""The verdict on reading what may be damaged: it works or says what is wrong, soon and in little memory."""

import sys
import time
from collections.abc import Callable

from scriptforge.errors import ScriptforgeError

SECONDS = 5
"""Of a processor, that reading may take."""

MEGABYTES = 250
"""By which reading may raise the peak of the process."""


def problem_of(read: Callable[[], object]) -> str | None:
    """Read something; return what was wrong with how that went, and None if nothing was.

    An error of ours that says what is wrong and what to do is right. So is an interrupt by a person.
    """
    began, peak = time.process_time(), _peak()
    try:
        read()
    except ScriptforgeError as error:
        if not (error.message.strip() and error.hint.strip()):
            return "an error without a message or a remedy"
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the panic of a library in Rust is no Exception
        return f"{type(error).__name__}{_place(error)}: {error}"[:300]
    seconds, grown = time.process_time() - began, _peak() - peak
    if seconds > SECONDS:
        return f"{seconds:.0f} seconds"
    return f"{grown} MB" if grown > MEGABYTES else None


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


def _peak() -> int:
    """Return the most memory that the process has had, in megabytes; 0 where the system does not say."""
    if sys.platform == "win32":
        return 0
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most // (1_000_000 if sys.platform == "darwin" else 1_000)
