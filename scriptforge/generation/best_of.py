"""Best of N: of several candidates for a line, the one that follows best from the lines before is kept.

N sequences start at the same place of a text, and each writes a line with its own random numbers. When all
lines are finished, one is chosen, and all sequences continue from it. Between lines the first sequence leads:
the next speaker is drawn once, as without candidates.

    ELAINE: did you see him?      JERRY: what?                    as likely after anything
                                  JERRY: see him? i hid.          kept
                                  JERRY: i saw the soup.          likelier if she had not asked

A line follows from the last few lines if it is likelier for the model with them than without them. The
difference of its log-probabilities is the pointwise mutual information of the line and the last few lines; a
line that is always likely gains nothing. Phrases that are already on the page are stale, and their share
counts against a line:

    score = log p(line | all lines before) - log p(line | all but the last few) - STALENESS * stale share

With the value of `STALENESS`, lines recur about as often as in human text. An LSTM's memory is short: the
lines before affect mainly the first tokens of a line. So sums over the tokens of a line are as fair to long
lines as to short ones, while means would favour short ones.

Source: Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation Models",
arXiv:1510.03055; there, the mutual information is that with the whole context.

Shape letters: B sequences, N candidates of each text, R = 2N rows: candidates with and without the last
lines, T steps, V vocabulary, H features.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

from scriptforge.copying.index import words_in
from scriptforge.generation.decoder import ModelDecoder, restore_state
from scriptforge.generation.decoding import DecodingLoop
from scriptforge.generation.decoding_state import DecodingState
from scriptforge.generation.filters import log_softmax
from scriptforge.generation.grammar import Mask
from scriptforge.inference import FloatArray, Ids, State
from scriptforge.vocabulary import Level, Vocabulary

LINES_LEFT_OUT = 2
"""Number of last lines without which a candidate is read for comparison."""

STALENESS = 1.0
"""Penalty, in nats, of a line whose phrases are all on the page."""

PHRASE = 3
"""Number of words in a phrase, where the beginning and the end of a line count as words."""

_PAGE_LINES = 150
"""Number of lines, not counting those without words, that are on the page."""

_SCORED_TOKENS: dict[Level, int] = {"word": 8, "bpe": 8, "char": 32}
"""Number of first tokens of a line that are scored: the lines before have no effect on later ones."""

_DIGITS = 3  # decimals of a score, so that rounding errors, which depend on the batch, decide nothing


class _Place(NamedTuple):
    """A place in a text from which the model can continue.

    Attributes:
        features_H: features from which the next token is predicted.
        state: state of the model, for one sequence.
    """

    features_H: FloatArray
    state: State


class TextLoop(Protocol):
    """A loop that writes texts: a `DecodingLoop` with one sequence for each, or `BestOf`."""

    def give(self, ids: Sequence[int]) -> None:
        """Append given ids to every text."""
        ...

    def give_all(self, ids: Sequence[int]) -> None:
        """Append a long given text, which for `BestOf` must end with a whole line."""
        ...

    def draw(self, choices: Sequence[int] = (), excluded_V: Mask | None = None) -> list[list[int]]:
        """Draw the next id of each sequence; return the new ids of each text, if there are any yet."""
        ...

    def pause(self, *, rollback: bool) -> DecodingState:
        """Return the state from which `resume` continues as if there had been no pause."""
        ...

    def resume(self, state: DecodingState) -> None:
        """Continue from the state of a paused loop, before anything is given or drawn."""
        ...


class BestOf:
    """A `TextLoop` that draws N candidates for each line of each text, and keeps the best one.

    Args:
        loop: decoding loop with N sequences for each text, those of one text adjacent.
        reader: decoder of the model in that loop.
        vocabulary: the model's vocabulary, which must be for scripts.
        texts: number of texts.
        candidates: N, 2 or more.
    """

    def __init__(
        self,
        loop: DecodingLoop,
        reader: ModelDecoder,
        vocabulary: Vocabulary,
        texts: int,
        candidates: int,
    ) -> None:
        self._loop = loop
        self._reader = reader
        self._count = candidates
        self._is_text_V = vocabulary.is_text
        self._critic = _Critic(reader, vocabulary)
        nothing = self._critic.begin()
        self._texts = [_Text(number * candidates, _Page(vocabulary), [nothing]) for number in range(texts)]

    def give(self, ids: Sequence[int]) -> None:
        """See `TextLoop.give`."""
        self._loop.give(ids)
        for text in self._texts:
            text.take(ids)

    def give_all(self, ids: Sequence[int]) -> None:
        """See `TextLoop.give_all`."""
        self._loop.give_all(ids)
        for text in self._texts:
            text.take(ids, ends_line=True)

    def draw(self, choices: Sequence[int] = (), excluded_V: Mask | None = None) -> list[list[int]]:
        """Draw one more token of each sequence; see `TextLoop.draw`.

        Returns:
            The new ids of each text: none while candidates are written, then those of the line chosen.
        """
        proposed = self._loop.propose(choices, self._excluded(excluded_V))
        taken: list[int | None] = []
        settled: list[list[int]] = []
        for text in self._texts:
            ids = proposed[text.first : text.first + self._count]
            if choices or text.is_between_lines or not self._loop.is_in_line(text.first):
                text.take(ids[:1])
                settled.append(ids[:1])
                taken += ids[:1] * self._count
            else:
                settled.append([])
                taken += self._extend_candidates(text, ids)
        self._loop.take(taken)
        for number, text in enumerate(self._texts):
            if text.candidates is not None and text.candidates.are_finished:
                settled[number] = self._keep_best(text, text.candidates)
        return settled

    def pause(self, *, rollback: bool) -> DecodingState:
        """See `TextLoop.pause`."""
        (text,) = self._texts
        ends = {
            f"best_of.{number}.{part}": array
            for number, end in enumerate(text.ends)
            for part, array in enumerate(end)
        }
        state = self._loop.pause(rollback=rollback)
        return replace(state, decoder={**state.decoder, **ends})

    def resume(self, state: DecodingState) -> None:
        """See `TextLoop.resume`."""
        (text,) = self._texts
        self._loop.resume(state)
        saved = [number for number in range(LINES_LEFT_OUT + 1) if f"best_of.{number}.0" in state.decoder]
        if not saved:
            raise KeyError("the state was saved without candidates")
        model = self._reader.model
        text.ends = [restore_state(state.decoder, f"best_of.{number}", model, 1) for number in saved]
        text.take(state.ids_TB[:, 0].tolist(), ends_line=True)

    def _excluded(self, excluded_V: Mask | None) -> Mask | None:
        """Return the excluded tokens, with all text tokens where the next line has yet to be opened."""
        between_lines = [text.is_between_lines for text in self._texts]
        if not any(between_lines):
            return excluded_V
        between_lines_B = np.repeat(between_lines, self._count)
        excluded_BV = between_lines_B[:, None] & self._is_text_V
        return excluded_BV if excluded_V is None else excluded_BV | excluded_V

    def _extend_candidates(self, text: "_Text", ids: Sequence[int]) -> list[int | None]:
        """Add the ids drawn to the candidates and return them; None for a candidate that has ended."""
        if text.candidates is None:
            text.candidates = _Candidates(self._count, self._critic.compare(text))
        return text.candidates.take(ids, [bool(self._is_text_V[id_]) for id_ in ids])

    def _keep_best(self, text: "_Text", candidates: "_Candidates") -> list[int]:
        """Copy the best candidate to all sequences of a text, and return it."""
        best = self._critic.best(candidates, text.page)
        others = (each for each in range(self._count) if each != best)
        self._loop.copy_sequences({text.first + each: text.first + best for each in others})
        text.ends = [*text.ends, self._reader.sequence_state(text.first)][-LINES_LEFT_OUT - 1 :]
        text.candidates = None
        text.take(candidates.lines[best], ends_line=True)
        return candidates.lines[best]


class _Candidates:
    """The candidates for the next line of a text.

    Args:
        count: N.
        places: where the line begins, with and without the last lines.

    Attributes:
        places: where the line begins, with and without the last lines.
        lines: ids of each candidate so far.
    """

    def __init__(self, count: int, places: tuple[_Place, ...]) -> None:
        self.places = places
        self.lines: list[list[int]] = [[] for _ in range(count)]
        self._are_open = [True] * count

    @property
    def are_finished(self) -> bool:
        """Return whether all have ended."""
        return not any(self._are_open)

    def take(self, ids: Sequence[int], are_text: Sequence[bool]) -> list[int | None]:
        """Take the id drawn for each candidate, which ends at its first id that is not text.

        Returns:
            The ids that became part of the candidates; None for a candidate that has ended.
        """
        drawn = zip(self._are_open, are_text, strict=True)
        self._are_open = [is_open and is_text for is_open, is_text in drawn]
        taken = [id_ if is_open else None for is_open, id_ in zip(self._are_open, ids, strict=True)]
        for line, id_ in zip(self.lines, taken, strict=True):
            if id_ is not None:
                line.append(id_)
        return taken


@dataclass
class _Text:
    """A text: between two lines, in the opening of a line, or with candidates for the line that was opened.

    Attributes:
        first: number of its first sequence.
        page: its last lines.
        ends: states of the model at the start of the text and at the ends of its lines, the last few.
        is_between_lines: whether a line has ended, and the next one has yet to be opened.
        candidates: the candidates for the line that was opened; None if there is none.
    """

    first: int
    page: "_Page"
    ends: list[State]
    is_between_lines: bool = False
    candidates: _Candidates | None = None

    def take(self, ids: Sequence[int], *, ends_line: bool = False) -> None:
        """Add the next ids of the text; `ends_line` says that they are the last ones of a line."""
        self.page.take(ids)
        if ids or ends_line:
            self.is_between_lines = ends_line


class _Critic:
    """A scorer that chooses the best candidate.

    Args:
        reader: decoder that has read the texts.
        vocabulary: the model's vocabulary.
    """

    def __init__(self, reader: ModelDecoder, vocabulary: Vocabulary) -> None:
        self._reader = reader
        self._model = reader.model
        self._end = vocabulary.end
        self._max_tokens = _SCORED_TOKENS[vocabulary.level]

    def begin(self) -> State:
        """Return the state of the model at the start of a text."""
        return self._read([self._end], self._model.initial_state(1)).state

    def compare(self, text: _Text) -> tuple[_Place, ...]:
        """Return the place where the next line of a text begins, with and without the last lines."""
        own = _Place(self._reader.features_BH[text.first], self._reader.sequence_state(text.first))
        return own, self._read(text.page.begun, text.ends[-LINES_LEFT_OUT - 1 :][0])

    @np.errstate(all="ignore")  # a diverged model gives infinite or NaN scores
    def best(self, candidates: _Candidates, page: "_Page") -> int:
        """Return the index of the best candidate, the first one of equals."""
        lines = candidates.lines
        information_N = self._information(candidates.places, [line[: self._max_tokens] for line in lines])
        scores = [
            round(float(following) - STALENESS * page.staleness(line), _DIGITS)
            for following, line in zip(information_N, lines, strict=True)
        ]
        return scores.index(max(scores))

    @np.errstate(all="ignore")
    def _read(self, ids: Sequence[int], state: State) -> _Place:
        features_1TH, state = self._model.features(np.array([ids]), state)
        return _Place(features_1TH[0, -1], state)

    def _information(self, places: Sequence[_Place], lines: Sequence[Sequence[int]]) -> FloatArray:
        """Return by how many nats each line is likelier at the first place than at the second, `(N,)`."""
        steps = max(map(len, lines))
        if not steps:
            return np.zeros(len(lines), np.float32)
        padded = [[*line, *[self._end] * (steps - len(line))] for line in lines]
        ids_RT: Ids = np.tile(np.array(padded), (len(places), 1))
        features_RH = np.repeat([place.features_H for place in places], len(lines), axis=0)
        features_RTH = features_RH[:, None]
        if steps > 1:
            states = zip(*(place.state for place in places), strict=True)
            state = tuple(np.repeat(np.concatenate(each, axis=1), len(lines), axis=1) for each in states)
            after_RTH, _ = self._model.features(ids_RT[:, :-1], state)
            features_RTH = np.concatenate([features_RTH, after_RTH], axis=1)
        log_probabilities_RTV = log_softmax(self._model.score(features_RTH))
        said_RT = np.take_along_axis(log_probabilities_RTV, ids_RT[..., None], -1)[..., 0]
        own_NT, other_NT = np.split(said_RT, 2)
        is_said_NT = np.arange(steps) < np.array(list(map(len, lines)))[:, None]
        information_N: FloatArray = ((own_NT - other_NT) * is_said_NT).sum(1)
        return information_N


class _Page:
    """The last lines of a text, and their phrases.

    Attributes:
        begun: ids of the current line, with those that opened it.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._phrases: deque[set[tuple[str, ...]]] = deque()
        self._counts: Counter[tuple[str, ...]] = Counter()
        self._said = 0
        self.begun: list[int] = []

    def take(self, ids: Sequence[int]) -> None:
        """Add the next ids of the text."""
        for id_ in ids:
            if not self._vocabulary.is_text[id_] and id_ != self._vocabulary.says:
                self._close()
                self.begun = []
                self._said = 1
            self.begun.append(id_)
            if id_ == self._vocabulary.says:
                self._said = len(self.begun)

    def staleness(self, rest: Sequence[int]) -> float:
        """Return the share of phrases on the page, 0 to 1, in the current line continued by `rest`."""
        phrases = self._phrases_of([*self.begun[self._said :], *rest])
        return sum(phrase in self._counts for phrase in phrases) / max(len(phrases), 1)

    def _close(self) -> None:
        """Add the current line to the page, if it has words."""
        phrases = self._phrases_of(self.begun[self._said :])
        if not phrases:
            return
        self._phrases.append(phrases)
        self._counts.update(phrases)
        if len(self._phrases) > _PAGE_LINES:
            self._counts -= Counter(self._phrases.popleft())

    def _phrases_of(self, ids: Sequence[int]) -> set[tuple[str, ...]]:
        words = words_in(self._vocabulary.decode(ids))
        bounded = ["", *words, ""] if words else []
        return {tuple(bounded[start : start + PHRASE]) for start in range(len(bounded) - PHRASE + 1)}
