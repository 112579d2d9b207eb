"""Parsing of a corpus's files into numbered rows, in one pass that also collects statistics.

A file in a folder may turn out to be broken only while it is parsed. Such a file is left out entirely, since
a script that stops in the middle of a scene would teach a model to stop there. Therefore the rows of each
file in a folder are buffered until its end, on disk if there are many. A file that was named itself, or that
a card lists, must be intact.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeAlias

from scriptforge.corpus.cards import Cards
from scriptforge.corpus.fetch import Corpus, FileTask, fetch
from scriptforge.corpus.files import AnyFile, DocumentFile, TableFile, TextFile, too_deep
from scriptforge.corpus.json_rows import Row
from scriptforge.corpus.near_duplicates import Sketch, Sketcher
from scriptforge.corpus.sources import Source, find_source
from scriptforge.corpus.workers import Pool
from scriptforge.errors import CorpusError
from scriptforge.screenplay.format import BrokenScript, percentage
from scriptforge.screenplay.formats import Reading, read
from scriptforge.screenplay.missed_speakers import MissedSpeakers
from scriptforge.screenplay.name_line import rendered_length, write
from scriptforge.screenplay.script import Element
from scriptforge.screenplay.table import choose_columns, documents, group_texts
from scriptforge.script_rows import PLAIN, ScriptRow, blocks, read_rows, write_rows
from scriptforge.workspace import expand_home

_LONGEST_TITLE = 1000
"""Characters of a title; it is in every row of its document, and the rest of a longer one is dropped."""

LONGEST_TEXT = 10_000
"""Characters of a row; longer paragraphs and lines are split at white space, to bound the memory of a row."""

_ASK_FOR_CHATS = "A chat has other people's names and words in it: ask them before you train on it."
_EXAMPLES = 6
_FILES_SHOWN = 3
_MAX_POOLED_FILE = 2_000_000
"""Bytes from which a file is parsed in this process, row by row, instead of whole by another process."""
_WAYS_OUT_OF_TABLES = (
    "Say what its columns hold, --columns speaker=COLUMN,line=COLUMN, or take the text as it stands: --plain"
)
_PART = re.compile(rf".{{1,{LONGEST_TEXT}}}(?:\s|$)|.{{{LONGEST_TEXT}}}", re.DOTALL)


@dataclass(frozen=True)
class Misread:
    """Evidence that a file was read in the wrong format: lines that look like cues but were not read as such.

    Attributes:
        missed_speakers: these lines.
        format: the format that the file was read in.
        nearest: the next best format, if any other fits.
    """

    missed_speakers: MissedSpeakers
    format: str
    nearest: str | None


class ParseWarning(NamedTuple):
    """A sign that a corpus was read in the wrong format, and what to do about it."""

    problem: str
    hint: str

    def __str__(self) -> str:
        """Return the problem and the hint in one line."""
        return f"{self.problem} {self.hint}"


@dataclass
class Parsing:
    """Findings of a parse; complete once all its rows have been consumed.

    Attributes:
        sizes: the number of characters of each document, in order.
        rows: the number of rows of each document.
        sketches: the sketch of each document, for finding near duplicates.
        characters: the number of characters parsed by a screenplay format.
        unparsed: the number of these that no rule of the format matched, so that they became action.
        unparsed_examples: a few distinct texts that became action for that reason.
        reasons: why the first file in each format was read in it, by the format's name.
        files: the number of files in each format, by its name.
        left_out: the error of each file of a folder that was left out, by the file's name.
        speeches: the number of elements of dialogue.
        silent: the names of the files without dialogue, except those read as plain text.
        misread: the evidence in each file that was probably misread, by the file's name.
        untitled: the titles that are only the name of a file whose text has none.
    """

    sizes: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    sketches: list[Sketch] = field(default_factory=list)
    characters: int = 0
    unparsed: int = 0
    unparsed_examples: list[str] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    files: Counter[str] = field(default_factory=Counter)
    left_out: dict[str, CorpusError] = field(default_factory=dict)
    speeches: int = 0
    silent: list[str] = field(default_factory=list)
    misread: dict[str, "Misread"] = field(default_factory=dict)
    untitled: set[str] = field(default_factory=set)

    @property
    def text_format(self) -> str:
        """Return the names of the formats found, joined by commas."""
        return ", ".join(self.reasons)

    @property
    def unparsed_share(self) -> float:
        """Return the share of characters that no rule matched, 0 … 1."""
        return self.unparsed / self.characters if self.characters else 0.0

    @property
    def problems(self) -> list[str]:
        """Return a line for each file that was left out."""
        return [f"left out: {problem.message}" for problem in self.left_out.values()]

    def warnings(self, name: str) -> list[ParseWarning]:
        """Return the signs that the corpus, called `name` in the messages, was read in the wrong format."""
        shown = next(iter(self.misread.values()), None)
        if self.silent and not self.speeches:
            looks = f" {_looks(shown)}" if shown else ""
            ways_out = _WAYS_OUT_OF_TABLES if set(self.files) == {"table"} else _ways_out(shown)
            problem = f"Nobody speaks in “{name}”: it was read as {self.text_format}.{looks}"
            return [ParseWarning(problem, ways_out)]
        found = []
        if self.silent:
            problem = f"Nobody speaks in {_counted(self.silent)}, which became action."
            found.append(ParseWarning(problem, _ways_out(shown)))
        heard = {file: one for file, one in self.misread.items() if file not in self.silent}
        if heard:
            shown = next(iter(heard.values()))
            problem = f"Speakers are missed in {_counted(list(heard))}. {_looks(shown)}"
            found.append(ParseWarning(problem, _ways_out(shown)))
        return found

    @property
    def notes(self) -> list[str]:
        """Return remarks, one line each: the reason for each format, consent to ask for, files left out."""
        formats = [f"Read as {name}: {reason}" for name, reason in self.reasons.items() if reason]
        return formats + self.requests + self.problems

    @property
    def requests(self) -> list[str]:
        """Return a reminder to ask the other people for consent, if any of the files is a chat."""
        return [_ASK_FOR_CHATS] if "chat" in self.files else []

    def count_format(self, format: str, reason: str) -> None:
        """Count a file in a format."""
        self.files[format] += 1
        self.reasons.setdefault(format, reason)

    def add_reading(self, file: str, reading: Reading) -> None:
        """Add the findings of the reading of a file, once all its elements have been consumed."""
        self.characters += reading.characters
        self.unparsed += reading.unparsed
        self.unparsed_examples += reading.unparsed_examples
        missed = reading.missed_speakers
        if missed.is_significant or (missed.lines > 1 and not reading.speeches):
            self.misread[file] = Misread(missed, reading.format, reading.nearest)

    def add(self, other: "Parsing") -> None:
        """Add the findings about further files, except `left_out`."""
        self.sizes += other.sizes
        self.rows += other.rows
        self.sketches += other.sketches
        self.characters += other.characters
        self.unparsed += other.unparsed
        examples = dict.fromkeys(self.unparsed_examples + other.unparsed_examples)
        self.unparsed_examples = list(examples)[:_EXAMPLES]
        for format, reason in other.reasons.items():
            self.reasons.setdefault(format, reason)
        self.files += other.files
        self.speeches += other.speeches
        self.silent += other.silent
        self.misread |= other.misread
        self.untitled |= other.untitled


def _looks(misread: Misread) -> str:
    missed = misread.missed_speakers
    examples = ", ".join(f"“{example}”" for example in missed.examples)
    return f"{percentage(missed.lines, missed.printed)} of its lines look like speakers: {examples}."


def _ways_out(misread: Misread | None) -> str:
    nearest = misread.nearest if misread else None
    name = f"{nearest}, which is the nearest" if nearest else "NAME"
    return f"Name its format, --format {name}, or take the text as it stands: --plain"


def _counted(files: list[str]) -> str:
    shown = ", ".join(f"“{name}”" for name in files[:_FILES_SHOWN])
    if len(files) <= _FILES_SHOWN:
        return shown
    return f"{len(files):,} files, such as {shown}"


Parsed: TypeAlias = tuple[Parsing, list[ScriptRow]]
"""The findings about a file and its rows, the documents numbered from 0."""


def parse(
    corpus: Corpus,
    plain: bool,
    parsing: Parsing,
    first_document: int = 0,
    pool: Pool | None = None,
) -> Iterator[ScriptRow]:
    """Yield the rows of all files of a corpus, in order.

    Args:
        corpus: the corpus; its source and card may give the format and the columns.
        plain: whether to take texts verbatim, without parsing them as scripts.
        parsing: receives the findings, file by file.
        first_document: the number of the first document.
        pool: the processes that parse all but the large files; None parses everything here.

    Raises:
        CorpusError: a file that must be intact is broken, or all files of a folder are.
        UsageError: there is no format of that name.
        ScriptforgeError: a process of the pool was lost, or cannot find a file.
    """
    for file, elsewhere in zip(corpus.files, _parse_in_pool(corpus, plain, pool), strict=True):
        first = first_document + len(parsing.sizes)
        try:
            if elsewhere:
                found, rows_from_0 = elsewhere()
                yield from (ScriptRow._make((first + row.document, *row[1:])) for row in rows_from_0)
            else:
                parser = _FileParser(corpus.source, file, plain)
                rows = parser.rows(first)
                yield from _held(rows) if corpus.skips_broken else rows
                found = parser.found
        except CorpusError as problem:
            if not corpus.skips_broken:
                raise
            parsing.left_out[file.name] = problem
        else:
            parsing.add(found)
    if parsing.left_out and len(parsing.left_out) == len(corpus.files):
        first_problem = next(iter(parsing.left_out.values()))
        raise CorpusError(
            f"Nothing in “{corpus.name}” can be read: {first_problem.message}", first_problem.hint
        )


def parse_task(task: FileTask, plain: bool) -> Parsed:
    """Return the findings and rows of one file, its documents numbered from 0: the call that a pool makes.

    Raises:
        CorpusError: the file is broken.
        UsageError: there is no format of that name.
        ScriptforgeError: the file cannot be read on this machine, or its contents differ.
    """
    parser = _FileParser(task.source, task.open(), plain)
    rows = list(parser.rows(first=0))
    return parser.found, rows


def _parse_in_pool(corpus: Corpus, plain: bool, pool: Pool | None) -> Iterator[Callable[[], Parsed] | None]:
    """Yield for each file a function that waits for the pool's result, or None if it is to be parsed here."""
    if pool is None or not corpus.tasks:
        return repeat(None, len(corpus.files))
    calls = (
        partial(parse_task, task, plain) if task.record.size < _MAX_POOLED_FILE else None
        for task in corpus.tasks
    )
    return pool.run(calls)


def parse_file(path: Path, plain: bool) -> Iterator[ScriptRow]:
    """Yield the rows of one file in any supported format; the path is never taken for the name of a card.

    Raises:
        CorpusError: there is no such file, or it cannot be read or is broken.
    """
    path = expand_home(path)
    source = find_source(str(path) if path.is_absolute() else f"./{path}", Cards({}, {}))
    return parse(fetch(source), plain, Parsing())


class _FileParser:
    """Parses one file into rows, and collects the findings about it.

    Attributes:
        found: the findings; complete once all rows have been consumed.
    """

    def __init__(self, source: Source, file: AnyFile, plain: bool) -> None:
        self._source = source
        self._file = file
        self._plain = plain
        self.found = Parsing()

    def rows(self, first: int) -> Iterator[ScriptRow]:
        """Yield the rows, their documents numbered from `first`; errors name the file."""
        try:
            for title, elements in self._documents():
                number = first + len(self.found.sizes)
                yield from self._rows_of_document(number, title[:_LONGEST_TITLE], elements)
            if not self._plain and not self.found.speeches:
                self.found.silent.append(self._file.name)
        except CorpusError as problem:
            raise _naming(self._file.name, problem) from problem
        except RecursionError:
            raise too_deep(self._file.name) from None

    def _rows_of_document(
        self, number: int, title: str, elements: Iterable[Element | str]
    ) -> Iterator[ScriptRow]:
        """Yield the rows of a document; one without characters does not count."""
        source = self._source.name
        sketcher = Sketcher(title, self._file.name)
        size = rows = speeches = 0
        for element in elements:
            if isinstance(element, str):
                row = ScriptRow(number, title, PLAIN, "", element, len(element), source)
            else:
                characters = rendered_length(element)
                row = ScriptRow(
                    number, title, element.kind, element.speaker, element.text, characters, source
                )
            sketcher.add(row.text)
            size += row.characters
            rows += 1
            speeches += row.kind == "dialogue"
            yield row
        self.found.speeches += speeches
        if size:
            self.found.sizes.append(size)
            self.found.rows.append(rows)
            self.found.sketches.append(sketcher.sketch())

    def _documents(self) -> Iterator[tuple[str, Iterator[Element | str]]]:
        """Yield the title of each document, and its elements or stretches of plain text."""
        if isinstance(self._file, TableFile):
            return self._documents_of_table(self._file)
        if self._plain:
            return self._plain_document(self._file)
        return self._script(self._file)

    def _documents_of_table(self, file: TableFile) -> Iterator[tuple[str, Iterator[Element | str]]]:
        self.found.count_format(
            "chat" if "chat" in file.columns else "table", f"Its columns are {', '.join(file.columns)}."
        )
        card = self._source.card
        columns = choose_columns(file.columns, self._source.columns or (card.columns if card else None))
        if not self._plain:
            for title, elements in documents(file.rows(), columns):
                yield title, _bounded(elements)
        elif column := columns.script or columns.text:
            yield from _plain_documents(file.rows(), column)
        else:
            for title, elements in documents(file.rows(), columns):
                yield title, _stretches(f"{line}\n" for line in write(elements))

    def _plain_document(self, file: TextFile | DocumentFile) -> Iterator[tuple[str, Iterator[str]]]:
        self.found.count_format("plain", "")
        yield PurePath(file.name).stem, _stretches(_lines(file))

    def _script(self, file: TextFile | DocumentFile) -> Iterator[tuple[str, Iterator[Element]]]:
        stem = PurePath(file.name).stem
        card = self._source.card
        reading = _reading(file, self._source.format or (card.format if card else None))
        self.found.count_format(reading.format, reading.reason)
        if not reading.title:
            self.found.untitled.add(stem)
        yield reading.title or stem, _bounded(reading)
        self.found.add_reading(file.name, reading)


def _naming(name: str, problem: CorpusError) -> CorpusError:
    """Return the same error, with the name of the file in its message."""
    if isinstance(problem, BrokenScript):
        return problem.named(name)
    message = problem.message if f"“{name}”" in problem.message else f"“{name}”: {problem.message}"
    return CorpusError(message, problem.hint)


def _held(rows: Iterable[ScriptRow]) -> Iterator[ScriptRow]:
    """Yield rows only after all have been received; more than one block of them is buffered on disk."""
    rest = blocks(rows)
    begun = list(islice(rest, 2))
    if len(begun) < 2:
        yield from chain.from_iterable(begun)
        return
    with TemporaryDirectory(prefix="scriptforge-") as folder:
        path = Path(folder) / "rows.parquet"
        write_rows(path, chain.from_iterable(chain(begun, rest)))
        yield from read_rows(path)


def _lines(file: TextFile | DocumentFile) -> Iterator[str]:
    if isinstance(file, DocumentFile):
        return (f"{line}\n" for line in file.read().lines)
    return file.lines()


def _reading(file: TextFile | DocumentFile, asked: str | None) -> Reading:
    if isinstance(file, DocumentFile):
        return file.read().read(file.kind, asked)
    return read(file.lines(), asked, PurePath(file.name).suffix)


def _plain_documents(rows: Iterable[Row], column: str) -> Iterator[tuple[str, Iterator[str]]]:
    """Yield the documents in a column of a table, verbatim."""
    cells = ("" if row[column] is None else str(row[column]) for row in rows)
    for title, (is_whole, group) in enumerate(group_texts(cells), start=1):
        texts = (cell if is_whole or cell.endswith("\n") else f"{cell}\n" for cell in group)
        yield str(title), _stretches(line for text in texts for line in text.splitlines(keepends=True))


def _bounded(elements: Iterable[Element]) -> Iterator[Element]:
    for element in elements:
        if len(element.text) <= LONGEST_TEXT:
            yield element
        else:
            parts = (part.strip() for part in _PART.findall(element.text))
            yield from (replace(element, text=part) for part in parts if part)


def _stretches(lines: Iterable[str]) -> Iterator[str]:
    """Yield each paragraph with the blank lines after it, verbatim, splitting long ones."""
    paragraph: list[str] = []
    size = 0
    ended = False
    for line in lines:
        size += len(line)
        if paragraph and (size > LONGEST_TEXT or (ended and line.strip("\n"))):
            yield from _parts("".join(paragraph))
            paragraph, size = [], len(line)
        paragraph.append(line)
        ended = not line.strip("\n")
    if paragraph:
        yield from _parts("".join(paragraph))


def _parts(text: str) -> list[str]:
    return _PART.findall(text) if len(text) > LONGEST_TEXT else [text]
