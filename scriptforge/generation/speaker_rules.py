"""Rules on who may speak, as automata: everybody with a known name, or the cast that is asked for.

A model spells the names of speakers without a token of their own, and sometimes makes one up: “Got cut”,
“Mar tan”. So after the generic cue only tokens are allowed that spell a name of the training text's cast, or
of the scene that is continued:

    <cue>            `mr`, `new`, `wait`      begin names
    <cue> new        `man`                    continues one
    <cue> newman     <says>                   ends it

Each name is spelled in one way, as in training, or as the given text has it if only that knows it.

With the cast `jerry,newman`, only `<cue:JERRY>`, who has a token, and `<cue>` may open a line of dialogue.
After `<cue>` only `new` is allowed, after `<cue> new` only `man`, and after `<cue> new man` only `<says>`.

The module does not depend on models.

Shape letter: V vocabulary.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from scriptforge.generation.automata import AfterIdle, Forbidden
from scriptforge.generation.cast import CastMember, ResolvedCast, spell
from scriptforge.generation.grammar import Mask
from scriptforge.vocabulary import Vocabulary

OPENING_BRACKETS = "([{（［"
"""Brackets that open an aside; few names have one."""

MAX_UNSPOKEN_LINES = 8
"""Number of lines without dialogue after which somebody must speak, if a number of turns is requested."""


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


def _spell_all(names: Iterable[str], vocabulary: Vocabulary) -> Iterator[tuple[int, ...]]:
    """Yield the spellings of names without a token, of those that can be spelled."""
    for name in names:
        if vocabulary.speaker_id(name) is None and not any(each in name for each in OPENING_BRACKETS):
            ids = spell(name, vocabulary)
            if ids:
                yield ids


@lru_cache(maxsize=4)
def _has_any(names: tuple[str, ...], vocabulary: Vocabulary) -> bool:
    return any(_spell_all(names, vocabulary))


@lru_cache(maxsize=4)
def _spellings(names: tuple[str, ...], vocabulary: Vocabulary) -> Spellings:
    return Spellings(set(_spell_all(names, vocabulary)), vocabulary.size)


class _State(NamedTuple):
    """A state of `CastConstraint`.

    Attributes:
        is_first: whether nobody has spoken yet, so that the next speaker is the one asked for.
        spelled: ids of the name being spelled, so far; None outside names.
        silence: number of lines since the last dialogue, up to `MAX_UNSPOKEN_LINES`.
    """

    is_first: bool = True
    spelled: tuple[int, ...] | None = None
    silence: int = 0


class CastConstraint:
    """A cast as an `Automaton`.

    With `must_speak`, somebody has to speak after `MAX_UNSPOKEN_LINES` lines without dialogue. Otherwise a
    model that prefers descriptions might never reach the number of turns requested.
    """

    start = _State()

    def __init__(self, cast: ResolvedCast, vocabulary: Vocabulary, *, must_speak: bool) -> None:
        self._cue, self._says = vocabulary.cue, vocabulary.says
        self._cues = frozenset(token.id for token in vocabulary.speaker_tokens)
        self._non_dialogue = frozenset(vocabulary.non_dialogue_ids)
        self._stage_directions_V = _stage_directions(cast, vocabulary)
        self._unspoken_V = np.zeros(vocabulary.size, np.bool_)
        self._unspoken_V[list(self._non_dialogue)] = must_speak
        self._everybody = _Roster(cast.members, vocabulary)
        self._first = _Roster([cast.next_speaker], vocabulary) if cast.next_speaker else self._everybody

    def after(self, state: _State, id_: int, *, drawn: bool) -> _State:
        """See `Automaton.after`; given tokens are ignored."""
        if not drawn:
            return state
        if id_ in self._non_dialogue:
            return state._replace(silence=min(state.silence + 1, MAX_UNSPOKEN_LINES))
        if id_ == self._cue:
            return state._replace(spelled=())
        if id_ == self._says or id_ in self._cues:
            return _State(is_first=False)
        return state if state.spelled is None else state._replace(spelled=(*state.spelled, id_))

    def forbidden(self, state: _State) -> Forbidden:
        """See `Automaton.forbidden`."""
        roster = self._first if state.is_first else self._everybody
        if state.spelled is None:
            is_silent = state.silence == MAX_UNSPOKEN_LINES
            outside_V = self._stage_directions_V | roster.outsiders_V
            return Forbidden(outside_V | self._unspoken_V if is_silent else outside_V)
        if not roster.is_closed:
            return Forbidden(self._stage_directions_V)
        # Within a name of the cast only its spelling counts, even where the grammar would forbid a character:
        # "Mr. [Smith]", with a bracket, must still be spelled to its end.
        own_V = roster.spellings.forbidden_after(state.spelled)
        assert own_V is not None, "nothing else was drawn"
        return Forbidden(own_V, replaces=True)

    def is_idle(self, state: _State) -> bool:
        """See `Automaton.is_idle`."""
        return state.spelled is None

    def after_idle(self, id_: int) -> _State | AfterIdle:
        """See `Automaton.after_idle`."""
        if id_ == self._says or id_ in self._cues:
            return _State(is_first=False)
        opens = id_ == self._cue or id_ in self._non_dialogue
        return AfterIdle.UNDECIDED if opens else AfterIdle.PASSING


class _Roster:
    """Speakers who may speak, as masks; no members means everybody."""

    def __init__(self, members: Sequence[CastMember], vocabulary: Vocabulary) -> None:
        self.is_closed = bool(members)
        self.spellings = Spellings([each.spelling for each in members if not each.cues], vocabulary.size)
        self.outsiders_V = np.zeros(vocabulary.size, np.bool_)
        if self.is_closed:
            own = {id_ for member in members for _, id_ in member.cues}
            self.outsiders_V[[token.id for token in vocabulary.speaker_tokens if token.id not in own]] = True
            self.outsiders_V[vocabulary.cue] = not self.spellings


def _stage_directions(cast: ResolvedCast, vocabulary: Vocabulary) -> Mask:
    """Return the tokens that are never allowed: those of stage directions, if there are to be none."""
    forbidden_V = np.zeros(vocabulary.size, np.bool_)
    if not cast.stage_directions:
        for id_, text in enumerate(vocabulary.token_texts):
            forbidden_V[id_] = any(bracket in text for bracket in OPENING_BRACKETS)
        forbidden_V[vocabulary.action] = True
    return forbidden_V
