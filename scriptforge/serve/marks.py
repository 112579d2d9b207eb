"""What of a draft stands in the training text: the words in a row that a model has from there.

The index of a training text takes seconds to make, so it is made in a thread of its own when it is first
asked for, and kept. Until then the answer is that there is none yet.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, Field

from scriptforge.copying import Copy, Index, Line, examine, lines_of_rows
from scriptforge.dataset import Dataset
from scriptforge.errors import ScriptforgeError
from scriptforge.serve.elements import CLOSED, LONGEST_TEXT, Name
from scriptforge.serve.runs import Runs

SHORTEST_MARK = 6
"""Words in a row from which they are marked; shorter runs are what everybody says."""

_MOST_LINES = 4_000
_MOST_KEPT = 2
_MOST_QUOTED = 64_000_000
"""Characters of a training text up to which its lines are kept, to be quoted."""


class MarkedLine(BaseModel):
    """A line to be looked up.

    Attributes:
        text: what it says.
        speaker: who says it, which makes no difference.
    """

    model_config = CLOSED

    text: str = Field(max_length=LONGEST_TEXT)
    speaker: Name = ""


class MarksRequest(BaseModel):
    """Lines to be looked up.

    Attributes:
        run: in whose training text.
        lines: in order, so that a copy may go from one into the next.
    """

    model_config = CLOSED

    run: Name
    lines: list[MarkedLine] = Field(max_length=_MOST_LINES)


@dataclass
class TrainingText:
    """A training text that can be looked up.

    Attributes:
        index: of its words.
        quotes: what its lines say, by document and number; empty where there are too many.
    """

    index: Index
    quotes: dict[tuple[str, int], str] = field(default_factory=dict)

    @classmethod
    def of(cls, dataset: Dataset) -> "TrainingText":
        """Index the training text of a dataset.

        Raises:
            DatasetError: the text is missing or damaged.
        """
        quotes: dict[tuple[str, int], str] = {}
        keeps = sum(split.characters for split in [dataset.description.splits["train"]]) <= _MOST_QUOTED

        def kept() -> Iterator[Line]:
            for line in lines_of_rows(dataset.rows("train")):
                if keeps:
                    quotes.setdefault((line.title, line.number), line.text)
                yield line

        return cls(Index(kept()), quotes)


class TrainingTexts:
    """The training texts of runs, made in the background.

    Args:
        runs: of which models.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._lock = threading.Lock()
        self._found: OrderedDict[str, TrainingText | None] = OrderedDict()
        self._being_made: set[str] = set()

    def get(self, name: str) -> tuple[bool, TrainingText | None]:
        """Return whether the text of a run is ready, and the text; None where its dataset is not here.

        Raises:
            UsageError: there is no such run.
        """
        self._runs.offer.folder(name)
        with self._lock:
            if name in self._found:
                self._found.move_to_end(name)
                return True, self._found[name]
            if name not in self._being_made:
                self._being_made.add(name)
                threading.Thread(target=self._make, args=(name,), daemon=True).start()
            return False, None

    def _make(self, name: str) -> None:
        text = None
        try:
            dataset = self._runs.dataset(name)
            text = TrainingText.of(dataset) if dataset else None
        except ScriptforgeError:
            pass  # a text that is damaged can mark nothing; `scriptforge originality` says what is wrong
        finally:
            with self._lock:
                self._being_made.discard(name)
                self._found[name] = text
                while len(self._found) > _MOST_KEPT:
                    self._found.popitem(last=False)


def mark(lines: Sequence[MarkedLine], text: TrainingText) -> list[list[dict[str, Any]]]:
    """Return for each line what of it is copied: from where to where, and the source.

    Each mark has `start` and `end` in characters of the line, the number of `words` of the whole copy,
    its `source` in words, and a `quote`, what the line of the training text says.
    """
    found: list[list[dict[str, Any]]] = [[] for _ in lines]
    numbered = enumerate(lines, start=1)
    compared = [Line(0, "", number, "dialogue", each.speaker, each.text) for number, each in numbered]
    for copy in examine(compared, text.index).copies:
        if copy.words < SHORTEST_MARK:
            continue
        about = {"words": copy.words, "source": _source(copy), "quote": _quote(copy, text)}
        for each in copy.marks:
            found[each.line].append({"start": each.start, "end": each.stop, **about})
    return found


def _source(copy: Copy) -> str:
    return f"{copy.source.document}, line {copy.source.line:,}".removeprefix(", ")


def _quote(copy: Copy, text: TrainingText) -> str:
    return text.quotes.get((copy.source.document, copy.source.line), "")
