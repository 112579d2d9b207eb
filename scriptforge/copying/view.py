"""The parts of a report that people are shown: rows of figures, sentences, and the text cut at its copies.

The terminal and the page draw the same parts; this module knows neither.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from scriptforge.copying.report import SEQUENCES, SHORTEST_COPY, Copy, Mark, Novelty, OriginalityReport
from scriptforge.copying.words import Line

BANDS = (SHORTEST_COPY, 8, 12, 20)
"""The number of words from which a copy is drawn in the next stronger colour."""

_NAMED = BANDS[1]
"""The number of words from which a copy's source is named in the text itself."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of one line, copied as a whole or not at all.

    Attributes:
        text: the characters of the stretch.
        copy: the copy that it belongs to; None if it is not copied.
        is_first: whether the copy begins here, not in a line before.
    """

    text: str
    copy: Copy | None = None
    is_first: bool = False


def band(copy: Copy) -> int:
    """Return the number of the band that a copy is in, from 0."""
    return bisect_right(BANDS, copy.words) - 1


def band_names() -> list[str]:
    """Return the names of the bands, the one with the shortest copies first."""
    ends = [f"{start} to {stop - 1} words" for start, stop in pairwise(BANDS)]
    return [*ends, f"{BANDS[-1]} words or more"]


def sources_named(segments: list[Segment]) -> list[str]:
    """Return the sources of the longer copies that begin in a line, in words."""
    beginning = (segment.copy for segment in segments if segment.copy and segment.is_first)
    return [source_words(copy) for copy in beginning if copy.words >= _NAMED]


def source_words(copy: Copy) -> str:
    """Return how long a copy is and where the training text has it, in words."""
    return f"{_words(copy.words)}, as in “{copy.source.document}”, line {copy.source.line:,}"


def figure_rows(report: OriginalityReport) -> list[tuple[str, str, str]]:
    """Return a row for each figure: its name, that of the text, that of people."""
    people = report.people
    longest = report.longest_copy
    return [
        (
            "longest copy",
            _words(longest.words if longest else 0),
            _words(people.typical_copy) if people else "–",
        ),
        *(
            (
                f"new sequences of {words} words",
                _percent(report.novelty, words),
                _percent(people.novelty, words) if people else "–",
            )
            for words in SEQUENCES
        ),
    ]


def comparison_words(report: OriginalityReport) -> str:
    """Return a sentence that says what the text was compared with."""
    people = report.people
    if people is None:
        return "There is no held-out text to compare with."
    windows = f"{people.windows} windows" if people.windows > 1 else "one window"
    length = "as many" if people.words == report.words else f"{people.words:,}"
    most = people.longest_copy.words if people.longest_copy else 0
    return (
        f"The text has {_words(report.words)}. Human is script held out from training, in {windows} of "
        f"{length} words: the median of their longest copies (the longest of all has {most:,}), and the mean "
        "of their shares."
    )


def summary_words(report: OriginalityReport) -> str:
    """Return the report in one line."""
    copy, sequence = report.longest_copy, SEQUENCES[1]
    longest = f"the longest copy is {source_words(copy)}" if copy else "nothing is copied"
    new = f"{_percent(report.novelty, sequence)} of its sequences of {sequence} words are new"
    if report.people is None:
        return f"{longest}; {new}"
    human_copy, human_share = report.people.typical_copy, _percent(report.people.novelty, sequence)
    return f"{longest} (human: {human_copy}); {new} (human: {human_share})"


def marked_lines(report: OriginalityReport) -> Iterator[tuple[Line, list[Segment]]]:
    """Yield every line with its segments, which join to its text."""
    marks: defaultdict[int, list[tuple[Mark, Copy]]] = defaultdict(list)
    for copy in report.copies:
        for mark in copy.marks:
            marks[mark.line].append((mark, copy))
    for number, line in enumerate(report.lines):
        yield line, list(_segments(line.text, marks[number]))


def _segments(text: str, marks: list[tuple[Mark, Copy]]) -> Iterator[Segment]:
    reached = 0
    for mark, copy in marks:
        if mark.start > reached:
            yield Segment(text[reached : mark.start])
        yield Segment(text[mark.start : mark.stop], copy, mark == copy.marks[0])
        reached = mark.stop
    if reached < len(text):
        yield Segment(text[reached:])


def _words(number: int) -> str:
    return f"{number:,} {'word' if number == 1 else 'words'}"


def _percent(novelty: Novelty, words: int) -> str:
    share = novelty[words]
    return "–" if share is None else f"{100 * share:.1f} %"
