"""The word level: words and punctuation marks are tokens, and the marks determine the spaces.

A word has a space on either side by default. Each class of marks has its own default:

    closing    . , ; ! ? ) >    no space before, one after
    opening    ( <              one before, none after
    symmetric  " - --           one on either side
    break      a line break     none on either side

Where a text departs from the default, the mark carries a sign: `‿` on the side where a space is missing, `␣`
on the side where there is an extra one. `He said, "two-thirds...no."` becomes

    He said , "‿ two ‿-‿ thirds . . .‿ no . ‿"

So the text can be restored exactly, with no more tokens than splitting at marks and spaces gives, at the cost
of a few variants of each mark. (Separate tokens for the signs would lengthen every line with a quotation or a
hyphen.) A run of spaces is a run of `␣`; tabs and similar characters are breaks.

A normaliser inserts the signs, a pre-tokeniser splits, and the decoder reverses both, so all of it is in
`tokenizer.json`. Only the two signs themselves are lost where a text contains them. Angle brackets are marks
so that no word can look like a layout token. An unknown word is `<unk>`. The module knows nothing of scripts.
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

# Spaces at the start or end, in a run, and beside a mark that has none on that side by default.
_UNUSUAL_SPACE = rf"\A | \z|(?<= ) | (?= )| (?=[{_CLOSING}]|{_BREAK})|(?<=[{_OPENING}]|{_BREAK}) "

# Positions without a space where the mark before or after would have one; a run of dashes is one mark.
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
"""Patterns and replacements, in order, that turn tokens joined by single spaces into text.

The first pattern removes the spaces that a mark or the sign `‿` excludes; the second turns `␣` into a space.
"""

# Single spaces that both sides have by default, so that no rule above applies to them.
_SEAM = re.compile(rf" (?<=[^\s{_OPENING}] )(?=[^\s{_CLOSING}])")

MARKS: tuple[str, ...] = (
    SPACE,
    *map("".join, product(("", SPACE), _CLOSING, ("", JOIN))),
    *map("".join, product(("", JOIN), _OPENING, ("", SPACE))),
    *map("".join, product(("", JOIN), _SYMMETRIC, ("", JOIN))),
    *map("".join, product(("", SPACE), "\n", ("", SPACE))),
)
"""The marks in all their variants, which every vocabulary of the word level contains."""


def parts(text: str) -> list[str]:
    """Split a text at the spaces that have no token, into words with their marks."""
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
    """Train a tokenizer with a token for every word seen often enough, or for the most frequent ones.

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
