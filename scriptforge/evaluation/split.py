"""Evaluating a split of a dataset, as a whole and source by source.

In a mix each source has its documents in a row, and is read as if it were a split by itself: from a zero
state, after an `<end>`. No state is carried from one source to the next, so what is said of the split
is exactly what is said of its sources, taken together.
"""

from collections.abc import Iterable

from scriptforge.dataset import Dataset, SplitDescription
from scriptforge.errors import DatasetError
from scriptforge.evaluation.loss import Evaluation, Extent, Figures, evaluate
from scriptforge.models import LanguageModel


def extent(dataset: Dataset, split: str) -> Extent:
    """How much text a split's tokens stand for."""
    return _extent(dataset.description.splits[split], dataset)


def _extent(held: SplitDescription, dataset: Dataset) -> Extent:
    alphabet = dataset.description.alphabet
    return Extent(held.characters, held.unknown, held.unknown_characters, alphabet)


def evaluate_split(model: LanguageModel, dataset: Dataset, split: str) -> Evaluation:
    """Evaluates a model on a whole split, under both protocols.

    Args:
        model: in evaluation mode, with the dataset's vocabulary.
        dataset: the one it was trained on.
        split: `validation` or `test`.

    Raises:
        DatasetError: the split is empty.
    """
    return together(evaluate_sources(model, dataset, split).values(), extent(dataset, split))


def evaluate_sources(model: LanguageModel, dataset: Dataset, split: str) -> dict[str, Evaluation]:
    """Evaluates a model on each source of a split; a corpus alone is one source, of the dataset's name.

    Args:
        model: as of `evaluate_split`.
        dataset: as of `evaluate_split`.
        split: as of `evaluate_split`.

    Raises:
        DatasetError: the split is empty.
    """
    if not len(dataset.ids(split)):
        raise DatasetError(
            f"The {split} split of dataset “{dataset.name}” is empty.",
            f"Prepare it with --{split} 0.05, or evaluate another split.",
        )
    about = dataset.description
    held = {source.name: source.splits[split] for source in about.sources}
    held = held or {dataset.name: about.splits[split]}
    return {
        source: evaluate(model, ids, _extent(held[source], dataset), dataset.vocabulary.end)
        for source, ids in dataset.ids_by_source(split).items()
        if len(ids)
    }


def together(evaluations: Iterable[Evaluation], whole: Extent) -> Evaluation:
    """The evaluations of the sources of a split as one of the split.

    Args:
        evaluations: of each of them.
        whole: the text that all their tokens stand for.
    """
    parts = list(evaluations)
    if len(parts) == 1:
        return parts[0]
    tokens = sum(part.tokens for part in parts)
    stream = sum(part.stream.nats_per_token * part.tokens for part in parts)
    cold = sum(part.cold_256.nats_per_token * part.tokens for part in parts)
    return Evaluation(
        tokens=tokens,
        characters=whole.characters,
        stream=Figures.of(stream, tokens, whole),
        cold_256=Figures.of(cold, tokens, whole),
    )
