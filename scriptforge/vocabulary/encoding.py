"""From much text to ids, and from ids that come one at a time to text.

`Encoder` takes a text apart at its seams, encodes every part once and remembers it. A seam is a place where
every text may be taken apart without changing a token; each level knows its own. Most of what stands between
two of them, a word with its marks or a character, has been met before. Then a text is looked up and not
encoded, several times as fast as the library encodes it, and to the same ids:

    "so, so it is"  →  parts "so,", " so", " it", " is"  →  numbers 7, 8, 9, 10  →  ids of 7, ids of 8, …

`TextStream` decodes. The decoder that ships with the library does the same but cannot be told that no more
will come, which loses the last bytes of a text that stops within a character. Nothing here knows levels,
layout or files.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, count, filterfalse, islice
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

_BLOCK = 8192
"""Pieces encoded at once: enough to be worth the arrays, little in memory."""

_REMEMBERED = 1 << 23
"""Characters of all parts that are remembered; each counts for more, since it takes memory by itself."""

_COST_OF_A_PART = 64


@dataclass(frozen=True, slots=True)
class Encoded:
    """The ids of a text, and how much of it they leave out.

    Attributes:
        ids: shape (tokens,), of the smallest unsigned type that holds the vocabulary.
        unknown_count: how many of them are `<unk>`.
        unknown_characters: characters in the words that these stand for.
    """

    ids: NDArray[np.unsignedinteger[Any]]
    unknown_count: int
    unknown_characters: int


class Encoder:
    """Turns long sequences of texts and ids into ids; several threads may share it.

    Args:
        tokenizer: what encodes.
        parts: takes a text apart at its seams.
        dtype: of the ids.
        reserved: how many of the first ids may stand among the texts.
        unknown: the id of words without a token, if there may be any.
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
        # The fast way does not keep track of places, from which the characters of unknown words are counted.
        self._encode_batch = tokenizer.encode_batch_fast if unknown is None else tokenizer.encode_batch
        self._forget()

    def encode(self, pieces: Iterable[str | int]) -> Encoded:
        """Return the ids of texts and, where an id stands among them, that id."""
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
        """Return where the words without a token stand, as starts and stops in characters."""
        return self._unknown_spans(self._tokenizer.encode(text))

    def _unknown_spans(self, encoding: Encoding) -> list[tuple[int, int]]:
        spans = zip(encoding.ids, encoding.offsets, strict=True)
        return [span for id_, span in spans if id_ == self._unknown]

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
        characters = np.frombuffer(self._unknown_characters, np.int32)[numbers].sum()
        return Encoded(ids, int(np.count_nonzero(ids == self._unknown)), int(characters))

    def _join(self, numbers: NDArray[np.int64]) -> NDArray[np.unsignedinteger[Any]]:
        """Return the ids of the parts of these numbers, shape (parts,), one after the other."""
        bounds = np.frombuffer(self._bounds, np.int64)
        starts = bounds[numbers]
        lengths = bounds[numbers + 1] - starts
        ends = lengths.cumsum()
        places = np.repeat(starts - (ends - lengths), lengths)
        places += np.arange(len(places))
        ids: NDArray[np.uint32] = np.frombuffer(self._ids, np.uint32)[places]
        return ids.astype(self._dtype)

    def _number(self, parts: Sequence[str | int]) -> NDArray[np.int64]:
        """Return the numbers of parts, shape (parts,); those that have not been met are encoded first."""
        if self._cost > _REMEMBERED:
            self._forget()
        unmet: Iterable[Any] = filterfalse(self._numbers.__contains__, parts)
        self._learn(list(dict.fromkeys(unmet)))
        return np.fromiter(map(self._numbers.__getitem__, parts), np.int64, len(parts))

    def _learn(self, parts: list[str]) -> None:
        """Encode parts and give them the next numbers.

        The numbers come last. So a failure on the way, such as Ctrl+C, leaves nothing but values without a
        number at the ends of the arrays, and the next parts overwrite those.
        """
        if not parts:
            return
        encodings = self._encode_batch(parts)
        ids = [encoding.ids for encoding in encodings]
        number = len(self._numbers)
        start = self._bounds[number]
        ends = np.fromiter(map(len, ids), np.int64, len(ids)).cumsum() + start
        self._ids[start:] = array("I", chain.from_iterable(ids))
        self._bounds[number + 1 :] = array("q", ends.tolist())
        if self._unknown is not None:
            unknown_characters = map(self._count_unknown_characters, encodings, ids)
            self._unknown_characters[number:] = array("i", unknown_characters)
        self._cost += sum(map(len, parts)) + _COST_OF_A_PART * len(parts)
        self._numbers.update(zip(parts, count(number), strict=False))

    def _count_unknown_characters(self, encoding: Encoding, ids: list[int]) -> int:
        if self._unknown not in ids:
            return 0
        return sum(stop - start for start, stop in self._unknown_spans(encoding))

    def _forget(self) -> None:
        """Forget all text; know the reserved ids alone, each a part by itself."""
        self._numbers: dict[str | int, int] = {id_: id_ for id_ in range(self._reserved)}
        self._ids = array("I", range(self._reserved))
        self._bounds = array("q", range(self._reserved + 1))
        self._unknown_characters = array("i", bytes(4 * self._reserved))
        self._cost = 0


INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
"""Stands for the bytes of a character that is not whole."""


class TextStream:
    """Decodes ids as they come, in pieces that join to what decoding all at once gives.

    A character whose bytes are several tokens is kept until its last one has come; at word level
    the space before a word comes with that word.

    Args:
        texts: by id, what a token adds to any text that ends with a whole character; empty where that depends
            on the text.
        decode: what ids add to the ids of a text, those of its last piece.
    """

    def __init__(
        self, texts: Sequence[str], decode: Callable[[tuple[int, ...], tuple[int, ...]], str]
    ) -> None:
        self._texts = texts
        self._decode = decode
        self._said: tuple[int, ...] = ()  # the ids of the last piece: what precedes decides on the space
        self._kept: tuple[int, ...] = ()

    def push(self, id_: int) -> str:
        """Take the next id; return the text that is now certain, which may be empty."""
        if not self._kept and (text := self._texts[id_]):
            return text
        self._kept += (id_,)
        text = self.finish()
        if not text or text.endswith(INCOMPLETE):
            return ""
        self._said, self._kept = self._kept, ()
        return text

    def finish(self) -> str:
        """Return what was kept, a character left incomplete as `�`; nothing may be pushed after it."""
        return self._decode(self._said, self._kept)
