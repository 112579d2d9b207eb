"""Statistics of the training text, which generated text is kept close to."""

from collections.abc import Sequence
from typing import NamedTuple

from scriptforge.text_statistics.brackets import BracketStatistics
from scriptforge.text_statistics.repetition import RepetitionStatistics
from scriptforge.text_statistics.token_frequencies import TokenFrequencies
from scriptforge.text_statistics.turns import TurnStatistics


class TextStatistics(NamedTuple):
    """All statistics of a training text; None where one is unknown, and so left to the model.

    Attributes:
        turns: how people take turns.
        repetition: how often they repeat what was said before.
        names: everybody who speaks; if empty, the model may invent names.
        brackets: how they use brackets and quotes.
        frequencies: how often they use each token.
    """

    turns: TurnStatistics | None = None
    repetition: RepetitionStatistics | None = None
    names: Sequence[str] = ()
    brackets: BracketStatistics | None = None
    frequencies: TokenFrequencies | None = None
