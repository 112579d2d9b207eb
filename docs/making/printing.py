"""The output of a command."""

import io
from contextlib import redirect_stderr, redirect_stdout

from scriptforge.cli.app import run


def printed(arguments: list[str]) -> str:
    """Return what a command line prints on stdout; exit if it fails."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(arguments)
    if code:
        raise SystemExit(f"scriptforge {' '.join(arguments)} ended with {code}:\n{err.getvalue()}")
    return out.getvalue()
