"""Reading a script: lines in, elements out, whatever the format.

This module knows neither where the lines come from nor what any format looks like.
"""

from collections.abc import Iterable, Iterator

from scriptforge.errors import unknown_name
from scriptforge.screenplay.formats import FORMATS
from scriptforge.screenplay.formats.format import Format, peek
from scriptforge.screenplay.script import Element, normalise


class Reading:
    """A script being read: elements in normal form, which can be gone through once.

    Attributes:
        format: the name of the format it is read as.
        reason: why, in one sentence.
        title: the script's title; empty where the format has no place for one.
        characters: how many characters of text and speakers were read so far.
        unparsed: how many of them the format did not know and kept as action.
    """

    def __init__(self, format: Format, reason: str, title: str, lines: Iterable[str]) -> None:
        self.format = format.name
        self.reason = reason
        self.title = title
        self.characters = 0
        self.unparsed = 0
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
            yield element


def read(lines: Iterable[str], format: str | None = None) -> Reading:
    """Starts reading a script, in the format that explains most of its first lines.

    Args:
        lines: the text, in lines or in any other pieces that end where lines end.
        format: the name of the format, where it is known.

    Returns:
        The reading, of which only the first lines have been taken.

    Raises:
        UsageError: there is no format of that name.
    """
    head, lines = peek(_single_lines(lines))
    if format is None:
        evidence, chosen = max(
            ((candidate.recognise(head), candidate) for candidate in FORMATS), key=lambda pair: pair[0].score
        )
        reason = evidence.reason
    else:
        chosen = _find_format(format)
        reason = "the format was asked for"
    return Reading(chosen, reason[0].upper() + reason[1:] + ".", chosen.title(head), lines)


def _find_format(name: str) -> Format:
    by_name = {format.name: format for format in FORMATS}
    if name not in by_name:
        raise unknown_name("format", name, by_name)
    return by_name[name]


def _single_lines(pieces: Iterable[str]) -> Iterator[str]:
    """The lines without line ends, whichever of the line ends that Unicode knows, or byte-order marks."""
    for piece in pieces:
        yield from piece.removeprefix("\ufeff").splitlines() or ("",)
