"""The entry of the command line, which first sees to signals and streams: all other imports take long."""

import os
import sys
from typing import NoReturn

from scriptforge.cli.signals import SIGNALS


def main() -> NoReturn:
    """Run the command line that the process was started with, and exit."""
    SIGNALS.listen()
    _open_missing_streams()
    from scriptforge.cli import app

    app.main()


def _open_missing_streams() -> None:
    """Open the standard streams that are closed, so that no file gets their numbers.

    Nothing comes from stdin then, what goes to stderr is lost, and writing to stdout is an error.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            way = os.O_WRONLY if name == "stderr" else os.O_RDONLY
            setattr(sys, name, os.fdopen(os.open(os.devnull, way), mode, encoding="utf-8"))


if __name__ == "__main__":
    main()
