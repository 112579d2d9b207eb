"""Automata over tokens: rules on which tokens may come next, built only as far as texts reach them.

A rule such as that of whole words has more states than can be listed, but each text goes through few, and
again and again. So a rule says what comes after a state and what is forbidden in it, and both are asked for
once, and looked up from then on:

    state    token    after    forbidden there
    `gra`    `nd`     `grand`  all that neither extends `grand` nor ends a word

In most states most tokens lead to the same state whatever the one before: after ` the` the word is `the`. Or
they only pass: whichever comes, it changes nothing, or makes a bracket one token longer. A rule says of such
*idle* states what comes after a token in any of them, or that it passes.

The kernel looks up all rules of all texts in one call.

Shape letters: K automata, B sequences of the batch, V vocabulary.
"""

from collections.abc import Hashable, Sequence
from enum import Enum
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scriptforge.generation.decoder import Copies
from scriptforge.generation.grammar import Mask
from scriptforge.kernel import kernel
from scriptforge.kernel.masks import PASSING, UNDECIDED, KernelTransitions, Limits

_MASK_BYTES = 1 << 25
"""Size of the masks of all states together."""

_MIN_STATES, _MAX_STATES = 256, 1 << 14
"""Limits on the number of states, whatever their masks take."""

_MAX_TRANSITIONS = 1 << 14

State: TypeAlias = Hashable


class Forbidden(NamedTuple):
    """What is forbidden in a state.

    Attributes:
        mask_V: tokens, true where forbidden.
        otherwise_V: what is forbidden in place of everything, if nothing would be left; None for everything.
        replaces: whether only the mask counts, and not what is forbidden by the rules before.
    """

    mask_V: Mask
    otherwise_V: Mask | None = None
    replaces: bool = False


class Automaton(Protocol):
    """A rule on which tokens may come next."""

    @property
    def start(self) -> State:
        """Return the state of a sequence without tokens."""
        ...

    def after(self, state: Any, id_: int, *, drawn: bool) -> State:
        """Return the state after one more token, allowed or not.

        Args:
            state: the state before.
            id_: the token.
            drawn: whether it was drawn; otherwise it was given, by a prompt or a restored state.
        """
        ...

    def forbidden(self, state: Any) -> Forbidden:
        """Return what is forbidden in a state."""
        ...

    def is_idle(self, state: Any) -> bool:
        """Return whether a state is idle."""
        ...

    def after_idle(self, id_: int) -> "State | AfterIdle":
        """Return the state after any idle state and one more drawn token."""
        ...


class AfterIdle(Enum):
    """What comes after an idle state and a token, if it is not the same state for all of them."""

    PASSING = "what `Automaton.after` says, of the state before and any such token"
    UNDECIDED = "what `Automaton.after` says, of the state before and this token"


class Automata:
    """The states of B sequences in some automata.

    Args:
        rules: automata that hold for any text, such as that of whole words.
        constraints: automata that the options ask for, such as that of a cast.
        size: V.
        batch_size: B.
    """

    def __init__(
        self, rules: Sequence[Automaton], constraints: Sequence[Automaton], size: int, batch_size: int
    ) -> None:
        self._automata = [*rules, *constraints]
        self._rule_count, self._size, self._batch_size = len(rules), size, batch_size
        self._given: list[list[State]] | None = [[each.start] * batch_size for each in self._automata]
        """The states after given tokens, by automaton and sequence: most of them are only passed through."""
        self._table: _Table | None = None

    def forbid(self, forbidden_BV: Mask) -> tuple[Mask, Mask]:
        """Forbid further tokens.

        Args:
            forbidden_BV: tokens that the grammar forbids.

        Returns:
            The tokens forbidden by the grammar and the rules, and those forbidden by the constraints, too;
            one array if there are no constraints. Both are only valid until the next call.
        """
        if not self._automata:
            return forbidden_BV, forbidden_BV
        return self._ensure_table().forbid(forbidden_BV)

    def advance(self, ids: Sequence[int | None], *, drawn: bool) -> None:
        """Take the next id of each sequence, or None where there is none; see `Automaton.after`."""
        if not self._automata:
            return
        if drawn:
            self._ensure_table().advance([-1 if id_ is None else id_ for id_ in ids])
            return
        self._given = [
            [
                state if id_ is None else automaton.after(state, id_, drawn=False)
                for state, id_ in zip(states, ids, strict=True)
            ]
            for automaton, states in zip(self._automata, self._present(), strict=True)
        ]

    def copy_sequences(self, copies: Copies) -> None:
        """Copy the states of some sequences to others."""
        self._given = [
            [states[copies.get(row, row)] for row in range(self._batch_size)] for states in self._present()
        ]

    def _present(self) -> list[list[State]]:
        """Return the states, by automaton and sequence."""
        if self._given is None:
            assert self._table is not None
            return self._table.states()
        return self._given

    def _ensure_table(self) -> "_Table":
        """Return a table with the present states and room for a step."""
        if self._table is None or self._table.is_full:
            # A new one, so that an interruption leaves the old one whole.
            table = _Table(self._automata, self._rule_count, self._size, self._batch_size)
            table.enter(self._present())
            self._table, self._given = table, None
        elif self._given is not None:
            self._table.enter(self._given)
            self._given = None
        return self._table


class _Table:
    """What is known of some automata: states by number, transitions, and what is forbidden.

    Args:
        automata: the automata.
        rules: how many of them are rules.
        size: V.
        batch_size: B.
    """

    def __init__(self, automata: Sequence[Automaton], rules: int, size: int, batch_size: int) -> None:
        self._automata = automata
        self._states_KB = np.zeros((len(automata), batch_size), np.int32)
        room = 4 * self._states_KB.size  # for the present states, as many others, and those after them
        states = max(room, min(_MAX_STATES, max(_MIN_STATES, _MASK_BYTES // size)))
        self._limits = Limits(states, max(room, _MAX_TRANSITIONS))
        loaded = kernel()
        self._transitions = (
            KernelTransitions(loaded, self._states_KB, rules, size, self._limits)
            if loaded is not None
            else _Transitions(self._states_KB, rules, size)
        )
        self._well_formed_BV, self._constrained_BV = self._transitions.forbidden_2BV
        if rules == len(automata):
            self._constrained_BV = self._well_formed_BV
        self._numbers: dict[tuple[int, State], int] = {}
        self._known: list[State] = []  # by number
        self._learnt = 0

    @property
    def is_full(self) -> bool:
        """Return whether other states and the next step could be too many."""
        states, transitions = (limit - 2 * self._states_KB.size for limit in self._limits)
        return len(self._known) > states or self._learnt > transitions

    def states(self) -> list[list[State]]:
        """Return the present states, by automaton and sequence."""
        return [[self._known[number] for number in numbers] for numbers in self._states_KB.tolist()]

    def enter(self, states_KB: Sequence[Sequence[State]]) -> None:
        """Go on from other states."""
        self._states_KB[:] = [
            [self._number(automaton, state) for state in states] for automaton, states in enumerate(states_KB)
        ]

    def forbid(self, forbidden_BV: Mask) -> tuple[Mask, Mask]:
        """See `Automata.forbid`."""
        self._transitions.forbid(forbidden_BV)
        return self._well_formed_BV, self._constrained_BV

    def advance(self, ids: Sequence[int]) -> None:
        """Take the next drawn id of each sequence, below 0 for none."""
        for place in self._transitions.follow(ids):
            automaton, row = divmod(place, len(ids))
            before = int(self._states_KB[automaton, row])
            self._states_KB[automaton, row] = self._learn(automaton, before, ids[row])

    def _learn(self, number: int, before: int, id_: int) -> int:
        """Learn what comes after a state and a drawn token, and return it."""
        automaton, state = self._automata[number], self._known[before]
        common = automaton.after_idle(id_) if automaton.is_idle(state) else AfterIdle.UNDECIDED
        is_common = not isinstance(common, AfterIdle)
        after = self._number(number, common if is_common else automaton.after(state, id_, drawn=True))
        if is_common:
            self._transitions.learn_idle(number, id_, after)
        elif common is AfterIdle.PASSING:
            self._transitions.learn_idle(number, id_, PASSING)
            self._transitions.learn_passing(before, after)
        else:
            self._learnt += 1
            self._transitions.learn(before, id_, after)
        return after

    def _number(self, automaton: int, state: State) -> int:
        """Return the number of a state, after adding it if it is new.

        It is known last: after an interruption before, such as Ctrl+C, its number is given to another state.
        """
        number = self._numbers.get((automaton, state))
        if number is None:
            number, rule = len(self._known), self._automata[automaton]
            mask_V, otherwise_V, replaces = rule.forbidden(state)
            self._transitions.add(number, mask_V, otherwise_V, replaces=replaces, is_idle=rule.is_idle(state))
            self._known.append(state)
            self._numbers[automaton, state] = number
        return number


class _Transitions:
    """The same as `KernelTransitions`, without the kernel."""

    def __init__(self, states_KB: NDArray[np.int32], rules: int, size: int) -> None:
        self._states_KB, self._rules = states_KB, rules
        self.forbidden_2BV = np.empty((2, states_KB.shape[1], size), np.bool_)
        self._after: dict[tuple[int, int], int] = {}
        self._after_idle: dict[tuple[int, int], int] = {}
        self._after_passing: dict[int, int] = {}
        self._forbidden: dict[int, Forbidden] = {}
        self._are_idle: dict[int, bool] = {}

    def add(
        self, number: int, mask_V: Mask, otherwise_V: Mask | None, *, replaces: bool, is_idle: bool
    ) -> None:
        """See `KernelTransitions.add`."""
        self._forbidden[number] = Forbidden(mask_V, otherwise_V, replaces)
        self._are_idle[number] = is_idle

    def learn(self, state: int, id_: int, after: int) -> None:
        """See `KernelTransitions.learn`."""
        self._after[state, id_] = after

    def learn_idle(self, automaton: int, id_: int, after: int) -> None:
        """See `KernelTransitions.learn_idle`."""
        self._after_idle[automaton, id_] = after

    def learn_passing(self, state: int, after: int) -> None:
        """See `KernelTransitions.learn_passing`."""
        self._after_passing[state] = after

    def follow(self, ids: Sequence[int]) -> list[int]:
        """See `KernelTransitions.follow`."""
        unknown = []
        states = self._states_KB.ravel()  # a view
        for place, state in enumerate(states.tolist()):
            automaton, row = divmod(place, len(ids))
            if (id_ := ids[row]) < 0:
                continue
            after = self._after_idle.get((automaton, id_), UNDECIDED) if self._are_idle[state] else UNDECIDED
            if after == PASSING:
                after = self._after_passing.get(state, UNDECIDED)
            elif after == UNDECIDED:
                after = self._after.get((state, id_), UNDECIDED)
            if after == UNDECIDED:
                unknown.append(place)
            else:
                states[place] = after
        return unknown

    def forbid(self, before_BV: Mask) -> None:
        """See `KernelTransitions.forbid`."""
        well_formed_BV, constrained_BV = self.forbidden_2BV
        well_formed_BV[:] = before_BV
        self._forbid_by(self._states_KB[: self._rules], well_formed_BV)
        constrained_BV[:] = well_formed_BV
        self._forbid_by(self._states_KB[self._rules :], constrained_BV)

    def _forbid_by(self, states_KB: NDArray[np.int32], forbidden_BV: Mask) -> None:
        """Forbid further tokens, in place, by the states of some automata."""
        for states in states_KB.tolist():
            for forbidden_V, state in zip(forbidden_BV, states, strict=True):
                mask_V, otherwise_V, replaces = self._forbidden[state]
                if replaces:
                    forbidden_V[:] = mask_V
                else:
                    forbidden_V |= mask_V
                if otherwise_V is not None and forbidden_V.all():
                    forbidden_V[:] = otherwise_V
