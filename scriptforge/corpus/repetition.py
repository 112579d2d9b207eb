"""Findings of an inspection: its records, and the search for documents, scenes and lines that repeat."""

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass

from scriptforge.screenplay.script import Kind

LONG_LINE_WORDS = 12
"""From so many words on, a line that is said twice is likely to have been copied and not said again."""

LONG_SCENE_WORDS = 20


@dataclass(frozen=True)
class FormatMet:
    """A format that files are in.

    Attributes:
        name: the format's name; `table` for rows.
        files: how many files are in it.
        reason: why the first of them was taken to be.
    """

    name: str
    files: int
    reason: str


@dataclass(frozen=True)
class Place:
    """A line in a document.

    Attributes:
        document: the document's title.
        line: its number among the document's elements, from 1.
    """

    document: str
    line: int


@dataclass(frozen=True)
class Speaker:
    """One of the cast.

    Attributes:
        speaker: the name in its commonest spelling.
        lines: how many lines of dialogue are theirs.
        words: how many words those have.
        first: their first line.
        spellings: all spellings of the name that count as one, the commonest first.
    """

    speaker: str
    lines: int
    words: int
    first: Place
    spellings: tuple[str, ...]


@dataclass(frozen=True)
class CloseNames:
    """Two speakers whose names are one letter apart, which one of them may owe to a slip.

    Attributes:
        speaker: who has fewer lines.
        lines: how many these are.
        close_to: the other.
    """

    speaker: str
    lines: int
    close_to: str


@dataclass(frozen=True)
class Repeat:
    """Something that is there more than once.

    Attributes:
        text: a document's title, a scene's heading or first line, a line.
        times: how often it is there, the first time included.
        first: where it begins for the first time.
        again: where it begins for the second time.
    """

    text: str
    times: int
    first: Place
    again: Place


@dataclass(frozen=True)
class Repeats:
    """Repeats of one sort.

    Attributes:
        count: how many say again what an earlier one has said.
        examples: a few that are repeated, those first that are there most often.
    """

    count: int
    examples: tuple[Repeat, ...]


@dataclass(frozen=True)
class Duplicates:
    """Repeats of every sort, whatever the case and the spacing; it leaks from training to validation.

    Attributes:
        documents: whole documents.
        scenes: scenes of at least `LONG_SCENE_WORDS` words, whatever their headings.
        lines: dialogue and action of at least `LONG_LINE_WORDS` words, whoever says it.
    """

    documents: Repeats
    scenes: Repeats
    lines: Repeats


@dataclass(frozen=True)
class Inspection:
    """All findings about a corpus.

    Attributes:
        format: the names of the formats met, joined by commas.
        formats: the same one by one.
        documents: how many there are.
        scenes: how many there are; what stands before a document's first heading is one.
        lines: how many elements of each kind.
        words: all words, headings included and speakers not.
        cast: who speaks, most lines first.
        close_names: speakers that may be one and the same.
        unparsed_share: the share of the characters for which the format had no rule, 0 … 1.
        unparsed: a few of the lines that became action for that reason.
        duplicates: what is there more than once.
        problems: files left out, encodings and the like, one line each.
        sample: the first lines as `name: text`.
    """

    format: str
    formats: tuple[FormatMet, ...]
    documents: int
    scenes: int
    lines: dict[Kind, int]
    words: int
    cast: tuple[Speaker, ...]
    close_names: tuple[CloseNames, ...]
    unparsed_share: float
    unparsed: tuple[str, ...]
    duplicates: Duplicates
    problems: tuple[str, ...]
    sample: tuple[str, ...]


_EXAMPLES = 5
_TEXTS_KEPT = 200


class Documents:
    """The beginnings of the documents: elements are numbered from 0 throughout the corpus."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.titles: list[str] = []

    def begin(self, title: str, start: int) -> None:
        """Add one more document, by its title and the number of its first element."""
        self.titles.append(title)
        self.starts.append(start)

    def place(self, number: int) -> Place:
        """Return where the element of a number stands."""
        document = bisect_right(self.starts, number) - 1
        return Place(self.titles[document], number - self.starts[document] + 1)


class Repetition:
    """Finds, by hashes, which of many things of one sort have been there before."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._firsts: dict[int, int] = {}
        self._repeats: Counter[int] = Counter()
        self._examples: dict[int, tuple[str, int]] = {}

    def add(self, hash_: int, text: str, number: int) -> None:
        """Add one more thing.

        Args:
            hash_: of all that makes it the same as another.
            text: what to call it.
            number: of its first element.
        """
        first = self._firsts.setdefault(hash_, number)
        if first == number:
            return
        self._repeats[first] += 1
        if len(self._examples) < _TEXTS_KEPT:
            self._examples.setdefault(first, (text, number))

    @property
    def found(self) -> Repeats:
        """Return how many repeat another, and those that do so most often."""
        often = sorted(self._examples, key=lambda first: (-self._repeats[first], first))[:_EXAMPLES]
        place = self._documents.place
        examples = [
            Repeat(text, self._repeats[first] + 1, place(first), place(again))
            for first in often
            for text, again in [self._examples[first]]
        ]
        return Repeats(self._repeats.total(), tuple(examples))
