"""The text of messages: safe for a terminal, without private data, with commands that run as printed."""

import os
import re
import shutil
import sys
from pathlib import Path

from scriptforge.characters import PROGRAM, redact, safe


def with_program_name(text: str) -> str:
    """Return a message whose command lines can be run as they are printed.

    If a shell would not find this program, `scriptforge train` becomes what the program was started by, such
    as `.venv/bin/scriptforge train`; likewise, `pip install` becomes that of the program's environment.
    """
    from scriptforge.cli.app import COMMAND_NAMES

    names = "|".join(COMMAND_NAMES)
    lines = rf"(?<![\w./-])(?:{PROGRAM}(?= (?:--\w|(?:{names})\b))|pip(?= install ))"
    return re.sub(lines, lambda match: redact(_caller(match[0])), text)


def _caller(name: str) -> str:
    """Return what starts this program, or the pip of its environment, from a shell."""
    started = Path(sys.argv[0])
    if started.stem == PROGRAM:
        folder, python, program = started.parent, started.with_name("python"), _shell_word(started)
        python = python if python.exists() else Path(sys.executable)
    elif started.parts[-2:] == (PROGRAM, "__main__.py"):
        folder, python = Path(sys.executable).parent, Path(sys.orig_argv[0])
        program = f"{_shell_word(python)} -m {PROGRAM}"
    else:  # inside another program, such as a test
        return name
    found = shutil.which(name)
    if found and Path(found).parent.resolve() == folder.resolve():
        return name
    return program if name == PROGRAM else f"{_shell_word(python)} -m {name}"


def _shell_word(path: Path) -> str:
    """Escape a path with backslashes, not with quotes, inside which a shell expands no `~`."""
    return re.sub(r"([^\w@%+=:,./~-])", r"\\\1", str(path)) if os.sep == "/" else str(path)


def as_message(text: str) -> str:
    """Return a message as it is printed: its commands run, it has no private data, and it is safe."""
    return safe(redact(with_program_name(text)))
