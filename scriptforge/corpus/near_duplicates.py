"""Scripts that are nearly the same: one film twice in another layout, an earlier draft.

Two scripts are alike as far as the phrases of three words in them are the same ones: the number of phrases
that both have, divided by that of all (Jaccard). Each script is kept as its MinHash, of which two agree in as
many places as the scripts are alike (Broder 1997, "On the resemblance and containment of documents"), so that
no text has to be held. The hashing is rensa's. What has a few hashes in common is compared, not every script
with every other.

Layout, speakers' names, case and punctuation do not count; writing without spaces is taken apart into its
characters.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

from scriptforge.dataset import Division, NearDuplicate
from scriptforge.workspace import SPLITS

NEARLY = 0.4
"""From so much on, as a share of the phrases of both, two scripts are nearly the same."""

FEWEST_WORDS = 100
"""With fewer words two scripts may be alike by chance."""

PHRASE_WORDS = 3
_HASHES, _HASHES_IN_BAND = 126, 3
"""Two scripts that are so alike have a band of three hashes in common in 94 of 100 cases, two that are half
alike in all but 4 of 1,000, two that are a twentieth alike, as unrelated ones hardly are, in 5 of 1,000."""

_SEED = 1
_CHARACTERS_AT_ONCE = 20_000
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is kept of a script to compare it.

    Attributes:
        title: of the script.
        file: the name of the file that it is in.
        digest: its MinHash, as bytes; empty of a script that is too short.
    """

    title: str
    file: str
    digest: bytes


class Sketcher:
    """Sketches a script of which it is told text by text."""

    def __init__(self, title: str, file: str) -> None:
        self._title, self._file = title, file
        self._hash = RMinHash(num_perm=_HASHES, seed=_SEED)
        self._texts: list[str] = []
        self._characters = 0
        self._before: list[str] = []
        self._words = 0

    def add(self, text: str) -> None:
        """Go on with one more line of the script."""
        self._texts.append(text)
        self._characters += len(text)
        if self._characters > _CHARACTERS_AT_ONCE:
            self._hash_phrases()

    def sketch(self) -> Sketch:
        """Return the sketch of all of it."""
        self._hash_phrases()
        digest = np.array(self._hash.digest(), np.uint32).tobytes()
        return Sketch(self._title, self._file, digest if self._words >= FEWEST_WORDS else b"")

    def _hash_phrases(self) -> None:
        words = _WORD.findall(" ".join(self._texts).casefold())
        self._words += len(words)
        words = self._before + words
        shifted = (words[start:] for start in range(PHRASE_WORDS))
        self._hash.update([*map(" ".join, zip(*shifted, strict=False))])
        self._before = words[1 - PHRASE_WORDS :]
        self._texts, self._characters = [], 0


def near_duplicates(sketches: Sequence[Sketch], sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """Return groups of scripts that are nearly the same, by their numbers, the first group's first.

    Whatever is nearly the same as one of a group is in it. The longest of a group comes first, or of several
    the earliest.

    Args:
        sketches: of all scripts.
        sizes: their characters.
    """
    numbers = [number for number, sketch in enumerate(sketches) if sketch.digest]
    joined = b"".join(sketches[number].digest for number in numbers)
    digests_SH = np.frombuffer(joined, np.uint32).reshape(len(numbers), _HASHES)
    leaders = list(range(len(numbers)))

    def leader(place: int) -> int:
        while leaders[place] != place:
            leaders[place] = leaders[leaders[place]]
            place = leaders[place]
        return place

    for one, other in _candidates(digests_SH):
        first, second = sorted((leader(one), leader(other)))
        if first != second and np.mean(digests_SH[one] == digests_SH[other]) >= NEARLY:
            leaders[second] = first
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for place, number in enumerate(numbers):
        groups[leader(place)].append(number)
    return [
        tuple(sorted(group, key=lambda number: (-sizes[number], number)))
        for group in groups.values()
        if len(group) > 1
    ]


def _candidates(digests_SH: NDArray[np.uint32]) -> Iterator[tuple[int, int]]:
    """Yield pairs that agree in a band; of many in one, each with the first and with the one before."""
    for start in range(0, _HASHES, _HASHES_IN_BAND):
        firsts: dict[bytes, tuple[int, int]] = {}
        for place, digest_H in enumerate(digests_SH[:, start : start + _HASHES_IN_BAND]):
            band = digest_H.tobytes()
            first, before = firsts.get(band, (place, place))
            if first != place:
                yield first, place
            if before != first:
                yield before, place
            firsts[band] = first, place


def split_names(division: Division, sizes: Sequence[int]) -> list[tuple[str, ...]]:
    """Return the splits in which each script of a corpus has text.

    Args:
        division: which text is in which split.
        sizes: the characters of each script.
    """
    if division.by == "document":
        return [(split,) for split in division.documents]
    ends = list(accumulate(sizes))
    bounds = (0, *division.boundaries, max(ends, default=0))
    return [
        tuple(
            split
            for split, (begin, stop) in zip(SPLITS, pairwise(bounds), strict=True)
            if begin < end and end - size < stop
        )
        for end, size in zip(ends, sizes, strict=True)
    ]


def described(groups: Iterable[Sequence[NearDuplicate]]) -> list[str]:
    """Return a line on each of the first groups, and one on how many more there are."""
    groups = list(groups)
    lines = []
    for kept, *others in groups[:_NAMED]:
        shown = ", ".join(other.label for other in others[:_NAMED])
        more = f" and {len(others) - _NAMED:,} more" if len(others) > _NAMED else ""
        doing = "nearly the same" if others[0].splits else "left out, nearly the same"
        lines.append(f"{doing} as {kept.label}: {shown}{more}")
    if len(groups) > _NAMED:
        lines.append(f"and {len(groups) - _NAMED:,} more groups of scripts that are nearly the same")
    return lines


def leak(groups: Iterable[Sequence[NearDuplicate]]) -> str | None:
    """Return a line on held-out scripts that are nearly the same as ones trained on, if there are any."""
    pairs = [
        (held, trained)
        for group in groups
        for held in group
        if {"validation", "test"} & {*held.splits}
        for trained in [next((one for one in group if one is not held and "train" in one.splits), None)]
        if trained is not None
    ]
    if not pairs:
        return None
    held, trained = pairs[0]
    many = f"{len(pairs):,} held-out scripts are" if len(pairs) > 1 else "A held-out script is"
    return (
        f"{many} nearly the same as what is trained on, so losses will look better than they are: "
        f"{held.label} ({', '.join(held.splits)}) and {trained.label}. "
        "Leave out what is nearly the same: --deduplicate"
    )
