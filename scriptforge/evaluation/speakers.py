"""How well a classifier recognises the speaker of a line, in scripts by people and by a model.

The classifier is trained on the training split: a linear model over TF-IDF weighted n-grams of one to four
characters within words. It then predicts the speakers of held-out and of generated lines. If a model gives
everybody the same voice, its speakers are recognised less often than people's. The classifier sees only the
text of a line.

Some speakers have many more lines than others, and a model may distribute lines differently from people. So
the figure to compare is the balanced accuracy: the mean, over speakers, of the share of their lines that are
recognised. Speakers with few lines are left out, since a model may hardly let them speak.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TypeAlias

import numpy as np

from scriptforge.dataset import Dataset
from scriptforge.errors import DatasetError, UsageError
from scriptforge.generation.generate import Session
from scriptforge.options import GenerateOptions
from scriptforge.run.run import Run
from scriptforge.screenplay.script import Element, speaker_key

MAX_SPEAKERS = 10
"""Largest number of speakers that are compared: those with the most training lines."""

MIN_TRAINING_LINES = 50
"""Lines in the training split that a speaker needs to be compared."""

MIN_SHARE = 0.1
"""Lines that a speaker needs to be compared, as a share of the training lines of the busiest speaker."""

MIN_HELD_OUT_LINES = 5
"""Lines in the held-out text that a speaker needs to be compared."""

MIN_WORDS = 4
"""Words that a line needs to count: nobody could say whose “Yeah.” it is."""

GENERATED_LINES = 2560
"""Default number of lines that a model writes for the measurement."""

Classifier: TypeAlias = Callable[[Sequence[str]], Iterable[str]]
"""Predicts the speaker of each of some texts."""

_MAX_TRAINING_LINES = 4000  # of one speaker: more take longer and change little
_LINES_OF_A_TEXT = 40
_TEXTS_AT_ONCE = 64


@dataclass(frozen=True)
class Recall:
    """How often one speaker is recognised.

    Attributes:
        lines: number of the speaker's lines.
        share: share of these lines that is recognised, 0 to 1; 0 if there are none.
    """

    lines: int
    share: float


@dataclass(frozen=True)
class Recognition:
    """How often the speakers of some lines are recognised.

    Attributes:
        lines: number of lines of the compared speakers.
        accuracy: share of the lines whose speaker is recognised, 0 to 1.
        majority: accuracy of always predicting the speaker with the most lines.
        balanced_accuracy: mean of the shares of the speakers who have lines, 0 to 1.
        margin: standard error of the balanced accuracy, from the numbers of lines.
        speakers: the figures of each compared speaker, by name.
    """

    lines: int
    accuracy: float
    majority: float
    balanced_accuracy: float
    margin: float
    speakers: Mapping[str, Recall]


@dataclass(frozen=True)
class SpeakerRecognition:
    """How well a classifier recognises the speakers of people's lines and of a model's.

    Attributes:
        training_lines: number of lines that the classifier was trained on.
        chance: balanced accuracy of guessing.
        held_out: figures for lines by people.
        generated: figures for lines by the model.
    """

    training_lines: int
    chance: float
    held_out: Recognition
    generated: Recognition


def recognition_of_run(
    run: Run, dataset: Dataset, options: GenerateOptions | None = None, *, lines: int = GENERATED_LINES
) -> SpeakerRecognition:
    """Generate lines with a model and measure its speakers beside those of held-out text.

    The held-out text is validation and test together: the model was trained on neither.

    Args:
        run: the run of the model.
        dataset: the dataset that it was trained on.
        options: how to generate; length and count are set here, and the seed is 0 if it is None.
        lines: approximate number of lines to generate, in texts of about forty.

    Raises:
        DatasetError: the dataset is plain text, fewer than two speakers have enough lines, or the model lets
            none of them speak.
        UsageError: scikit-learn is not installed.
    """
    if dataset.description.plain:
        raise DatasetError(
            f"Dataset “{dataset.name}” is plain text, in which nobody speaks.",
            "Prepare it without --plain to measure speakers.",
        )
    held_out = chain(_elements(dataset, "validation"), _elements(dataset, "test"))
    generated = _generate(run, dataset, lines, options or GenerateOptions())
    return measure_recognition(_elements(dataset, "train"), held_out, generated)


def measure_recognition(
    training: Iterable[Element], held_out: Iterable[Element], generated: Iterable[Element]
) -> SpeakerRecognition:
    """Measure the speakers of a model's lines beside those of people's.

    The classifier and the choice of speakers do not depend on the generated lines, so models trained on the
    same dataset can be compared. The same lines give the same figures.

    Args:
        training: the text that the classifier is trained on.
        held_out: text by people that the classifier has not seen.
        generated: text by the model; read last.

    Raises:
        DatasetError: fewer than two speakers have enough lines, or none of them has any in `generated`.
        UsageError: scikit-learn is not installed.
    """
    classifier = SpeakerClassifier(training, held_out)
    recognised = classifier.recognition(generated)
    if recognised is None:
        raise DatasetError(
            "None of the speakers with enough lines says anything in the generated text.",
            "Train the model for longer.",
        )
    return SpeakerRecognition(classifier.training_lines, classifier.chance, classifier.held_out, recognised)


class SpeakerClassifier:
    """A classifier of speakers by their lines; deterministic for given texts.

    Args:
        training: the text that it is trained on.
        held_out: text that, with the training text, decides which speakers are compared.

    Attributes:
        training_lines: number of lines that it was trained on.
        chance: balanced accuracy of guessing.
        held_out: how well it recognises the speakers of held-out lines.

    Raises:
        DatasetError: fewer than two speakers have enough lines.
        UsageError: scikit-learn is not installed.
    """

    def __init__(self, training: Iterable[Element], held_out: Iterable[Element]) -> None:
        long_enough = list(_long_lines(training))
        learnt, held = _by_speaker(long_enough), _by_speaker(_long_lines(held_out))
        speakers = _compared_speakers(learnt, held)
        # The first spelling of a name is shown.
        spellings = {speaker_key(speaker): speaker for speaker, _ in reversed(long_enough)}
        self._spellings = {speaker: spellings[speaker] for speaker in speakers}
        training_texts = {self._spellings[speaker]: _thinned(learnt[speaker]) for speaker in speakers}
        self._classifier = _classifier(training_texts)
        self.training_lines = sum(map(len, training_texts.values()))
        self.chance = 1 / len(speakers)
        self.held_out = self._recognition(held)

    def recognition(self, elements: Iterable[Element]) -> Recognition | None:
        """Return how often speakers are recognised; None if no compared speaker has a long enough line."""
        said = _by_speaker(_long_lines(elements))
        return self._recognition(said) if any(said[speaker] for speaker in self._spellings) else None

    def recognised(self, elements: Iterable[Element]) -> float | None:
        """Return the balanced accuracy alone; None as in `recognition`."""
        recognition = self.recognition(elements)
        return recognition.balanced_accuracy if recognition else None

    def _recognition(self, said: defaultdict[str, list[str]]) -> Recognition:
        texts_of = {spelling: said[speaker] for speaker, spelling in self._spellings.items()}
        return _recognition(self._classifier, texts_of)


def _elements(dataset: Dataset, split: str) -> Iterator[Element]:
    return (row.element for row in dataset.rows(split))


def _generate(run: Run, dataset: Dataset, lines: int, options: GenerateOptions) -> Iterator[Element]:
    """Yield the elements of generated texts, each as many tokens long as forty lines of the training text.

    The length is given in tokens, not in lines, since a poor model may hardly ever end a line.
    """
    trained = dataset.description.splits["train"]
    length = math.ceil(_LINES_OF_A_TEXT * trained.tokens / trained.lines)
    wanted = math.ceil(lines / _LINES_OF_A_TEXT)
    for first in range(0, wanted, _TEXTS_AT_ONCE):
        count = min(_TEXTS_AT_ONCE, wanted - first)
        batch = replace(options, length=length, count=count, seed=(options.seed or 0) + first)
        for text in Session(run, batch).write():
            yield from text.elements


def _long_lines(elements: Iterable[Element]) -> Iterator[tuple[str, str]]:
    """Yield the speaker and text of each line of dialogue with at least `MIN_WORDS` words."""
    for element in elements:
        if element.kind == "dialogue" and len(element.text.split()) >= MIN_WORDS:
            yield element.speaker, element.text


def _by_speaker(lines: Iterable[tuple[str, str]]) -> defaultdict[str, list[str]]:
    """Return the texts of each speaker by `speaker_key`, which is the same for all spellings of a name."""
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for speaker, text in lines:
        texts[speaker_key(speaker)].append(text)
    return texts


def _compared_speakers(
    learnt: defaultdict[str, list[str]], held_out: defaultdict[str, list[str]]
) -> list[str]:
    """Return the keys of the speakers to compare, two or more, most lines first."""
    by_lines = sorted(learnt, key=lambda speaker: (-len(learnt[speaker]), speaker))
    least = max(MIN_TRAINING_LINES, MIN_SHARE * max(map(len, learnt.values()), default=0))
    enough = [
        speaker
        for speaker in by_lines
        if len(learnt[speaker]) >= least and len(held_out[speaker]) >= MIN_HELD_OUT_LINES
    ]
    if len(enough) < 2:
        raise DatasetError(
            f"Fewer than two speakers have {MIN_TRAINING_LINES} lines to learn their voices from "
            f"and {MIN_HELD_OUT_LINES} held-out ones, of {MIN_WORDS} words or more.",
            "Measure speakers on a corpus with more text, or hold out more: --validation 0.1 --test 0.1",
        )
    return enough[:MAX_SPEAKERS]


def _thinned(texts: Sequence[str]) -> list[str]:
    """Return at most `_MAX_TRAINING_LINES` of the texts, evenly spread."""
    kept = np.linspace(0, len(texts) - 1, min(len(texts), _MAX_TRAINING_LINES)).astype(int)
    return [texts[number] for number in kept]


def require_classifier(option: str = "--speakers") -> None:
    """Check that scikit-learn is installed, before anything that takes long.

    Args:
        option: the option that needs it, for the message.

    Raises:
        UsageError: scikit-learn is not installed.
    """
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"{option} needs scikit-learn, which is not installed.",
            "Install it: pip install 'scriptforge-lm[evaluate]'",
        ) from error


def _classifier(training_texts: Mapping[str, list[str]]) -> Classifier:
    """Fit a classifier to the texts of each speaker; deterministic for given texts.

    Logistic regression fitted by stochastic gradient descent was as accurate as with slower solvers, and as a
    support vector machine. All speakers have the same weight, whatever their number of lines.
    """
    require_classifier()
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), min_df=2, sublinear_tf=True),
        SGDClassifier(
            loss="log_loss", alpha=3e-5, max_iter=20, tol=None, class_weight="balanced", random_state=0
        ),
    )
    texts = [text for each in training_texts.values() for text in each]
    speakers = [speaker for speaker, each in training_texts.items() for _ in each]
    classifier: Classifier = pipeline.fit(texts, speakers).predict
    return classifier


def _recognition(classifier: Classifier, texts_of: Mapping[str, Sequence[str]]) -> Recognition:
    """Count how often the classifier predicts the right speaker; there is at least one text."""
    named = iter(classifier([text for texts in texts_of.values() for text in texts]))
    counts = {speaker: len(texts) for speaker, texts in texts_of.items()}
    hits = {
        speaker: sum(name == speaker for name in islice(named, count)) for speaker, count in counts.items()
    }
    recalls = {
        speaker: Recall(counts[speaker], hits[speaker] / max(counts[speaker], 1)) for speaker in counts
    }
    heard = [speaker for speaker in counts if counts[speaker]]
    lines = sum(counts.values())
    return Recognition(
        lines=lines,
        accuracy=sum(hits.values()) / lines,
        majority=max(counts.values()) / lines,
        balanced_accuracy=sum(recalls[speaker].share for speaker in heard) / len(heard),
        margin=_margin([(hits[speaker], counts[speaker]) for speaker in heard]),
        speakers=recalls,
    )


def _margin(hits_and_counts: Sequence[tuple[int, int]]) -> float:
    """Return the standard error of the mean of several shares.

    One hit and one miss are added to each share (Laplace's rule). Otherwise a speaker with 3 lines, none of
    them recognised, would have a share of 0 with variance 0, as if 3 lines were proof.
    """
    variance = 0.0
    for hits, count in hits_and_counts:
        share = (hits + 1) / (count + 2)
        variance += share * (1 - share) / count
    return math.sqrt(variance) / len(hits_and_counts)
