"""The char level: every character seen in training is a token, and any other is spelled in UTF-8 bytes.

It is byte-pair encoding whose merges are not learned: they put the bytes of each character together and stop
there. (Falling back to byte tokens, as the library also can, turns a whole run of them into `�` for one byte
amiss, so that text streamed and text decoded at once would differ.) Exact for every text; knows nothing of
scripts.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from scriptforge.errors import UsageError

_BYTE_SIGNS = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def parts(text: str) -> list[str]:
    """The characters of a text: what one becomes does not depend on its neighbours."""
    return list(text)


def untrained(*, lower: bool) -> Tokenizer:
    """The pipeline with an empty model."""
    tokenizer = Tokenizer(models.BPE(vocab={}, merges=[]))
    if lower:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = _BYTE_SIGNS
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


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
        UsageError: if `size` leaves no room for the bytes.
    """
    tokens = [*reserved, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    if size is not None and size < len(tokens):
        raise UsageError(
            f"A char vocabulary of {size} tokens is too small: bytes and layout take {len(tokens)}.",
            f"Ask for {len(tokens)} or more, or name no size.",
        )
    ids = {token: id_ for id_, token in enumerate(tokens)}
    merges: list[tuple[str, str]] = []
    for character in _frequent_characters(texts, min_count, lower):
        for start, byte in _steps(character):
            if start + byte not in ids and (size is None or len(ids) < size):
                ids[start + byte] = len(ids)
                merges.append((start, byte))
    tokenizer = untrained(lower=lower)
    tokenizer.model = models.BPE(vocab=ids, merges=merges)
    return tokenizer


def _frequent_characters(texts: Iterable[str], min_count: int, lower: bool) -> list[str]:
    normalizer = normalizers.Lowercase()
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(normalizer.normalize_str(text) if lower else text)
    by_count = sorted(counts, key=lambda character: (-counts[character], character))
    return [character for character in by_count if counts[character] >= min_count]


def _steps(character: str) -> Iterator[tuple[str, str]]:
    """How a character is put together from byte signs: what there is so far, and the next byte."""
    [(signs, _)] = _BYTE_SIGNS.pre_tokenize_str(character)
    for length in range(1, len(signs)):
        yield signs[:length], signs[length]
