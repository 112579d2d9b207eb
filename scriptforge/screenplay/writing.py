"""Writing a script down in a format that people open, print or edit.

Each format's module knows how; this one knows which there are.
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

from scriptforge.errors import unknown_name
from scriptforge.screenplay.formats import fdx, fountain, html, json_document, name_line
from scriptforge.screenplay.script import Script

Writer: TypeAlias = Callable[[Script], Iterator[str]]
"""Lays out a script in lines without line ends."""

WRITERS: dict[str, Writer] = {
    "txt": name_line.write_script,
    "fountain": fountain.write,
    "fdx": fdx.write,
    "json": json_document.write,
    "html": html.write,
}
"""By the suffix of the files they make, which is also what the formats are called on the command line."""


def write(script: Script, format: str) -> str:
    """A script as the text of a file.

    Args:
        script: its elements in normal form.
        format: a key of `WRITERS`.

    Raises:
        UsageError: there is no such format.
    """
    if format not in WRITERS:
        raise unknown_name("format", format, WRITERS)
    return "".join(f"{line}\n" for line in WRITERS[format](script))
