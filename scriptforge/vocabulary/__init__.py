"""Tokenization at the levels of words, subwords and characters: `Vocabulary`."""

from scriptforge.options import Level
from scriptforge.vocabulary.encoding import Encoded, TextStream
from scriptforge.vocabulary.layout import SpeakerToken
from scriptforge.vocabulary.levels import LEVELS
from scriptforge.vocabulary.lexicon import Lexicon
from scriptforge.vocabulary.vocabulary import Vocabulary

__all__ = ["LEVELS", "Encoded", "Level", "Lexicon", "SpeakerToken", "TextStream", "Vocabulary"]
