"""The pieces of words that little text becomes tokens with: those of the model in the package.

Too little text says too little about which pieces words are made of, and a model that begins with another
one's weights knows what that one's pieces are worth, and of others only what their parts are. So where
English text is little, its vocabulary at the bpe level has the pieces of the parent, and its own layout
tokens. What that is worth to a training that begins with the parent, in bits per character held out:

    characters    pieces of its own    the parent's
       100,000                 1.59            1.51    ten episodes of a sitcom
       110,000                 2.28            2.19    a film
       216,000                 2.06            2.03    a season of a series
       343,000                 1.73            1.72    a tenth of a series
     1,090,000                 1.73            1.74    a third of it
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from scriptforge.vocabulary.vocabulary import Vocabulary

PARENT = Path(__file__).parents[1] / "american-plays"
"""The run in the package that a training on little text begins with, see `scriptforge.training.parent`."""

BORROW_BELOW_CHARACTERS = 400_000
"""Characters of training text below which pieces are borrowed."""

_SAMPLE = 400  # texts that the pieces are tried on
_FEWEST_CHARACTERS_A_PIECE = 2.15  # English scripts have 2.3 to 2.8; German, French or Spanish 2.0 at most


def borrow(
    texts: Iterable[str],
    *,
    lower: bool,
    speakers: Sequence[str],
    sources: Mapping[str, Sequence[str]] | None,
) -> Vocabulary | None:
    """Return a vocabulary with the parent's pieces, or None if the texts are not made of them.

    Args:
        texts: what is trained on, of which the first are tried.
        lower: as for `Vocabulary.train`.
        speakers: as for `Vocabulary.train`.
        sources: as for `Vocabulary.train`.

    Raises:
        DatasetError: the file of the pieces is damaged.
    """
    if not PARENT.is_dir():
        return None
    pieces = Vocabulary.load(PARENT / "tokenizer.json").pieces
    vocabulary = Vocabulary.of_pieces(pieces, lower=lower, speakers=speakers, sources=sources)
    return vocabulary if fits(vocabulary, texts) else None


def fits(vocabulary: Vocabulary, texts: Iterable[str]) -> bool:
    """Return whether the first of some texts are made of long pieces that a vocabulary has."""
    sample = list(islice(texts, _SAMPLE))
    pieces = sum(len(vocabulary.encode(text)) for text in sample)
    return sum(map(len, sample)) >= _FEWEST_CHARACTERS_A_PIECE * pieces
