"""How much of a text is copied: the longest copy, all long ones, and how many sequences of words are new.

A figure alone says little, since people repeat themselves and each other. So the same is measured on windows
of held-out script, which people wrote, with as many words as the text has, against the same index.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean, median_low
from typing import Any

import numpy as np

from scriptforge.originality.index import Index
from scriptforge.originality.lines import Line
from scriptforge.originality.text import Copy, Text

SEQUENCES = (4, 6, 8)
"""The numbers of words in a row of which the new ones are counted."""

SHORTEST_COPY = 5
"""Words. Shorter runs are what everybody says: “what are you doing”."""

MOST_WINDOWS = 100

Novelty = Mapping[int, float | None]
"""By number of words in a row: the share of such sequences that do not occur in the training text, 0 … 1.

Each is counted as often as it occurs in the text examined. None where that is too short to have any."""


@dataclass(frozen=True)
class People:
    """The same figures for script that people wrote and no model was trained on.

    Attributes:
        windows: how many windows of it were measured, evenly spread.
        words: words in each, as many as the text has, or all that there are.
        novelty: mean over the windows.
        typical_copy: the median, over the windows, of the words in the longest copy.
        longest_copy: the longest copy in any of them; None where no word occurs in the training text.
    """

    windows: int
    words: int
    novelty: Novelty
    typical_copy: int
    longest_copy: Copy | None


@dataclass(frozen=True)
class Report:
    """What was found in a text.

    Attributes:
        lines: the text.
        words: how many words it has.
        longest_copy: the longest run of words that stands in the training text; None where no word does.
        novelty: the shares of new sequences.
        people: the same figures for people; None where there is no held-out text.
        copies: every copy of `SHORTEST_COPY` words or more, in order. Where two overlap, the longer has the
            words that they share, and the other counts with what is left of it.
    """

    lines: tuple[Line, ...]
    words: int
    longest_copy: Copy | None
    novelty: Novelty
    people: People | None
    copies: tuple[Copy, ...]

    @property
    def copied_share(self) -> float:
        """The share of the words that are in one of the copies, 0 … 1."""
        return sum(copy.words for copy in self.copies) / max(self.words, 1)

    def document(self) -> dict[str, Any]:
        """The report as a JSON document."""
        return {
            "words": self.words,
            "longest_copy": _copy_document(self.longest_copy),
            "novelty": _novelty_document(self.novelty),
            "human": _people_document(self.people),
            "copied_share": self.copied_share,
            "copies": [{**_copy_document(copy), **_extent_document(copy)} for copy in self.copies],
        }


def examine(lines: Iterable[Line], index: Index, people: Text | None = None) -> Report:
    """Finds what a text has in common with the training text.

    Args:
        lines: the text.
        index: the training text.
        people: held-out text, compared with the same index; None leaves the comparison out.
    """
    text = Text(lines, index)
    return Report(
        lines=text.lines,
        words=len(text),
        longest_copy=_longest_copy(text, 0, len(text)),
        novelty=_novelty(text, 0, len(text)),
        people=_people(people, len(text)) if people else None,
        copies=tuple(_copies(text)),
    )


def _longest_copy(text: Text, first: int, stop: int) -> Copy | None:
    lengths_N = text.lengths(first, stop)
    if not lengths_N.any():
        return None
    word = int(lengths_N.argmax())
    return text.copy(first + word, int(lengths_N[word]))


def _novelty(text: Text, first: int, stop: int) -> Novelty:
    lengths_N, rooms_N = text.lengths(first, stop), text.rooms(first, stop)
    fitting = {words: lengths_N[rooms_N >= words] for words in SEQUENCES}
    return {
        words: float((lengths < words).mean()) if len(lengths) else None for words, lengths in fitting.items()
    }


def _people(text: Text, words: int) -> People:
    """Measures windows of a text, which has at least a word."""
    words = min(max(words, 1), len(text))
    windows = min(len(text) // words, MOST_WINDOWS)
    firsts = np.linspace(0, len(text) - words, windows).astype(int).tolist()
    novelties = [_novelty(text, first, first + words) for first in firsts]
    longest = [int(text.lengths(first, first + words).max()) for first in firsts]
    furthest = firsts[int(np.argmax(longest))]
    return People(
        windows=windows,
        words=words,
        novelty={length: _mean(novelty[length] for novelty in novelties) for length in SEQUENCES},
        typical_copy=median_low(longest),
        longest_copy=_longest_copy(text, furthest, furthest + words),
    )


def _mean(shares: Iterable[float | None]) -> float | None:
    known = [share for share in shares if share is not None]
    return fmean(known) if known else None


def _copies(text: Text) -> Iterator[Copy]:
    """Every long copy, none overlapping another, in order."""
    stops_N = np.arange(len(text)) + text.lengths_N
    goes_further_N = stops_N > np.concatenate([[0], stops_N[:-1]])
    (whole,) = np.nonzero(goes_further_N & (text.lengths_N >= SHORTEST_COPY))
    is_free_N = np.ones(len(text), np.bool_)
    found: list[tuple[int, int, int]] = []
    for word in whole[np.argsort(-text.lengths_N[whole], kind="stable")].tolist():
        # No maximal match lies within another, so what longer ones leave of this one is in one piece.
        free = np.flatnonzero(is_free_N[word : stops_N[word]])
        if len(free) >= SHORTEST_COPY:
            skipped = int(free[0])
            found.append((word + skipped, len(free), skipped))
            is_free_N[word : stops_N[word]] = False
    return (text.copy(*copy) for copy in sorted(found))


def _novelty_document(novelty: Novelty) -> dict[str, float | None]:
    return {str(words): share for words, share in novelty.items()}


def _copy_document(copy: Copy | None) -> dict[str, Any]:
    if copy is None:
        return {"words": 0, "text": "", "source": None}
    source = {"document": copy.source.document, "line": copy.source.line}
    return {"words": copy.words, "text": copy.text, "source": source}


def _extent_document(copy: Copy) -> dict[str, Any]:
    first, last = copy.marks[0], copy.marks[-1]
    return {
        "start": {"line": first.line + 1, "character": first.start},
        "end": {"line": last.line + 1, "character": last.stop},
    }


def _people_document(people: People | None) -> dict[str, Any] | None:
    if people is None:
        return None
    return {
        "novelty": _novelty_document(people.novelty),
        "longest_copy": {"words": people.typical_copy, "most": _copy_document(people.longest_copy)},
        "windows": people.windows,
        "words": people.words,
    }
