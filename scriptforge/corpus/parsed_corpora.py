"""Parsed corpora: their rows in one parquet file, and what was found in each corpus.

The documents of all corpora are numbered through, in the file as in the findings. Documents that are nearly
the same as others can be left out, which renumbers the rest. This module does not deal with tokens.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import compress, groupby
from operator import attrgetter
from pathlib import Path

from scriptforge.corpus.fetch import Corpus
from scriptforge.corpus.near_duplicates import Sketch, split_names
from scriptforge.corpus.options import divide
from scriptforge.corpus.parse import ParseWarning, Parsing, parse
from scriptforge.corpus.passages import ParsedText, report_rows
from scriptforge.corpus.workers import Pool
from scriptforge.net.client import ProgressCallback
from scriptforge.script_rows import ScriptRow, read_rows, write_rows


@dataclass(frozen=True)
class ParsedCorpora:
    """Corpora whose rows are in a parquet file, one corpus after the other.

    Attributes:
        path: the path of the file.
        parsings: the corpora, each with the findings about it.
    """

    path: Path
    parsings: Sequence[tuple[Corpus, Parsing]]

    @property
    def sizes(self) -> list[int]:
        """Return the number of characters of each document."""
        return [size for _, parsing in self.parsings for size in parsing.sizes]

    @property
    def sketches(self) -> list[Sketch]:
        """Return the sketch of each document."""
        return [sketch for _, parsing in self.parsings for sketch in parsing.sketches]

    @property
    def together(self) -> Parsing:
        """Return the findings about all corpora, except the files left out."""
        found = Parsing()
        for _, parsing in self.parsings:
            found.add(parsing)
        return found

    @property
    def warnings(self) -> list[ParseWarning]:
        """Return the signs that a corpus was read in the wrong format."""
        return [warning for corpus, parsing in self.parsings for warning in parsing.warnings(corpus.name)]

    @property
    def notes(self) -> list[str]:
        """Return remarks for the user on each corpus, prefixed with its name if there are several."""
        return [
            f"{corpus.name}: {note}" if len(self.parsings) > 1 else note
            for corpus, parsing in self.parsings
            for note in (*corpus.notes, *parsing.notes)
        ]

    def without(self, numbers: Collection[int]) -> "ParsedCorpora":
        """Rewrite the file without the documents of these numbers, and return the corpora without them."""
        documents = groupby(read_rows(self.path), key=attrgetter("document"))
        remaining = (rows for number, rows in documents if number not in numbers)
        rewritten = self.path.with_suffix(".kept")
        write_rows(rewritten, _renumbered(remaining))
        rewritten.replace(self.path)
        parsings = []
        first = 0
        for corpus, parsing in self.parsings:
            is_kept = [first + place not in numbers for place in range(len(parsing.sizes))]
            parsings.append((corpus, _only(parsing, is_kept)))
            first += len(is_kept)
        return ParsedCorpora(self.path, parsings)

    def divided(self, validation: float, test: float, on_progress: ProgressCallback) -> ParsedText:
        """Return the text, divided into splits.

        Args:
            validation: the validation split's share of the characters of each corpus.
            test: the test split's share.
            on_progress: called with the current task, the rows done, and their total.
        """
        return ParsedText(
            path=self.path,
            weights={corpus.name: corpus.source.weight for corpus, _ in self.parsings},
            divisions={
                corpus.name: divide(parsing.sizes, validation, test) for corpus, parsing in self.parsings
            },
            sizes=self.sizes,
            rows=sum(sum(parsing.rows) for _, parsing in self.parsings),
            on_progress=on_progress,
        )

    def splits(self, text: ParsedText) -> Iterator[tuple[str, ...]]:
        """Yield the splits in which each document has text."""
        for corpus, parsing in self.parsings:
            yield from split_names(text.divisions[corpus.name], parsing.sizes)


def parse_corpora(
    corpora: Sequence[Corpus], path: Path, plain: bool, pool: Pool | None, on_progress: ProgressCallback
) -> ParsedCorpora:
    """Parse corpora, write their rows to a parquet file, and return the findings.

    Args:
        corpora: the corpora.
        path: the path of the file.
        plain: whether to take texts verbatim, without parsing them as scripts.
        pool: the processes that parse; None parses everything here.
        on_progress: called with the current task, the rows done, and None, since their total is not known.

    Raises:
        CorpusError: a file that must be intact is broken, or all files of a folder are.
    """
    parsings = [(corpus, Parsing()) for corpus in corpora]
    write_rows(path, report_rows(_rows(parsings, plain, pool), on_progress, "Reading"))
    return ParsedCorpora(path, parsings)


def _rows(parsings: Sequence[tuple[Corpus, Parsing]], plain: bool, pool: Pool | None) -> Iterator[ScriptRow]:
    """Yield the rows of all corpora; each one's parsing receives the findings."""
    first = 0
    for corpus, parsing in parsings:
        yield from parse(corpus, plain, parsing, first, pool)
        first += len(parsing.sizes)


def _renumbered(documents: Iterator[Iterator[ScriptRow]]) -> Iterator[ScriptRow]:
    for number, rows in enumerate(documents):
        yield from (row._replace(document=number) for row in rows)


def _only(parsing: Parsing, is_kept: Sequence[bool]) -> Parsing:
    """Return the findings about some of the documents."""
    return replace(
        parsing,
        sizes=list(compress(parsing.sizes, is_kept)),
        rows=list(compress(parsing.rows, is_kept)),
        sketches=list(compress(parsing.sketches, is_kept)),
    )
