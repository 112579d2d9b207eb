"""A classifier of whether a line of dialogue follows from the line before it.

It is a linear model whose features are pairs of words, one from each line, and the words that both lines
share. It is trained on the training split. Positives are consecutive lines. In a negative, the second line is
replaced by a random line of the same speaker, so that neither speaker nor style gives it away:

    ELAINE: did you see him?
    JERRY: no, he was not there.        the line that follows
    JERRY: the sauce is on the floor.   a negative, from elsewhere

The figure is how often the classifier prefers the line to a negative; guessing gives 50 %. People's lines get
more, as far as so simple a classifier can tell; a model's lines that ignore what was said get about 50 %.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from scriptforge.copying.index import words_in
from scriptforge.errors import DatasetError
from scriptforge.evaluation.page import Turn
from scriptforge.screenplay.script import Element, speaker_key

MAX_TRAINING_PAIRS = 40_000
"""Largest number of pairs of lines that a classifier is trained on."""

MIN_TRAINING_PAIRS = 200

_NEGATIVES = 4
"""Number of negatives that each line is compared with."""

_NEAR_WORDS = 8
"""Number of words of each line that are paired: the last of the first line, the first of the second."""

_COMMON_WORDS = 100
"""Number of the most frequent words, which do not count as repeated in the second line."""

_FEATURES = 1 << 20


class NextLineClassifier:
    """A classifier that tells a line that follows from a negative; deterministic for given turns and seed.

    Args:
        training_pairs: turns written by people.
        seed: seed of the choice of negatives.

    Raises:
        DatasetError: there are fewer than `MIN_TRAINING_PAIRS` pairs.
    """

    def __init__(self, training_pairs: Sequence[Turn], seed: int = 0) -> None:
        from sklearn.linear_model import SGDClassifier

        if len(training_pairs) < MIN_TRAINING_PAIRS:
            raise DatasetError(
                f"{len(training_pairs)} lines that follow another one are too few to learn which lines do.",
                f"Prepare a text with {MIN_TRAINING_PAIRS} or more.",
            )
        count = min(len(training_pairs), MAX_TRAINING_PAIRS)
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
        """Return how often the second line of a turn is preferred to a negative, 0 to 1; None without turns.

        Args:
            judged: the turns; the negatives come from the training pairs.
        """
        if not judged:
            return None
        negatives = self._with_negatives(list(judged) * _NEGATIVES)
        scores = self._classifier.decision_function(self._features([*judged, *negatives]))
        own, other = scores[: len(judged)], scores[len(judged) :].reshape(_NEGATIVES, -1)
        return float(np.mean(own > other) + np.mean(own == other) / 2)

    def _with_negatives(self, turns: Iterable[Turn]) -> list[Turn]:
        random = np.random.default_rng(self._seed)
        return [(before, self._negatives.draw(line, random)) for before, line in turns]

    def _features(self, judged: Sequence[Turn]) -> Any:
        """Return a sparse matrix of features, one row of unit norm for each turn."""
        from sklearn.feature_extraction import FeatureHasher
        from sklearn.preprocessing import normalize

        hasher = FeatureHasher(n_features=_FEATURES, input_type="string", alternate_sign=False)
        return normalize(hasher.transform(self._named_features(*turn) for turn in judged))

    def _named_features(self, before: Element, line: Element) -> list[str]:
        """Return the names of the features of a turn.

        No feature is of the second line alone: it would tell how people write, not what follows from what.
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
    """Lines by speaker, to draw negatives from."""

    def __init__(self, lines: Iterable[Element]) -> None:
        self._all = list(lines)
        self._lines: defaultdict[str, list[Element]] = defaultdict(list)
        for line in self._all:
            self._lines[speaker_key(line.speaker)].append(line)

    def draw(self, line: Element, random: np.random.Generator) -> Element:
        """Return a random other line of the same speaker, or of anybody if the speaker has fewer than two."""
        own = self._lines.get(speaker_key(line.speaker), [])
        lines = own if len(own) > 1 else self._all
        number = random.integers(len(lines))
        return lines[number - 1] if lines[number] is line else lines[number]
