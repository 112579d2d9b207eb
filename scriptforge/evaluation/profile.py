"""A profile: the measures of `evaluation.page` on a model's pages, beside those of pages by people.

People's pages are cut from the held-out text, validation and test together; the model's pages have as many
lines. A figure of the model is within people's spread if its mean lies between the 5th and the 95th
percentile of people's pages, the range of nine pages in ten:

    same speaker again      people 3 %, from 0 to 7 % of a page     model 26 %      outside

A page of the model could then be one by people as far as this figure goes. A small but constant difference
can still be within the spread; `auc` says how reliably the figure separates the two kinds of pages.

Reading pages remains the real test, but nobody reads twenty pages after every change; figures can be watched.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from statistics import fmean
from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict, Field, ValidationError, field_validator

from scriptforge.dataset import Dataset
from scriptforge.errors import DatasetError
from scriptforge.evaluation.next_line import MIN_TRAINING_PAIRS, NextLineClassifier
from scriptforge.evaluation.page import MEASURES, Measure, Page, Reference, pages, turns
from scriptforge.evaluation.speakers import SpeakerClassifier, require_classifier
from scriptforge.generation.generate import Session
from scriptforge.options import GenerateOptions
from scriptforge.run.run import Run
from scriptforge.screenplay.script import Element
from scriptforge.validation import Amount, ClosedModel, Share
from scriptforge.vocabulary.lexicon import words_of
from scriptforge.workspace import RunFolder, atomic_write

LINES = 150
"""Elements on a page, fewer if the held-out text would not fill `MIN_PAGES` pages."""

MAX_PAGES, MODEL_PAGES = 100, 32
"""Largest number of people's pages that are measured, and number of a model's pages."""

MIN_PAGES, MIN_LINES = 8, 12

_WORDS = 1000
"""Largest number of words of a page that the variety of words is measured on."""

_SPREAD = (0.05, 0.95)  # quantiles of people's pages

_NOTICED = 0.55
"""The `auc` below which a difference goes unnoticed; one page in ten that differs gives 0.55."""

_TOKEN_BUDGET = 3
"""Limit on the tokens of a page, as a multiple of the usual number: a poor model may hardly end its lines."""

_MAX_FILE = 100_000

_BY_NAME = {measure.name: measure for measure in MEASURES}

Write = Callable[[int, int], Iterable[Sequence[Element]]]
"""Writes texts, given their number and the number of lines in each."""

_Count = Annotated[int, Field(ge=0, lt=2**31)]


@dataclass(frozen=True)
class Figure:
    """One figure of people's pages and of a model's, in the unit of its measure.

    Attributes:
        people: mean of people's pages.
        low: 5th percentile of people's pages.
        high: 95th percentile of people's pages.
        model: mean of the model's pages; None if it is undefined on all of them.
        auc: area under the ROC curve of telling the model's pages from people's by this figure alone, from
            0.5, chance, to 1; None if `model` is None.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    people: Amount
    low: Amount
    high: Amount
    model: Amount | None
    auc: Share | None

    @property
    def is_within(self) -> bool:
        """Return whether the model's mean is within people's spread, or tells hardly any pages apart.

        The second case is for rare events: if one of 32 pages of the model has an unmatched bracket, and none
        of eight by people, the mean is outside the spread, but no reader would notice.
        """
        if self.model is None or self.auc is None:
            return False
        return self.low <= self.model <= self.high or self.auc < _NOTICED


class Profile(ClosedModel):
    """The measures of a model's pages beside those of people's; checked strictly, as files are not trusted.

    Attributes:
        weights: SHA-256 of the model's weights file; empty if the profile is not of a run.
        lines: number of elements on a page.
        words: number of words of a page that the variety of words is measured on.
        people_pages: number of people's pages.
        model_pages: number of the model's pages.
        figures: the figures by the names of their measures, in the order of `MEASURES`, without those that
            are undefined on all of people's pages.
    """

    weights: str = ""
    lines: _Count
    words: _Count
    people_pages: _Count
    model_pages: _Count
    figures: dict[str, Figure] = Field(min_length=1)

    @field_validator("figures")
    @classmethod
    def _check_names(cls, figures: dict[str, Figure]) -> dict[str, Figure]:
        if not figures.keys() <= _BY_NAME.keys():
            raise ValueError("a figure that this version does not know")
        return figures

    @property
    def rows(self) -> list[tuple[Measure, Figure]]:
        """Return each measure with its figure."""
        return [(_BY_NAME[name], figure) for name, figure in self.figures.items()]

    @property
    def table(self) -> list[tuple[str, str, str, str, str]]:
        """Return a row for each figure: name, people's mean and spread, the model's mean, "outside" or ""."""
        return [
            (
                measure.label,
                measure.shown(figure.people),
                f"{measure.shown(figure.low)} … {measure.shown(figure.high)}",
                measure.shown(figure.model),
                "" if figure.is_within else "outside",
            )
            for measure, figure in self.rows
        ]

    @property
    def share_within(self) -> float:
        """Return the share of the figures that are within people's spread, 0 to 1."""
        return fmean(figure.is_within for figure in self.figures.values())

    def document(self) -> dict[str, Any]:
        """Return the JSON document."""
        document = self.model_dump(exclude={"weights"})
        for measure, figure in self.rows:
            document["figures"][measure.name] |= {"unit": measure.unit, "is_within": figure.is_within}
        return {"share_within": self.share_within, **document}

    def save(self, folder: RunFolder) -> None:
        """Write the profile to the `profile.json` of a run.

        Raises:
            FileNotFoundError: the run has been removed or renamed meanwhile.
        """
        atomic_write(folder.profile, self.model_dump_json(indent=2) + "\n", makes_parents=False)

    @classmethod
    def load(cls, run: Run) -> "Profile | None":
        """Return the saved profile of a run; None if there is none for its present weights."""
        try:
            with run.folder.profile.open("rb") as file:
                profile = cls.model_validate_json(file.read(_MAX_FILE))
        except (OSError, ValidationError):
            return None
        return profile if profile.weights == run.fingerprint else None


def profile_of_run(run: Run, dataset: Dataset, options: GenerateOptions | None = None) -> Profile:
    """Generate pages with a model and measure them beside the held-out pages of its dataset.

    The same options give the same profile.

    Args:
        run: the run of the model.
        dataset: the dataset that it was trained on.
        options: how to generate; lines and count are set here, and the seed is 1 if it is None.

    Raises:
        DatasetError: the dataset is plain text, or has too few held-out lines.
        UsageError: scikit-learn is not installed.
    """
    about = dataset.description
    if about.plain:
        raise DatasetError(
            f"Dataset “{dataset.name}” is plain text, which has no lines to measure.",
            "Prepare it without --plain for a profile.",
        )
    options = options or GenerateOptions()
    trained = about.splits["train"]

    def write(count: int, lines: int) -> Iterable[Sequence[Element]]:
        seed = 1 if options.seed is None else options.seed
        asked = replace(options, count=count, lines=lines, turns=None, length=None, seed=seed)
        session = Session(run, asked, dataset=dataset if asked.max_copy is not None else None)
        most = _TOKEN_BUDGET * asked.best_of * lines * trained.tokens / max(trained.lines, 1)
        for _ in islice(session, int(most)):
            pass
        return (text.elements[:lines] for text in session.texts)

    measured = profile(*_texts(dataset), write)
    return measured.model_copy(update={"weights": run.fingerprint})


def profile_of_text(elements: Sequence[Element], dataset: Dataset) -> Profile | None:
    """Measure the pages of one text beside people's, without the measures that need a classifier.

    Args:
        elements: the text.
        dataset: the dataset whose held-out text gives people's pages. Pages are as long as the text, or
            shorter so that there are `MIN_PAGES` of people's.

    Returns:
        The profile; None if the text or the held-out text is too short, or the dataset is plain text.
    """
    if dataset.description.plain:
        return None
    training, held_out = _texts(dataset)
    lines = min(len(elements), len(held_out) // MIN_PAGES)
    if lines < MIN_LINES:
        return None
    people = pages(held_out, lines, MAX_PAGES)
    read = [_as_read(element, dataset.description.lower) for element in elements]
    return _compare(_reference(training, held_out, people), people, pages(read, lines, MODEL_PAGES))


def _texts(dataset: Dataset) -> tuple[list[Element], list[Element]]:
    """Return the elements of the training text and of the held-out text."""
    training, validation, test = (
        [_as_read(row.element, dataset.description.lower) for row in dataset.rows(split)]
        for split in ("train", "validation", "test")
    )
    return training, [*validation, *test]


def _as_read(element: Element, lower: bool) -> Element:
    return replace(element, text=element.text.lower()) if lower else element


def profile(training: Sequence[Element], held_out: Sequence[Element], write: Write) -> Profile:
    """Measure a model's pages beside people's.

    Args:
        training: the training text, from which the reference and the classifiers are made.
        held_out: the text that people's pages are cut from.
        write: writes the model's pages.

    Raises:
        DatasetError: there are too few held-out lines.
        UsageError: scikit-learn is not installed.
    """
    lines = min(LINES, len(held_out) // MIN_PAGES)
    if lines < MIN_LINES:
        raise DatasetError(
            f"{len(held_out)} held-out lines are too few to know what people's pages are like.",
            f"Hold out {MIN_PAGES * MIN_LINES} lines or more: --validation 0.1 --test 0.1",
        )
    require_classifier("--profile")
    people = pages(held_out, lines, MAX_PAGES)
    pairs = list(turns(training))
    reference = replace(
        _reference(training, held_out, people),
        next_line_classifier=NextLineClassifier(pairs) if len(pairs) >= MIN_TRAINING_PAIRS else None,
        speaker_classifier=_speaker_classifier(training, held_out),
    )
    return _compare(reference, people, [Page(tuple(elements)) for elements in write(MODEL_PAGES, lines)])


def _compare(reference: Reference, people: Sequence[Page], model: Sequence[Page]) -> Profile:
    figures = {each.name: _figure(each, reference, people, model) for each in MEASURES}
    return Profile(
        lines=len(people[0].elements),
        words=reference.words,
        people_pages=len(people),
        model_pages=len(model),
        figures={name: figure for name, figure in figures.items() if figure},
    )


def _reference(training: Sequence[Element], held_out: Sequence[Element], people: Sequence[Page]) -> Reference:
    """Return the reference: the words of the whole corpus, and the cast of its training text."""
    spoken = Page(tuple(training)).lines_of
    return Reference(
        lexicon=_lexicon(training, held_out),
        shares={speaker: count / spoken.total() for speaker, count in spoken.items()},
        has_capitals=any(map(str.isupper, chain.from_iterable(element.text for element in training))),
        words=int(max(1, min(_WORDS, np.quantile([len(page.words) for page in people], _SPREAD[0])))),
    )


def _speaker_classifier(training: Sequence[Element], held_out: Sequence[Element]) -> SpeakerClassifier | None:
    try:
        return SpeakerClassifier(training, held_out)
    except DatasetError:
        return None


def _lexicon(training: Iterable[Element], held_out: Iterable[Element]) -> set[str] | None:
    """Return all words of a corpus, names included; None if most held-out words are not in the training text.

    That happens in a language written without spaces, where a run of letters is not a word.
    """
    learnt = _words(training)
    held = [word for element in held_out for word in words_of(element.text)]
    if sum(word in learnt for word in held) < len(held) / 2:
        return None
    return learnt.union(held, _words(held_out))


def _words(elements: Iterable[Element]) -> set[str]:
    return {word for each in elements for word in words_of(f"{each.speaker} {each.text}")}


def _figure(
    measure: Measure, reference: Reference, people: Sequence[Page], model: Sequence[Page]
) -> Figure | None:
    """Return a figure, or None if it is undefined on all of people's pages."""
    own = [figure for page in people if (figure := measure.of(page, reference)) is not None]
    written = [figure for page in model if (figure := measure.of(page, reference)) is not None]
    if not own:
        return None
    low, high = np.quantile(own, _SPREAD)
    mean, auc = (fmean(written), _auc(own, written)) if written else (None, None)
    return Figure(fmean(own), float(low), float(high), mean, auc)


def _auc(own: Sequence[float], written: Sequence[float]) -> float:
    """Return the share of pairs of pages, one of each kind, that the larger figure tells apart.

    A tie counts half. It is the area under the ROC curve, or the area above it if that is larger (Hanley &
    McNeil 1982, Radiology 143).
    """
    own_P1, written_1M = np.array(own)[:, None], np.array(written)[None]
    larger = float(np.mean((written_1M > own_P1) + (written_1M == own_P1) / 2))
    return max(larger, 1 - larger)
