"""The char level: every character seen in training is a token, and any other is spelled in UTF-8 bytes.

A BPE model without merges does both: it takes a text apart into characters and falls back to byte tokens for
those it does not know. Only the bytes that can occur have a token: an ASCII character not seen, the
lead bytes of two to four and the continuation bytes. Exact for every text, knows nothing of scripts.
"""

from collections import Counter
from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, normalizers

from scriptforge.errors import UsageError

# The Unicode Standard, table 3-7: the bytes of well-formed UTF-8 beyond ASCII.
_CONTINUATION_BYTES = range(0x80, 0xC0)
_LEAD_BYTES = range(0xC2, 0xF5)


def untrained(*, lower: bool) -> Tokenizer:
    """The pipeline with an empty model."""
    return _pipeline(models.BPE(vocab={}, merges=[], byte_fallback=True), lower=lower)


def train(
    texts: Iterable[str], reserved: list[str], *, size: int | None, min_count: int, lower: bool
) -> Tokenizer:
    """A tokenizer with a token for every character seen often enough.

    Args:
        texts: the training text, in pieces.
        reserved: the tokens that take the first ids.
        size: tokens in all; the most frequent characters are kept. None keeps every one.
        min_count: how often a character must occur.
        lower: whether to read everything in lower case.

    Raises:
        UsageError: if `size` leaves no room for characters.
    """
    normalizer = normalizers.Lowercase()
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(normalizer.normalize_str(text) if lower else text)
    by_count = sorted(counts, key=lambda character: (-counts[character], character))
    frequent = [character for character in by_count if counts[character] >= min_count]
    ascii_seen = [character for character in frequent if character.isascii()]
    others = [character for character in frequent if not character.isascii()]
    spelled = [code for code in range(0x80) if chr(code) not in set(ascii_seen)]
    bytes_ = [f"<0x{code:02X}>" for code in (*spelled, *_CONTINUATION_BYTES, *_LEAD_BYTES)]
    fixed = [*reserved, *bytes_, *ascii_seen]
    if size is not None and size < len(fixed):
        raise UsageError(
            f"A char vocabulary of {size} tokens is too small: bytes and layout take {len(fixed)}.",
            f"Ask for {len(fixed)} or more, or name no size.",
        )
    room = None if size is None else size - len(fixed)
    vocabulary = {token: id_ for id_, token in enumerate([*fixed, *others[:room]])}
    return _pipeline(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True), lower=lower)


def _pipeline(model: models.BPE, *, lower: bool) -> Tokenizer:
    tokenizer = Tokenizer(model)
    if lower:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer
