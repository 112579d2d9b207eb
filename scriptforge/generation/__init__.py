"""Text from a trained model: `generate` writes whole texts, `stream` yields one as it is written."""

from scriptforge.generation.generate import GeneratedText, Generation, generate, stream

__all__ = ["GeneratedText", "Generation", "generate", "stream"]
