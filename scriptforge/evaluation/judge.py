"""How often a line follows from the one before it: a judge that learns which lines do.

The judge is a linear classifier over pairs of words, one of each line, and over the words that both have. It
learns from the training split: true neighbours on one side, and on the other the same first lines before a
line that the same person says somewhere else, so that neither the speaker nor the manner tells. Then it
compares a line with a stray one, in the same place:

    ELAINE: did you see him?
    JERRY: no, he was not there.        the line that follows
    JERRY: the sauce is on the floor.   the stray one, from elsewhere

The figure is how often it prefers the first: half of the time by guessing. People's lines are preferred more
often, by as much as so simple a judge understands; a model's lines that have nothing to do with what was said
are as good as strays.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from scriptforge.copying.index import words_in
from scriptforge.errors import DatasetError
from scriptforge.evaluation.page import Turn
from scriptforge.screenplay.script import Element, speaker_key

MOST_LESSONS = 40_000
"""Pairs of lines that a judge learns from at most."""

LEAST_LESSONS = 200

_STRAYS = 4
"""With how many stray lines a line is compared, one after the other."""

_NEAR_WORDS = 8
"""Words of a line that are paired: the last of the first line, the first of the second."""

_COMMON_WORDS = 100
"""So many of the most frequent words may come again without that meaning anything."""

_FEATURES = 1 << 20


class Judge:
    """Prefers the line that follows to one from elsewhere; the same turns and seed make the same judge.

    Args:
        lessons: turns that people wrote.
        seed: of the stray lines.

    Raises:
        DatasetError: there are fewer than `LEAST_LESSONS` to learn from.
    """

    def __init__(self, lessons: Sequence[Turn], seed: int = 0) -> None:
        from sklearn.linear_model import SGDClassifier

        if len(lessons) < LEAST_LESSONS:
            raise DatasetError(
                f"{len(lessons)} lines that follow another one are too few to learn which do.",
                f"Prepare a text with {LEAST_LESSONS} or more.",
            )
        kept = np.linspace(0, len(lessons) - 1, min(len(lessons), MOST_LESSONS)).astype(int)
        learnt = [lessons[number] for number in kept]
        counts = Counter(word for _, line in learnt for word in words_in(line.text))
        self._common = {word for word, _ in counts.most_common(_COMMON_WORDS)}
        self._seed = seed
        self._strays = _Strays(line for _, line in lessons)
        classifier = SGDClassifier(loss="log_loss", alpha=3e-5, max_iter=8, tol=None, random_state=0)
        truth = np.repeat([1, 0], len(learnt))
        self._classifier = classifier.fit(self._features([*learnt, *self._with_strays(learnt)]), truth)

    def preference(self, judged: Sequence[Turn]) -> float | None:
        """Return how often a second line is preferred to a stray one in its place, 0 to 1.

        Args:
            judged: the turns; None is returned if there are none. The stray lines are from the lessons.
        """
        if not judged:
            return None
        strays = self._with_strays(list(judged) * _STRAYS)
        scores = self._classifier.decision_function(self._features([*judged, *strays]))
        own, other = scores[: len(judged)], scores[len(judged) :].reshape(_STRAYS, -1)
        return float(np.mean(own > other) + np.mean(own == other) / 2)

    def _with_strays(self, turns: Iterable[Turn]) -> list[Turn]:
        random = np.random.default_rng(self._seed)
        return [(before, self._strays.draw(line.speaker, random)) for before, line in turns]

    def _features(self, judged: Sequence[Turn]) -> Any:
        """Return a sparse matrix: a row of length 1 for each turn."""
        from sklearn.feature_extraction import FeatureHasher
        from sklearn.preprocessing import normalize

        hasher = FeatureHasher(n_features=_FEATURES, input_type="string", alternate_sign=False)
        return normalize(hasher.transform(self._named_features(*turn) for turn in judged))

    def _named_features(self, before: Element, line: Element) -> list[str]:
        """Return what a judge sees of a turn.

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


class _Strays:
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
