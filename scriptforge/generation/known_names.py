"""Known names: only speakers of the training text may speak.

A model spells the names of speakers without a token of their own, and sometimes makes one up: “Got cut”,
“Mar tan”. So after the generic cue only tokens are allowed that spell a name of the training text's cast:

    <cue>            `mr`, `new`, `wait`      begin names
    <cue> new        `man`                    continues one
    <cue> newman     <says>                   ends it

Each name is spelled in one way, as in training. Given names may be anybody's. The module does not depend on
models.

Shape letters: B sequences of the batch, V vocabulary.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np

from scriptforge.generation.grammar import NAME_LIMIT, Mask
from scriptforge.vocabulary import Vocabulary

OPENING_BRACKETS = "([{（［"
"""Brackets that open an aside; few names have one."""


class Spellings:
    """The spellings of some names, by prefix.

    Args:
        spellings: ids of each name, with `<says>` at the end.
        vocabulary_size: V.
    """

    def __init__(self, spellings: Collection[tuple[int, ...]], vocabulary_size: int) -> None:
        self._size = vocabulary_size
        self._following: dict[tuple[int, ...], set[int]] = {}
        for ids in spellings:
            for length, id_ in enumerate(ids):
                self._following.setdefault(ids[:length], set()).add(id_)

    def __bool__(self) -> bool:
        return bool(self._following)

    def forbidden_after(self, spelled: tuple[int, ...]) -> Mask | None:
        """Return the tokens forbidden after a prefix, `forbidden_V`; None if no name begins with it."""
        following = self._following.get(spelled)
        if following is None:
            return None
        forbidden_V = np.ones(self._size, np.bool_)
        forbidden_V[list(following)] = False
        return forbidden_V


def spell(name: str, vocabulary: Vocabulary) -> tuple[int, ...]:
    """Return the ids of a name and of `<says>`; empty if it is too long or cannot be spelled."""
    ids = vocabulary.encode(name)
    is_spelled = vocabulary.unknown not in ids and 0 < len(ids) <= NAME_LIMIT
    return (*ids, vocabulary.says) if is_spelled else ()


class KnownNames:
    """Names as a constraint on B sequences; see `scriptforge.generation.grammar.Constraint`.

    Args:
        names: names of all speakers in the training text; those with a token are not spelled.
        vocabulary: a vocabulary for scripts.
        batch_size: B.
    """

    def __init__(self, names: Iterable[str], vocabulary: Vocabulary, batch_size: int) -> None:
        self._names, self._vocabulary = tuple(names), vocabulary
        self._has_any = _has_any(self._names, vocabulary)
        self._cue, self._says = vocabulary.cue, vocabulary.says
        self._cue_V = np.arange(vocabulary.size) == vocabulary.cue
        self._spelled: list[tuple[int, ...] | None] = [None] * batch_size

    def forbid(self, forbidden_BV: Mask) -> Mask:
        """See `Constraint.forbid`."""
        if not self._has_any:
            without_BV: Mask = forbidden_BV | self._cue_V
            return without_BV
        if all(spelled is None for spelled in self._spelled):
            return forbidden_BV
        narrowed_BV = forbidden_BV.copy()
        spellings = _spellings(self._names, self._vocabulary)
        for row, spelled in enumerate(self._spelled):
            if spelled is not None and (own_V := spellings.forbidden_after(spelled)) is not None:
                narrowed_BV[row] = own_V
        return narrowed_BV

    def copy_sequences(self, copies: Mapping[int, int]) -> None:
        """See `Constraint.copy_sequences`."""
        for row, source in copies.items():
            self._spelled[row] = self._spelled[source]

    def advance(self, ids: Sequence[int | None], *, drawn: bool) -> None:
        """See `Constraint.advance`."""
        for row, id_ in enumerate(ids):
            spelled = self._spelled[row]
            if id_ == self._cue:
                self._spelled[row] = ()
            elif spelled is not None and id_ is not None:
                self._spelled[row] = None if id_ == self._says else (*spelled, id_)


def _spelled(names: Iterable[str], vocabulary: Vocabulary) -> Iterator[tuple[int, ...]]:
    """Yield the spellings of names without a token, of those that can be spelled."""
    for name in names:
        if vocabulary.speaker_id(name) is None and not any(each in name for each in OPENING_BRACKETS):
            ids = spell(name, vocabulary)
            if ids:
                yield ids


@lru_cache(maxsize=4)
def _has_any(names: tuple[str, ...], vocabulary: Vocabulary) -> bool:
    return any(_spelled(names, vocabulary))


@lru_cache(maxsize=4)
def _spellings(names: tuple[str, ...], vocabulary: Vocabulary) -> Spellings:
    return Spellings(set(_spelled(names, vocabulary)), vocabulary.size)
