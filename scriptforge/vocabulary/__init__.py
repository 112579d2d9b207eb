"""Words, pieces of words or characters as token ids: the door is `Vocabulary`."""

from scriptforge.vocabulary.encoding import Encoded, TextStream
from scriptforge.vocabulary.layout import Voice
from scriptforge.vocabulary.levels import LEVELS, Level
from scriptforge.vocabulary.vocabulary import Vocabulary

__all__ = ["LEVELS", "Encoded", "Level", "TextStream", "Vocabulary", "Voice"]
