"""The three levels of tokenization: `word`, `bpe` and `char`.

The char level is byte-level BPE whose merges are not learned: they combine the bytes of each character and
nothing more. So every character seen in training is a token, and any other is spelled in UTF-8 bytes. (With
the library's `byte_fallback`, one wrong byte turns a whole run of byte tokens into `�`, so text that is
streamed would differ from text decoded at once.)

The bpe level is byte-level BPE. Texts are not prefixed with a space: that makes `hello` the same token at the
start of a line as within one, but it saved only 0.8 % of the tokens of Seinfeld with 2,000 tokens, too little
for one more rule.

Both levels are lossless for every text. The word level is in `word.py`.

`read_tokenizer` reads a `tokenizer.json`, which may be damaged or come from a stranger and may have regular
expressions that never terminate. So nothing of it is run until its pipeline equals that of a level, field by
field; only words, merges and layout tokens may differ. The module knows nothing of scripts.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, get_args

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from scriptforge.errors import DatasetError, UsageError
from scriptforge.options import Level
from scriptforge.vocabulary import word
from scriptforge.vocabulary.layout import layout_tokens, sources_in, speaker_tokens_in
from scriptforge.workspace import parse_json

LEVELS: tuple[Level, ...] = get_args(Level)

_BYTE_SIGNS = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
_BYTE_SIGNS_OF_WORDS = pre_tokenizers.ByteLevel(add_prefix_space=False)


def _byte_of_sign() -> dict[str, int]:
    """Return the byte for each of the 256 characters that byte-level BPE writes bytes as.

    A printable Latin-1 character stands for its own byte; the characters from U+0100 on stand for the other
    bytes, in order.
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    signs = [*printable, *range(256, 256 + len(others))]
    return {chr(sign): byte for sign, byte in zip(signs, [*printable, *others], strict=True)}


_BYTE_OF_SIGN = _byte_of_sign()


def bytes_of(token: str) -> bytes:
    """Return the bytes of a token of a byte-level vocabulary, whose name has one character for each byte.

    A name with any other character stands for itself, as in the library.
    """
    try:
        return bytes(map(_BYTE_OF_SIGN.__getitem__, token))
    except KeyError:
        return token.encode()


def _untrained_bytes(splitter: pre_tokenizers.PreTokenizer, *, lower: bool) -> Tokenizer:
    """Return the pipeline of a byte-level BPE tokenizer, with an empty model."""
    tokenizer = Tokenizer(models.BPE(vocab={}, merges=[]))
    if lower:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _train_char(
    texts: Iterable[str], reserved: list[str], *, size: int | None, min_count: int, lower: bool
) -> Tokenizer:
    """Train a tokenizer with a token for every character seen often enough, or for the most frequent ones."""
    fixed = len(reserved) + len(_BYTE_OF_SIGN)
    if size is not None and size < fixed:
        raise UsageError(
            f"A char vocabulary of {size} tokens is too small: bytes and layout take {fixed}.",
            f"Ask for {fixed} or more, or name no size.",
        )
    merges: dict[tuple[str, str], None] = {}
    for character in _frequent_characters(texts, min_count, lower):
        for step in _steps(character):
            if size is None or fixed + len(merges) < size:
                merges[step] = None
    return _with_merges(_untrained_bytes(_BYTE_SIGNS, lower=lower), reserved, list(merges))


def _with_merges(
    tokenizer: Tokenizer, reserved: Sequence[str], merges: Sequence[tuple[str, str]]
) -> Tokenizer:
    """Give a pipeline a BPE model whose ids are the reserved tokens, the bytes and the merged tokens."""
    tokens = [*reserved, *sorted(_BYTE_OF_SIGN), *map("".join, merges)]
    ids = {token: id_ for id_, token in enumerate(dict.fromkeys(tokens))}
    tokenizer.model = models.BPE(vocab=ids, merges=list(merges))
    return tokenizer


def _frequent_characters(texts: Iterable[str], min_count: int, lower: bool) -> list[str]:
    normalizer = normalizers.Lowercase()
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(normalizer.normalize_str(text) if lower else text)
    by_count = sorted(counts, key=lambda character: (-counts[character], character))
    return [character for character in by_count if counts[character] >= min_count]


def _steps(character: str) -> Iterator[tuple[str, str]]:
    """Yield the merges that build a character: the bytes so far, and the next byte."""
    [(signs, _)] = _BYTE_SIGNS.pre_tokenize_str(character)
    for length in range(1, len(signs)):
        yield signs[:length], signs[length]


DEFAULT_SIZE = 2000

# White space as defined by Unicode and in the library's `\s`; Python's has four control characters more.
_SPACE = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_PART = re.compile(rf"[{_SPACE}]*[^{_SPACE}]+|[{_SPACE}]+")
"""A word with the white space before it; no token of the bpe level spans two of them."""


def _train_bpe(
    texts: Iterable[str], reserved: list[str], *, size: int | None, min_count: int, lower: bool
) -> Tokenizer:
    """Train a byte-level BPE tokenizer of at most `size` tokens."""
    size = DEFAULT_SIZE if size is None else size
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    fixed = len(reserved) + len(alphabet)
    if size < fixed:
        raise UsageError(
            f"A bpe vocabulary of {size} tokens is too small: bytes and layout take {fixed}.",
            f"Ask for {fixed} or more; {DEFAULT_SIZE} suits most corpora.",
        )
    tokenizer = _untrained_bytes(_BYTE_SIGNS_OF_WORDS, lower=lower)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=min_count,
        special_tokens=reserved,
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


class _Method(NamedTuple):
    """The functions of a level: its pipeline with an empty model, its split into parts, and its training."""

    untrained: Callable[..., Tokenizer]
    parts: Callable[[str], list[str]]
    train: Callable[..., Tokenizer]


_METHODS: dict[Level, _Method] = {
    "word": _Method(word.untrained, word.parts, word.train),
    "bpe": _Method(partial(_untrained_bytes, _BYTE_SIGNS_OF_WORDS), _PART.findall, _train_bpe),
    # The tokens of a character do not depend on its neighbours.
    "char": _Method(partial(_untrained_bytes, _BYTE_SIGNS), list, _train_char),
}


def parts(level: Level) -> Callable[[str], list[str]]:
    """Return the function that splits a text into parts whose ids, concatenated, are the ids of the text."""
    return _METHODS[level].parts


def train(
    texts: Iterable[str], level: Level, layout: list[str], *, size: int | None, min_count: int, lower: bool
) -> Tokenizer:
    """Train a tokenizer of a level, with the layout tokens as special tokens at the first ids.

    Arguments and errors are those of `Vocabulary.train`.
    """
    tokenizer = _METHODS[level].train(texts, layout, size=size, min_count=min_count, lower=lower)
    return _with_layout(tokenizer, layout)


def of_merges(merges: Sequence[tuple[str, str]], layout: list[str], *, lower: bool) -> Tokenizer:
    """Return a tokenizer of the bpe level with the given merges, and layout tokens as in `train`."""
    tokenizer = _untrained_bytes(_BYTE_SIGNS_OF_WORDS, lower=lower)
    return _with_layout(_with_merges(tokenizer, layout, merges), layout)


def merges_of(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    """Return the merges of a BPE tokenizer, in order of priority."""
    return [(first, second) for first, second in parse_json(tokenizer.to_str())["model"]["merges"]]


def _with_layout(tokenizer: Tokenizer, layout: Iterable[str]) -> Tokenizer:
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in layout])
    return tokenizer


_HINT = "Prepare the dataset again, or fetch the run again."


def read_tokenizer(path: Path) -> tuple[Tokenizer, Level, bool, list[str]]:
    """Read a tokenizer from a file, after checking that its pipeline is that of a level.

    Returns:
        The tokenizer, its level, whether it converts text to lower case, and its layout tokens by id.

    Raises:
        DatasetError: the file is missing, damaged or not written by scriptforge.
    """
    name = f"{path.parent.name}/{path.name}"
    try:
        document = parse_json(path.read_bytes())
    except OSError as error:
        raise DatasetError(f"{name} cannot be read: {error.strerror}.", _HINT) from error
    except ValueError as error:
        raise DatasetError(f"{name} is damaged: it is not JSON.", _HINT) from error
    try:
        level, lower = _pipeline_of(document)
        layout = _layout_of(document)
        tokenizer = Tokenizer.from_str(json.dumps(document))
    except Exception as error:  # of any type: `tokenizers` raises bare exceptions
        raise DatasetError(f"{name} is not a vocabulary written by scriptforge.", _HINT) from error
    return tokenizer, level, lower, layout


def _pipeline_of(document: dict[str, Any]) -> tuple[Level, bool]:
    found = _skeleton(document)
    for level in LEVELS:
        for lower in (False, True):
            if found == _skeleton(parse_json(_METHODS[level].untrained(lower=lower).to_str())):
                return level, lower
    raise ValueError("its pipeline is unknown")


def _skeleton(document: dict[str, Any]) -> dict[str, Any]:
    """Return a tokenizer's document without its vocabulary, merges and added tokens."""
    learned = {"vocab", "merges"}
    model = {name: value for name, value in document["model"].items() if name not in learned}
    return {**document, "model": model, "added_tokens": []}


def _layout_of(document: dict[str, Any]) -> list[str]:
    ids = document["model"]["vocab"]
    if sorted(ids.values()) != list(range(len(ids))):
        raise ValueError("its ids have gaps")
    layout = [entry["content"] for entry in document["added_tokens"]]
    speakers: list[str] = []
    sources: dict[str, list[str]] = {source: [] for source in sources_in(layout)}
    for token in speaker_tokens_in(layout):
        (speakers if token.source is None else sources[token.source]).append(token.name)
    if layout != layout_tokens(speakers, plain=len(layout) == 1, sources=sources):
        raise ValueError("its layout tokens are unknown")
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    if document["added_tokens"] != [
        {"id": id_, "content": token, **flags} for id_, token in enumerate(layout)
    ]:
        raise ValueError("its layout tokens are not special")
    if [ids.get(token) for token in layout] != list(range(len(layout))):
        raise ValueError("its layout tokens do not come first")
    return layout
