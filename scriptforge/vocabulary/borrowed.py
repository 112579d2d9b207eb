"""The subwords that little text is divided into: those of the base model, which ships with the package.

Too little text says too little about which subwords to learn, and a model that starts from another one's
weights knows what that one's subwords are worth, and of others only what their parts are. So where English
text is little, its vocabulary at the bpe level has the subwords of the base model, and its own layout tokens.
What that is worth to a model that starts from the base model, in bits per character held out:

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
"""The run that training on little text starts from; see `scriptforge.training.base_model`."""

BORROW_BELOW_CHARACTERS = 400_000
"""Characters of training text below which subwords are borrowed."""

_SAMPLE = 400  # texts that the pieces are tried on
_FEWEST_CHARACTERS_A_PIECE = 2.15  # English scripts have 2.3 to 2.8; German, French or Spanish 2.0 at most


def borrow(
    texts: Iterable[str],
    *,
    lower: bool,
    speakers: Sequence[str],
    sources: Mapping[str, Sequence[str]] | None,
) -> Vocabulary | None:
    """Return a vocabulary with the base model's subwords, or None if they do not fit the texts.

    Args:
        texts: what is trained on, of which the first are tried.
        lower: as for `Vocabulary.train`.
        speakers: as for `Vocabulary.train`.
        sources: as for `Vocabulary.train`.

    Raises:
        DatasetError: the file of the pieces is damaged.
    """
    if not BASE_MODEL.is_dir():
        return None
    pieces = Vocabulary.load(BASE_MODEL / "tokenizer.json").pieces
    vocabulary = Vocabulary.of_pieces(pieces, lower=lower, speakers=speakers, sources=sources)
    return vocabulary if fits(vocabulary, texts) else None


def fits(vocabulary: Vocabulary, texts: Iterable[str]) -> bool:
    """Return whether the first of some texts are made of long pieces that a vocabulary has."""
    sample = list(islice(texts, _SAMPLE))
    pieces = sum(len(vocabulary.encode(text)) for text in sample)
    return sum(map(len, sample)) >= _FEWEST_CHARACTERS_A_PIECE * pieces
