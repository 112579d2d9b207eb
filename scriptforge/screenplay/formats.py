"""The formats that scripts come in: detect and read one, and write a script in one.

A format is a module of this room and an entry in `FORMATS`; a writer is an entry in `WRITERS`. This module
knows neither where lines come from nor what any format looks like.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from scriptforge.errors import unknown_name
from scriptforge.screenplay import (
    export,
    final_draft,
    fountain,
    indented,
    name_line,
    plain_layouts,
    xml_play,
)
from scriptforge.screenplay.format import Format, peek
from scriptforge.screenplay.script import Element, Script, normalise

FORMATS: tuple[Format, ...] = (
    final_draft.FORMAT,
    xml_play.FORMAT,
    name_line.FORMAT,
    plain_layouts.SHAKESPEARE,
    indented.FORMAT,
    fountain.FORMAT,
    plain_layouts.PROSE,
)
"""In the order in which they are shown, and preferred when their evidence is equal."""

Writer: TypeAlias = Callable[[Script], Iterator[str]]
"""Lays out a script in lines without line ends."""

WRITERS: dict[str, Writer] = {
    "txt": name_line.write_script,
    "fountain": fountain.write,
    "fdx": final_draft.write,
    "json": export.write_json,
    "html": export.write_html,
}
"""By the suffix of the files they make, which is also what the formats are called on the command line."""

_EXAMPLES = 3


class Reading:
    """A script being read: elements in normal form, which can be gone through once.

    Attributes:
        format: the name of the format it is read as.
        reason: why, in one sentence.
        title: the script's title; empty where the format has no place for one.
        characters: how many characters of text and speakers were read so far.
        unparsed: how many of them the format did not know and kept as action.
        unparsed_examples: the first few different ones of the texts kept so.
    """

    def __init__(self, format: Format, reason: str, title: str, lines: Iterable[str]) -> None:
        self.format = format.name
        self.reason = reason
        self.title = title
        self.characters = 0
        self.unparsed = 0
        self.unparsed_examples: list[str] = []
        self._elements = self._normalised(format, lines)

    def __iter__(self) -> Iterator[Element]:
        return self._elements

    @property
    def unparsed_share(self) -> float:
        """The unparsed part of the characters read so far, from 0 to 1."""
        return self.unparsed / self.characters if self.characters else 0.0

    def _normalised(self, format: Format, lines: Iterable[str]) -> Iterator[Element]:
        for printed, understood in format.parse(lines):
            element = normalise(printed)
            if element is None:
                continue
            length = len(element.speaker) + len(element.text)
            self.characters += length
            if not understood:
                self.unparsed += length
                if len(self.unparsed_examples) < _EXAMPLES and element.text not in self.unparsed_examples:
                    self.unparsed_examples.append(element.text)
            yield element


def read(lines: Iterable[str], format: str | None = None, suffix: str = "") -> Reading:
    """Starts reading a script, in the format that explains most of its first lines.

    Args:
        lines: the text, in lines or in any other pieces that end where lines end.
        format: the name of the format, where it is known.
        suffix: what the name of the file ends in, `.fdx`: it decides where it belongs to a format.

    Returns:
        The reading, of which only the first lines have been taken. Going through it raises `BrokenScript`
        where the text is not what its format promises.

    Raises:
        UsageError: there is no format of that name.
    """
    head, lines = peek(_single_lines(lines))
    promised = next((each for each in FORMATS if each.suffix and each.suffix == suffix.lower()), None)
    if format is not None:
        chosen = _find_format(format)
        reason = "the format was asked for"
    elif promised:
        chosen = promised
        reason = f"the file's name ends in {chosen.suffix}"
    else:
        evidence, chosen = max(
            ((candidate.recognise(head), candidate) for candidate in FORMATS), key=lambda pair: pair[0].score
        )
        reason = evidence.reason
    beginning, lines = peek(lines, chosen.title_within)
    return Reading(chosen, reason[0].upper() + reason[1:] + ".", chosen.title(beginning), lines)


def _find_format(name: str) -> Format:
    by_name = {format.name: format for format in FORMATS}
    if name not in by_name:
        raise unknown_name("format", name, by_name)
    return by_name[name]


def _single_lines(pieces: Iterable[str]) -> Iterator[str]:
    """The lines without line ends, whichever of the line ends that Unicode knows, or byte-order marks."""
    for piece in pieces:
        yield from piece.removeprefix("\ufeff").splitlines() or ("",)


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
