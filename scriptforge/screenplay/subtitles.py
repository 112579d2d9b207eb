r"""Subtitles in SRT, WebVTT, SBV and SSA: captions, each with the times at which it is shown.

    1
    00:00:01,000 --> 00:00:03,000       the times; dropped, as are the number above and tags such as `<i>`
    Nora: Is that                       a name, or WebVTT's `<v Nora>`, or SSA's column
    the roof?                           all that follows is hers, also in the next captions
    - Only rain.                        a dash or `>>` without a name: another speaker, so action

Of rolling captions, each of which repeats lines of the one before, every line is read once. If few captions
have a name, as in films subtitled for the hard of hearing, a name is only valid to the end of its sentence.
Subtitles without names are action.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import unescape
from itertools import pairwise
from typing import NamedTuple

from scriptforge.screenplay.format import (
    Evidence,
    Format,
    Parsed,
    blocks,
    is_bracketed,
    is_in_capitals,
    is_label,
    is_name,
    peek,
)
from scriptforge.screenplay.script import Element, speaker_key

LONGEST_CAPTION = 10_000
"""Characters of a caption, about; the lines of a longer one are divided among several."""

_TIME = r"(?:\d{1,3}:)?\d{1,2}:\d{1,2}[.,]\d{1,3}"
_TIMING = re.compile(rf"\s*({_TIME})(?:\s*-->\s*|,(?=\d+:\d\d:))({_TIME})(?!\d)")
_EVENT = re.compile(rf"Dialogue: ?[^,]*,({_TIME}),({_TIME}),[^,]*,([^,]*),[^,]*,[^,]*,[^,]*,[^,]*,(.*)")
_BROKEN_OFF = re.compile(r"\s*(?:\d{1,3}:)?\d\d:\d\d[.,]\d{3}\s*+-{0,2}>?(?:\s*+[\d:]+)?")
_NUMBER = re.compile(r"\s*\d{1,6}\s*")
_BLOCK_OF_VTT = re.compile(r"\s*(?:NOTE|STYLE|REGION)(?:\s|$)")
_TAG = re.compile(
    rf"</?(?:[biuscv]|font|lang|ruby|rt|em|strong|span)(?:[.\s][^<>]*)?/?>|<{_TIME}>|\{{[\\aA-Z][^{{}}]*\}}"
)
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s++([^<>]{1,200})>")
_CHANGE = re.compile(r"^\s*(?:>>+|»|[-–—‐•](?=\s?\w|\s?[\[(\"'“‘¿¡]))\s*")
_CUE = re.compile(
    r"(?P<opening>[\[(])?(?P<name>[^:：\[\]()♪]{1,40}?)\s?(?P<aside>(?:\([^()]{1,60}\)|\[[^\[\]]{1,60}\]))?"
    r"(?(opening)[\])])\s?[:：](?!//)(?!\d\d)\s*(?P<text>.*)"
)
_TAGGED = re.compile(r"\[(?P<name>[^\[\]:]{1,40})\]\s+(?P<text>[^\s\[].*)")
_ENDS = (".", "!", "?", "…", "♪", ")", "]", "。", "！", "？")
_CLOSING = "\"'”’»"
_SIGNATURES = ("WEBVTT", "[Script Info]")
_LONGEST_SPEECH = 100_000
_LONGEST_ACTION = 500
_MANY_NAMES = 0.2
"""Minimum share of captions with a name for accepting names that neither recur nor are in capitals."""

_SOME_NAMES = 0.05
"""Minimum share of captions with a name for giving captions without one to the speaker above."""


class Caption(NamedTuple):
    """What is shown between two times in seconds: lines in the markup of WebVTT.

    The end is -1 for text outside of all captions.
    """

    start: float
    end: float
    lines: list[str]


class _Piece(NamedTuple):
    """A part of a caption by one speaker.

    Attributes:
        speaker: the printed name; empty if there is none.
        text: the text on one line.
        is_other: whether a dash or arrow marks a change of speaker.
        is_sound: whether the text is in brackets: a sound, not speech.
    """

    speaker: str
    text: str
    is_other: bool = False
    is_sound: bool = False


class _Style(NamedTuple):
    """How the subtitles name speakers.

    Attributes:
        is_named: returns whether a few words before a colon name the speaker.
        is_tagged: whether names are in square brackets, without a colon.
        is_headed: whether the name is the first line of a caption.
        carries: whether a caption without a name belongs to the speaker above.
        rolls: whether captions repeat the lines of the one before.
    """

    is_named: Callable[[str], bool]
    is_tagged: bool
    is_headed: bool
    carries: bool
    rolls: bool


def recognise(head: Sequence[str]) -> Evidence:
    """Score a text by its lines in blocks with times, or by a first line that only subtitles have."""
    captions = [caption for caption in _captions(head) if caption.end >= 0]
    is_marked = bool(head) and head[0].startswith(_SIGNATURES)
    if not captions:
        return Evidence(float(is_marked), "it opens as subtitles do" if is_marked else "no line is a time")
    runs = list(blocks(head, ends=lambda block, blank: not blank))
    timed = sum(len(run) for run in runs if any(map(_timed, run)))
    style = _find_style(captions)
    named = sum(any(piece.speaker for piece in _pieces(each, style)) for each in captions)
    share = 1.0 if is_marked else timed / sum(map(len, runs))
    unit = "captions name" if named != 1 else "captions names"
    return Evidence(share, f"{named:,} of its {len(captions):,} timed {unit} a speaker")


def parse(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yield a speech for each speaker in turn, and captions without a speaker as action."""
    head, lines = peek(lines)
    yield from parse_captions([caption for caption in _captions(head) if caption.end >= 0], _captions(lines))


def parse_captions(first: Sequence[Caption], captions: Iterable[Caption]) -> Iterator[Parsed]:
    """Yield the speeches and actions in captions; their `first` ones show how speakers are named."""
    style = _find_style(first)
    speaker, open_piece, ended = "", _Piece("", ""), 0.0
    for caption in _unrolled(captions, style.rolls):
        if caption.end < 0:
            yield from _parsed(open_piece)
            open_piece = _Piece("", "")
            yield Parsed(Element("action", " ".join(map(str.strip, caption.lines))), recognised=False)
            continue
        for piece in _pieces(caption, style):
            if piece.is_sound:
                yield from _parsed(open_piece)
                yield from _parsed(piece)
                open_piece = _Piece("", "")
                continue
            goes_on = _goes_on(open_piece, piece, style, speaker, is_near=caption.start - ended < 2)
            if piece.speaker or piece.is_other:
                speaker = piece.speaker
            elif not (style.carries or goes_on):
                speaker = ""
            if goes_on:
                text = f"{open_piece.text} {piece.text}".strip()
            else:
                yield from _parsed(open_piece)
                text = piece.text
            open_piece = _Piece(speaker, text)
            ended = caption.end
    yield from _parsed(open_piece)


def _goes_on(above: _Piece, piece: _Piece, style: _Style, speaker: str, is_near: bool) -> bool:
    """Return whether a piece continues the one above it."""
    if piece.is_other or not above.text or len(above.text) > _LONGEST_SPEECH:
        return False
    is_unfinished = not above.text.rstrip(_CLOSING).endswith(_ENDS)
    if piece.speaker:
        return is_unfinished and speaker_key(piece.speaker) == speaker_key(above.speaker)
    if speaker:
        return style.carries or is_unfinished
    return is_unfinished and is_near and piece.text[:1].islower() and len(above.text) < _LONGEST_ACTION


def _parsed(piece: _Piece) -> Iterator[Parsed]:
    if piece.text:
        yield Parsed(Element("dialogue" if piece.speaker else "action", piece.text, piece.speaker))


def _timed(line: str) -> re.Match[str] | None:
    return _TIMING.match(line) or _EVENT.match(line)


def _captions(lines: Iterable[str]) -> Iterator[Caption]:
    """Yield captions, and the text outside of them as captions with the end -1.

    The line right above a time is dropped as the label of its caption if it is a number, or in WebVTT also
    if it stands alone.
    """
    caption = Caption(0, -1, [])
    is_vtt = is_ssa = is_skipped = False
    size = 0
    for number, line in enumerate(lines):
        is_vtt = is_vtt or (number == 0 and line.startswith("WEBVTT"))
        is_ssa = is_ssa or (number == 0 and line.startswith("[Script Info]"))
        timing = _timed(line)
        is_blank = not line.strip()
        if timing or _BROKEN_OFF.fullmatch(line):
            if caption.lines and _is_label_of_next(caption, is_vtt):
                caption.lines.pop()
            yield from _finished(caption)
            begin, end = (
                (_seconds(timing[1]), _seconds(timing[2])) if timing else (caption.start, caption.end)
            )
            caption = Caption(begin, end, _text_of_event(timing) if timing else [])
            is_skipped, size = False, 0
        elif is_blank:
            is_skipped = False
            if not caption.lines or caption.lines[-1]:
                caption.lines.append("")
            if caption.end < 0:
                yield from _finished(caption)
                caption = Caption(0, -1, [])
        elif is_ssa or is_skipped or (is_vtt and (number == 0 or _opens_remark(line, caption))):
            is_skipped = True
        else:
            caption.lines.append(line)
            size += len(line)
            if size > LONGEST_CAPTION:
                yield from _finished(caption)
                caption, size = caption._replace(lines=[]), 0
    yield from _finished(caption)


def _opens_remark(line: str, caption: Caption) -> bool:
    """Return whether a line opens a WebVTT block that is not a caption, to be skipped up to a blank line."""
    return _BLOCK_OF_VTT.match(line) is not None and not (caption.lines and caption.lines[-1])


def _is_label_of_next(caption: Caption, is_vtt: bool) -> bool:
    """Return whether the last line of a caption, right above a time, is the label of the next caption."""
    *above, last = caption.lines
    is_alone = not above[-1] if above else caption.end < 0
    return _NUMBER.fullmatch(last) is not None or (is_vtt and is_alone and bool(last))


def _finished(caption: Caption) -> Iterator[Caption]:
    """Yield a caption without its blank lines, unless it has no others."""
    lines = [line for line in caption.lines if line]
    if lines:
        yield caption._replace(lines=lines)


def _text_of_event(timing: re.Match[str]) -> list[str]:
    """Return the text of an SSA event, its speaker in WebVTT's markup, as a line; none for other captions."""
    if timing.re is not _EVENT:
        return []
    text = re.sub(r"\\[Nnh]", " ", timing[4])
    return [f"<v {timing[3].strip()}>{text}" if timing[3].strip() else text]


def _seconds(time: str) -> float:
    parts = map(float, time.replace(",", ".").split(":"))
    total = 0.0
    for part in parts:
        total = total * 60 + part
    return total


def _without_tags(text: str) -> str:
    return " ".join(unescape(_TAG.sub("", text)).split())


def _unrolled(captions: Iterable[Caption], rolls: bool) -> Iterator[Caption]:
    """Yield captions without the words that they repeat of the one before, if they roll or overlap in time.

    Of a caption that grows, only the addition is yielded.
    """
    above: list[str] = []
    ended = -1.0
    for caption in captions:
        words, ends = _words(caption)
        repeated = _repeated(above, words, ends) if rolls or caption.start < ended else 0
        if not repeated:
            yield caption
        elif repeated < len(words):
            starts = [repeated, *sorted(end for end in ends if end > repeated)]
            lines = [" ".join(words[start:end]) for start, end in pairwise(starts)]
            yield caption._replace(lines=lines)
        above, ended = words, caption.end


def _words(caption: Caption) -> tuple[list[str], set[int]]:
    """Return the words of a caption without tags, and the numbers of words after which its lines end."""
    words: list[str] = []
    ends: set[int] = set()
    for line in caption.lines:
        voice = _VOICE.search(line)
        words += ([f"<v {voice[1].replace(' ', '_')}>"] if voice else []) + _without_tags(line).split()
        ends.add(len(words))
    return words, ends


def _repeated(above: Sequence[str], words: Sequence[str], ends: set[int]) -> int:
    """Return how many words a caption repeats of the one above: whole lines, or the whole caption above.

    Find the longest suffix of `above` that is a prefix of `words`, and from it the shorter ones, in time
    linear in their lengths (Knuth, Morris and Pratt 1977).
    """
    # For each prefix of the words, the length of the longest shorter prefix that also ends it.
    borders: list[int] = []
    count = 0
    for number, word in enumerate(words):
        count = _extend_match(count, word, words, borders)
        borders.append(count if number else 0)
        count = borders[-1]
    count = 0
    for word in above:
        count = _extend_match(count, word, words, borders)
    while count and count not in ends and count != len(above):
        count = borders[count - 1]
    return count


def _extend_match(count: int, word: str, words: Sequence[str], borders: Sequence[int]) -> int:
    """Return how many words match the start of a caption after one more word, if `count` did before it."""
    while count and (count == len(words) or words[count] != word):
        count = borders[count - 1]
    return count + 1 if count < len(words) and words[count] == word else 0


def _rolls(captions: Sequence[Caption]) -> bool:
    """Return whether most captions that immediately follow another repeat some of it."""
    following = [(a, b) for a, b in pairwise(captions) if b.start - a.end < 0.2]
    repeating = sum(_repeated(_words(a)[0], *_words(b)) > 0 for a, b in following)
    return 2 * repeating > len(following) > 0 and repeating > 1


def _find_style(captions: Sequence[Caption]) -> _Style:
    """Infer from the first captions how speakers are named."""
    every = [_without_tags(line) for caption in captions for line in caption.lines]
    lines = list(map(_bare, every))
    cues = filter(None, map(_CUE.match, lines))
    names = Counter(speaker_key(cue["name"]) for cue in cues if _is_titled(cue["name"]))
    tags = sum(is_name(tag["name"]) for tag in filter(None, map(_TAGGED.match, lines)))
    count = max(len(captions), 1)
    voices = sum(1 for caption in captions if any(map(_VOICE.search, caption.lines)))
    is_tagged = 2 * tags > count
    first_lines = Counter(caption.lines[0].strip() for caption in captions if _is_headed(caption))
    heads = sum(times for times in first_lines.values() if times > 1)
    named = voices or names.total() or tags or heads
    unnamed_changes = sum(line.startswith(("-", "–", "—")) and not _CUE.match(_bare(line)) for line in every)
    carries = max(named, tags, heads) >= _SOME_NAMES * count and unnamed_changes <= named
    have_many = names.total() >= _MANY_NAMES * count and (len(names) < names.total() or names.total() < 5)

    def is_named(words: str) -> bool:
        is_sure = is_in_capitals(words) or names[speaker_key(words)] > 1
        return _is_titled(words) and (is_sure or (have_many and carries))

    return _Style(is_named, is_tagged, 2 * heads > count, carries, _rolls(captions))


def _is_headed(caption: Caption) -> bool:
    return (
        len(caption.lines) > 1 and _is_titled(caption.lines[0].strip()) and len(caption.lines[0].split()) < 5
    )


def _bare(line: str) -> str:
    """Return a line without the dash or arrow that marks a change of speaker."""
    return _CHANGE.sub("", line, count=1)


def _is_titled(words: str) -> bool:
    """Return whether words may be a name as captions print it, in title case or capitals."""
    first = words[:1]
    small = ("of", "the", "and", "de", "von", "van", "da", "la", "le", "&", "#")
    return (
        is_name(words)
        and not is_label(words)
        and (first.isupper() or first.isdigit() or not (first.islower() or first.isupper()))
        and all(not word[0].islower() or word in small for word in words.split())
    )


def _pieces(caption: Caption, style: _Style) -> Iterator[_Piece]:
    """Yield the parts of a caption, the lines of one speaker joined."""
    above = _Piece("", "")
    lines = caption.lines
    if style.is_headed and _is_headed(caption):
        lines = [f"<v {lines[0].strip()}>{lines[1]}", *lines[2:]]
    for line in lines:
        for piece in _pieces_of_line(line, style):
            starts = piece.speaker or piece.is_other or piece.is_sound or above.is_sound
            if starts:
                yield from [above] if above.text else []
                above = piece
            else:
                above = above._replace(text=f"{above.text} {piece.text}".strip())
    if above.text:
        yield above


def _pieces_of_line(line: str, style: _Style) -> Iterator[_Piece]:
    position, speaker = 0, ""
    for voice in [*_VOICE.finditer(line), None]:
        text = _without_tags(line[position : voice.start() if voice else len(line)])
        if speaker:
            yield _Piece(speaker, text)
        elif text:
            yield _piece(text, style)
        if voice:
            position, speaker = voice.end(), unescape(voice[1]).replace("_", " ").strip()


def _piece(text: str, style: _Style) -> _Piece:
    rest = _bare(text)
    if is_bracketed(rest):
        return _Piece("", rest, is_sound=True)
    tag = _TAGGED.match(rest) if style.is_tagged else None
    if tag and is_name(tag["name"]):
        return _Piece(tag["name"], tag["text"])
    cue = _CUE.match(rest)
    if cue and style.is_named(cue["name"]):
        return _Piece(cue["name"], " ".join(filter(None, (cue["aside"], cue["text"]))))
    return _Piece("", rest, is_other=rest != text)


FORMAT = Format(
    "subtitles", "captions with the times at which they are seen, perhaps with names", recognise, parse
)
