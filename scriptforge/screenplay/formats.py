"""The registry of formats: detect the format of a script and read it, or write a script in one.

A format is a module of this package and an entry in `FORMATS`; a writer is an entry in `WRITERS`. This module
knows neither where lines come from nor what any format looks like.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TypeAlias

from scriptforge.errors import unknown_name
from scriptforge.screenplay import (
    chat_log,
    export,
    final_draft,
    flush_left,
    fountain,
    indented,
    name_line,
    plain_layouts,
    subtitles,
    transcript,
    ttml,
    xml_play,
)
from scriptforge.screenplay.format import HEAD_LINES, LONG_HEAD_LINES, Format, LinePart, Parsed, peek
from scriptforge.screenplay.missed_speakers import MissedSpeakers, find_missed_speakers
from scriptforge.screenplay.script import Element, Script, normalise, speaker_key

FORMATS: tuple[Format, ...] = (
    final_draft.FORMAT,
    ttml.FORMAT,
    xml_play.FORMAT,
    subtitles.FORMAT,
    chat_log.FORMAT,
    transcript.FORMAT,
    name_line.FORMAT,
    plain_layouts.SHAKESPEARE,
    indented.FORMAT,
    fountain.FORMAT,
    flush_left.FORMAT,
    plain_layouts.PROSE,
)
"""In the order in which users see them, and in which they are preferred if their scores are equal."""

Writer: TypeAlias = Callable[[Script], Iterator[str]]
"""A function that lays out a script, its elements in normal form, as lines without line ends."""


def write_text(script: Script) -> Iterator[str]:
    """Lay out a script as `name: text`, a format that has no place for a title.

    If the lines would be taken for another format, each gets the mark of its kind.
    """
    lines = list(name_line.write(script.elements))
    is_recognised = read(lines).format == name_line.FORMAT.name
    return iter(lines) if is_recognised else name_line.write_marked(script.elements)


WRITERS: dict[str, Writer] = {
    "txt": write_text,
    "fountain": fountain.write,
    "fdx": final_draft.write,
    "json": export.write_json,
    "html": export.write_html,
}
"""Writers by file suffix, which is also the name of the format on the command line."""

ONE_SCRIPT_FORMATS = frozenset({"fdx"})
"""Keys of `WRITERS` for formats with one script per file."""

_OF_XML = (final_draft.FORMAT, ttml.FORMAT, xml_play.FORMAT)
"""The formats that are certain by how a text begins, whatever else its lines look like."""

_FIRST_LINES = 500
_CLEAR_SCORE, _CLEAR_LEAD = 0.9, 0.5
"""Which score, and which lead over all others, make it needless to look at more than the first lines."""

_EXAMPLES = 3
_MAX_SPEAKERS_NOTED = 10_000
_UNAMBIGUOUS = frozenset({*(each.name for each in _OF_XML), subtitles.FORMAT.name})


class Reading:
    """A script being read: an iterator over its elements in normal form that keeps counts of them.

    Attributes:
        format: the name of the format.
        reason: why it is read in this format, in one sentence.
        title: the script's title; empty if the format has no place for one.
        characters: number of characters of text and speakers read so far.
        unparsed: number of those that the format has no rule for and kept as action; at the end, all
            of them if there is no dialogue, unless the format is unmistakable (XML, subtitles).
        unparsed_examples: the first few distinct texts that were kept as action.
        speeches: number of dialogue elements read so far.
        head: the raw lines by which the format was recognised, usually the first ones.
    """

    def __init__(
        self, format: str, reason: str, title: str, parsed: Iterable[Parsed], head: Sequence[str] = ()
    ) -> None:
        self.format = format
        self.reason = reason
        self.title = title
        self.characters = 0
        self.unparsed = 0
        self.unparsed_examples: list[str] = []
        self.speeches = 0
        self.head = head
        self._heard: set[str] = set()
        self._elements = self._normalised(parsed)

    def __iter__(self) -> Iterator[Element]:
        return self._elements

    def _normalised(self, parsed: Iterable[Parsed]) -> Iterator[Element]:
        for printed, recognised in parsed:
            element = normalise(printed)
            if element is None:
                continue
            length = len(element.speaker) + len(element.text)
            self.characters += length
            if not recognised:
                self.unparsed += length
                if len(self.unparsed_examples) < _EXAMPLES and element.text not in self.unparsed_examples:
                    self.unparsed_examples.append(element.text)
            if element.kind == "dialogue":
                self.speeches += 1
                if len(self._heard) < _MAX_SPEAKERS_NOTED:
                    self._heard.add(element.speaker)
            yield element
        if not self.speeches and self.format not in _UNAMBIGUOUS:
            self.unparsed = self.characters

    @property
    def missed_speakers(self) -> MissedSpeakers:
        """Return the names in `head` that look like speakers' but have no dialogue."""
        head = () if self.format in _UNAMBIGUOUS else self.head
        return find_missed_speakers(head, {speaker_key(name.rstrip(".")) for name in self._heard})

    @property
    def nearest(self) -> str | None:
        """Return the name of the next-best format for `head`; None if no other has a score above 0."""
        others = [each for each in FORMATS if each.name not in (self.format, plain_layouts.PROSE.name)]
        scores = [(each.recognise(self.head).score, each.name) for each in others]
        best, name = max(scores, key=lambda pair: pair[0])
        return name if best > 0 else None


def read(lines: Iterable[str], format: str | None = None, suffix: str = "") -> Reading:
    """Start reading a script in the format that best explains its first lines.

    Args:
        lines: the text, as lines or as longer strings that end at line ends.
        format: the name of the format; None to detect it.
        suffix: the suffix of the file, such as `.fdx`; if it belongs to a format, that one is chosen.

    Returns:
        The reading, for which only the first lines have been consumed. Iterating raises `BrokenScript` where
        the text breaks the rules of its format.

    Raises:
        UsageError: no format has that name.
    """
    head, lines = peek(chain.from_iterable(map(_single_lines, lines)))
    chosen, reason = _choose(head, format, suffix)
    if chosen is plain_layouts.PROSE and format is None and len(head) == HEAD_LINES:
        chosen, reason, head, lines = _look_further(lines, reason, head)
    beginning, lines = peek(lines, chosen.title_within)
    why = reason[0].upper() + reason[1:] + "."
    return Reading(chosen.name, why, chosen.title(beginning), chosen.parse(lines), head)


def _choose(head: Sequence[str], name: str | None, suffix: str) -> tuple[Format, str]:
    """Return the format to read a script in, and the reason."""
    if name is not None:
        by_name = {format.name: format for format in FORMATS}
        if name not in by_name:
            raise unknown_name("format", name, by_name)
        return by_name[name], "the format was given, not recognised"
    for each in FORMATS:
        if suffix.lower() in each.suffixes:
            return each, f"the file's name ends in {suffix.lower()}"
    return _recognise(head)


def _recognise(head: Sequence[str]) -> tuple[Format, str]:
    """Return the format that best explains some lines, and the reason; their beginning may be enough."""
    in_xml = ((each, each.recognise(head)) for each in _OF_XML)
    certain = next(((each, found) for each, found in in_xml if found.score == 1), None)
    if certain and certain[0].recognise(head[:_FIRST_LINES]) == certain[1]:
        return certain[0], certain[1].reason
    evidence = [each.recognise(head[:_FIRST_LINES]) for each in FORMATS]
    second, first = sorted(each.score for each in evidence)[-2:]
    if len(head) > _FIRST_LINES and (first < _CLEAR_SCORE or first - second < _CLEAR_LEAD):
        evidence = [each.recognise(head) for each in FORMATS]
    best = max(range(len(FORMATS)), key=lambda number: evidence[number].score)  # the first of equal scores
    return FORMATS[best], evidence[best].reason


def _look_further(
    lines: Iterable[str], reason: str, head: list[str]
) -> tuple[Format, str, list[str], Iterator[str]]:
    """Look for a format in the later lines of a text that begins with prose.

    Returns:
        The format, the reason, the lines by which it was recognised, and an iterator over all lines.
    """
    further, lines = peek(lines, LONG_HEAD_LINES)
    for start in range(HEAD_LINES, len(further), HEAD_LINES):
        window = further[start : start + HEAD_LINES]
        chosen, why = _choose(window, None, "")
        if chosen is not plain_layouts.PROSE and len(window) * 4 > HEAD_LINES:
            return chosen, f"from line {start + 1:,} on, {why}", window, lines
    return plain_layouts.PROSE, reason, head, lines


def _single_lines(text: str) -> list[str]:
    """Return a text as single lines, without a byte-order mark and line ends, all of Unicode's included."""
    lines = text.removeprefix("\ufeff").splitlines() or [""]
    if isinstance(text, LinePart):
        lines[-1] = LinePart(lines[-1])
    return lines


def write(script: Script, format: str) -> str:
    """Return a script, its elements in normal form, as the text of a file; the format is a key of `WRITERS`.

    Raises:
        UsageError: `WRITERS` has no such key.
    """
    if format not in WRITERS:
        raise unknown_name("format", format, WRITERS)
    return "".join(f"{line}\n" for line in WRITERS[format](script))


def write_several(scripts: Sequence[Script], format: str) -> str:
    """Return scripts as the text of one file: a list in JSON, one page in HTML, else one below the other.

    Args:
        scripts: in normal form.
        format: a key of `WRITERS` that is not in `ONE_SCRIPT_FORMATS`.

    Raises:
        UsageError: `WRITERS` has no such key.
    """
    if format == "html":
        return "".join(f"{line}\n" for line in export.write_html_page(scripts))
    documents = [write(script, format) for script in scripts]
    if format == "json":
        return "[\n" + ",\n".join(document.rstrip("\n") for document in documents) + "\n]\n"
    return (f"\n{fountain.PAGE_BREAK}\n\n" if format == "fountain" else "\n\n").join(documents)
