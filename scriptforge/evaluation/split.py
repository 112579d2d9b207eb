"""Evaluating a split of a dataset."""

from scriptforge.dataset import Dataset
from scriptforge.errors import DatasetError
from scriptforge.evaluation.loss import Evaluation, Extent, evaluate
from scriptforge.models import LanguageModel


def extent(dataset: Dataset, split: str) -> Extent:
    """How much text a split's tokens stand for."""
    description = dataset.description
    held = description.splits[split]
    return Extent(held.characters, held.unknown, held.unknown_characters, description.alphabet)


def evaluate_split(model: LanguageModel, dataset: Dataset, split: str) -> Evaluation:
    """Evaluates a model on a whole split, under both protocols.

    Args:
        model: in evaluation mode, with the dataset's vocabulary.
        dataset: the one it was trained on.
        split: `validation` or `test`.

    Raises:
        DatasetError: the split is empty.
    """
    ids = dataset.ids(split)
    if not len(ids):
        raise DatasetError(
            f"The {split} split of dataset “{dataset.name}” is empty.",
            f"Prepare it with --{split} 0.05, or evaluate another split.",
        )
    return evaluate(model, ids, extent(dataset, split), dataset.vocabulary.end)
