"""The error boundary: whatever stops a command becomes one or two lines on stderr and an exit code.

    0     done
    1     failed; also if the reader of the output has closed the pipe
    2     the request was wrong
    130   interrupted by Ctrl-C
    143   asked to stop by SIGTERM

Commands catch nothing. SIGTERM reaches them as `SystemExit`, Ctrl-C as `KeyboardInterrupt` (see `signals`); a
command that has to save its work first uses `Interrupts`. This module does not depend on any command.
"""

import codecs
import os
import signal
import sys
import traceback
from collections.abc import Callable
from io import TextIOWrapper
from typing import NoReturn

import typer

from scriptforge.cli.output import SPINNER, Output
from scriptforge.cli.signals import SIGNALS
from scriptforge.errors import ScriptforgeError, disk_error

DEBUG_VARIABLE = "SCRIPTFORGE_DEBUG"


def run_and_exit(work: Callable[[], None]) -> NoReturn:
    """Run the one command of this process, and exit; Ctrl-C and SIGTERM stop it cleanly."""
    SIGNALS.install()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(run_in_boundary(work))


def run_in_boundary(work: Callable[[], None]) -> int:
    """Run a command, and report on stderr what stopped it.

    Returns:
        The exit code; after a signal, that of the signal, even if a library raised another error for it.
    """
    try:
        return _run(work)
    except (KeyboardInterrupt, SystemExit):
        if SIGNALS.received is None:
            raise
        return SIGNALS.exit_code  # a second signal came while the first one was being reported


def _run(work: Callable[[], None]) -> int:
    try:
        with SIGNALS:
            code = _exit_code_of(work)
        return SIGNALS.exit_code or code
    except BaseException as error:
        SPINNER.stop()
        if os.environ.get(DEBUG_VARIABLE):
            Output().block(traceback.format_exc())
        return _explain(error)


def _exit_code_of(work: Callable[[], None]) -> int:
    code = 0
    try:
        work()
    except typer.Exit as request:
        code = request.exit_code
    SPINNER.stop()
    sys.stdout.flush()
    return code


def _explain(error: BaseException) -> int:
    if SIGNALS.received is not None:
        error = KeyboardInterrupt() if SIGNALS.received == signal.SIGINT else SystemExit(SIGNALS.exit_code)
    match error:
        case SystemExit(code=int() as code):
            return code
        case KeyboardInterrupt() | typer.Abort():
            Output().warn("Interrupted.")
            return 130
        case BrokenPipeError():
            _discard_output()
            return 1
        case ScriptforgeError():
            Output().error(error.message, error.hint)
            return error.exit_code
        case typer.TyperException():
            Output().error(*_usage_problem(error))
            return error.exit_code
        case OSError() if problem := _problem_of_output():
            Output().error(f"The output cannot be written: {problem}.", "Check where stdout goes.")
            return 1
        case _ if (explained := disk_error(error) or _name_error(error)) is not None:
            Output().error(explained.message, explained.hint)
            return explained.exit_code
        case OSError(filename=str() | bytes() as path):
            problem = f"{error.strerror}: {os.fsdecode(path)}"
            Output().error(problem, "Check that the path is right and that you may read and write there.")
            return 1
        case OSError(strerror=str() as problem):
            Output().error(f"The system refused: {problem}.", "Check the current folder, and try again.")
            return 1
        case MemoryError():
            Output().error("There is not enough memory.", "Close other programs, or give a smaller text.")
            return 1
    Output().error(
        f"This should not have happened: {type(error).__name__}: {error}",
        f"Run it again with {DEBUG_VARIABLE}=1 to see where, and report what it prints.",
    )
    return 1


def _name_error(error: BaseException) -> ScriptforgeError | None:
    """Return the error for a file name that cannot be encoded; the contents of files are always UTF-8."""
    of_names = codecs.lookup(sys.getfilesystemencoding()).name
    if not isinstance(error, UnicodeEncodeError) or of_names == "utf-8":
        return None
    if codecs.lookup(error.encoding).name != of_names:
        return None
    letters = error.object[error.start : error.end]
    return ScriptforgeError(
        f"File names are in {error.encoding} here, which cannot represent “{letters}”.",
        "Run the same command with PYTHONUTF8=1 in the environment.",
    )


def _usage_problem(error: typer.TyperException) -> tuple[str, str]:
    """Return the message and the hint for a command line that cannot be parsed."""
    if close := getattr(error, "possibilities", None):
        asked = getattr(error, "option_name", "")
        close = [each for each in close if each.startswith(asked)] or close
        return error.message, f"Did you mean {' or '.join(close)}?"
    if isinstance(error, typer.BadParameter):
        error.message = _words_of_validation(error) or error.message
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "scriptforge"
    return error.format_message(), f"See {command} --help"


def _words_of_validation(error: typer.BadParameter) -> str:
    """Return what is wrong with a value of the command line; empty if that was not found by pydantic."""
    from pydantic import ValidationError

    from scriptforge.validation import first_problem

    cause = error.__cause__
    return f"{first_problem(cause).words.rstrip('.')}." if isinstance(cause, ValidationError) else ""


def _problem_of_output() -> str | None:
    """Return why stdout cannot be written to, and discard further output; None if it can be."""
    try:
        sys.stdout.flush()
    except OSError as error:
        _discard_output()
        return error.strerror
    return None


def _discard_output() -> None:
    """Redirect stdout to `os.devnull`, so that the interpreter's last flush does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
