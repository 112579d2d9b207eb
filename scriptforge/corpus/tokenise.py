"""From parsed text to the ids of the splits on disk.

In a mix, each document opens with the token of its source and closes with `<end>`. The held-out splits have
their sources one after the other; the training split has them in turns, so its passages are set aside
until all are known. Of a corpus alone, `<end>` stands between documents, and after the last one of training.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from scriptforge.corpus.ids import IdsWriter
from scriptforge.corpus.parsed import ParsedText
from scriptforge.corpus.passages import Passage, interleave
from scriptforge.dataset import SplitDescription
from scriptforge.vocabulary import Encoded, Vocabulary
from scriptforge.workspace import SPLITS, DatasetFolder


@dataclass
class _Held:
    """What one source has in one split."""

    documents: set[int] = field(default_factory=set)
    lines: int = 0
    characters: int = 0
    tokens: int = 0
    unknown: int = 0
    unknown_characters: int = 0

    def add(self, passage: Passage, encoded: Encoded) -> None:
        """Counts a passage."""
        self.documents.add(passage.document)
        self.lines += passage.lines
        self.characters += passage.characters
        self.unknown += encoded.unknown_count
        self.unknown_characters += encoded.unknown_characters

    def description(self) -> SplitDescription:
        """What `dataset.json` says of it."""
        return SplitDescription(
            documents=len(self.documents),
            lines=self.lines,
            characters=self.characters,
            tokens=self.tokens,
            unknown=self.unknown,
            unknown_characters=self.unknown_characters,
        )


@dataclass(frozen=True)
class Tokenised:
    """What was written.

    Attributes:
        splits: what each source has in each split, by source and split.
        fingerprint: of the vocabulary and all ids.
    """

    splits: dict[str, dict[str, SplitDescription]]
    fingerprint: str


def write_ids(draft: DatasetFolder, text: ParsedText, vocabulary: Vocabulary) -> Tokenised:
    """Writes the ids of every split."""
    digest = hashlib.sha256(vocabulary.fingerprint.encode())
    with ExitStack() as files:
        spool = _Spool(files.enter_context(TemporaryFile(dir=draft.path)), vocabulary.dtype)
        splits = {
            split: _SplitFile(
                files.enter_context(IdsWriter(draft.ids(split), vocabulary.dtype)),
                vocabulary,
                ends=text.is_mixed or split == "train",
            )
            for split in SPLITS
        }
        for passage in text.passages("Tokenising"):
            if passage.copies:
                encoded = _encode(vocabulary, passage)
                target = spool if passage.split == "train" else splits[passage.split]
                target.add(replace(passage, pieces=()), encoded)
        for passage, encoded in spool.in_turns(list(text.weights)):
            splits["train"].add(passage, encoded)
        for split in splits.values():
            digest.update(split.close().encode())
    held = {
        source: {split: splits[split].held[source].description() for split in SPLITS}
        for source in text.weights
    }
    return Tokenised(held, digest.hexdigest())


def _encode(vocabulary: Vocabulary, passage: Passage) -> Encoded:
    if vocabulary.plain:
        return vocabulary.encode_texts(piece.text for piece in passage.pieces)
    return vocabulary.encode_elements((piece.element for piece in passage.pieces), passage.source)


class _SplitFile:
    """The ids of one split on their way to disk.

    Args:
        writer: writes the file.
        vocabulary: tells what opens and ends a document.
        ends: whether the last document is ended, too, and not only those that others follow.
    """

    def __init__(self, writer: IdsWriter, vocabulary: Vocabulary, ends: bool) -> None:
        self._writer = writer
        self._end = np.array([vocabulary.end], vocabulary.dtype)
        self._openings = {
            source: np.array([id_], vocabulary.dtype) for source, id_ in vocabulary.sources.items()
        }
        self._ends = ends
        self._last: Passage | None = None
        self.held: defaultdict[str, _Held] = defaultdict(_Held)

    def add(self, passage: Passage, encoded: Encoded) -> None:
        """Writes a passage; what it continues is neither ended nor opened anew."""
        if not passage.continues(self._last):
            self._end_document()
            if passage.source in self._openings:
                self._write(passage.source, self._openings[passage.source])
        self._write(passage.source, encoded.ids)
        self.held[passage.source].add(passage, encoded)
        self._last = passage

    def close(self) -> str:
        """Completes the file; returns the SHA-256 of the ids."""
        if self._ends:
            self._end_document()
        return self._writer.close()

    def _end_document(self) -> None:
        if self._last is not None:
            self._write(self._last.source, self._end)

    def _write(self, source: str, ids: NDArray[np.unsignedinteger[Any]]) -> None:
        self._writer.append(ids)
        self.held[source].tokens += len(ids)


class _Spool:
    """Passages of the training split, set aside on disk until all of them are known.

    Args:
        file: an empty one, to write and to read.
        dtype: of the ids.
    """

    def __init__(self, file: IO[bytes], dtype: np.dtype[Any]) -> None:
        self._file = file
        self._dtype = dtype
        self._kept: defaultdict[str, list[tuple[Passage, Encoded, int, int]]] = defaultdict(list)

    def add(self, passage: Passage, encoded: Encoded) -> None:
        """Sets a passage aside."""
        start = self._file.tell()
        self._file.write(encoded.ids.tobytes())
        without_ids = replace(encoded, ids=np.empty(0, self._dtype))
        self._kept[passage.source].append((passage, without_ids, start, len(encoded.ids)))

    def in_turns(self, sources: list[str]) -> Iterator[tuple[Passage, Encoded]]:
        """All passages, the sources taking turns; further copies of a source's come when it is through."""
        queues = [
            [
                kept
                for number in range(max((each[0].copies for each in self._kept[source]), default=0))
                for kept in self._kept[source]
                if kept[0].copies > number
            ]
            for source in sources
        ]
        for queue, place in interleave([[size for *_, size in kept] for kept in queues]):
            passage, encoded, start, size = queues[queue][place]
            self._file.seek(start)
            ids = np.frombuffer(self._file.read(size * self._dtype.itemsize), self._dtype)
            yield passage, replace(encoded, ids=ids)
