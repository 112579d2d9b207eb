"""Writing token ids to an `.npy` file as they come.

Learning a vocabulary from the training text: who gets a token of their own, and which words.

Every passage that is trained on counts once, whatever weight repeats it: a word does not become less rare by
being read twice, and one that is never read must not have a token.

From parsed text to the ids of the splits on disk.

In a mix, each document opens with the token of its source and closes with `<end>`. The held-out splits have
their sources one after the other; the training split has them in turns, so its passages are set aside
until all are known. Of a corpus alone, `<end>` stands between documents, and after the last one of training.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from scriptforge.corpus.options import Options
from scriptforge.corpus.parse import ParsedText
from scriptforge.corpus.passages import Passage, interleave
from scriptforge.dataset import SplitDescription
from scriptforge.screenplay.script import CastMember, Element, cast, speaker_key
from scriptforge.vocabulary import Encoded, Vocabulary
from scriptforge.workspace import SPLITS, DatasetFolder


class IdsWriter:
    """Appends ids to a one-dimensional `.npy` file, whose header gets the length when it is closed.

    NumPy pads the header so that the length can grow in place. As a context, it lets go of the file at the
    end, complete or not.

    Args:
        path: the file to create.
        dtype: of the ids.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        self._file = path.open("wb")
        self._dtype = dtype
        self._digest = hashlib.sha256()
        self.count = 0
        self._write_header()
        self._data_start = self._file.tell()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, ids: NDArray[np.unsignedinteger[Any]]) -> None:
        """Adds ids at the end."""
        data = np.ascontiguousarray(ids, self._dtype).tobytes()
        self._file.write(data)
        self._digest.update(data)
        self.count += len(ids)

    def close(self) -> str:
        """Completes the file; returns the SHA-256 of the ids."""
        self._file.seek(0)
        self._write_header()
        if self._file.tell() != self._data_start:
            raise ValueError("The .npy header changed its size.")
        self._file.close()
        return self._digest.hexdigest()

    def _write_header(self) -> None:
        header = {"descr": npy.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (self.count,)}
        npy.write_array_header_1_0(self._file, header)


SPEAKER_MIN_LINES = 10
"""A speaker with fewer lines in the training text spells their name instead of having a token."""

SPEAKERS_AT_MOST = 200
"""Of one cast."""

_ONE_CAST = ""


def train_vocabulary(text: ParsedText, options: Options) -> tuple[Vocabulary, int]:
    """A vocabulary of what is trained on, and how many different characters that has."""
    alphabet: set[str] = set()
    casts = _count(text, options, alphabet)
    with_token = _with_token(casts)
    if options.plain or not text.is_mixed:
        sources = None
    else:
        sources = {source: with_token.get(source, []) for source in text.weights}
    vocabulary = Vocabulary.train(
        _texts(text, with_token),
        options.level,
        size=options.vocabulary_size,
        min_count=options.min_count,
        lower=options.lower,
        speakers=with_token.get(_ONE_CAST, []),
        plain=options.plain,
        sources=sources,
    )
    return vocabulary, len(alphabet)


def casts_apart(options: Options, text: ParsedText) -> bool:
    """Whether each source has a cast of its own, of which nobody speaks in another."""
    return text.is_mixed and not options.merge_casts


def _count(text: ParsedText, options: Options, alphabet: set[str]) -> dict[str, list[CastMember]]:
    """The casts that are kept apart, by source, or all as one; on the way, the alphabet."""
    apart = casts_apart(options, text)

    def spoken() -> Iterator[tuple[str, Element]]:
        for passage in text.training_passages("Counting"):
            for piece in passage.pieces:
                alphabet.update(piece.text.lower() if options.lower else piece.text)
                if not options.plain:
                    yield passage.source if apart else _ONE_CAST, piece.element

    grouped = groupby(spoken(), key=lambda each: each[0])
    return {source: cast(element for _, element in group) for source, group in grouped}


def _with_token(casts: dict[str, list[CastMember]]) -> dict[str, list[str]]:
    """Who gets a token, by cast: those most heard."""
    return {
        source: [member.speaker for member in members[:SPEAKERS_AT_MOST] if member.lines >= SPEAKER_MIN_LINES]
        for source, members in casts.items()
    }


def _texts(text: ParsedText, with_token: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """What is tokenised as text: what is said, and the names that have no token."""
    keys = {source: set(map(speaker_key, names)) for source, names in with_token.items()}
    for passage in text.training_passages("Learning the vocabulary"):
        known = keys.get(passage.source, keys.get(_ONE_CAST, set()))
        for piece in passage.pieces:
            yield piece.text
            if piece.speaker and speaker_key(piece.speaker) not in known:
                yield piece.speaker


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
