"""Text from a trained model: `generate` writes pieces, `stream` one piece as it comes."""

from scriptforge.generation.piece import Piece, Request, generate, stream
from scriptforge.generation.sampler import SamplingOptions

__all__ = ["Piece", "Request", "SamplingOptions", "generate", "stream"]
