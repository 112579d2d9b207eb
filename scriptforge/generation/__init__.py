"""Text from a trained model: `generate` writes pieces, `stream` one piece as it comes."""

from scriptforge.generation.generate import Piece, Writing, generate, stream
from scriptforge.generation.request import CacheOptions, Casting, Request, SamplingOptions

__all__ = ["CacheOptions", "Casting", "Piece", "Request", "SamplingOptions", "Writing", "generate", "stream"]
