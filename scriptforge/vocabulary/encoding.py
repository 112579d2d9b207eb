"""Fast encoding of long texts, and streaming decoding of ids that come one at a time.

`Encoder` splits a text into parts, encodes each distinct part once and caches its ids. A text is only split
where that changes no token; each level has its own rule. Most parts, such as a word with its punctuation or a
character, have been met before, so their ids are looked up. This is several times as fast as the `tokenizers`
library alone, with the same result.

    "so, so it is"  →  parts "so,", " so", " it", " is"  →  numbers 7, 8, 9, 10  →  ids of 7, ids of 8, …

`TextStream` decodes. The library's `DecodeStream` does the same, but has no way to end a stream, so it loses
the last bytes of a text that stops within a character. The module knows nothing of levels, layout or files.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice, repeat
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

_BLOCK = 8192
"""Number of pieces encoded at once: large enough for arrays to pay off, small in memory."""

_REMEMBERED = 1 << 23
"""Limit on the cache, in characters; each part counts `_COST_OF_A_PART` more, for its own overhead."""

_COST_OF_A_PART = 64


@dataclass(frozen=True, slots=True)
class Encoded:
    """The ids of a text, and the extent of its unknown words.

    Attributes:
        ids: shape (tokens,), of the smallest unsigned type that holds the vocabulary.
        unknown_count: number of ids that are `<unk>`.
        unknown_characters: number of characters of the words that became `<unk>`.
    """

    ids: NDArray[np.unsignedinteger[Any]]
    unknown_count: int
    unknown_characters: int


class Encoder:
    """Encodes long sequences of texts and ids, with a cache; thread-safe.

    Args:
        tokenizer: the tokenizer.
        parts: splits a text where that changes no token.
        dtype: the type of the ids.
        reserved: number of reserved ids, the first of the vocabulary, which may occur among the texts.
        unknown: the id of `<unk>`; None if the vocabulary has none.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        parts: Callable[[str], list[str]],
        dtype: np.dtype[np.unsignedinteger[Any]],
        *,
        reserved: int,
        unknown: int | None,
    ) -> None:
        self._tokenizer = tokenizer
        self._parts = parts
        self._dtype = dtype
        self._reserved = reserved
        self._unknown = unknown
        self._lock = Lock()
        # The fast method gives no offsets, which the characters of unknown words are counted from.
        self._encode_batch = tokenizer.encode_batch_fast if unknown is None else tokenizer.encode_batch
        self._forget()

    def encode(self, pieces: Iterable[str | int]) -> Encoded:
        """Encode a sequence of texts and reserved ids; an id stands for itself."""
        pieces = iter(pieces)
        blocks: list[Encoded] = []
        while block := list(islice(pieces, _BLOCK)):
            with self._lock:
                blocks.append(self._encode_block(block))
        if len(blocks) == 1:
            return blocks[0]
        return Encoded(
            np.concatenate([np.empty(0, self._dtype), *(block.ids for block in blocks)]),
            sum(block.unknown_count for block in blocks),
            sum(block.unknown_characters for block in blocks),
        )

    def unknown_spans(self, text: str) -> list[tuple[int, int]]:
        """Return the spans of the unknown words of a text, as starts and stops in characters."""
        return self._unknown_spans(self._tokenizer.encode(text))

    def _unknown_spans(self, encoding: Encoding) -> list[tuple[int, int]]:
        spans = zip(encoding.ids, encoding.offsets, strict=True)
        return [span for id_, span in spans if id_ == self._unknown]

    def _forget(self) -> None:
        """Empty the cache, except for the reserved ids, each of which is a part by itself."""
        self._numbers: dict[str | int, int] = {id_: id_ for id_ in range(self._reserved)}
        self._ids: NDArray[np.unsignedinteger[Any]] = np.arange(self._reserved, dtype=self._dtype)
        self._bounds: NDArray[np.int64] = np.arange(self._reserved + 1, dtype=np.int64)
        self._unknown_characters: NDArray[np.int64] = np.zeros(self._reserved, np.int64)
        self._cost: int = 0

    def _encode_block(self, block: Sequence[str | int]) -> Encoded:
        parts: list[str | int] = []
        for piece in block:
            if isinstance(piece, str):
                parts += self._parts(piece)
            else:
                parts.append(piece)
        numbers = self._number(parts)
        ids = self._join(numbers)
        if self._unknown is None:
            return Encoded(ids, 0, 0)
        characters = self._unknown_characters[numbers].sum()
        return Encoded(ids, int(np.count_nonzero(ids == self._unknown)), int(characters))

    def _join(self, numbers: NDArray[np.int64]) -> NDArray[np.unsignedinteger[Any]]:
        """Return the concatenated ids of the parts with the given numbers, shape (parts,)."""
        starts = self._bounds[numbers]
        lengths = self._bounds[numbers + 1] - starts
        ends = lengths.cumsum()
        places = np.repeat(starts - (ends - lengths), lengths)
        places += np.arange(len(places))
        ids: NDArray[np.unsignedinteger[Any]] = self._ids[places]
        return ids

    def _number(self, parts: Sequence[str | int]) -> NDArray[np.int64]:
        """Return the numbers of parts, shape (parts,), after encoding those that are not in the cache."""
        if self._cost > _REMEMBERED:
            self._forget()
        numbers = np.fromiter(map(self._numbers.get, parts, repeat(-1)), np.int64, len(parts))
        unmet = np.flatnonzero(numbers < 0)
        new: list[Any] = [parts[place] for place in unmet.tolist()]
        self._learn(list(dict.fromkeys(new)))
        numbers[unmet] = np.fromiter(map(self._numbers.__getitem__, new), np.int64, len(new))
        return numbers

    def _learn(self, parts: list[str]) -> None:
        """Encode parts and give them the next numbers.

        The numbers are assigned last. An interruption before, such as Ctrl+C, leaves only values without a
        number at the ends of the arrays, which the next parts replace.
        """
        if not parts:
            return
        encodings = self._encode_batch(parts)
        ids = [encoding.ids for encoding in encodings]
        number = len(self._numbers)
        start = self._bounds[number]
        ends = np.fromiter(map(len, ids), np.int64, len(ids)).cumsum() + start
        new_ids = np.fromiter(chain.from_iterable(ids), self._dtype, ends[-1] - start)
        self._ids = np.concatenate([self._ids[:start], new_ids])
        self._bounds = np.concatenate([self._bounds[: number + 1], ends])
        if self._unknown is not None:
            unknown_characters = map(self._count_unknown_characters, encodings, ids)
            counts = np.fromiter(unknown_characters, np.int64, len(ids))
            self._unknown_characters = np.concatenate([self._unknown_characters[:number], counts])
        self._cost += sum(map(len, parts)) + _COST_OF_A_PART * len(parts)
        self._numbers.update(zip(parts, count(number), strict=False))

    def _count_unknown_characters(self, encoding: Encoding, ids: list[int]) -> int:
        if self._unknown not in ids:
            return 0
        return sum(stop - start for start, stop in self._unknown_spans(encoding))


INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
"""What the bytes of an incomplete character are decoded to."""


class TextStream:
    """Decodes ids one at a time, into pieces that join to the text of all ids decoded at once.

    A character whose bytes are several tokens is held back until its last token; at word level the space
    before a word comes with that word.

    Args:
        texts: by id, what a token adds to any text that ends with a complete character; empty where it
            depends on the text before.
        decode: returns what its second argument, some ids, adds to a text that ends with its first, the ids
            of the last piece.
    """

    def __init__(
        self, texts: Sequence[str], decode: Callable[[tuple[int, ...], tuple[int, ...]], str]
    ) -> None:
        self._texts = texts
        self._decode = decode
        self._said: tuple[int, ...] = ()  # the ids of the last piece, which decide on the space
        self._kept: tuple[int, ...] = ()

    def push(self, id_: int) -> str:
        """Append an id and return the text that is now certain, which may be empty."""
        if not self._kept and (text := self._texts[id_]):
            return text
        self._kept += (id_,)
        text = self.finish()
        if not text or text.endswith(INCOMPLETE):
            return ""
        self._said, self._kept = self._kept, ()
        return text

    def finish(self) -> str:
        """Return the text held back, an incomplete character as `�`; nothing may be pushed afterwards."""
        return self._decode(self._said, self._kept)
