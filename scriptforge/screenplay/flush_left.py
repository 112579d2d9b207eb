"""Screenplays without margins, as extracted from a PDF or a web page: every line begins at the left.

    INT. DINER - NIGHT
    They look at the menu.
    JERRY
    What is a Monte Cristo?

A cue is a name in capitals alone on a line. The first lines show which names recur, and where the blank lines
are: above cues, as in Fountain; above and below them; or nowhere. Without blank lines, a speech goes on until
another speaker or scene begins, and may include action, which looks no different. `typed_page.py` drops the
marks of pages and drafts; Fountain's marks have no meaning here.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, pairwise
from typing import Literal, NamedTuple

from scriptforge.screenplay.format import (
    Evidence,
    Format,
    Parsed,
    find_head,
    is_act_heading,
    is_caption,
    is_cue_in_capitals,
    is_in_capitals,
    is_scene_heading,
    is_transition,
    name_in_cue,
    percentage,
)
from scriptforge.screenplay.script import Element, speaker_key
from scriptforge.screenplay.typed_page import (
    Line,
    Speech,
    ends_title_page,
    first_page,
    has_title_page,
    opens_script,
    page_lines,
)

_LINES_TO_BELIEVE = 12
"""Number of lines below a cue that count as its speech in the score; further ones may be anything."""

_BONUS = 0.05
"""Added to the score if there are marks of pages, which Fountain does not have."""

_ALMOST = 0.99
_MAX_INDENT = 2

_Where = Literal["above", "around", "nowhere"]


class _Layout(NamedTuple):
    """The keys of the names that recur, and where the blank lines are: above cues, around them or nowhere."""

    names: frozenset[str]
    blanks: _Where


def recognise(head: Sequence[str]) -> Evidence:
    """Score a text by its lines that are cues, speeches, headings or transitions."""
    printed = sum(1 for line in head if line.strip())
    lines = first_page(head).body
    layout = _find_layout(lines)
    headings = sum(is_scene_heading(line.text) for line in lines)
    if not (len(layout.names) > 1 or (layout.names and headings) or headings > 1):
        return Evidence(0.0, "no two names in capitals stand on lines of their own again and again")
    explained = said = cues = 0
    for line, below in pairwise(chain(lines, [None])):
        assert line is not None
        if _is_cue(line, below, layout):
            explained, said, cues = explained + 1, 0, cues + 1
        elif opens_script(line):
            explained, said = explained + 1, _LINES_TO_BELIEVE
        elif cues and said < _LINES_TO_BELIEVE and _is_said(line, said, layout):
            explained, said = explained + 1, said + 1
        else:
            said = _LINES_TO_BELIEVE
    is_of_pages = printed > len(lines) or any(line.has_scene_number for line in lines)
    reason = (
        f"{percentage(explained, len(lines))} of {len(lines):,} lines are headings, names in capitals "
        "on lines of their own, or what is said below"
    )
    return Evidence(_ALMOST * explained / len(lines) + (_BONUS if is_of_pages else 0), reason)


def parse(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yield the elements, each speech and each paragraph of action joined to one line."""
    head, lines = find_head(lines, lambda head: bool(_find_layout(first_page(head).lines).names))
    heads, _, first = first_page(head)
    layout = _find_layout(first)
    on_title_page = has_title_page(first)
    speech: Speech | None = None
    action: list[str] = []
    for line, below in pairwise(chain(page_lines(lines, running_heads=heads), [None])):
        assert line is not None
        on_title_page = on_title_page and not ends_title_page(line)
        is_cue = not on_title_page and _is_cue(line, below, layout)
        if speech and not is_cue and _goes_on(speech, line, layout):
            speech.add(line.text)
            continue
        if speech and is_cue and speech.goes_on_under(line.text):
            continue
        if speech:
            yield speech.parsed
            speech = None
        if action and (line.starts_block or is_cue or opens_script(line) or line.has_scene_number):
            yield Parsed(Element("action", " ".join(action)))
            action = []
        if is_cue:
            speech = Speech(line.text)
        elif (marked := _marked(line, below)) and not on_title_page:
            yield marked
        else:
            action.append(line.text)
    if speech:
        yield speech.parsed
    if action:
        yield Parsed(Element("action", " ".join(action)))


def _marked(line: Line, below: Line | None) -> Parsed | None:
    """Return the line as a transition or a heading; None if it is neither."""
    if is_transition(line.text):
        return Parsed(Element("transition", line.text))
    stands_alone = line.starts_block and (below is None or below.starts_block)
    is_heading = is_scene_heading(line.text) or is_act_heading(line.text) or line.has_scene_number
    return (
        Parsed(Element("heading", line.text))
        if is_heading or (stands_alone and is_caption(line.text))
        else None
    )


def _goes_on(speech: Speech, line: Line, layout: _Layout) -> bool:
    if opens_script(line) or speech.is_full:
        return False
    return not line.starts_block or (layout.blanks == "around" and not speech.has_begun)


def _is_said(line: Line, said: int, layout: _Layout) -> bool:
    """Return whether a line may belong to a speech of which `said` lines have been read."""
    return not line.starts_block or (layout.blanks == "around" and said < 2)


@lru_cache(maxsize=4)
def _find_layout(lines: tuple[Line, ...]) -> _Layout:
    """Return the names that recur, and where the blank lines beside them are.

    The chapter titles of a book stand alone twice, once in its table of contents. So without scene headings,
    if all names have blank lines around them, a name must occur three times.
    """
    cues = [
        (speaker_key(name_in_cue(line.text)), line.starts_block, below.starts_block)
        for line, below in pairwise(lines)
        if _may_be_cue(line, below)
    ]
    often = Counter(name for name, _, _ in cues)
    has_scenes = any(is_scene_heading(line.text) for line in lines)
    fewest = 2 if has_scenes or not all(above and below for _, above, below in cues) else 3
    names = frozenset(name for name, count in often.items() if count >= fewest)
    known = [(above, below) for name, above, below in cues if name in names]
    half = len(known) / 2
    if sum(below for _, below in known) > half:
        return _Layout(names, "around")
    return _Layout(names, "above" if sum(above for above, _ in known) >= half else "nowhere")


def _may_be_cue(line: Line, below: Line) -> bool:
    """Return whether a line looks like a cue, and the one below it like speech."""
    return (
        is_cue_in_capitals(line.text)
        and not line.has_scene_number
        and not opens_script(line)
        and not opens_script(below)
        and line.column <= below.column + _MAX_INDENT
    )


def _is_cue(line: Line, below: Line | None, layout: _Layout) -> bool:
    if below is None or not _may_be_cue(line, below):
        return False
    if speaker_key(name_in_cue(line.text)) in layout.names:
        return True
    if layout.blanks == "around":
        return line.starts_block and line.text.endswith(")")
    is_above_speech = not below.starts_block and not is_in_capitals(below.text)
    return is_above_speech and (line.starts_block or layout.blanks == "nowhere")


FORMAT = Format(
    "flush-left", "a screenplay without margins, its names in capitals alone on a line", recognise, parse
)
