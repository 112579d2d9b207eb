"""Text from a trained model: `generate` writes whole texts, `stream` yields one as it is written."""

from scriptforge.generation.generate import GeneratedText, Writing, generate, stream

__all__ = ["GeneratedText", "Writing", "generate", "stream"]
