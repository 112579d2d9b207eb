"""Texts of any model, without the statistics of a training text."""

from collections.abc import Iterator

from scriptforge.copying import Index
from scriptforge.generation.generate import GeneratedText, Generation
from scriptforge.inference import SupportsInference
from scriptforge.options import GenerateOptions
from scriptforge.vocabulary import Vocabulary


def generate(
    model: SupportsInference, vocabulary: Vocabulary, options: GenerateOptions, index: Index | None = None
) -> list[GeneratedText]:
    """Generate the requested texts in one batch."""
    return Generation(model, vocabulary, options, index=index).write()


def stream(
    model: SupportsInference, vocabulary: Vocabulary, options: GenerateOptions, index: Index | None = None
) -> Iterator[str]:
    """Generate one text, and yield it piece by piece."""
    return Generation(model, vocabulary, options, index=index).stream()
