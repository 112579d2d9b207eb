"""The three levels at which text becomes tokens, by name."""

from collections.abc import Callable, Iterable
from typing import Literal, get_args

from tokenizers import AddedToken, Tokenizer

from scriptforge.vocabulary import bpe, char, word

Level = Literal["word", "bpe", "char"]
LEVELS: tuple[Level, ...] = get_args(Level)

_MODULES = {"word": word, "bpe": bpe, "char": char}


def untrained(level: Level, *, lower: bool) -> Tokenizer:
    """The pipeline of a level, with an empty model."""
    tokenizer: Tokenizer = _MODULES[level].untrained(lower=lower)
    return tokenizer


def parts(level: Level) -> Callable[[str], list[str]]:
    """What takes a text apart at the seams of a level: the ids of the parts, joined, are the text's."""
    divide: Callable[[str], list[str]] = _MODULES[level].parts
    return divide


def train(
    texts: Iterable[str], level: Level, layout: list[str], *, size: int | None, min_count: int, lower: bool
) -> Tokenizer:
    """A tokenizer trained at a level, with the layout tokens as special ones at the first ids.

    Args:
        texts: the training text, in pieces.
        level: what a token is.
        layout: the layout tokens.
        size: tokens in all; None leaves it to the level.
        min_count: how often a word, character or pair must occur to have a token.
        lower: whether to read everything in lower case.

    Raises:
        UsageError: if `size` is too small for the level.
    """
    tokenizer: Tokenizer = _MODULES[level].train(texts, layout, size=size, min_count=min_count, lower=lower)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in layout])
    return tokenizer
