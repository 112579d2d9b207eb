"""Tokenisation: from parsed text to a vocabulary and the ids of each split on disk.

The vocabulary is learnt from the training split: which speakers get a token of their own, and which words or
subwords are tokens. A passage counts once, however often a weight repeats it, and not at all if the weight
drops it: repeating a word does not make it less rare, and a word that is never trained on must not have a
token.

In a mix, each document begins with the token of its source and ends with `<end>`. The held-out splits have
their sources one after the other; the training split interleaves them, so its passages are spooled until all
are known. In a single corpus, `<end>` stands between documents, and after the last one of the training split.
"""

import hashlib
import math
import pickle
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple, Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from scriptforge.corpus.counting import ONE_CAST, TrainingText, count_casts
from scriptforge.corpus.options import TokenPlan
from scriptforge.corpus.passages import ParsedText, Passage, interleave
from scriptforge.corpus.workers import Pool
from scriptforge.dataset import SplitDescription
from scriptforge.screenplay.script import CastCount, speaker_key
from scriptforge.vocabulary import Encoded, Vocabulary
from scriptforge.vocabulary.borrowed import BORROW_BELOW_CHARACTERS, borrow
from scriptforge.workspace import SPLITS, DatasetFolder, atomic_write

_BATCH_CHARACTERS = 500_000
"""Characters from which a batch of passages is large enough for another process to encode."""


class Learnt(NamedTuple):
    """The vocabulary of a training split.

    Attributes:
        vocabulary: the vocabulary, without a lexicon.
        casts: the cast of all splits, by source; by `ONE_CAST` if casts are merged.
        is_borrowed: whether its subwords are those of the base model.
        learnt_from: the share of the training text that they were learnt from, 0 … 1.
    """

    vocabulary: Vocabulary
    casts: Mapping[str, CastCount]
    is_borrowed: bool
    learnt_from: float


def train_vocabulary(text: ParsedText, plan: TokenPlan) -> Learnt:
    """Learn a vocabulary from the training split."""
    counted = count_casts(text, plan)
    speakers_with_token = counted.speakers_with_token
    is_marked = text.is_mixed and not plan.plain
    layout: dict[str, Any] = {
        "lower": plan.lower,
        "speakers": speakers_with_token.get(ONE_CAST, []),
        "sources": {source: speakers_with_token.get(source, []) for source in text.weights}
        if is_marked
        else None,
    }
    borrowed = None
    if plan.may_borrow and counted.characters < BORROW_BELOW_CHARACTERS:
        borrowed = borrow(_texts(text, speakers_with_token), **layout)
    is_sampled = plan.level == "bpe" and counted.characters > plan.learn_from
    share = plan.learn_from / counted.characters if is_sampled else 1.0
    vocabulary = borrowed or Vocabulary.train(
        _texts(text, speakers_with_token, share),
        plan.level,
        size=plan.vocabulary_size,
        min_count=plan.min_count,
        plain=plan.plain,
        **layout,
    )
    return Learnt(vocabulary, counted.casts, borrowed is not None, share)


def _texts(
    text: ParsedText, speakers_with_token: Mapping[str, Iterable[str]], share: float = 1.0
) -> Iterator[str]:
    """Yield everything that is tokenised as text: the texts of elements, and names without a token.

    Of the training passages, only a share is read, 0 … 1, at even distances.
    """
    keys = {source: set(map(speaker_key, names)) for source, names in speakers_with_token.items()}
    for number, passage in enumerate(text.training_passages("Learning the vocabulary")):
        if math.ceil(number * share) == math.ceil((number + 1) * share):
            continue
        known = keys.get(passage.source, keys.get(ONE_CAST, set()))
        for row in passage.rows:
            yield row.text
            if row.speaker and speaker_key(row.speaker) not in known:
                yield row.speaker


@dataclass
class _Amounts:
    """Sums the amounts of text that one source has in one split."""

    documents: set[int] = field(default_factory=set)
    lines: int = 0
    characters: int = 0
    tokens: int = 0
    unknown: int = 0
    unknown_characters: int = 0

    def add(self, passage: Passage, encoded: Encoded) -> None:
        self.documents.add(passage.document)
        self.lines += passage.lines
        self.characters += passage.characters
        self.unknown += encoded.unknown_count
        self.unknown_characters += encoded.unknown_characters

    def description(self) -> SplitDescription:
        """Return the amounts in the form of `dataset.json`."""
        return SplitDescription(**{**vars(self), "documents": len(self.documents)})


@dataclass(frozen=True)
class Tokenised:
    """A summary of the vocabulary and the ids that were written.

    Attributes:
        vocabulary_size: the number of tokens in the vocabulary.
        alphabet: the number of distinct characters in the training split.
        casts: the cast of all splits, by source; by `ONE_CAST` if casts are merged.
        splits: the amounts of text, by source and split.
        fingerprint: a hash of the vocabulary and all ids.
        is_borrowed: whether the subwords are those of the base model.
        learnt_from: the share of the training text that the subwords were learnt from, 0 … 1.
    """

    vocabulary_size: int
    alphabet: int
    casts: Mapping[str, CastCount]
    splits: dict[str, dict[str, SplitDescription]]
    fingerprint: str
    is_borrowed: bool
    learnt_from: float


def write_tokens(
    draft: DatasetFolder, text: ParsedText, plan: TokenPlan, pool: Pool | None = None
) -> Tokenised:
    """Learn the vocabulary; write it, its lexicon and the ids of every split."""
    vocabulary, casts, is_borrowed, learnt_from = train_vocabulary(text, plan)
    vocabulary.save(draft.tokenizer)
    training = TrainingText(vocabulary)
    passages = (passage for passage in text.passages("Tokenising") if passage.copies)
    encoded = _encoded(passages, vocabulary, pool, training)
    splits, fingerprint = write_ids(draft, text.weights, vocabulary, encoded)
    if training.words is not None:
        atomic_write(draft.lexicon, training.words.lexicon().document)
    alphabet = len(training.alphabet)
    return Tokenised(vocabulary.size, alphabet, casts, splits, fingerprint, is_borrowed, learnt_from)


def write_ids(
    draft: DatasetFolder,
    sources: Collection[str],
    vocabulary: Vocabulary,
    passages: Iterable[tuple[Passage, Encoded]],
) -> tuple[dict[str, dict[str, SplitDescription]], str]:
    """Write the ids of every split.

    Args:
        draft: the folder that receives them.
        sources: the names of all sources, in reading order.
        vocabulary: the vocabulary.
        passages: all passages that have copies, in order, with their ids.

    Returns:
        The amounts of text, by source and split, and the fingerprint.
    """
    digest = hashlib.sha256(vocabulary.fingerprint.encode())
    with ExitStack() as files:
        spool = _Spool(files.enter_context(TemporaryFile(dir=draft.path)), vocabulary.dtype)
        splits = {
            split: _SplitFile(
                files.enter_context(IdsWriter(draft.ids(split), vocabulary.dtype)),
                vocabulary,
                ends=len(sources) > 1 or split == "train",
            )
            for split in SPLITS
        }
        for passage, encoded in passages:
            target = spool if passage.split == "train" else splits[passage.split]
            target.add(replace(passage, rows=()), encoded)
        for passage, encoded in spool.interleaved(sources):
            splits["train"].add(passage, encoded)
        for split in splits.values():
            digest.update(split.close().encode())
    amounts = {
        source: {split: splits[split].amounts[source].description() for split in SPLITS} for source in sources
    }
    return amounts, digest.hexdigest()


def _encoded(
    passages: Iterable[Passage], vocabulary: Vocabulary, pool: Pool | None, training: TrainingText
) -> Iterator[tuple[Passage, Encoded]]:
    """Yield each passage with its ids, encoded and counted by the pool if there is one."""
    if pool is None:
        for passage in passages:
            training.add(passage)
            yield passage, encode(vocabulary, passage)
        return
    pickled = pickle.dumps(vocabulary)
    waiting: deque[list[Passage]] = deque()

    def calls() -> Iterator[Callable[[], tuple[list[Encoded], TrainingText]]]:
        for batch in _batches(passages):
            waiting.append(batch)
            yield partial(encode_passages, pickled, batch)

    for result in pool.run(calls()):
        assert result is not None, "none of the calls is"
        encoded, counted = result()
        training.merge(counted)
        yield from zip(waiting.popleft(), encoded, strict=True)


def _batches(passages: Iterable[Passage]) -> Iterator[list[Passage]]:
    batch: list[Passage] = []
    characters = 0
    for passage in passages:
        batch.append(passage)
        characters += passage.characters
        if characters > _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def encode_passages(pickled: bytes, passages: list[Passage]) -> tuple[list[Encoded], TrainingText]:
    """Return the ids and the counts of passages, given a pickled vocabulary: the call that a pool makes."""
    vocabulary = _vocabulary(pickled)
    counted = TrainingText(vocabulary)
    for passage in passages:
        counted.add(passage)
    return [encode(vocabulary, passage) for passage in passages], counted


@lru_cache(maxsize=1)
def _vocabulary(pickled: bytes) -> Vocabulary:
    vocabulary: Vocabulary = pickle.loads(pickled)
    return vocabulary


def encode(vocabulary: Vocabulary, passage: Passage) -> Encoded:
    """Return the ids of a passage."""
    if vocabulary.plain:
        return vocabulary.encode_texts(row.text for row in passage.rows)
    return vocabulary.encode_elements((row.element for row in passage.rows), passage.source)


class _SplitFile:
    """Writes the ids of one split; `ends` says whether `<end>` follows the last document, too."""

    def __init__(self, writer: "IdsWriter", vocabulary: Vocabulary, ends: bool) -> None:
        self._writer = writer
        self._end = np.array([vocabulary.end], vocabulary.dtype)
        self._openings = {
            source: np.array([id_], vocabulary.dtype) for source, id_ in vocabulary.sources.items()
        }
        self._ends = ends
        self._last: Passage | None = None
        self.amounts: defaultdict[str, _Amounts] = defaultdict(_Amounts)

    def add(self, passage: Passage, encoded: Encoded) -> None:
        """Write a passage, after `<end>` and the token of its source unless it continues the last one."""
        if not passage.continues(self._last):
            self._end_document()
            if passage.source in self._openings:
                self._write(passage.source, self._openings[passage.source])
        self._write(passage.source, encoded.ids)
        self.amounts[passage.source].add(passage, encoded)
        self._last = passage

    def close(self) -> str:
        """Complete the file and return the SHA-256 of the ids."""
        if self._ends:
            self._end_document()
        return self._writer.close()

    def _end_document(self) -> None:
        if self._last is not None:
            self._write(self._last.source, self._end)

    def _write(self, source: str, ids: NDArray[np.unsignedinteger[Any]]) -> None:
        self._writer.append(ids)
        self.amounts[source].tokens += len(ids)


class _Spooled(NamedTuple):
    """A passage in a spool.

    Attributes:
        passage: the passage.
        counts: its encoding without the ids.
        start: where its ids begin in the file, in bytes.
        size: the number of its ids.
    """

    passage: Passage
    counts: Encoded
    start: int
    size: int


class _Spool:
    """Stores the passages of the training split in a temporary file until all of them are known."""

    def __init__(self, file: IO[bytes], dtype: np.dtype[Any]) -> None:
        self._file = file
        self._dtype = dtype
        self._spooled: defaultdict[str, list[_Spooled]] = defaultdict(list)

    def add(self, passage: Passage, encoded: Encoded) -> None:
        start = self._file.tell()
        self._file.write(encoded.ids.tobytes())
        counts = replace(encoded, ids=np.empty(0, self._dtype))
        self._spooled[passage.source].append(_Spooled(passage, counts, start, len(encoded.ids)))

    def interleaved(self, sources: Iterable[str]) -> Iterator[tuple[Passage, Encoded]]:
        """Yield all passages, the sources interleaved; a source's second copies follow all its first ones."""
        queues = [self._queue(source) for source in sources]
        for queue, place in interleave([[spooled.size for spooled in queue] for queue in queues]):
            spooled = queues[queue][place]
            yield spooled.passage, replace(spooled.counts, ids=self._ids(spooled))

    def _queue(self, source: str) -> list[_Spooled]:
        """Return the passages of a source, each as often as it has copies."""
        passages = self._spooled[source]
        most = max((spooled.passage.copies for spooled in passages), default=0)
        return [spooled for copy in range(most) for spooled in passages if spooled.passage.copies > copy]

    def _ids(self, spooled: _Spooled) -> NDArray[np.unsignedinteger[Any]]:
        self._file.seek(spooled.start)
        return np.frombuffer(self._file.read(spooled.size * self._dtype.itemsize), self._dtype)


class IdsWriter:
    """Appends ids to a one-dimensional `.npy` file, whose header receives the length on `close`.

    NumPy pads the header so that the length can be rewritten in place. As a context manager, it closes the
    file on exit, even if it is incomplete.
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
        """Append ids."""
        data = np.ascontiguousarray(ids, self._dtype).tobytes()
        self._file.write(data)
        self._digest.update(data)
        self.count += len(ids)

    def close(self) -> str:
        """Complete the file and return the SHA-256 of the ids."""
        self._file.seek(0)
        self._write_header()
        if self._file.tell() != self._data_start:
            raise ValueError("The .npy header changed its size.")
        self._file.close()
        return self._digest.hexdigest()

    def _write_header(self) -> None:
        header = {"descr": npy.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (self.count,)}
        npy.write_array_header_1_0(self._file, header)
