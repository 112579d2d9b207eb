"""Known names: only speakers of the training text, and of the scene that is continued, may speak.

A model spells the names of speakers without a token of their own, and sometimes makes one up: “Got cut”,
“Mar tan”. So after the generic cue only tokens are allowed that spell a name of the training text's cast:

    <cue>            `mr`, `new`, `wait`      begin names
    <cue> new        `man`                    continues one
    <cue> newman     <says>                   ends it

Each name is spelled in one way, as in training, or as the given text has it if only that knows it. The module
does not depend on models.

Shape letter: V vocabulary.
"""

from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache

import numpy as np

from scriptforge.generation.automata import AfterIdle, Forbidden
from scriptforge.generation.grammar import NAME_LIMIT, Mask
from scriptforge.vocabulary import Vocabulary

OPENING_BRACKETS = "([{（［"
"""Brackets that open an aside; few names have one."""


_LONGEST_NAME = 1000
"""In characters; a longer one would need more than `NAME_LIMIT` tokens, and long to encode."""


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
    ids = vocabulary.encode(name) if len(name) <= _LONGEST_NAME else []
    is_spelled = vocabulary.unknown not in ids and 0 < len(ids) <= NAME_LIMIT
    return (*ids, vocabulary.says) if is_spelled else ()


class KnownNames:
    """Names as an `Automaton`, whose states are the tokens of the name so far; None outside names.

    Args:
        names: names of all who may speak; those with a token are not spelled.
        vocabulary: a vocabulary for scripts.
    """

    start = None

    def __init__(self, names: Iterable[str], vocabulary: Vocabulary) -> None:
        self._names, self._vocabulary = tuple(names), vocabulary
        self._cue, self._says = vocabulary.cue, vocabulary.says
        self._outside_V = np.zeros(vocabulary.size, np.bool_)
        self._outside_V[self._cue] = not _has_any(self._names, vocabulary)
        self._nothing_V = np.zeros(vocabulary.size, np.bool_)

    def after(self, state: tuple[int, ...] | None, id_: int, *, drawn: bool) -> tuple[int, ...] | None:
        """See `Automaton.after`; given tokens count like drawn ones."""
        if id_ == self._cue:
            return ()
        return None if state is None or id_ == self._says else (*state, id_)

    def forbidden(self, state: tuple[int, ...] | None) -> Forbidden:
        """See `Automaton.forbidden`; what a given name may go on with is left to other rules."""
        if state is None:
            return Forbidden(self._outside_V)
        own_V = _spellings(self._names, self._vocabulary).forbidden_after(state)
        return Forbidden(self._nothing_V) if own_V is None else Forbidden(own_V, replaces=True)

    def is_idle(self, state: tuple[int, ...] | None) -> bool:
        """See `Automaton.is_idle`."""
        return state is None

    def after_idle(self, id_: int) -> tuple[int, ...] | AfterIdle:
        """See `Automaton.after_idle`."""
        return () if id_ == self._cue else AfterIdle.PASSING


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
