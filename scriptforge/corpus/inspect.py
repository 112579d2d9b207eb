"""Inspection of a corpus before a model is trained on it: who speaks, what repeats, what looks wrong.

All is found in one pass over the text. What stays in memory are counts, the names of documents and speakers,
a few examples, and a hash for each document, scene and long line, by which repeats are found. Nothing is
written.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from scriptforge.corpus.fetch import Corpus, fetch_named
from scriptforge.corpus.near_duplicates import near_duplicates
from scriptforge.corpus.parse import Parsing, parse
from scriptforge.corpus.passages import report_rows
from scriptforge.corpus.workers import parsing_pool
from scriptforge.net.client import ProgressCallback, no_progress
from scriptforge.options import InspectOptions
from scriptforge.screenplay.name_line import write
from scriptforge.screenplay.script import KINDS, CastMember, Element, Kind, cast, speaker_key
from scriptforge.script_rows import LineNumbering, Location, ScriptRow
from scriptforge.workspace import Workspace

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
class Speaker:
    """One of the cast: a `CastMember`, of whom `first` is where their first line stands."""

    speaker: str
    lines: int
    words: int
    first: Location
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
    first: Location
    again: Location


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
class ScriptName:
    """A script: its title, and the name of the file that it is in."""

    title: str
    file: str


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
        near_duplicates: groups of scripts that are nearly the same, the longest first.
        problems: files left out, encodings and the like, one line each.
        warnings: signs that the text was not read as what it is, one line each.
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
    near_duplicates: tuple[tuple[ScriptName, ...], ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    sample: tuple[str, ...]


_EXAMPLES = 5
_TEXTS_KEPT = 200


class Repetition:
    """Finds, by hashes, which of many things of one sort have been there before."""

    def __init__(self, numbering: LineNumbering) -> None:
        self._locate = numbering.locate
        self._firsts: dict[int, int] = {}
        self._repeats: Counter[int] = Counter()
        self._examples: dict[int, tuple[str, int]] = {}

    def add(self, hash_: int, text: str, number: int) -> None:
        """Add one more thing: the hash of what makes it the same as another, its name, its first element."""
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
        examples = [
            Repeat(text, self._repeats[first] + 1, self._locate(first), self._locate(again))
            for first in often
            for text, again in [self._examples[first]]
        ]
        return Repeats(self._repeats.total(), tuple(examples))


SAMPLE_LINES = 12
_SHORTEST_CLOSE_NAME, _LONGEST_CLOSE_NAME = 4, 60
_TIMES_AS_OFTEN = 5
_MOST_OFTEN, _MOST_ALIKE = 4000, 8
"""How many names count as frequent, and how many of them with one rest a name is compared with."""


def inspect(
    name: str, options: InspectOptions, workspace: Workspace, on_progress: ProgressCallback = no_progress
) -> Inspection:
    """Parse a corpus and return what is in it.

    Args:
        name: a file or folder, a card's name, `hf:OWNER/NAME` or an https address.
        options: how to read it.
        workspace: where cards of one's own are.
        on_progress: called with what is being done, how much of it is done, and of how much.

    Raises:
        CorpusError: nothing can be read, or a file that was asked for by itself cannot.
        UsageError: there is no such corpus, format or column.
    """
    corpus = fetch_named(name, options, workspace, on_progress)
    return inspect_corpus(corpus, on_progress, options.workers, options.cluster)


def inspect_corpus(
    corpus: Corpus,
    on_progress: ProgressCallback = no_progress,
    workers: int = 1,
    cluster: str | None = None,
) -> Inspection:
    """Parse a corpus that is here and return what is in it; as `inspect` does."""
    parsing = Parsing()
    tally = _Tally()
    with parsing_pool(workers, cluster, [corpus]) as pool:
        rows = parse(corpus, plain=False, parsing=parsing, pool=pool)
        members = cast(tally.elements(report_rows(rows, on_progress, "Reading")))
    locate = tally.numbering.locate
    return Inspection(
        format=parsing.text_format,
        formats=tuple(FormatMet(name, parsing.files[name], why) for name, why in parsing.reasons.items()),
        documents=len(tally.numbering.titles),
        scenes=tally.scene_count,
        lines={kind: tally.kinds[kind] for kind in KINDS},
        words=tally.words,
        cast=tuple(
            Speaker(member.speaker, member.lines, member.words, locate(member.first), member.spellings)
            for member in members
        ),
        close_names=tuple(_close_names(members)),
        unparsed_share=parsing.unparsed_share,
        unparsed=tuple(parsing.unparsed_examples),
        duplicates=Duplicates(tally.documents.found, tally.scenes.found, tally.long_lines.found),
        near_duplicates=tuple(
            tuple(
                ScriptName(sketch.title, sketch.file) for sketch in map(parsing.sketches.__getitem__, group)
            )
            for group in near_duplicates(parsing.sketches, parsing.sizes)
        ),
        problems=(*corpus.notes, *parsing.requests, *parsing.problems),
        warnings=tuple(map(str, parsing.warnings(corpus.name))),
        sample=tuple(islice(write(tally.beginning), SAMPLE_LINES)),
    )


class _Stretch:
    """A document or scene that is being read: its contents as a hash, and its length."""

    def __init__(self, text: str, number: int) -> None:
        self.text = text
        self.number = number
        self.hash = self.words = 0

    def add(self, element_hash: int, words: int) -> None:
        self.hash = hash((self.hash, element_hash))
        self.words += words


class _Tally:
    """Counts rows as they pass.

    Attributes:
        numbering: of the elements throughout the corpus.
        scene_count: how many scenes.
        kinds: how many elements of each kind.
        words: in all their texts.
        beginning: the first elements.
        documents: which of them are there again; `scenes` and `long_lines` likewise.
    """

    def __init__(self) -> None:
        self.numbering = LineNumbering()
        self.scene_count = self.words = 0
        self.kinds: Counter[Kind] = Counter()
        self.beginning: list[Element] = []
        self.documents = Repetition(self.numbering)
        self.scenes = Repetition(self.numbering)
        self.long_lines = Repetition(self.numbering)
        self._document: _Stretch | None = None
        self._scene: _Stretch | None = None

    def elements(self, rows: Iterable[ScriptRow]) -> Iterator[Element]:
        """Yield the elements, each when it has been counted."""
        document = -1
        for number, row in enumerate(rows):
            if row.document != document:
                document = row.document
                self._end_document()
                self.numbering.begin_document(row.title, number)
                self._document = _Stretch(row.title, number)
            element = row.element
            self._count(element, number)
            yield element
        self._end_document()

    def _count(self, element: Element, number: int) -> None:
        words = element.text.split()
        self.kinds[element.kind] += 1
        self.words += len(words)
        if len(self.beginning) < SAMPLE_LINES:
            self.beginning.append(element)
        if self._scene is None or element.kind == "heading":
            self._end_scene()
            self._scene = _Stretch(element.text, number)
        said = " ".join(words).casefold()
        same = hash((element.kind, speaker_key(element.speaker), said))
        if self._document:
            self._document.add(same, len(words))
        if element.kind == "heading":
            return
        self._scene.text = self._scene.text or element.text
        self._scene.add(same, len(words))
        if len(words) >= LONG_LINE_WORDS:
            self.long_lines.add(hash(said), element.text, number)

    def _end_document(self) -> None:
        self._end_scene()
        if self._document:
            self.documents.add(self._document.hash, self._document.text, self._document.number)
        self._document = None

    def _end_scene(self) -> None:
        if self._scene:
            self.scene_count += 1
            if self._scene.words >= LONG_SCENE_WORDS:
                self.scenes.add(self._scene.hash, self._scene.text, self._scene.number)
        self._scene = None


def _close_names(members: Sequence[CastMember]) -> Iterator[CloseNames]:
    """Yield pairs of names one letter apart, of which one has a fifth of the other's lines or fewer.

    Two names one letter apart have in common what is left of them without some one letter, so that not every
    name has to be compared with every other. Of those who speak often that is kept, of the others looked up;
    of names that are all alike the most frequent ones are kept, so that the work is linear.
    """
    often: defaultdict[str, list[int]] = defaultdict(list)
    pairs: set[tuple[int, int]] = set()
    keys = [speaker_key(member.speaker) for member in members]
    for number, (key, member) in enumerate(zip(keys, members, strict=True)):  # most lines first
        if not _SHORTEST_CLOSE_NAME <= len(key) <= _LONGEST_CLOSE_NAME:
            continue
        rests = {key, *(key[:index] + key[index + 1 :] for index in range(len(key)))}
        pairs.update((other, number) for rest in rests for other in often.get(rest, ()))
        if member.lines >= _TIMES_AS_OFTEN and number < _MOST_OFTEN:
            for rest in rests:
                if len(often[rest]) < _MOST_ALIKE:
                    often[rest].append(number)
    for more, fewer in sorted(pairs):
        frequent, seldom = members[more], members[fewer]
        if seldom.lines * _TIMES_AS_OFTEN <= frequent.lines and _may_be_a_slip(keys[more], keys[fewer]):
            yield CloseNames(seldom.speaker, seldom.lines, frequent.speaker)


def _may_be_a_slip(one: str, other: str) -> bool:
    """Return whether names that share all but one letter differ by one added, missing, wrong or swapped.

    Numbers tell people apart: MAN 1 and MAN 2 are two.
    """
    if list(filter(str.isdigit, one)) != list(filter(str.isdigit, other)):
        return False
    if len(one) != len(other):
        return True
    differing = [pair for pair in zip(one, other, strict=True) if pair[0] != pair[1]]
    return len(differing) == 1 or (len(differing) == 2 and differing[0] == differing[1][::-1])
