"""The two sides of a dataset: the training text, which could have been copied, and the text held out."""

from collections.abc import Iterator

from scriptforge.dataset import Dataset
from scriptforge.originality.index import Index
from scriptforge.originality.lines import Line, lines_of_pieces


def index_training(dataset: Dataset) -> Index:
    """The index of what models of this dataset were trained on.

    Raises:
        DatasetError: the text is missing or damaged.
    """
    return Index(lines_of_pieces(dataset.pieces("train")))


def held_out(dataset: Dataset) -> Iterator[Line]:
    """What people wrote and no model was trained on: the validation and the test split.

    Raises:
        DatasetError: the text is missing or damaged.
    """
    for split in ("validation", "test"):
        yield from lines_of_pieces(dataset.pieces(split))
