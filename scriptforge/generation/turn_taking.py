"""Turn-taking: a penalty on speakers who go on, speak, or are new more often than in the training text.

A model may have learnt too little of who speaks next, or drift: whoever has spoken much speaks still more.
So the cue of a speaker who is beyond the rates in the training text (`text_statistics.turns`) is made less
likely, the more so the further beyond, and the other cues gain what is taken from it:

    training text                        so far                      made less likely
    the same speaker goes on: 3 %        2 of the last 20 lines      that speaker's cue    × 0.10
    lines of the busiest speaker: 28 %   18 of the last 40 lines     that speaker's cue    × 0.002
    lines of newcomers: 11 %             9 of the last 50 lines      cues of all others    × 0.02

Whoever is new should know those who are there: the fewer of the latest 50 lines are of speakers who are
within 50 lines of the newcomer somewhere in the training text, the less likely is the newcomer's cue.

    Juliet, of 40 lines the Nurse has 30 and a Roman consul 10      Juliet's cue           × 0.56

The rates are no hard limits: a page may begin with a speaker who goes on, as human ones do. If the user
chooses a small cast, its members may speak more: see `statistics_for_cast`.

Shape letters: B sequences of the batch, T steps, S speakers with a token, C cues (theirs, and the one before
spelled names), V vocabulary, N numbers.
"""

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scriptforge.generation.decoder import Copies, Decoder, Saved, integers_in
from scriptforge.inference import FloatArray, Ids
from scriptforge.kernel import kernel
from scriptforge.kernel.scores import KernelTurns, Spoken, TurnRates, TurnTables
from scriptforge.text_statistics.turns import PLACE_BOUNDS, WINDOW, TurnStatistics
from scriptforge.vocabulary import Vocabulary

_PSEUDOCOUNT = 10
"""Pseudo-count of lines at the rates of the training text, since few lines say little about rates."""

_SAME_POWER, _BUSIEST_POWER, _NEWCOMER_POWER = 2, 16, 8

_BUSIEST_OF_FEW = 1.3
"""Factor by which the busiest of a few speakers may exceed an even share of the lines."""

_NEXT = 0.5
"""Number of lines that are counted in advance, so that even the first line too many becomes less likely."""

_STRANGER_POWER = 2
"""Exponent of the share of the latest lines that companions said, the factor of a newcomer's odds."""

_LEAST_COMPANY = 0.05
"""Lower limit of that share."""

_MAX_CACHED = 256  # rows of companions, more than have said the latest lines of a few texts

_LEAST = 1e-3  # minimum of the expected lines, for a rate of 0


def statistics_for_cast(statistics: TurnStatistics, members: int) -> TurnStatistics:
    """Return the statistics for a cast of so many members, 1 or more; a single one may always go on."""
    busiest = min(1.0, max(statistics.busiest, _BUSIEST_OF_FEW / members))
    return TurnStatistics(same_again=1.0 if members == 1 else statistics.same_again, busiest=busiest)


class TurnTaking:
    """A decoder that wraps another one, and lowers the scores of cues.

    Args:
        decoder: the wrapped decoder; has read nothing yet.
        statistics: rates in the training text.
        vocabulary: the model's vocabulary.
        batch_size: B.
    """

    def __init__(
        self, decoder: Decoder, statistics: TurnStatistics, vocabulary: Vocabulary, batch_size: int
    ) -> None:
        self._decoder = decoder
        self._layout_size = vocabulary.layout_size
        self._first = vocabulary.layout_size - len(vocabulary.speaker_tokens)
        self._cue, self._says = vocabulary.cue, vocabulary.says
        cues_C = np.array([*range(self._first, self._layout_size), self._cue], np.int32)
        speakers = len(cues_C) - 1
        self._spoken_BS, self._company_BS = np.zeros((2, batch_size, speakers), np.int32)
        self._offsets_BC = np.zeros((batch_size, speakers + 1), np.float32)
        companions = _Companions(statistics, vocabulary)
        counts = zip(self._spoken_BS, self._company_BS, strict=True)
        self._turns = [_Turns(*each, companions, self._first) for each in counts]
        tables = TurnTables(
            _rates(statistics),
            _expected_newcomers(statistics),
            cues_C,
            self._spoken_BS,
            self._company_BS,
            self._offsets_BC,
        )
        loaded = kernel()
        self._weights = KernelTurns(loaded, tables) if loaded is not None else _Weights(tables)
        self._lowers = False

    def read(self, ids_BT: Ids, waits_B: NDArray[np.bool_] | None = None) -> FloatArray:
        """See `Decoder.read`."""
        logits_BV = self._decoder.read(ids_BT, waits_B)
        for row, ids in enumerate(ids_BT.tolist()):
            if min(ids, default=self._layout_size) < self._layout_size:
                self._follow(row, ids)
        if self._lowers:
            self._weights.lower(logits_BV)
        return logits_BV

    def copy_sequences(self, copies: Copies) -> None:
        """See `Decoder.copy_sequences`."""
        self._decoder.copy_sequences(copies)
        for row, source in copies.items():
            self._turns[row].copy(self._turns[source])
            self._offsets_BC[row] = self._offsets_BC[source]
        self._lowers = bool(self._offsets_BC.any())

    def state(self) -> Saved:
        """See `Decoder.state`."""
        turns_BN = np.array([turns.numbers() for turns in self._turns])
        return {**self._decoder.state(), "turns": turns_BN}

    def restore(self, state: Saved) -> None:
        """See `Decoder.restore`."""
        self._decoder.restore(state)
        shape = len(self._turns), _Turns.SIZE
        turns_BN = integers_in(state, "turns", shape, -1, max(2 * WINDOW, self._layout_size - 1))
        count_B, current_B, speakers_BN = turns_BN[:, 0], turns_BN[:, 1], turns_BN[:, _Turns.SPEAKERS]
        is_known_BN = (speakers_BN <= 0) | ((speakers_BN >= self._first) & (speakers_BN < self._layout_size))
        if not is_known_BN.all() or min(count_B.min(), current_B.min()) < 0 or count_B.max() > 2 * WINDOW:
            raise ValueError("the state has turns that no text of this model can have")
        for row, numbers in enumerate(turns_BN.tolist()):
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
        self._weights.weigh(row, self._turns[row].spoken())
        self._lowers = bool(self._offsets_BC.any())


class _Line(NamedTuple):
    """A line of dialogue.

    Attributes:
        speaker: the speaker's token; 0 for those without one.
        goes_on: whether the line before has the same speaker.
        is_new: whether the speaker has none of the `WINDOW` lines before.
    """

    speaker: int
    goes_on: bool
    is_new: bool


class _Turns:
    """The latest lines of dialogue of a sequence.

    Args:
        spoken_S: how many of them each speaker with a token says; changed in place.
        company_S: how many of them the companions of each say, themselves included; changed in place.
        companions: who are companions.
        first: token of the first of these speakers.
    """

    SIZE = 2 + len(_Line._fields) * WINDOW
    """Number of numbers that the state is saved as."""

    SPEAKERS = slice(1, 2 + WINDOW)
    """Which of them are speakers: the current one, and that of each line."""

    def __init__(
        self,
        spoken_S: NDArray[np.int32],
        company_S: NDArray[np.int32],
        companions: "_Companions",
        first: int,
    ) -> None:
        self._spoken_S, self._company_S = spoken_S, company_S
        self._companions = companions
        self._first = first
        self._lines: deque[_Line] = deque()
        self._going_on = self._newcomers = 0  # number of the lines that go on, and of newcomers' lines
        self._current = 0
        self._count = 0  # number of lines so far, but no more than matter

    def take(self, speaker: int, *, is_line: bool) -> None:
        """Take the opening of an element; `is_line` says whether it is dialogue."""
        if is_line:
            goes_on = speaker > 0 and speaker == self._current
            is_new = not speaker or not self._spoken_S[speaker - self._first]
            self._append(_Line(speaker, goes_on, is_new))
            self._count = min(self._count + 1, 2 * WINDOW)
        self._current = speaker

    def spoken(self) -> Spoken:
        """Return who spoke in the latest lines."""
        lines = len(self._lines)
        return Spoken(self._current - self._first, lines, self._count, self._going_on, self._newcomers)

    def copy(self, source: "_Turns") -> None:
        """Become a copy of another sequence's lines."""
        self._spoken_S[:], self._company_S[:] = source._spoken_S, source._company_S
        self._lines = source._lines.copy()
        self._going_on, self._newcomers = source._going_on, source._newcomers
        self._current, self._count = source._current, source._count

    def numbers(self) -> list[int]:
        """Return the state as a list of `SIZE` numbers."""
        missing = [-1] * (WINDOW - len(self._lines))
        columns = zip(*self._lines, strict=True) if self._lines else [()] * len(_Line._fields)
        return [
            self._count,
            self._current,
            *(int(each) for column in columns for each in (*column, *missing)),
        ]

    def restore(self, numbers: Sequence[int]) -> None:
        """Continue from a state."""
        self._spoken_S[:] = self._company_S[:] = 0
        self._lines.clear()
        self._going_on = self._newcomers = 0
        self._count, self._current, *rest = numbers
        columns = [rest[start : start + WINDOW] for start in range(0, len(rest), WINDOW)]
        for speaker, goes_on, is_new in zip(*columns, strict=True):
            if speaker >= 0:
                self._append(_Line(speaker, bool(goes_on), bool(is_new)))

    def _append(self, line: _Line) -> None:
        """Append a line, and forget the first one of more than `WINDOW`."""
        self._lines.append(line)
        self._add(line, 1)
        if len(self._lines) > WINDOW:
            self._add(self._lines.popleft(), -1)

    def _add(self, line: _Line, lines: int) -> None:
        self._going_on += lines * line.goes_on
        self._newcomers += lines * line.is_new
        if line.speaker:
            speaker = line.speaker - self._first
            self._spoken_S[speaker] += lines
            self._company_S += lines * self._companions.of(speaker)


class _Companions:
    """Who are companions in the training text: everybody if that is unknown.

    In a mix, speakers of different sources are, too: the grammar keeps them apart. The row of a speaker, S
    numbers, is made when they first speak, since a stranger's model may name many.

    Args:
        statistics: rates in the training text.
        vocabulary: the model's vocabulary.

    Attributes:
        of: the companions of a speaker, by index, from a cache: see `_find`.
    """

    def __init__(self, statistics: TurnStatistics, vocabulary: Vocabulary) -> None:
        numbers: dict[str | None, int] = dict(vocabulary.sources.items())
        self._sources_S = np.array(
            [numbers.get(each.source, -1) for each in vocabulary.speaker_tokens], np.int32
        )
        speakers, known = len(self._sources_S), statistics.companions
        self._are_known = known is not None and len(known) == speakers
        self._others: list[list[int]] = [[each] for each in range(speakers)]
        for speaker, others in enumerate(known or [] if self._are_known else []):
            for other in others:
                if other < speakers:
                    self._others[speaker].append(other)
                    self._others[other].append(speaker)
        self.of = lru_cache(_MAX_CACHED)(self._find)

    def _find(self, speaker: int) -> NDArray[np.int32]:
        """Return 1 for each companion of a speaker, who is one, too, and else 0: `companions_S`."""
        if not self._are_known:
            return np.ones_like(self._sources_S)
        companions_S: NDArray[np.int32] = (self._sources_S != self._sources_S[speaker]).astype(np.int32)
        companions_S[self._others[speaker]] = 1
        return companions_S


class _Weights:
    """The same as `KernelTurns`, in NumPy."""

    def __init__(self, tables: TurnTables) -> None:
        self._tables = tables

    def weigh(self, row: int, spoken: Spoken) -> None:
        """See `KernelTurns.weigh`."""
        rates, newcomers_N, _, spoken_BS, company_BS, offsets_BC = self._tables
        spoken_S, offsets_C, lines = spoken_BS[row], offsets_BC[row], spoken.lines
        offsets_C[:] = 0
        if not lines:
            return
        newcomers = newcomers_N[spoken.so_far] / lines
        offsets_C[:] = rates.newcomer_power * _excess(newcomers, spoken.newcomers + rates.next, lines)
        if all_spoken := int(spoken_S.sum()):
            company_S = np.maximum(company_BS[row] / all_spoken, rates.least_company)
            offsets_C[:-1] += rates.stranger_power * np.log(company_S)
        for speaker in np.flatnonzero(spoken_S).tolist():
            offsets_C[speaker] = rates.busiest_power * _excess(rates.busiest, int(spoken_S[speaker]), lines)
        if spoken.current >= 0 and spoken_S[spoken.current]:
            excess = _excess(rates.same_again, spoken.going_on + rates.next, lines)
            offsets_C[spoken.current] += rates.same_power * excess

    def lower(self, scores_BV: FloatArray) -> None:
        """See `KernelTurns.lower`."""
        cues_C, offsets_BC = self._tables.cues_C, self._tables.offsets_BC
        scores_BC = scores_BV.take(cues_C, axis=1)
        with np.errstate(all="ignore"):  # a diverged model gives infinite or NaN scores
            weights_BC = np.exp(scores_BC - scores_BC.max(-1, keepdims=True))
            before_B1 = weights_BC.sum(-1, keepdims=True, dtype=np.float64)
            after_B1 = (weights_BC * np.exp(offsets_BC)).sum(-1, keepdims=True)
            scores_BV[:, cues_C] = scores_BC + (offsets_BC + np.log(before_B1 / after_B1))


def _rates(statistics: TurnStatistics) -> TurnRates:
    return TurnRates(
        busiest=statistics.busiest,
        same_again=statistics.same_again,
        pseudocount=_PSEUDOCOUNT,
        next=_NEXT,
        least=_LEAST,
        least_company=_LEAST_COMPANY,
        busiest_power=_BUSIEST_POWER,
        same_power=_SAME_POWER,
        newcomer_power=_NEWCOMER_POWER,
        stranger_power=_STRANGER_POWER,
    )


def _expected_newcomers(statistics: TurnStatistics) -> NDArray[np.float64]:
    """Return how many of the latest `WINDOW` lines newcomers say in the training text, by all lines so far.

    If that is unknown, there are never too many.
    """
    shares = statistics.newcomers or [math.inf] * (len(PLACE_BOUNDS) + 1)
    expected = [shares[bisect_right(PLACE_BOUNDS, before)] for before in range(2 * WINDOW)]
    return np.array([sum(expected[max(0, count - WINDOW) : count]) for count in range(2 * WINDOW + 1)])


def _excess(share: float, came: float, lines: int) -> float:
    """Return the log ratio of expected to observed lines; 0 if there are no more than expected."""
    expected = share * (lines + _PSEUDOCOUNT)
    present = came + share * _PSEUDOCOUNT
    return math.log(max(expected, _LEAST) / present) if present > expected else 0.0
