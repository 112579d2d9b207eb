"""Best of N: of several candidates for a line, the one that follows best from what was said is kept.

N sequences stand at the same place of a text, and each writes a line with random numbers of its own. When all
have come to its end one line is chosen, and all go on from there. Between lines the first one leads: who
speaks next is drawn once, as it is without candidates.

    ELAINE: did you see him?      JERRY: what?                    as likely after anything
                                  JERRY: see him? i hid.          kept
                                  JERRY: i saw the soup.          likelier if she had not asked

A line follows if the last lines make it likelier: if it is likelier where the model has read them than where
it has not. This is the mutual information of the line with them. What is said all the time is no likelier for
it. But it is preferred that a line has phrases that are not on the page yet:

    score = log p(line | all that was said) - log p(line | all but the last lines) - share of stale phrases

The share costs `STALENESS` nats, so that lines come back about as often as on people's pages. Memory of an
LSTM is short: what was said before a line moves its first tokens by so much more than the others that sums
over lines are as good for long lines as for short ones; means over their tokens would choose short ones.

Source: Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation Models",
arXiv:1510.03055; theirs is the information with all that was said.

Shape letters: B sequences, N candidates of each text, R = 2N readings of them, T steps, V vocabulary, H
features.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from scriptforge.copying.index import words_in
from scriptforge.generation.decoding import DecodingLoop, DecodingState, ModelDecoder, restored_state
from scriptforge.generation.grammar import Mask
from scriptforge.generation.sampling import logarithms
from scriptforge.inference import Ids, Numbers, State
from scriptforge.vocabulary import Level, Vocabulary

LINES_LEFT_OUT = 2
"""How many lines are the last ones, without which a line is read for comparison."""

STALENESS = 1.0
"""How many nats a line loses if all its phrases are on the page."""

PHRASE = 3
"""Words of a phrase, where the beginning and the end of a line count as words."""

_PAGE = 150
"""Lines with words on which a phrase is stale."""

_TOKENS: dict[Level, int] = {"word": 8, "bpe": 8, "char": 32}
"""Tokens of a line that are read for comparison: on later ones what was said before has no effect."""

_DIGITS = 3  # of a score, so that rounding errors of other sequences decide nothing


class _Place(NamedTuple):
    """Where a model stands.

    Attributes:
        features_H: what the next token is predicted from.
        state: of one sequence.
    """

    features_H: Numbers
    state: State


class BestOf:
    """A decoding loop in which each text has N sequences: what it takes and returns is of the texts.

    Args:
        loop: for N sequences of each text, those of one text in a row.
        reader: the model in it.
        vocabulary: the model's, of scripts.
        texts: how many.
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
        self._candidates = candidates
        self._is_text_V = vocabulary.is_text
        self._critic = _Critic(reader, vocabulary)
        nothing = self._critic.begin()
        self._texts = [_Text(number * candidates, _Page(vocabulary), [nothing]) for number in range(texts)]

    def give(self, ids: Sequence[int]) -> None:
        """See `DecodingLoop.give`."""
        self._loop.give(ids)
        for text in self._texts:
            text.page.take(ids)
            text.is_over = text.is_over and not ids

    def give_all(self, ids: Sequence[int]) -> None:
        """Take a long text that is given, up to the end of a line."""
        self._loop.give_all(ids)
        for text in self._texts:
            text.page.take(ids)
            text.is_over = True

    def draw(self, choices: Sequence[int] = (), excluded_V: Mask | None = None) -> list[list[int]]:
        """Draw one more token of each sequence; see `DecodingLoop.draw`.

        Returns:
            What is settled of each text: nothing while candidates are written, then all of a line.
        """
        proposed = self._loop.propose(choices, self._excluded(excluded_V))
        taken: list[int | None] = []
        settled: list[list[int]] = []
        for text in self._texts:
            ids = proposed[text.first : text.first + self._candidates]
            leads = bool(choices) or text.is_over or not self._loop.is_in_line(text.first)
            text.is_over = False
            settled.append(ids[:1] if leads else [])
            taken += ids[:1] * self._candidates if leads else self._go_on(text, ids)
        self._loop.take(taken)
        for number, text in enumerate(self._texts):
            if text.has_candidates:
                settled[number] = self._keep_best(text)
            text.page.take(settled[number])
        return settled

    def pause(self, *, rollback: bool) -> DecodingState:
        """See `DecodingLoop.pause`."""
        (text,) = self._texts
        ends = {
            f"best_of.{number}.{part}": array
            for number, end in enumerate(text.ends)
            for part, array in enumerate(end)
        }
        state = self._loop.pause(rollback=rollback)
        return replace(state, decoder={**state.decoder, **ends})

    def resume(self, state: DecodingState) -> None:
        """See `DecodingLoop.resume`."""
        (text,) = self._texts
        self._loop.resume(state)
        like = self._reader.sequence_state(0)
        saved = [number for number in range(LINES_LEFT_OUT + 1) if f"best_of.{number}.0" in state.decoder]
        text.ends = [restored_state(state.decoder, f"best_of.{number}", like) for number in saved]
        text.page.take(state.ids_TB[:, 0].tolist())
        text.is_over = True

    def _excluded(self, excluded_V: Mask | None) -> Mask | None:
        """Return what must not come now: no text where a line has been chosen."""
        are_over = [text.is_over for text in self._texts]
        if not any(are_over):
            return excluded_V
        over_B = np.repeat(are_over, self._candidates)
        excluded_BV = over_B[:, None] & self._is_text_V
        return excluded_BV if excluded_V is None else excluded_BV | excluded_V

    def _go_on(self, text: "_Text", ids: Sequence[int]) -> list[int | None]:
        """Return what is taken of ids drawn in a line: what would end it is not, and its sequence waits."""
        if not text.lines:
            text.lines = [[] for _ in ids]
            text.are_open = [True for _ in ids]
            text.places = self._critic.compare(text)
        text.are_open = [
            is_open and bool(self._is_text_V[id_]) for is_open, id_ in zip(text.are_open, ids, strict=True)
        ]
        taken = [id_ if is_open else None for is_open, id_ in zip(text.are_open, ids, strict=True)]
        for line, id_ in zip(text.lines, taken, strict=True):
            line += [] if id_ is None else [id_]
        return taken

    def _keep_best(self, text: "_Text") -> list[int]:
        """Let all sequences of a text go on from the best candidate; return it."""
        best = self._critic.best(text)
        line, text.lines = text.lines[best], []
        others = (each for each in range(self._candidates) if each != best)
        self._loop.copy_sequences({text.first + each: text.first + best for each in others})
        text.ends = [*text.ends, self._reader.sequence_state(text.first)][-LINES_LEFT_OUT - 1 :]
        text.is_over = True
        return line


@dataclass
class _Text:
    """A text and the candidates for its line.

    Attributes:
        first: its first sequence.
        page: what is on it.
        ends: what the model remembered at its start and the ends of its lines, the last few.
        is_over: whether a line has been chosen, and the next one is to be opened.
        lines: the candidates, so far; none between lines.
        are_open: which of them have not ended.
        places: where the line begins, with and without the last lines.
    """

    first: int
    page: "_Page"
    ends: list[State]
    is_over: bool = False
    lines: list[list[int]] = field(default_factory=list)
    are_open: list[bool] = field(default_factory=list)
    places: tuple[_Place, ...] = ()

    @property
    def has_candidates(self) -> bool:
        """Return whether all candidates are written."""
        return bool(self.lines) and not any(self.are_open)


class _Critic:
    """Knows which candidate follows best and is not stale.

    Args:
        reader: the model that has read the texts.
        vocabulary: the model's.
    """

    def __init__(self, reader: ModelDecoder, vocabulary: Vocabulary) -> None:
        self._reader = reader
        self._model = reader.model
        self._end = vocabulary.end
        self._most = _TOKENS[vocabulary.level]

    def begin(self) -> State:
        """Return what a model remembers at the start of a text."""
        return self._read([self._end], self._model.initial_state(1)).state

    def compare(self, text: _Text) -> tuple[_Place, ...]:
        """Return where the model stands in a text, and where it would without the last lines."""
        own = _Place(self._reader.features_BH[text.first], self._reader.sequence_state(text.first))
        return own, self._read(text.page.begun, text.ends[-LINES_LEFT_OUT - 1 :][0])

    @np.errstate(all="ignore")  # a model gone wrong scores with infinities and what is no number
    def best(self, text: _Text) -> int:
        """Return which of the candidates is best, the first of equals."""
        followings_N = self._followings(text.places, [line[: self._most] for line in text.lines])
        scores = [
            round(float(following) - STALENESS * text.page.staleness(line), _DIGITS)
            for following, line in zip(followings_N, text.lines, strict=True)
        ]
        return scores.index(max(scores))

    @np.errstate(all="ignore")
    def _read(self, ids: Sequence[int], state: State) -> _Place:
        features_1TH, state = self._model.features(np.array([ids]), state)
        return _Place(features_1TH[0, -1], state)

    def _followings(self, places: Sequence[_Place], lines: Sequence[Sequence[int]]) -> Numbers:
        """Return how much likelier each line is at the first place than at the second: nats, N of them."""
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
        logarithms_RTV = logarithms(self._model.score(features_RTH))
        said_RT = np.take_along_axis(logarithms_RTV, ids_RT[..., None], -1)[..., 0]
        own_NT, other_NT = np.split(said_RT, 2)
        is_said_NT = np.arange(steps) < np.array(list(map(len, lines)))[:, None]
        followings_N: Numbers = ((own_NT - other_NT) * is_said_NT).sum(1)
        return followings_N


class _Page:
    """The last lines of a text, and the phrases on them.

    Attributes:
        begun: the ids of the line that has begun, with what opened it.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._phrases: deque[set[tuple[str, ...]]] = deque()
        self._counts: Counter[tuple[str, ...]] = Counter()
        self._said = 0
        self.begun: list[int] = []

    def take(self, ids: Sequence[int]) -> None:
        """Take the next ids of the text."""
        for id_ in ids:
            if not self._vocabulary.is_text[id_] and id_ != self._vocabulary.says:
                self._close()
                self.begun = []
                self._said = 1
            self.begun.append(id_)
            if id_ == self._vocabulary.says:
                self._said = len(self.begun)

    def staleness(self, rest: Sequence[int]) -> float:
        """Return the share of the phrases of a line, from what has begun on, that are on the page: 0 to 1."""
        phrases = self._phrases_of([*self.begun[self._said :], *rest])
        return sum(phrase in self._counts for phrase in phrases) / max(len(phrases), 1)

    def _close(self) -> None:
        """Put the line that has begun onto the page, if it has words."""
        phrases = self._phrases_of(self.begun[self._said :])
        if not phrases:
            return
        self._phrases.append(phrases)
        self._counts.update(phrases)
        if len(self._phrases) > _PAGE:
            self._counts -= Counter(self._phrases.popleft())

    def _phrases_of(self, ids: Sequence[int]) -> set[tuple[str, ...]]:
        words = words_in(self._vocabulary.decode(ids))
        bounded = ["", *words, ""] if words else []
        return {tuple(bounded[start : start + PHRASE]) for start in range(len(bounded) - PHRASE + 1)}
