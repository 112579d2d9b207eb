"""Measures of the surface of a page of script: what a reader notices without following the content.

A measure gives one figure per page. Most figures depend on the length of the page, so only pages of equal
length can be compared. None means that the figure is undefined, such as the share of questions that are
answered on a page without questions. What a measure needs beyond the page, such as the words of the corpus,
is in a `Reference`.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, pairwise
from statistics import fmean, pstdev
from typing import Literal, Protocol

from scriptforge.copying.index import words_in
from scriptforge.screenplay.script import Element, speaker_key
from scriptforge.vocabulary.lexicon import words_of

SHORT_LINE_WORDS = 2
"""Largest number of words in a short line."""

REPEATED_WORDS = 4
"""Number of words in a phrase that counts as repeated."""

Turn = tuple[Element, Element]
"""Two consecutive lines of dialogue."""

_ASIDE = re.compile(r"\([^()]*\)")
_ENDS = frozenset(".!?…-—–\"'”’)]*:;")
_OPENING = {"(": ")", "[": "]", "“": "”"}
_CLOSING = frozenset(_OPENING.values())


@dataclass(frozen=True)
class Page:
    """A page of script.

    Attributes:
        elements: its elements, in order.
    """

    elements: tuple[Element, ...]

    @cached_property
    def dialogue(self) -> list[Element]:
        """Return the lines of dialogue."""
        return [element for element in self.elements if element.kind == "dialogue"]

    @cached_property
    def spoken(self) -> list[list[str]]:
        """Return the words of each line of dialogue, without asides in parentheses."""
        return [words_in(_ASIDE.sub(" ", element.text)) for element in self.dialogue]

    @cached_property
    def spelled(self) -> list[list[str]]:
        """Return the same words as a lexicon spells them: with apostrophes, and without numbers."""
        return [words_of(_ASIDE.sub(" ", element.text)) for element in self.dialogue]

    @cached_property
    def words(self) -> list[str]:
        """Return all words of the dialogue, in order."""
        return list(chain.from_iterable(self.spoken))

    @cached_property
    def turns(self) -> list[Turn]:
        """Return all pairs of consecutive lines of dialogue."""
        return list(turns(self.elements))

    @cached_property
    def lines_of(self) -> Counter[str]:
        """Return the number of lines of each speaker, by `speaker_key`."""
        return Counter(speaker_key(line.speaker) for line in self.dialogue)

    def first(self, count: int) -> Iterator[list[str]]:
        """Yield the first `count` words of the dialogue, line by line."""
        for words in self.spoken:
            yield words[:count]
            count -= len(words)
            if count <= 0:
                return


def turns(elements: Iterable[Element]) -> Iterator[Turn]:
    """Yield all pairs of consecutive lines of dialogue."""
    return ((a, b) for a, b in pairwise(elements) if a.kind == b.kind == "dialogue")


def pages(elements: Sequence[Element], length: int, most: int) -> list[Page]:
    """Cut a text into pages of `length` elements, and return at most `most` of them, evenly spread.

    An incomplete page at the end is dropped, unless it is the only one.
    """
    starts = list(range(0, max(1, len(elements) - length + 1), length))
    kept = [starts[number * len(starts) // most] for number in range(most)] if len(starts) > most else starts
    return [Page(tuple(elements[start : start + length])) for start in kept]


class Preference(Protocol):
    """A judge of whether lines follow from those before them; see `evaluation.next_line`."""

    def preference(self, judged: Sequence[Turn]) -> float | None:
        """Return the share of turns whose second line is preferred to a negative; None without turns."""


class Recogniser(Protocol):
    """A recogniser of speakers by their lines; see `evaluation.speakers`."""

    def recognised(self, elements: Iterable[Element]) -> float | None:
        """Return the share of lines whose speaker is recognised, averaged over speakers; None without any."""


@dataclass(frozen=True)
class Reference:
    """Facts about the corpus that some measures need.

    Attributes:
        lexicon: the words of the corpus, as `words_of` returns them; None if its words cannot be listed.
        shares: each speaker's share of the lines of dialogue, by `speaker_key`.
        has_capitals: whether the corpus has any capital letter.
        words: number of words from the start of a page that the variety of words is measured on, 1 or more.
        next_line_classifier: judges whether lines follow from those before; None if there were too few.
        speaker_classifier: recognises the speakers; None if too few speakers have enough lines.
    """

    lexicon: Collection[str] | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    has_capitals: bool = True
    words: int = 1000
    next_line_classifier: Preference | None = None
    speaker_classifier: Recogniser | None = None


Unit = Literal["%", "words", "speakers"]


@dataclass(frozen=True)
class Measure:
    """A measure of a page.

    Attributes:
        name: the name, in lower case with underscores.
        unit: the unit of the figure; `%` is a share from 0 to 1 that is shown in per cent.
        of: returns the figure of a page, or None where it is undefined.
    """

    name: str
    unit: Unit
    of: Callable[[Page, Reference], float | None]

    @property
    def label(self) -> str:
        """Return the name as it is shown."""
        return self.name.replace("_", " ")

    def shown(self, value: float | None) -> str:
        """Format a figure in its unit; None as a dash."""
        if value is None:
            return "–"
        return f"{100 * value:.1f} %" if self.unit == "%" else f"{value:.1f}"


def _share(things: Collection[object], is_so: Callable[..., bool]) -> float | None:
    return sum(map(is_so, things)) / len(things) if things else None


def _unknown_words(page: Page, reference: Reference) -> float | None:
    lexicon = reference.lexicon
    if lexicon is None:
        return None
    return _share(list(chain.from_iterable(page.spelled)), lambda word: word not in lexicon)


def _lines_with_an_unknown_word(page: Page, reference: Reference) -> float | None:
    lexicon = reference.lexicon
    if lexicon is None:
        return None
    return _share(page.spelled, lambda words: any(word not in lexicon for word in words))


def _is_same_speaker(turn: Turn) -> bool:
    return speaker_key(turn[0].speaker) == speaker_key(turn[1].speaker)


def _busiest(page: Page, _: Reference) -> float | None:
    return max(page.lines_of.values()) / page.lines_of.total() if page.lines_of else None


def _distance_of_casts(page: Page, reference: Reference) -> float | None:
    """Return the total variation distance between the speakers' shares on the page and in the corpus.

    It is the share of lines that would have to change speakers for everybody to have their usual share.
    """
    if not page.lines_of:
        return None
    total = page.lines_of.total()
    everybody = {*page.lines_of, *reference.shares}
    return sum(abs(page.lines_of[one] / total - reference.shares.get(one, 0.0)) for one in everybody) / 2


def _most_frequent(page: Page, _: Reference) -> float | None:
    """Return the share of the most frequent word, which is high if a model says “gonna” in every line."""
    return max(Counter(page.words).values()) / len(page.words) if page.words else None


def _runs(lines: Iterable[Sequence[str]], length: int) -> list[tuple[str, ...]]:
    """Return all word n-grams of the given length, within lines."""
    return [
        tuple(words[start : start + length]) for words in lines for start in range(len(words) - length + 1)
    ]


def _different(length: int) -> Callable[[Page, Reference], float | None]:
    """Return a measure of the share of distinct n-grams among the word n-grams of a page."""

    def of(page: Page, reference: Reference) -> float | None:
        runs = _runs(page.first(reference.words), length)
        return len(set(runs)) / len(runs) if runs else None

    return of


def _repeated(things: Sequence[object]) -> float | None:
    """Return the share of things that occur more than once."""
    counts = Counter(things)
    return sum(count for count in counts.values() if count > 1) / len(things) if things else None


def _is_unbalanced(element: Element) -> bool:
    """Return whether a bracket or quote is left open, closed unopened, or closed by the wrong mark."""
    expected: list[str] = []
    for character in element.text:
        if character in _OPENING:
            expected.append(_OPENING[character])
        elif character in _CLOSING and (not expected or expected.pop() != character):
            return True
    return bool(expected) or element.text.count('"') % 2 == 1


def _begins_with_capital(line: Element) -> bool:
    return next(filter(str.isalpha, _ASIDE.sub(" ", line.text)), "").isupper()


def _capitals(page: Page, reference: Reference) -> float | None:
    letters = [character for line in page.dialogue for character in line.text if character.isalpha()]
    return _share(letters, str.isupper) if reference.has_capitals else None


def _asks(line: Element) -> bool:
    return line.text.rstrip("\"'”’)!").endswith("?")


def _recognised(page: Page, reference: Reference) -> float | None:
    return reference.speaker_classifier.recognised(page.elements) if reference.speaker_classifier else None


def _following(page: Page, reference: Reference) -> float | None:
    return reference.next_line_classifier.preference(page.turns) if reference.next_line_classifier else None


MEASURES: tuple[Measure, ...] = (
    Measure("unknown_words", "%", _unknown_words),
    Measure("lines_with_an_unknown_word", "%", _lines_with_an_unknown_word),
    Measure("same_speaker_again", "%", lambda page, _: _share(page.turns, _is_same_speaker)),
    Measure("share_of_the_busiest_speaker", "%", _busiest),
    Measure("distance_from_the_usual_cast", "%", _distance_of_casts),
    Measure("speakers", "speakers", lambda page, _: len(page.lines_of)),
    Measure("speakers_recognised", "%", _recognised),
    Measure(
        "words_in_a_line", "words", lambda page, _: fmean(map(len, page.spoken)) if page.spoken else None
    ),
    Measure(
        "spread_of_words_in_a_line",
        "words",
        lambda page, _: pstdev(map(len, page.spoken)) if page.spoken else None,
    ),
    Measure(
        "lines_of_one_or_two_words",
        "%",
        lambda page, _: _share(page.spoken, lambda words: len(words) <= SHORT_LINE_WORDS),
    ),
    Measure(
        "lines_said_twice", "%", lambda page, _: _repeated([tuple(each) for each in page.spoken if each])
    ),
    Measure("repeated_phrases", "%", lambda page, _: _repeated(_runs(page.spoken, REPEATED_WORDS))),
    Measure("different_words", "%", _different(1)),
    Measure("different_pairs_of_words", "%", _different(2)),
    Measure("different_triples_of_words", "%", _different(3)),
    Measure("most_frequent_word", "%", _most_frequent),
    Measure("unmatched_brackets_or_quotes", "%", lambda page, _: _share(page.elements, _is_unbalanced)),
    Measure(
        "lines_that_end_a_sentence",
        "%",
        lambda page, _: _share(page.dialogue, lambda line: line.text[-1:] in _ENDS),
    ),
    Measure(
        "lines_that_begin_with_a_capital",
        "%",
        lambda page, reference: (
            _share(page.dialogue, _begins_with_capital) if reference.has_capitals else None
        ),
    ),
    Measure("capital_letters", "%", _capitals),
    Measure(
        "stage_directions", "%", lambda page, _: _share(page.elements, lambda each: each.kind != "dialogue")
    ),
    Measure("lines_with_an_aside", "%", lambda page, _: _share(page.dialogue, lambda line: "(" in line.text)),
    Measure("questions", "%", lambda page, _: _share(page.dialogue, _asks)),
    Measure(
        "questions_that_somebody_else_answers",
        "%",
        lambda page, _: _share(
            [turn for turn in page.turns if _asks(turn[0])], lambda turn: not _is_same_speaker(turn)
        ),
    ),
    Measure("lines_that_follow_from_the_one_before", "%", _following),
)
"""All measures, in the order in which they are shown."""
