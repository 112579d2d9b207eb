"""The word level: words and punctuation marks are tokens, and white space follows from the marks.

What stands between two tokens follows from the marks alone. A word has a space on either side. Every mark has
a habit:

    closing    . , ; ! ? ) >    no space before, one after
    opening    ( <              one before, none after
    symmetric  " - --           one on either side
    break      a line break     none on either side

Where a text departs from the habit, the mark says so: `‿` on the side where a space is missing, `␣`
on the side where there is one too many. `He said, "two-thirds...no."` becomes

    He said , "‿ two ‿-‿ thirds . . .‿ no . ‿"

so the text comes back exactly, at no more tokens than splitting at marks and spaces takes, for the price
of a few variants of each mark. (Signs of their own instead would lengthen every line that holds a quotation
or a hyphen.) A run of spaces is a run of `␣`; tabs and their like are breaks.

A normaliser writes the signs, a pre-tokeniser splits, and the decoder undoes both, so `tokenizer.json`
holds all of it. The two signs themselves cannot be kept where a text contains them. Angle brackets are
marks so that no word can look like a layout token. A word not known is `<unk>`. Knows nothing of scripts.
"""

import re
from collections.abc import Iterable
from itertools import product

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from scriptforge.errors import UsageError
from scriptforge.vocabulary.layout import UNKNOWN

JOIN = "‿"
SPACE = "␣"

_CLOSING = ".,;!?)>"
_OPENING = "(<"
_SYMMETRIC = ('"', "-", "--")
_BREAK = r"[^\S ]"
_MARK = rf'(?:[{_CLOSING}{_OPENING}"-]|{_BREAK})'

# The last sign between two marks belongs to the second.
_JOIN_AFTER = rf"(?:{JOIN}(?!{_MARK}))?"
_SPACE_AFTER = rf"(?:{SPACE}(?!{_MARK}))?"

_TOKEN = "|".join(
    (
        rf"{SPACE}?[{_CLOSING}]{_JOIN_AFTER}",
        rf"{JOIN}?[{_OPENING}]{_SPACE_AFTER}",
        rf'{JOIN}?(?:"|-+){_JOIN_AFTER}',
        rf"{SPACE}?{_BREAK}{_SPACE_AFTER}",
        rf"[{JOIN}{SPACE}]",
        rf'[^\s{_CLOSING}{_OPENING}"{JOIN}{SPACE}-]+',
    )
)

# Spaces at an edge, in a run, before what takes none before it and after what takes none after it.
_UNUSUAL_SPACE = rf"\A | \z|(?<= ) | (?= )| (?=[{_CLOSING}]|{_BREAK})|(?<=[{_OPENING}]|{_BREAK}) "

# Places without a space where the mark before or after them would have one; a run of dashes is one mark.
_MISSING_SPACE = "|".join(
    (
        rf'(?<=[{_CLOSING}"])(?=[^\s{_CLOSING}{SPACE}])',
        rf"(?<=-)(?=[^\s{_CLOSING}{SPACE}-])",
        rf'(?<=[^\s{_OPENING}{SPACE}])(?=[{_OPENING}"])',
        rf"(?<=[^\s{_OPENING}{SPACE}-])(?=-)",
    )
)

SPACING: tuple[tuple[str, str], ...] = (
    (rf" (?=[{_CLOSING}]|{_BREAK})|(?<=[{_OPENING}]|{_BREAK}) | ?{JOIN} ?", ""),
    (f" ?{SPACE} ?", " "),
)
"""What makes a text of tokens with a space between all of them: patterns, and what takes their place.

First go the spaces that the habit of a mark or a sign takes away.
"""

# Spaces that no rule above takes for more or less than a space: one alone, where both sides want one.
_SEAM = re.compile(rf" (?<=[^\s{_OPENING}] )(?=[^\s{_CLOSING}])")

MARKS: tuple[str, ...] = (
    SPACE,
    *map("".join, product(("", SPACE), _CLOSING, ("", JOIN))),
    *map("".join, product(("", JOIN), _OPENING, ("", SPACE))),
    *map("".join, product(("", JOIN), _SYMMETRIC, ("", JOIN))),
    *map("".join, product(("", SPACE), "\n", ("", SPACE))),
)
"""The marks in all their variants, which every vocabulary of words knows."""


def parts(text: str) -> list[str]:
    """Return what stands between spaces that have no token: words with the marks at them."""
    return _SEAM.split(text)


def untrained(*, lower: bool) -> Tokenizer:
    """Return the pipeline with an empty model."""
    tokenizer = Tokenizer(models.WordLevel(vocab={}, unk_token=UNKNOWN))
    signs = [
        normalizers.Replace(Regex(_UNUSUAL_SPACE), SPACE),
        normalizers.Replace(Regex(_MISSING_SPACE), JOIN),
    ]
    tokenizer.normalizer = normalizers.Sequence([*([normalizers.Lowercase()] if lower else []), *signs])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_TOKEN), behavior="removed", invert=True)
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.WordPiece(prefix=JOIN, cleanup=False),
            decoders.Fuse(),
            *(decoders.Replace(Regex(pattern), text) for pattern, text in SPACING),
        ]
    )
    return tokenizer


def train(
    texts: Iterable[str], reserved: list[str], *, size: int | None, min_count: int, lower: bool
) -> Tokenizer:
    """Return a tokenizer with a token for every word seen often enough, or the most frequent ones.

    Arguments and errors are those of `Vocabulary.train`; `reserved` are the layout tokens.
    """
    fixed = [*reserved, UNKNOWN, *MARKS]
    if size is not None and size < len(fixed):
        raise UsageError(
            f"A word vocabulary of {size} tokens is too small: marks and layout take {len(fixed)}.",
            f"Ask for more than {len(fixed)}, or name no size.",
        )
    tokenizer = untrained(lower=lower)
    counting = trainers.WordLevelTrainer(vocab_size=2**31, min_frequency=min_count, show_progress=False)
    tokenizer.train_from_iterator(texts, counting)
    counted = tokenizer.get_vocab(with_added_tokens=False)
    known = {JOIN, *MARKS}
    words = [word for word in sorted(counted, key=counted.__getitem__) if word not in known]
    room = None if size is None else size - len(fixed)
    vocabulary = {token: id_ for id_, token in enumerate([*fixed, *words[:room]])}
    tokenizer.model = models.WordLevel(vocab=vocabulary, unk_token=UNKNOWN)
    return tokenizer
