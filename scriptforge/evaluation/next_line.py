"""How often a line follows from the one before it: a classifier that learns which lines do.

It is linear, over pairs of words, one of each line, and over the words that both have. It learns from the
training split: true neighbours on one side, and on the other the same first lines before a line that the same
person says somewhere else, so that neither the speaker nor the manner tells. Then it compares a line with
such a negative, in the same place:

    ELAINE: did you see him?
    JERRY: no, he was not there.        the line that follows
    JERRY: the sauce is on the floor.   the negative, from elsewhere

The figure is how often it prefers the first: half of the time by guessing. People's lines are preferred more
often, by as much as so simple a classifier understands; a model's lines that have nothing to do with what was
said are as good as negatives.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from scriptforge.copying.index import words_in
from scriptforge.errors import DatasetError
from scriptforge.evaluation.page import Turn
from scriptforge.screenplay.script import Element, speaker_key

MOST_TRAINING_PAIRS = 40_000
"""Pairs of lines that a classifier learns from at most."""

LEAST_TRAINING_PAIRS = 200

_NEGATIVES = 4
"""With how many negatives a line is compared, one after the other."""

_NEAR_WORDS = 8
"""Words of a line that are paired: the last of the first line, the first of the second."""

_COMMON_WORDS = 100
"""So many of the most frequent words may come again without that meaning anything."""

_FEATURES = 1 << 20


class NextLineClassifier:
    """Prefers the line that follows to one from elsewhere; the same turns and seed make the same classifier.

    Args:
        training_pairs: turns that people wrote.
        seed: of the negatives.

    Raises:
        DatasetError: there are fewer than `LEAST_TRAINING_PAIRS` to learn from.
    """

    def __init__(self, training_pairs: Sequence[Turn], seed: int = 0) -> None:
        from sklearn.linear_model import SGDClassifier

        if len(training_pairs) < LEAST_TRAINING_PAIRS:
            raise DatasetError(
                f"{len(training_pairs)} lines that follow another one are too few to learn which do.",
                f"Prepare a text with {LEAST_TRAINING_PAIRS} or more.",
            )
        count = min(len(training_pairs), MOST_TRAINING_PAIRS)
        kept = np.linspace(0, len(training_pairs) - 1, count).astype(int)
        learnt = [training_pairs[number] for number in kept]
        counts = Counter(word for _, line in learnt for word in words_in(line.text))
        self._common = {word for word, _ in counts.most_common(_COMMON_WORDS)}
        self._seed = seed
        self._negatives = _Negatives(line for _, line in training_pairs)
        classifier = SGDClassifier(loss="log_loss", alpha=3e-5, max_iter=8, tol=None, random_state=0)
        truth = np.repeat([1, 0], len(learnt))
        self._classifier = classifier.fit(self._features([*learnt, *self._with_negatives(learnt)]), truth)

    def preference(self, judged: Sequence[Turn]) -> float | None:
        """Return how often a second line is preferred to a negative in its place, 0 to 1.

        Args:
            judged: the turns; None is returned if there are none. Negatives are from the training pairs.
        """
        if not judged:
            return None
        negatives = self._with_negatives(list(judged) * _NEGATIVES)
        scores = self._classifier.decision_function(self._features([*judged, *negatives]))
        own, other = scores[: len(judged)], scores[len(judged) :].reshape(_NEGATIVES, -1)
        return float(np.mean(own > other) + np.mean(own == other) / 2)

    def _with_negatives(self, turns: Iterable[Turn]) -> list[Turn]:
        random = np.random.default_rng(self._seed)
        return [(before, self._negatives.draw(line.speaker, random)) for before, line in turns]

    def _features(self, judged: Sequence[Turn]) -> Any:
        """Return a sparse matrix: a row of length 1 for each turn."""
        from sklearn.feature_extraction import FeatureHasher
        from sklearn.preprocessing import normalize

        hasher = FeatureHasher(n_features=_FEATURES, input_type="string", alternate_sign=False)
        return normalize(hasher.transform(self._named_features(*turn) for turn in judged))

    def _named_features(self, before: Element, line: Element) -> list[str]:
        """Return the features of a turn.

        The second line is not seen alone: that would tell how people write, and not what follows from what.
        """
        said, answer = words_in(before.text), words_in(line.text)
        if not said or not answer:
            return []
        end = before.text.rstrip()[-1:]
        asks = "?" if end == "?" else "." if end in ".!…" else ","
        pairs = [f"{a}|{b}" for a in set(said[-_NEAR_WORDS:]) for b in set(answer[:_NEAR_WORDS])]
        shared = set(said) & set(answer)
        again = len(shared - self._common)
        return [
            *pairs,
            *(f"={word}" for word in shared),
            *(f"{asks}{word}" for word in answer[:2]),
            f"{said[0]}…{asks}{answer[0]}",
            *([f"again {min(again, 3)}"] if again else ()),
            *(["echo"] if said[-1] == answer[0] else ()),
        ]


class _Negatives:
    """Lines by who says them, to draw one from elsewhere."""

    def __init__(self, lines: Iterable[Element]) -> None:
        self._all = list(lines)
        self._lines: defaultdict[str, list[Element]] = defaultdict(list)
        for line in self._all:
            self._lines[speaker_key(line.speaker)].append(line)

    def draw(self, speaker: str, random: np.random.Generator) -> Element:
        """Return any line of a speaker, or of anybody if the speaker has no two."""
        own = self._lines.get(speaker_key(speaker), [])
        lines = own if len(own) > 1 else self._all
        return lines[random.integers(len(lines))]
