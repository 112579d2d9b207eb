"""Measured voice: how often a line tells who says it, in what people wrote and in what a model did.

A small classifier learns from the training split who says what: n-grams of one to four characters within
words, weighed by how rare they are, under a linear model. It then names the speakers of held-out lines and
of generated ones. If a model gives everybody the same voice, its lines are not told apart, while those of
people are. The classifier sees texts alone, and neither the names nor the model.

Casts are lopsided, and a model need not let everybody speak as often as people do. So the figure to compare
is the balanced accuracy: the mean, over speakers, of the share of their lines that are given to them. Those
who speak seldom are left out, since a model may hardly let them speak.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Protocol

import numpy as np

from scriptforge.dataset import Dataset
from scriptforge.errors import DatasetError
from scriptforge.generation import Request, generate
from scriptforge.models import LanguageModel
from scriptforge.screenplay.script import Element, speaker_key

MOST_SPEAKERS = 10
"""Speakers that are told apart at most, those with the most training lines."""

LEAST_TRAINING_LINES = 50
"""Lines that a speaker must have in the training split, to be learnt."""

LEAST_PART = 0.1
"""What a speaker must have of the training lines of who has the most, to be measured."""

LEAST_HELD_OUT_LINES = 5
"""Lines that a speaker must have in the held-out text, to be measured."""

LEAST_WORDS = 4
"""Words that a line must have to count: nobody could say whose “Yeah.” it is."""

GENERATED_LINES = 2560
"""Lines that a model writes to be measured, unless told otherwise."""

_MOST_TRAINING_LINES = 4000  # of a speaker: more take longer, and tell little more
_LINES_OF_A_PIECE = 40
_PIECES_AT_ONCE = 64


@dataclass(frozen=True)
class Recall:
    """How often one speaker is recognised.

    Attributes:
        lines: that the speaker says.
        share: of them that are given to the speaker, 0 to 1; 0 where there are none.
    """

    lines: int
    share: float


@dataclass(frozen=True)
class Recognition:
    """How often the speakers of some lines are recognised.

    Attributes:
        lines: by speakers who are told apart.
        accuracy: share of the lines given to the one who says them, 0 to 1.
        majority: what always naming the one with the most lines would make of that.
        balanced_accuracy: the mean of the shares of the speakers who say anything, 0 to 1.
        margin: standard error of the balanced accuracy, from the numbers of lines.
        speakers: all who are told apart, each with their own share.
    """

    lines: int
    accuracy: float
    majority: float
    balanced_accuracy: float
    margin: float
    speakers: Mapping[str, Recall]


@dataclass(frozen=True)
class Voice:
    """What a classifier makes of lines by people and by a model.

    Attributes:
        training_lines: that it learnt from.
        chance: the balanced accuracy of guessing.
        held_out: lines by people.
        generated: lines by the model.
    """

    training_lines: int
    chance: float
    held_out: Recognition
    generated: Recognition


def voice_of_run(
    model: LanguageModel, dataset: Dataset, *, lines: int = GENERATED_LINES, seed: int = 0
) -> Voice:
    """Lets a model write, and measures its voices against those of the dataset.

    What is held out are validation and test together: the model was trained on neither.

    Args:
        model: in evaluation mode, with the dataset's vocabulary.
        dataset: the one it was trained on.
        lines: about how many the model writes, in pieces of about forty.
        seed: of the first piece.

    Raises:
        DatasetError: nobody speaks in the dataset, too few say enough, or the model lets none of them speak.
    """
    if dataset.description.plain:
        raise DatasetError(
            f"Dataset “{dataset.name}” is plain text, in which nobody speaks.",
            "Prepare it without --plain to measure voices.",
        )
    held_out = chain(_elements(dataset, "validation"), _elements(dataset, "test"))
    return measure_voice(_elements(dataset, "train"), held_out, _written(model, dataset, lines, seed))


def measure_voice(
    training: Iterable[Element], held_out: Iterable[Element], generated: Iterable[Element]
) -> Voice:
    """Measures the voices in what a model wrote against those in what people did.

    Who is told apart, and how, does not depend on what was generated, so that the models of one dataset
    compare; the same lines give the same figures.

    Args:
        training: what the classifier learns from.
        held_out: what people wrote beside that.
        generated: what the model wrote; gone through last.

    Raises:
        DatasetError: fewer than two speakers say enough, or none of them is in what was generated.
    """
    said = list(_said(training))
    spellings = {speaker_key(speaker): speaker for speaker, _ in reversed(said)}
    learnt, held = _by_speaker(said), _by_speaker(_said(held_out))
    speakers = _told_apart(learnt, held)
    lessons = {spellings[speaker]: _thinned(learnt[speaker]) for speaker in speakers}
    classifier = _classifier(lessons)
    written = _by_speaker(_said(generated))
    if not any(written[speaker] for speaker in speakers):
        raise DatasetError(
            "None of those whose voices are known says anything in what was generated.",
            "Train the model for longer, or let it write more lines.",
        )
    return Voice(
        training_lines=sum(map(len, lessons.values())),
        chance=1 / len(speakers),
        held_out=_recognition(classifier, {spellings[speaker]: held[speaker] for speaker in speakers}),
        generated=_recognition(classifier, {spellings[speaker]: written[speaker] for speaker in speakers}),
    )


def _elements(dataset: Dataset, split: str) -> Iterator[Element]:
    return (piece.element for piece in dataset.rows(split))


def _written(model: LanguageModel, dataset: Dataset, lines: int, seed: int) -> Iterator[Element]:
    """Elements that a model writes, in pieces of as many tokens as so many lines of the training text have.

    Tokens and not lines, since a model in a bad way may hardly ever end one.
    """
    trained = dataset.description.splits["train"]
    length = math.ceil(_LINES_OF_A_PIECE * trained.tokens / trained.lines)
    wanted = math.ceil(lines / _LINES_OF_A_PIECE)
    for first in range(0, wanted, _PIECES_AT_ONCE):
        count = min(_PIECES_AT_ONCE, wanted - first)
        for piece in generate(
            model, dataset.vocabulary, Request(length=length, count=count, seed=seed + first)
        ):
            yield from piece.elements


def _said(elements: Iterable[Element]) -> Iterator[tuple[str, str]]:
    """Speakers and texts of the lines that are long enough to tell anything."""
    for element in elements:
        if element.kind == "dialogue" and len(element.text.split()) >= LEAST_WORDS:
            yield element.speaker, element.text


def _by_speaker(said: Iterable[tuple[str, str]]) -> defaultdict[str, list[str]]:
    """The texts of each speaker, under the key that all spellings of a name share."""
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for speaker, text in said:
        texts[speaker_key(speaker)].append(text)
    return texts


def _told_apart(learnt: defaultdict[str, list[str]], held_out: defaultdict[str, list[str]]) -> list[str]:
    """The speakers who say enough, most lines first.

    Raises:
        DatasetError: there are fewer than two.
    """
    by_lines = sorted(learnt, key=lambda speaker: (-len(learnt[speaker]), speaker))
    least = max(LEAST_TRAINING_LINES, LEAST_PART * max(map(len, learnt.values()), default=0))
    enough = [
        speaker
        for speaker in by_lines
        if len(learnt[speaker]) >= least and len(held_out[speaker]) >= LEAST_HELD_OUT_LINES
    ]
    if len(enough) < 2:
        raise DatasetError(
            f"Fewer than two speakers have {LEAST_TRAINING_LINES} lines to learn their voices from "
            f"and {LEAST_HELD_OUT_LINES} held-out ones, of {LEAST_WORDS} words or more.",
            "Measure voices on a corpus with more text, or hold out more of it: --validation 0.1 --test 0.1",
        )
    return enough[:MOST_SPEAKERS]


def _thinned(texts: Sequence[str]) -> list[str]:
    """As many texts as are learnt from, evenly spread over all."""
    places = np.linspace(0, len(texts) - 1, min(len(texts), _MOST_TRAINING_LINES)).astype(int)
    return [texts[place] for place in places]


class _Predictor(Protocol):
    """What scikit-learn calls a fitted classifier."""

    def predict(self, texts: Sequence[str]) -> Iterable[str]: ...


def _classifier(lessons: Mapping[str, list[str]]) -> _Predictor:
    """Learns from the texts of each speaker; the same texts give the same classifier.

    Logistic regression by stochastic gradient descent was as good as slower ways to fit it, and as support
    vectors. Every speaker counts the same, however many lines they have.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), min_df=2, sublinear_tf=True),
        SGDClassifier(
            loss="log_loss", alpha=3e-5, max_iter=20, tol=None, class_weight="balanced", random_state=0
        ),
    )
    texts = [text for each in lessons.values() for text in each]
    speakers = [speaker for speaker, each in lessons.items() for _ in each]
    fitted: _Predictor = pipeline.fit(texts, speakers)
    return fitted


def _recognition(classifier: _Predictor, texts_of: Mapping[str, Sequence[str]]) -> Recognition:
    """How often the classifier names who says a text; somebody says something."""
    named = iter(classifier.predict([text for texts in texts_of.values() for text in texts]))
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
    """Standard error of the mean of several shares.

    Each share is drawn towards a half as if there were a hit and a miss more, or few lines of which none is
    recognised would seem certain.
    """
    variance = 0.0
    for hits, count in hits_and_counts:
        share = (hits + 1) / (count + 2)
        variance += share * (1 - share) / count
    return math.sqrt(variance) / len(hits_and_counts)
