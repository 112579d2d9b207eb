"""Subwords for small English corpora: those of the base model, which ships with the package.

A small corpus is too little to learn good subwords from. Also, a model that starts from the base model's
weights has trained embeddings for the base model's subwords, while those of other subwords start as the mean
of their parts. So the bpe vocabulary of a small English corpus has the subwords of the base model, and layout
tokens of its own. The effect on a model that starts from the base model, in bits per character on held-out
text:

    characters    subwords of its own    the base model's
       100,000                   1.59              1.51    ten episodes of a sitcom
       110,000                   2.28              2.19    a film
       216,000                   2.06              2.03    a season of a series
       343,000                   1.73              1.72    a tenth of a series
     1,090,000                   1.73              1.74    a third of it
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from scriptforge.vocabulary.vocabulary import Vocabulary

BASE_MODEL = Path(__file__).parents[1] / "american-plays"
"""The run that training on small corpora starts from; see `scriptforge.training.base_model`."""

BORROW_BELOW_CHARACTERS = 400_000
"""Number of characters of training text below which the base model's subwords are used."""

_SAMPLE = 400  # number of texts that the subwords are tried on
_MIN_CHARACTERS_PER_TOKEN = 2.15  # English scripts: 2.3 to 2.8; German, French, Spanish: 2.0 at most


def borrow(
    texts: Iterable[str],
    *,
    lower: bool,
    speakers: Sequence[str],
    sources: Mapping[str, Sequence[str]] | None,
) -> Vocabulary | None:
    """Return a vocabulary with the base model's subwords, or None if they do not fit the texts.

    Args:
        texts: the training text, of which the first texts are tried.
        lower: as in `Vocabulary.train`.
        speakers: as in `Vocabulary.train`.
        sources: as in `Vocabulary.train`.

    Raises:
        DatasetError: the base model's `tokenizer.json` is damaged.
    """
    if not BASE_MODEL.is_dir():
        return None
    merges = Vocabulary.load(BASE_MODEL / "tokenizer.json").merges
    vocabulary = Vocabulary.from_merges(merges, lower=lower, speakers=speakers, sources=sources)
    return vocabulary if fits(vocabulary, texts) else None


def fits(vocabulary: Vocabulary, texts: Iterable[str]) -> bool:
    """Return whether a vocabulary encodes the first of some texts in subwords that are long on average."""
    sample = list(islice(texts, _SAMPLE))
    merges = sum(len(vocabulary.encode(text)) for text in sample)
    return sum(map(len, sample)) >= _MIN_CHARACTERS_PER_TOKEN * merges
