"""Inspection of a corpus before training: who speaks, what repeats, what looks wrong.

The text is read in one pass. Memory holds only counts, the names of documents and speakers, a few examples,
and a hash of each document, scene and long line, by which repeats are found. Nothing is written.
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
from scriptforge.screenplay.script import KINDS, CastCount, CastMember, Element, Kind, speaker_key
from scriptforge.script_rows import LineNumbering, Location, ScriptRow
from scriptforge.workspace import Workspace

LONG_LINE_WORDS = 12
"""Words from which a repeated line is more likely a copy than a phrase that is said twice."""

LONG_SCENE_WORDS = 20


@dataclass(frozen=True)
class DetectedFormat:
    """A format found in a corpus.

    Attributes:
        name: the format's name; `table` for tables.
        files: the number of files in this format.
        reason: why the first of them was read in this format.
    """

    name: str
    files: int
    reason: str


@dataclass(frozen=True)
class Speaker:
    """A member of the cast: a `CastMember` whose `first` is the location of their first line."""

    speaker: str
    lines: int
    words: int
    first: Location
    spellings: tuple[str, ...]


@dataclass(frozen=True)
class CloseNames:
    """Two speakers whose names differ by one letter or a swap, so that one may be a misspelling.

    Attributes:
        speaker: the speaker with fewer lines.
        lines: the number of these lines.
        close_to: the other speaker.
    """

    speaker: str
    lines: int
    close_to: str


@dataclass(frozen=True)
class Repeat:
    """A document, scene or line that occurs more than once.

    Attributes:
        text: the document's title, the scene's heading or first line, or the line itself.
        times: the number of occurrences, including the first.
        first: the location of the first occurrence.
        again: the location of the second occurrence.
    """

    text: str
    times: int
    first: Location
    again: Location


@dataclass(frozen=True)
class Repeats:
    """Repeats of one type: of documents, scenes or lines.

    Attributes:
        count: the number of occurrences that repeat an earlier one.
        examples: a few repeats, the most frequent first.
    """

    count: int
    examples: tuple[Repeat, ...]


@dataclass(frozen=True)
class Duplicates:
    """Exact repeats, ignoring case and spacing, which may leak training text into validation.

    Attributes:
        documents: whole documents.
        scenes: scenes of at least `LONG_SCENE_WORDS` words, ignoring their headings.
        lines: elements other than headings of at least `LONG_LINE_WORDS` words, ignoring the speaker.
    """

    documents: Repeats
    scenes: Repeats
    lines: Repeats


@dataclass(frozen=True)
class ScriptName:
    """The title of a script, and the name of its file."""

    title: str
    file: str


@dataclass(frozen=True)
class Inspection:
    """All findings about a corpus.

    Attributes:
        format: the names of the formats found, joined by commas.
        formats: the formats found, in detail.
        documents: the number of documents.
        scenes: the number of scenes; elements before a document's first heading count as one.
        lines: the number of elements of each kind.
        words: the number of words, including headings but not speakers' names.
        cast: the speakers, most lines first.
        close_names: pairs of speakers that may be the same person.
        unparsed_share: the share of the characters that no rule of the format matched, 0 … 1.
        unparsed: a few of the lines that became action for that reason.
        duplicates: documents, scenes and lines that occur more than once.
        near_duplicates: groups of scripts that are nearly the same, each with the longest first.
        problems: files left out, encodings and the like, one line each.
        warnings: signs that the text was read in the wrong format, one line each.
        sample: the first lines as `NAME: text`.
    """

    format: str
    formats: tuple[DetectedFormat, ...]
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
    """Finds repeats among documents, scenes or lines by their hashes."""

    def __init__(self, numbering: LineNumbering) -> None:
        self._locate = numbering.locate
        self._firsts: dict[int, int] = {}
        self._repeats: Counter[int] = Counter()
        self._examples: dict[int, tuple[str, int]] = {}

    def add(self, hash_: int, text: str, number: int) -> None:
        """Add an item: the hash of its contents, the text to show for it, and its first element's number."""
        first = self._firsts.setdefault(hash_, number)
        if first == number:
            return
        self._repeats[first] += 1
        if len(self._examples) < _TEXTS_KEPT:
            self._examples.setdefault(first, (text, number))

    @property
    def found(self) -> Repeats:
        """Return the number of repeats, and the most frequent ones."""
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
_FREQUENT_NAMES, _MAX_ALIKE = 4000, 8
"""How many names count as frequent, and how many of them are kept per shortened name in `_close_names`."""


def inspect(
    name: str, options: InspectOptions, workspace: Workspace, on_progress: ProgressCallback = no_progress
) -> Inspection:
    """Parse a corpus and return the findings.

    Args:
        name: a file or folder, a card's name, `hf:OWNER/NAME` or an http(s) address.
        options: how to read it.
        workspace: the workspace whose cards are known besides the built-in ones.
        on_progress: called with the current task, the amount done, and the total if it is known.

    Raises:
        CorpusError: the corpus cannot be fetched or read, or has no such column.
        UsageError: there is no such corpus or format, the columns are malformed, or the cluster's address is.
        ScriptforgeError: the cluster cannot be reached or used, or is lost.
    """
    corpus = fetch_named(name, options, workspace, on_progress)
    return inspect_corpus(corpus, on_progress, options.workers, options.cluster)


def inspect_corpus(
    corpus: Corpus,
    on_progress: ProgressCallback = no_progress,
    workers: int = 1,
    cluster: str | None = None,
) -> Inspection:
    """Parse a corpus that has been fetched and return the findings, as `inspect` does."""
    parsing = Parsing()
    tally = _Tally()
    with parsing_pool(workers, cluster, [corpus]) as pool:
        rows = parse(corpus, plain=False, parsing=parsing, pool=pool)
        tally.count(report_rows(rows, on_progress, "Reading"))
    members = tally.cast.members
    locate = tally.numbering.locate
    return Inspection(
        format=parsing.text_format,
        formats=tuple(
            DetectedFormat(name, parsing.files[name], why) for name, why in parsing.reasons.items()
        ),
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
    """A document or scene that is being read.

    Attributes:
        text: the title, the heading or the first line.
        number: the number of the first element.
        hash: a hash of the contents so far; a scene's heading is not part of its own.
        heading: a hash of a scene's heading, and 0 if it has none.
        words: the number of words in a scene so far.
    """

    def __init__(self, text: str, number: int) -> None:
        self.text = text
        self.number = number
        self.hash = self.heading = self.words = 0


class _Tally:
    """Counts rows as they pass.

    Attributes:
        numbering: maps an element's number in the corpus to its document and line.
        scene_count: the number of scenes.
        kinds: the number of elements of each kind.
        words: the number of words in their texts.
        beginning: the first elements, as a sample.
        cast: how much each speaker says.
        documents: repeated documents; `scenes` and `long_lines` likewise.
    """

    def __init__(self) -> None:
        self.numbering = LineNumbering()
        self.scene_count = self.words = 0
        self.kinds: Counter[str] = Counter()
        self.beginning: list[Element] = []
        self.cast = CastCount()
        self.documents = Repetition(self.numbering)
        self.scenes = Repetition(self.numbering)
        self.long_lines = Repetition(self.numbering)
        self._document: _Stretch | None = None
        self._scene: _Stretch | None = None

    def count(self, rows: Iterable[ScriptRow]) -> None:
        """Count all rows."""
        document = -1
        for number, row in enumerate(rows):
            if row.document != document:
                document = row.document
                self._end_document()
                self.numbering.begin_document(row.title, number)
                self._document = _Stretch(row.title, number)
            self._count(row, number)
        self._end_document()

    def _count(self, row: ScriptRow, number: int) -> None:
        kind, speaker, text = row.kind, row.speaker, row.text
        words = text.split()
        length = len(words)
        self.kinds[kind] += 1
        self.words += length
        if number < SAMPLE_LINES:
            self.beginning.append(row.element)
        if self._scene is None or kind == "heading":
            self._end_scene()
            self._scene = _Stretch(text, number)
        scene = self._scene
        said = " ".join(words).casefold()
        if kind == "heading":
            scene.heading = hash(("heading", said))
            return
        if kind == "dialogue":
            self.cast.add(speaker, length, number)
        scene.text = scene.text or text
        scene.hash = hash((scene.hash, kind, speaker_key(speaker), said))
        scene.words += length
        if length >= LONG_LINE_WORDS:
            self.long_lines.add(hash(said), text, number)

    def _end_document(self) -> None:
        self._end_scene()
        if self._document:
            self.documents.add(self._document.hash, self._document.text, self._document.number)
        self._document = None

    def _end_scene(self) -> None:
        if self._scene and self._document:
            self._document.hash = hash((self._document.hash, self._scene.heading, self._scene.hash))
            self.scene_count += 1
            if self._scene.words >= LONG_SCENE_WORDS:
                self.scenes.add(self._scene.hash, self._scene.text, self._scene.number)
        self._scene = None


def _close_names(members: Sequence[CastMember]) -> Iterator[CloseNames]:
    """Yield pairs of names that differ by a letter or a swap, one with at most a fifth of the other's lines.

    Instead of comparing every name with every other, index each frequent name under all its forms with at
    most one letter removed, and look up the forms of every name: names that differ by one letter share such
    a form (JERRY and JERY share `jery`). Each form keeps only its most frequent names, so the work is linear.
    """
    often: defaultdict[str, list[int]] = defaultdict(list)
    pairs: set[tuple[int, int]] = set()
    keys = [speaker_key(member.speaker) for member in members]
    for number, (key, member) in enumerate(zip(keys, members, strict=True)):  # most lines first
        if not _SHORTEST_CLOSE_NAME <= len(key) <= _LONGEST_CLOSE_NAME:
            continue
        rests = {key, *(key[:index] + key[index + 1 :] for index in range(len(key)))}
        pairs.update((other, number) for rest in rests for other in often.get(rest, ()))
        if member.lines >= _TIMES_AS_OFTEN and number < _FREQUENT_NAMES:
            for rest in rests:
                if len(often[rest]) < _MAX_ALIKE:
                    often[rest].append(number)
    for more, fewer in sorted(pairs):
        frequent, seldom = members[more], members[fewer]
        if seldom.lines * _TIMES_AS_OFTEN <= frequent.lines and _may_be_a_slip(keys[more], keys[fewer]):
            yield CloseNames(seldom.speaker, seldom.lines, frequent.speaker)


def _may_be_a_slip(one: str, other: str) -> bool:
    """Return whether two names that share a shortened form differ by one wrong, missing or swapped letter.

    Names with different digits are different people: MAN 1 and MAN 2.
    """
    if list(filter(str.isdigit, one)) != list(filter(str.isdigit, other)):
        return False
    if len(one) != len(other):
        return True
    differing = [pair for pair in zip(one, other, strict=True) if pair[0] != pair[1]]
    return len(differing) == 1 or (len(differing) == 2 and differing[0] == differing[1][::-1])
