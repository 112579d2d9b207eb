"""Subtitles in XML: the Timed Text Markup Language (TTML), also called DFXP, and its profiles.

    <ttm:agent xml:id="nora"><ttm:name type="full">Nora</ttm:name></ttm:agent>
    <p begin="00:00:01.000" end="00:00:03.000" ttm:agent="nora">Is that<br/>the roof?</p>
    <p begin="3s" dur="48f">- OSKAR: Only rain.<br/>- Sure?</p>

Each `<p>` is a caption. Its agents become voices of WebVTT, and captions are then read as other subtitles
are: names before a colon, dashes, captions that roll. An agent without a name is called by its identifier.

pysubs2, which reads TTML, too, drops the agents, knows one of the namespaces and no times in frames or ticks,
and holds the file whole.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import chain, islice
from typing import NamedTuple
from xml.etree.ElementTree import Element as Node

from scriptforge.screenplay.format import HEAD_LINES, BrokenScript, Evidence, Format, Parsed, peek
from scriptforge.screenplay.subtitles import LONGEST_CAPTION, Caption, parse_captions
from scriptforge.screenplay.xml_stream import attribute, pull, root, root_attributes

_ROOT = "tt"
_EXPORT = "Export the subtitles again, as TTML, WebVTT or SRT."
_FIRST_CAPTIONS = HEAD_LINES // 4
_WHITE_SPACE = re.compile(r"\s+")
_RUBY = frozenset({"text", "textContainer", "delimiter"})
"""The kinds of ruby that say how the text beside them is pronounced, and are not text themselves."""

_OFFSET = re.compile(r"\s*(?P<count>\d{1,15}(?:\.\d{1,9})?)(?P<unit>h|m|s|ms|f|t|)\s*")
_CLOCK = re.compile(
    r"\s*(?:(?P<hours>\d{1,4}):)?(?P<minutes>\d{1,2}):(?P<seconds>\d{1,2}(?:[.,]\d{1,9})?)"
    r"(?::(?P<frames>\d{1,4})(?:\.\d{1,4})?)?\s*"
)
_FRAMES = 30.0
_LONGEST_NAME = 200
_MAX_AGENTS = 8
"""Maximum number of agents of a caption; further ones are ignored."""


class _Rates(NamedTuple):
    """How many frames and ticks a second has."""

    frames: float
    ticks: float

    def seconds(self, time: str) -> float | None:
        """Return a time in seconds: `00:01:02.5`, `00:01:02:12`, `62.5s` or `1550f`; None if it is none."""
        if offset := _OFFSET.fullmatch(time):
            units = {
                "h": 3600, "m": 60, "s": 1, "": 1, "ms": 0.001, "f": 1 / self.frames, "t": 1 / self.ticks,
            }  # fmt: skip
            return float(offset["count"]) * units[offset["unit"]]
        if clock := _CLOCK.fullmatch(time):
            seconds = float(clock["seconds"].replace(",", ".")) + int(clock["frames"] or 0) / self.frames
            return 3600 * int(clock["hours"] or 0) + 60 * int(clock["minutes"]) + seconds
        return None


def recognise(head: Sequence[str]) -> Evidence:
    """Check the name of the root element."""
    if root(head) == _ROOT:
        return Evidence(1.0, "it is a TTML document")
    return Evidence(0.0, "there is no <tt> at its beginning")


def title(head: Sequence[str]) -> str:
    """Return the title in the head; empty if there is none in the first lines."""
    try:
        for path, node in pull(head, {"title"}):
            if "body" in path:
                break
            words = " ".join("".join(node.itertext()).split())
            if words and node.tag == "title":
                return words
    except BrokenScript:
        pass  # `parse` reports errors; and the first lines are not a whole document
    return ""


def parse(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yield a speech for each speaker in turn, and captions without a speaker as action."""
    head, lines = peek(lines)
    name = root(head)
    if name not in (_ROOT, ""):
        raise BrokenScript(f"is not TTML: it begins with <{name}>", _EXPORT)
    captions = _captions(lines, _rates(root_attributes(head)))
    first = list(islice(captions, _FIRST_CAPTIONS))
    if not first:
        raise BrokenScript("is TTML without text in its captions, which may be pictures", _EXPORT)
    yield from parse_captions(first, chain(first, captions))


def _rates(attributes: Mapping[str, str]) -> _Rates:
    frames = _rate(attributes.get("framerate", ""))
    return _Rates(frames or _FRAMES, _rate(attributes.get("tickrate", "")) or frames or 1.0)


def _rate(text: str) -> float:
    return float(text) if re.fullmatch(r"[0-9]{1,12}", text) else 0.0


def _captions(lines: Iterable[str], rates: _Rates) -> Iterator[Caption]:
    """Yield the captions with text; one without a time begins and ends where the one above ends."""
    names: dict[str, str] = {}
    ended = 0.0
    for _, node in pull(lines, {"p", "agent"}):
        if node.tag == "agent":
            names[attribute(node, "id")] = _name(node)
        elif node.tag == "p" and (shown := _lines(node, names)):
            begin, ended = _times(node, rates, ended)
            yield from (Caption(begin, ended, lines) for lines in _divided(shown))


def _name(agent: Node) -> str:
    """Return the full name of an agent, or else another one of its names; a very long name is cut."""
    names = sorted(agent.iterfind("name"), key=lambda name: attribute(name, "type") != "full")
    texts = (" ".join("".join(name.itertext()).split()) for name in names)
    return next(filter(None, texts), "")[:_LONGEST_NAME]


def _times(caption: Node, rates: _Rates, above: float) -> tuple[float, float]:
    """Return when a caption begins and ends, by itself or by the spans in it; else twice the time above."""
    timed = [caption, *caption.iter("span")]
    begins, ends = ([rates.seconds(attribute(each, name)) for each in timed] for name in ("begin", "end"))
    begin = next((time for time in begins if time is not None), above)
    duration = rates.seconds(attribute(caption, "dur")) or 0.0
    return begin, max([time for time in ends if time is not None], default=begin + duration)


def _lines(caption: Node, names: Mapping[str, str]) -> list[str]:
    """Return the lines of a caption, its text escaped, with the tag of a voice where another one begins."""
    lines = [""]
    heard = ""
    for speaker, text in _texts(caption, "", names):
        if text == "\n":
            lines.append("")
            continue
        if speaker != heard and text.strip():
            lines.append(f"<v {escape(speaker[:_LONGEST_NAME], quote=False)}>" if speaker else "")
            heard = speaker
        lines[-1] += escape(text, quote=False)
    return [line.strip() for line in lines if line.strip()]


def _divided(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield lines in groups, one group if they are not longer than a caption can be."""
    group: list[str] = []
    size = 0
    for line in lines:
        group.append(line)
        size += len(line)
        if size > LONGEST_CAPTION:
            yield group
            group, size = [], 0
    if group:
        yield group


def _texts(node: Node, speaker: str, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the texts of a caption or a span in it, each with its speaker, and a line feed for each break."""
    agents = attribute(node, "agent").split(maxsplit=_MAX_AGENTS)[:_MAX_AGENTS]
    speaker = " & ".join(names.get(agent) or agent[:_LONGEST_NAME] for agent in agents) or speaker
    yield speaker, _WHITE_SPACE.sub(" ", node.text or "")
    for child in node:
        if child.tag == "br":
            yield speaker, "\n"
        elif child.tag == "span" and attribute(child, "ruby") not in _RUBY:
            yield from _texts(child, speaker, names)
        yield speaker, _WHITE_SPACE.sub(" ", child.tail or "")


FORMAT = Format(
    "ttml",
    "subtitles in XML: TTML, also called DFXP",
    recognise,
    parse,
    title,
    suffixes=(".ttml", ".dfxp"),
)
