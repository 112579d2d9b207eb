"""Measured voice: how often a line tells who says it, in what people wrote and in what a model did.

A small classifier learns from the training split who says what: n-grams of one to four characters within
words, weighed by how rare they are, under a linear model. It then names the speakers of held-out lines and
of generated ones. If a model gives everybody the same voice, its lines are not told apart, while those of
people are. The classifier sees texts alone, and neither the names nor the model.

Casts are lopsided, and a model left to itself hardly lets those speak who have few lines. So it writes
dialogues of two, everybody with everybody's neighbour in the list of speakers; and the figure to compare is
the balanced accuracy, the mean over speakers of the share of their lines that are given to them.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from typing import Protocol

import numpy as np

from scriptforge.dataset import Dataset
from scriptforge.errors import DatasetError
from scriptforge.generation import Casting, Request, generate
from scriptforge.models import LanguageModel
from scriptforge.screenplay.script import Element, speaker_key

MOST_SPEAKERS = 10
"""Speakers that are told apart at most, those with the most training lines."""

LEAST_TRAINING_LINES = 50
"""Lines that a speaker must have in the training split, to be learnt."""

LEAST_HELD_OUT_LINES = 5
"""Lines that a speaker must have in the held-out text, to be measured."""

LEAST_WORDS = 4
"""Words that a line must have to count: nobody could say whose “Yeah.” it is."""

GENERATED_LINES = 2560
"""Lines of dialogue that a model writes to be measured, unless told otherwise."""

_MOST_TRAINING_LINES = 2000  # of a speaker: more take longer, and tell no more
_TURNS = 20


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


class Listener:
    """Somebody who has learnt who says what.

    Who is told apart does not depend on any model, so that the models of one dataset compare. The same lines
    make the same listener.

    Args:
        training: what the classifier learns from.
        held_out: what people wrote beside that.

    Raises:
        DatasetError: fewer than two speakers say enough.
    """

    def __init__(self, training: Iterable[Element], held_out: Iterable[Element]) -> None:
        said = list(_said(training))
        learnt, self._held_out = _by_speaker(said), _by_speaker(_said(held_out))
        self._keys = _told_apart(learnt, self._held_out)
        spellings = {speaker_key(speaker): speaker for speaker, _ in reversed(said)}
        self.speakers = [spellings[key] for key in self._keys]
        lessons = [_thinned(learnt[key]) for key in self._keys]
        self._lines = sum(map(len, lessons))
        self._classifier = _classifier(dict(zip(self.speakers, lessons, strict=True)))

    def measure(self, generated: Iterable[Element]) -> Voice:
        """Measures the voices in what a model wrote against those in what people did.

        Raises:
            DatasetError: nobody whom the listener knows says anything in it.
        """
        return Voice(
            training_lines=self._lines,
            chance=1 / len(self.speakers),
            held_out=self._recognise(self._held_out),
            generated=self._recognise(_by_speaker(_said(generated))),
        )

    def _recognise(self, texts: Mapping[str, Sequence[str]]) -> Recognition:
        texts_of = {name: texts.get(key, ()) for name, key in zip(self.speakers, self._keys, strict=True)}
        if not any(texts_of.values()):
            raise DatasetError(
                "None of those whose voices are known says anything in what was generated.",
                "Train the model for longer, or let it write more lines.",
            )
        return _recognition(self._classifier, texts_of)


def measure_voice(
    training: Iterable[Element], held_out: Iterable[Element], generated: Iterable[Element]
) -> Voice:
    """Measures the voices in what a model wrote against those in what people did.

    Args:
        training: as of `Listener`.
        held_out: as of `Listener`.
        generated: what the model wrote.

    Raises:
        DatasetError: fewer than two speakers say enough, or none of them is in what was generated.
    """
    return Listener(training, held_out).measure(generated)


def voice_of_run(
    model: LanguageModel, dataset: Dataset, *, lines: int = GENERATED_LINES, seed: int = 0
) -> Voice:
    """Lets a model write, and measures its voices against those of the dataset.

    What is held out are validation and test together: the model was trained on neither.

    Args:
        model: in evaluation mode, with the dataset's vocabulary.
        dataset: the one it was trained on.
        lines: of dialogue that the model writes at least.
        seed: of the first piece.

    Raises:
        DatasetError: nobody speaks in the dataset, or too few say enough.
    """
    if dataset.description.plain:
        raise DatasetError(
            f"Dataset “{dataset.name}” is plain text, in which nobody speaks.",
            "Prepare it without --plain to measure voices.",
        )
    held_out = chain(_elements(dataset, "validation"), _elements(dataset, "test"))
    listener = Listener(_elements(dataset, "train"), held_out)
    return listener.measure(_dialogues(model, dataset, listener.speakers, lines, seed))


def _elements(dataset: Dataset, split: str) -> Iterator[Element]:
    return (piece.element for piece in dataset.pieces(split))


def _dialogues(
    model: LanguageModel, dataset: Dataset, speakers: Sequence[str], lines: int, seed: int
) -> Iterator[Element]:
    """What a model lets each speaker and the next say to each other, the last and the first included."""
    pairs = list(pairwise([*speakers, speakers[0]] if len(speakers) > 2 else speakers))
    count = math.ceil(lines / (len(pairs) * _TURNS))
    for number, pair in enumerate(pairs):
        request = Request(turns=_TURNS, count=count, seed=seed + number * count, casting=Casting(cast=pair))
        for piece in generate(model, dataset.vocabulary, request):
            yield from piece.elements


def _said(elements: Iterable[Element]) -> Iterator[tuple[str, str]]:
    """Speakers and texts of the lines that are long enough to tell anything."""
    for element in elements:
        if element.kind == "dialogue" and len(element.text.split()) >= LEAST_WORDS:
            yield element.speaker, element.text


def _by_speaker(said: Iterable[tuple[str, str]]) -> Mapping[str, list[str]]:
    """The texts of each speaker, under the key that all spellings of a name share."""
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for speaker, text in said:
        texts[speaker_key(speaker)].append(text)
    return texts


def _told_apart(learnt: Mapping[str, list[str]], held_out: Mapping[str, list[str]]) -> list[str]:
    """The speakers who say enough, most lines first.

    Raises:
        DatasetError: there are fewer than two.
    """
    enough = [
        speaker
        for speaker in sorted(learnt, key=lambda speaker: (-len(learnt[speaker]), speaker))
        if len(learnt[speaker]) >= LEAST_TRAINING_LINES and len(held_out[speaker]) >= LEAST_HELD_OUT_LINES
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
