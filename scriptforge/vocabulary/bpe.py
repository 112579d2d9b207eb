"""The bpe level: byte-level byte-pair encoding, common character sequences being tokens.

Every byte is a token from the start, so any text can be written, exactly. Texts are taken as they are:
putting a space before each, so that `hello` at the start of a line and within one are the same token,
saved 0.8 % of the tokens of Seinfeld at 2,000, too little for a rule more. Knows nothing of scripts.
"""

import re
from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from scriptforge.errors import UsageError

DEFAULT_SIZE = 2000

# White space as Unicode defines it, which is how the library reads `\s`; Python counts four controls more.
_SPACE = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_PART = re.compile(rf"[{_SPACE}]*[^{_SPACE}]+|[{_SPACE}]+")


def parts(text: str) -> list[str]:
    """Words, each with the white space before it: no token is within two of them."""
    return _PART.findall(text)


def untrained(*, lower: bool) -> Tokenizer:
    """The pipeline with an empty model."""
    tokenizer = Tokenizer(models.BPE(vocab={}, merges=[]))
    if lower:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def train(
    texts: Iterable[str], reserved: list[str], *, size: int | None, min_count: int, lower: bool
) -> Tokenizer:
    """A tokenizer with the merges that shorten the texts most.

    Args:
        texts: the training text, in pieces; one huge piece would make training slow.
        reserved: the tokens that take the first ids.
        size: tokens in all, fewer if the texts run out of pairs; None gives `DEFAULT_SIZE`.
        min_count: how often a pair must occur to be merged.
        lower: whether to read everything in lower case.

    Raises:
        UsageError: if `size` leaves no room for the 256 bytes.
    """
    size = DEFAULT_SIZE if size is None else size
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    fixed = len(reserved) + len(alphabet)
    if size < fixed:
        raise UsageError(
            f"A bpe vocabulary of {size} tokens is too small: bytes and layout take {fixed}.",
            f"Ask for {fixed} or more; {DEFAULT_SIZE} suits most corpora.",
        )
    tokenizer = untrained(lower=lower)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=min_count,
        special_tokens=reserved,
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
