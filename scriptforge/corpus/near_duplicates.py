"""Detection of scripts that are nearly the same: one film in two layouts, an earlier draft.

The similarity of two scripts is the Jaccard index of their sets of three-word phrases: the number of phrases
in both, divided by the number in either. Each script is reduced to a MinHash, computed by rensa, so that no
text is held in memory: the share of hashes that two scripts have in common estimates their similarity (Broder
1997, "On the resemblance and containment of documents"). Only scripts that share a band of hashes are
compared.

Layout, speakers' names, case and punctuation are ignored; in scripts without spaces, such as Chinese, each
character is a word.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

from scriptforge.dataset import Division, NearDuplicate
from scriptforge.workspace import SPLITS

MIN_SIMILARITY = 0.4
"""The similarity from which two scripts are nearly the same."""

MIN_WORDS = 100
"""Shorter scripts are not compared: they may be similar by chance."""

PHRASE_WORDS = 3
_HASHES, _HASHES_IN_BAND = 126, 3
"""So there are 42 bands. The probability that two scripts share one of them is 94 % at a similarity of 0.4,
99.6 % at 0.5, and 0.5 % at 0.05; unrelated scripts are less similar."""

_SEED = 1
_CHARACTERS_AT_ONCE = 20_000
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")
_ASCII_WORDS = bytes(code if re.match(r"[a-z0-9_]", chr(code)) else ord(" ") for code in range(256))
"""A table for `bytes.translate` that leaves words in lower case, as `_WORD` finds them, between spaces."""
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Sketch:
    """The MinHash of a script.

    Attributes:
        title: the script's title.
        file: the name of its file.
        digest: its MinHash, as bytes; empty for a script that is too short.
    """

    title: str
    file: str
    digest: bytes


class Sketcher:
    """Computes the sketch of a script from its texts, added one by one."""

    def __init__(self, title: str, file: str) -> None:
        self._title, self._file = title, file
        self._hash = RMinHash(num_perm=_HASHES, seed=_SEED)
        self._texts: list[str] = []
        self._characters = 0
        self._words: list[str] = []
        self._phrases = 0

    def add(self, text: str) -> None:
        """Add the next text of the script."""
        self._texts.append(text)
        self._characters += len(text)
        if self._characters > _CHARACTERS_AT_ONCE:
            self._hash_phrases()

    def sketch(self) -> Sketch:
        """Return the sketch of all texts added."""
        self._hash_phrases()
        digest = np.array(self._hash.digest(), np.uint32).tobytes()
        return Sketch(self._title, self._file, digest if self._phrases + PHRASE_WORDS > MIN_WORDS else b"")

    def _hash_phrases(self) -> None:
        for _, texts in groupby(self._texts, str.isascii):
            self._words += _words_of("\n".join(texts))
        self._texts, self._characters = [], 0
        shifted = (self._words[start:] for start in range(PHRASE_WORDS))
        phrases = [*map(" ".join, zip(*shifted, strict=False))]
        self._hash.update(phrases)
        self._phrases += len(phrases)
        self._words = self._words[1 - PHRASE_WORDS :]


def _words_of(text: str) -> list[str]:
    text = text.casefold()
    return text.encode().translate(_ASCII_WORDS).decode().split() if text.isascii() else _WORD.findall(text)


def near_duplicates(sketches: Sequence[Sketch], sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """Return groups of scripts that are nearly the same, as their indices, ordered by their earliest script.

    A script that is nearly the same as any member of a group belongs to the group. Each group begins with
    its longest script, or the earliest of several.

    Args:
        sketches: the sketches of all scripts.
        sizes: the number of characters of each script.
    """
    numbers = [number for number, sketch in enumerate(sketches) if sketch.digest]
    joined = b"".join(sketches[number].digest for number in numbers)
    digests_SH = np.frombuffer(joined, np.uint32).reshape(len(numbers), _HASHES)
    leaders = list(range(len(numbers)))

    def leader(place: int) -> int:
        """Return the root of a script's group in a union-find forest, shortening the path to it."""
        while leaders[place] != place:
            leaders[place] = leaders[leaders[place]]
            place = leaders[place]
        return place

    for one, other in _candidates(digests_SH):
        first, second = sorted((leader(one), leader(other)))
        if first != second and np.mean(digests_SH[one] == digests_SH[other]) >= MIN_SIMILARITY:
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
    """Yield pairs of scripts that share a band; of many that share one, each with the first and the previous.

    So the number of pairs is linear in the number of scripts.
    """
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
        division: the assignment of text to splits.
        sizes: the number of characters of each script.
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


def describe_groups(groups: Iterable[Sequence[NearDuplicate]]) -> list[str]:
    """Return a line that describes each of the first groups, and one with the number of further groups."""
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


def leak_warning(groups: Iterable[Sequence[NearDuplicate]]) -> str | None:
    """Return a warning if held-out scripts are nearly the same as training scripts, else None."""
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
