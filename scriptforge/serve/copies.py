"""Copies: the passages of a draft that also occur in the training text of a run.

A training text takes seconds to index, so this happens in a background thread when the index is first needed,
and the index is cached. Until it is ready, no copies are found.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import BaseModel, Field

from scriptforge.copying import ComparedText, Copy, Index, Line, find_copies, lines_of_rows
from scriptforge.dataset import Dataset
from scriptforge.errors import ScriptforgeError
from scriptforge.run.records import RunDescription
from scriptforge.serve.elements import CLOSED, MAX_TEXT_LENGTH, Name
from scriptforge.serve.runs import Runs

MIN_COPIED_WORDS = 6
"""Minimum number of words of a copy; shorter ones are common phrases."""

_MAX_LINES = 4_000
_MAX_CACHED = 2
_MAX_QUOTABLE_CHARACTERS = 64_000_000
"""Maximum characters of a training text whose lines are kept in memory for quotes."""


class ComparedLine(BaseModel):
    """A line to look up in a training text.

    Attributes:
        text: text of the line.
        speaker: speaker of the line, which makes no difference.
    """

    model_config = CLOSED

    text: str = Field(max_length=MAX_TEXT_LENGTH)
    speaker: Name = ""


class CopiesRequest(BaseModel):
    """Lines to look up in a training text.

    Attributes:
        run: name of the run whose training text is searched.
        lines: the lines in order, since a copy may extend from one into the next.
    """

    model_config = CLOSED

    run: Name
    lines: list[ComparedLine] = Field(max_length=_MAX_LINES)


@dataclass
class TrainingText:
    """A training text that can be searched.

    Attributes:
        index: index of its words.
        quotes: text of each line, across all documents; empty if the training text is too long.
    """

    index: Index
    quotes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, dataset: Dataset) -> "TrainingText":
        """Index the training text of a dataset.

        Raises:
            DatasetError: the text is missing or damaged.
        """
        quotes: list[str] = []
        keeps_quotes = dataset.description.splits["train"].characters <= _MAX_QUOTABLE_CHARACTERS

        def read_lines() -> Iterator[Line]:
            for line in lines_of_rows(dataset.rows("train")):
                if keeps_quotes:
                    quotes.append(line.text)
                yield line

        return cls(Index(read_lines()), quotes)


_Key: TypeAlias = tuple[str, str]
"""The name of a run, and the fingerprint of the dataset that it was trained on."""


class TrainingTexts:
    """The training texts of runs, indexed in the background.

    Args:
        runs: the runs that they belong to.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._lock = threading.Lock()
        self._cache: OrderedDict[_Key, TrainingText | None] = OrderedDict()
        self._in_progress: set[_Key] = set()

    def get(self, name: str) -> tuple[bool, TrainingText | None]:
        """Return whether the training text of a run is ready, and the text; None if its dataset is missing.

        A missing dataset is reported once; the next call looks for it again.

        Raises:
            UsageError: there is no such run.
            RunError: the run is damaged.
        """
        about = self._runs.describe(name)
        key = name, about.dataset.fingerprint
        with self._lock:
            if key in self._cache:
                text = self._cache.pop(key)
                if text is not None:
                    self._cache[key] = text
                return True, text
            if key not in self._in_progress:
                self._in_progress.add(key)
                threading.Thread(target=self._index, args=(key, about), daemon=True).start()
            return False, None

    def _index(self, key: _Key, about: RunDescription) -> None:
        text = None
        try:
            dataset = about.dataset_at_hand(self._runs.offered.workspace)
            text = TrainingText.of(dataset) if dataset else None
        except ScriptforgeError:
            pass  # no copies are found in a damaged text; `scriptforge originality` reports what is wrong
        finally:
            with self._lock:
                self._in_progress.discard(key)
                self._cache[key] = text
                while len(self._cache) > _MAX_CACHED:
                    self._cache.popitem(last=False)


def find_copied_spans(lines: Sequence[ComparedLine], text: TrainingText) -> list[list[dict[str, Any]]]:
    """Return the spans of each line that are copied from the training text.

    Each span has `start` and `end` in UTF-16 code units of the line, as JavaScript counts, the number of
    `words` of the whole copy, its `source` (document and line), and a `quote`: the line of the training text
    where the copy begins, empty if quotes are not available.
    """
    found: list[list[dict[str, Any]]] = [[] for _ in lines]
    numbered = enumerate(lines, start=1)
    compared = [Line(0, "", number, "dialogue", each.speaker, each.text) for number, each in numbered]
    for copy in find_copies(ComparedText(compared, text.index)):
        if copy.words < MIN_COPIED_WORDS:
            continue
        about = {"words": copy.words, "source": _source(copy), "quote": _quote(copy, text)}
        for each in copy.marks:
            said = lines[each.line].text
            start, end = (_utf16_units(said[:offset]) for offset in (each.start, each.stop))
            found[each.line].append({"start": start, "end": end, **about})
    return found


def _utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _source(copy: Copy) -> str:
    return f"{copy.source.document}, line {copy.source.line:,}".removeprefix(", ")


def _quote(copy: Copy, text: TrainingText) -> str:
    return text.quotes[text.index.line_at(copy.position)] if text.quotes else ""
