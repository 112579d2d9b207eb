"""What a corpus parses to, and what somebody should know of it before a model is trained on it.

All is found in one pass over the text. What stays in memory are counts, the names of documents and speakers,
a few examples, and a hash for each document, scene and long line, by which repeats are found. Nothing is
written.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, islice

from scriptforge.corpus.fetch import Fetched
from scriptforge.corpus.parse import Parsing, parse
from scriptforge.corpus.repetition import (
    LONG_LINE_WORDS,
    LONG_SCENE_WORDS,
    CloseNames,
    Documents,
    Duplicates,
    FormatMet,
    Inspection,
    Repetition,
    Speaker,
)
from scriptforge.corpus.sources import Source
from scriptforge.dataset import ScriptRow
from scriptforge.net.client import ProgressCallback, no_progress
from scriptforge.screenplay.name_line import write
from scriptforge.screenplay.script import KINDS, CastMember, Element, Kind, cast, speaker_key

SAMPLE_LINES = 12
_SHORTEST_CLOSE_NAME = 4
ROWS_BETWEEN_REPORTS = 4096


def inspect(source: Source, fetched: Fetched, progress: ProgressCallback = no_progress) -> Inspection:
    """Parses a corpus and says what is in it.

    Args:
        source: what was asked for.
        fetched: its files.
        progress: told how many lines have been read.

    Raises:
        CorpusError: nothing can be read, or a file that was asked for by itself cannot.
        UsageError: there is no format of that name.
    """
    parsing = Parsing()
    tally = _Tally()
    pieces = parse(source, fetched, plain=False, parsing=parsing)
    members = cast(tally.elements(_told(pieces, progress)))
    return Inspection(
        format=parsing.text_format,
        formats=tuple(FormatMet(name, parsing.files[name], why) for name, why in parsing.reasons.items()),
        documents=len(tally.documents.starts),
        scenes=tally.scene_count,
        lines={kind: tally.kinds[kind] for kind in KINDS},
        words=tally.words,
        cast=tuple(_speaker(member, tally.documents) for member in members),
        close_names=tuple(_close_names(members)),
        unparsed_share=parsing.unparsed_share,
        unparsed=tuple(parsing.unparsed_examples),
        duplicates=tally.duplicates,
        problems=(*fetched.notes, *parsing.problems),
        sample=tuple(islice(write(tally.beginning), SAMPLE_LINES)),
    )


def _told(pieces: Iterable[ScriptRow], progress: ProgressCallback) -> Iterator[ScriptRow]:
    for number, piece in enumerate(pieces):
        if number % ROWS_BETWEEN_REPORTS == 0:
            progress("Reading", number, None)
        yield piece


def _speaker(member: CastMember, documents: Documents) -> Speaker:
    first = documents.place(member.first)
    return Speaker(member.speaker, member.lines, member.words, first, member.spellings)


class _Stretch:
    """A document or scene that is being read: what it is made of, as a hash, and how long it is."""

    def __init__(self, text: str, number: int) -> None:
        self.text = text
        self.number = number
        self.hash = self.words = 0

    def add(self, element_hash: int, words: int) -> None:
        self.hash = hash((self.hash, element_hash))
        self.words += words


class _Tally:
    """Counts pieces as they pass.

    Attributes:
        documents: those met so far.
        scene_count: how many scenes.
        kinds: how many elements of each kind.
        words: in all their texts.
        beginning: the first elements.
    """

    def __init__(self) -> None:
        self.documents = Documents()
        self.scene_count = self.words = 0
        self.kinds: Counter[Kind] = Counter()
        self.beginning: list[Element] = []
        self._same_documents = Repetition(self.documents)
        self._same_scenes = Repetition(self.documents)
        self._same_lines = Repetition(self.documents)
        self._document: _Stretch | None = None
        self._scene: _Stretch | None = None

    @property
    def duplicates(self) -> Duplicates:
        """What was there more than once."""
        return Duplicates(self._same_documents.found, self._same_scenes.found, self._same_lines.found)

    def elements(self, pieces: Iterable[ScriptRow]) -> Iterator[Element]:
        """Passes the elements on, each when it has been counted."""
        document = -1
        for number, piece in enumerate(pieces):
            if piece.document != document:
                document = piece.document
                self._end_document()
                self.documents.begin(piece.title, number)
                self._document = _Stretch(piece.title, number)
            element = piece.element
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
            self._same_lines.add(hash(said), element.text, number)

    def _end_document(self) -> None:
        self._end_scene()
        if self._document:
            self._same_documents.add(self._document.hash, self._document.text, self._document.number)
        self._document = None

    def _end_scene(self) -> None:
        if self._scene:
            self.scene_count += 1
            if self._scene.words >= LONG_SCENE_WORDS:
                self._same_scenes.add(self._scene.hash, self._scene.text, self._scene.number)
        self._scene = None


def _close_names(members: Sequence[CastMember]) -> Iterator[CloseNames]:
    """Pairs of names one letter apart, of which one has a fifth of the other's lines or fewer.

    Two names one letter apart have in common what is left of them without some one letter, so that not every
    name has to be compared with every other.
    """
    sharing: defaultdict[str, list[int]] = defaultdict(list)
    keys = [speaker_key(member.speaker) for member in members]
    for number, key in enumerate(keys):
        if len(key) >= _SHORTEST_CLOSE_NAME:
            for rest in {key, *(key[:index] + key[index + 1 :] for index in range(len(key)))}:
                sharing[rest].append(number)
    pairs = {pair for numbers in sharing.values() for pair in combinations(numbers, 2)}
    for more, fewer in sorted(pairs):
        often, seldom = members[more], members[fewer]
        if seldom.lines * 5 <= often.lines and _may_be_a_slip(keys[more], keys[fewer]):
            yield CloseNames(seldom.speaker, seldom.lines, often.speaker)


def _may_be_a_slip(one: str, other: str) -> bool:
    """Whether names that share all but one letter are one letter apart: added, left out, mistaken or swapped.

    Numbers tell people apart: MAN 1 and MAN 2 are two.
    """
    if list(filter(str.isdigit, one)) != list(filter(str.isdigit, other)):
        return False
    if len(one) != len(other):
        return True
    differing = [pair for pair in zip(one, other, strict=True) if pair[0] != pair[1]]
    return len(differing) == 1 or (len(differing) == 2 and differing[0] == differing[1][::-1])
