"""Turn-taking: a penalty on speakers who go on, or speak, more often than in the training text.

A model may have learnt too little of who speaks next, or drift: whoever has spoken much speaks still more.
So the cue of a speaker who is beyond the rates in the training text (`scriptforge.run.turns`) is made less
likely, the more so the further beyond, and the other cues gain what is taken from it:

    training text                        so far                      made less likely
    the same speaker goes on: 3 %        2 of the last 20 lines      that speaker's cue    × 0.15
    lines of the busiest speaker: 28 %   18 of the last 40 lines     that speaker's cue    × 0.04

The rates are no hard limits: a page may begin with a speaker who goes on, as human ones do. If the user
chooses a small cast, its members may speak more: see `habits_for_cast`.

Shape letters: B sequences of the batch, T steps, S cues, V vocabulary, N numbers.
"""

import math
from collections import Counter, deque
from copy import deepcopy

import numpy as np
from numpy.typing import NDArray

from scriptforge.generation.decoding import Copies, Decoder, Saved
from scriptforge.inference import Ids, Numbers
from scriptforge.inference.kernel import kernel
from scriptforge.inference.scores import Lowering
from scriptforge.run.turns import WINDOW, TurnHabits
from scriptforge.vocabulary import Vocabulary

_PSEUDOCOUNT = 10
"""Pseudo-count of lines at the rates of the training text, since few lines say little about rates."""

_SAME_POWER, _BUSIEST_POWER = 2, 8

_BUSIEST_OF_FEW = 1.3
"""Factor by which the busiest of a few speakers may exceed an even share of the lines."""

_LEAST = 1e-3  # minimum of the expected lines, for a rate of 0


def habits_for_cast(habits: TurnHabits, members: int) -> TurnHabits:
    """Return the habits for a cast of so many members, 1 or more; a single one may always go on."""
    busiest = min(1.0, max(habits.busiest, _BUSIEST_OF_FEW / members))
    return TurnHabits(same_again=1.0 if members == 1 else habits.same_again, busiest=busiest)


class TurnTaking:
    """A decoder that wraps another one, and lowers the scores of cues.

    Args:
        decoder: the wrapped decoder; has read nothing yet.
        habits: rates in the training text.
        vocabulary: the model's vocabulary.
        batch_size: B.
    """

    def __init__(self, decoder: Decoder, habits: TurnHabits, vocabulary: Vocabulary, batch_size: int) -> None:
        self._decoder = decoder
        self._habits = habits
        self._layout_size = vocabulary.layout_size
        self._first = vocabulary.layout_size - len(vocabulary.speaker_tokens)
        self._cue, self._says = vocabulary.cue, vocabulary.says
        self._cues = np.array([*range(self._first, self._layout_size), self._cue])
        self._turns = [_Turns() for _ in range(batch_size)]
        self._offsets_BS = np.zeros((batch_size, len(self._cues)), np.float32)
        self._factors_BS = np.ones_like(self._offsets_BS)
        self._lowers = False
        loaded = kernel()
        self._lowering = Lowering(loaded, self._cues, self._offsets_BS) if loaded is not None else None

    def read(self, ids_BT: Ids, waits_B: NDArray[np.bool_] | None = None) -> Numbers:
        """See `Decoder.read`."""
        logits_BV = self._decoder.read(ids_BT, waits_B)
        for row, ids in enumerate(ids_BT.tolist()):
            if min(ids, default=self._layout_size) < self._layout_size:
                self._follow(row, ids)
        return self._weigh(logits_BV)

    def copy_sequences(self, copies: Copies) -> None:
        """See `Decoder.copy_sequences`."""
        self._decoder.copy_sequences(copies)
        for row, source in copies.items():
            self._turns[row] = deepcopy(self._turns[source])
            self._offsets_BS[row] = self._offsets_BS[source]
            self._factors_BS[row] = self._factors_BS[source]
        self._lowers = bool(self._offsets_BS.any())

    def state(self) -> Saved:
        """See `Decoder.state`."""
        turns_BN = np.array([turns.numbers() for turns in self._turns])
        return {**self._decoder.state(), "turns": turns_BN}

    def restore(self, state: Saved) -> None:
        """See `Decoder.restore`."""
        self._decoder.restore(state)
        for row, numbers in enumerate(state["turns"].tolist()):
            self._turns[row].restore(numbers)
            self._note(row)

    def _follow(self, row: int, ids: list[int]) -> None:
        """Take the tokens of one sequence that open an element."""
        openings = [id_ for id_ in ids if id_ < self._layout_size and id_ != self._says]
        for id_ in openings:
            is_speaker = id_ >= self._first
            self._turns[row].take(id_ if is_speaker else 0, is_line=is_speaker or id_ == self._cue)
        if openings:
            self._note(row)

    def _note(self, row: int) -> None:
        """Update the offsets of the cues in one sequence."""
        self._offsets_BS[row] = 0.0
        for id_, offset in self._turns[row].offsets(self._habits).items():
            self._offsets_BS[row, id_ - self._first] = offset
        self._factors_BS[row] = np.exp(self._offsets_BS[row])
        self._lowers = bool(self._offsets_BS.any())

    def _weigh(self, logits_BV: Numbers) -> Numbers:
        """Return scores with the cues of speakers beyond the rates lowered, and all other cues raised.

        The total probability of the cues stays the same.
        """
        if not self._lowers:
            return logits_BV
        if self._lowering is not None:
            self._lowering.lower(logits_BV)
            return logits_BV
        scores_BV = logits_BV.copy()
        scores_BS = scores_BV.take(self._cues, axis=1)
        with np.errstate(all="ignore"):  # a diverged model gives infinite or NaN scores
            weights_BS = np.exp(scores_BS - scores_BS.max(-1, keepdims=True))
            before_B1 = weights_BS.sum(-1, keepdims=True, dtype=np.float64)
            after_B1 = (weights_BS * self._factors_BS).sum(-1, keepdims=True)
            scores_BV[:, self._cues] = scores_BS + (self._offsets_BS + np.log(before_B1 / after_B1))
        return scores_BV


class _Turns:
    """The speakers of the latest lines of dialogue of a sequence; 0 stands for those without a token."""

    def __init__(self) -> None:
        self._speakers: deque[int] = deque(maxlen=WINDOW)
        self._went_on: deque[bool] = deque(maxlen=WINDOW)
        self._current = 0

    def take(self, speaker: int, *, is_line: bool) -> None:
        """Take the opening of an element; `is_line` says whether it is dialogue."""
        if is_line:
            self._went_on.append(speaker > 0 and speaker == self._current)
            self._speakers.append(speaker)
        self._current = speaker

    def offsets(self, habits: TurnHabits) -> dict[int, float]:
        """Return the terms to add to the scores of some speakers' cues, below 0."""
        found = {
            speaker: _BUSIEST_POWER * _excess(habits.busiest, count, len(self._speakers))
            for speaker, count in Counter(self._speakers).items()
        }
        again = _SAME_POWER * _excess(habits.same_again, sum(self._went_on), len(self._went_on))
        found[self._current] = found.get(self._current, 0.0) + again
        return {speaker: offset for speaker, offset in found.items() if speaker and offset < 0}

    def numbers(self) -> list[int]:
        """Return the state as a list of fixed length."""
        missing = WINDOW - len(self._speakers)
        return [self._current, *self._speakers, *[-1] * missing, *self._went_on, *[-1] * missing]

    def restore(self, numbers: list[int]) -> None:
        """Continue from a state, before anything is taken."""
        self._current, *rest = numbers
        self._speakers.clear()
        self._went_on.clear()
        known = [number for number in rest if number >= 0]
        self._speakers.extend(known[: len(known) // 2])
        self._went_on.extend(map(bool, known[len(known) // 2 :]))


def _excess(share: float, count: int, lines: int) -> float:
    """Return the log ratio of expected to observed lines; 0 if there are no more than expected."""
    expected = share * (lines + _PSEUDOCOUNT)
    present = count + share * _PSEUDOCOUNT
    return math.log(max(expected, _LEAST) / present) if present > expected else 0.0
