"""Text from a trained model: `generate` writes pieces, `stream` one piece as it comes."""

from scriptforge.generation.cache import CacheOptions
from scriptforge.generation.casting import Casting
from scriptforge.generation.request import Request
from scriptforge.generation.sampler import SamplingOptions
from scriptforge.generation.writing import Piece, Writing, generate, stream

__all__ = ["CacheOptions", "Casting", "Piece", "Request", "SamplingOptions", "Writing", "generate", "stream"]
