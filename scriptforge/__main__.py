"""The entry point of the command line: handles signals and closed streams before the slow imports."""

import os
import sys
from typing import NoReturn

from scriptforge.cli.signals import SIGNALS


def main() -> NoReturn:
    """Run the command in `sys.argv`, and exit."""
    SIGNALS.install()
    _open_missing_streams()
    from scriptforge.cli import app

    app.main()


def _open_missing_streams() -> None:
    """Open closed standard streams on `os.devnull`, so that no other file gets their descriptors.

    Reading stdin then returns nothing, writing to stderr has no effect, and writing to stdout is an error.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            way = os.O_WRONLY if name == "stderr" else os.O_RDONLY
            setattr(sys, name, os.fdopen(os.open(os.devnull, way), mode, encoding="utf-8"))


if __name__ == "__main__":
    main()
