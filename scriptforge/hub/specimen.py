"""What a model writes when nothing is asked of it, and how much of that it has copied."""

from dataclasses import dataclass

from scriptforge.dataset import Dataset
from scriptforge.errors import DatasetError, RunError
from scriptforge.generation import Request, generate
from scriptforge.originality import Report, Text, examine, held_out, index_training
from scriptforge.run.run import Run
from scriptforge.workspace import Workspace

_LINES = 100


@dataclass(frozen=True)
class Specimen:
    """A text of a model's own.

    Attributes:
        text: what it wrote.
        report: how much of it stands in the training text; None where that is not at hand.
    """

    text: str
    report: Report | None


def write_specimen(run: Run, dataset: Dataset | None) -> Specimen:
    """Lets a model write, always the same.

    Args:
        run: the model.
        dataset: what it was trained on, where that is at hand.

    Raises:
        DatasetError: its text is missing or damaged.
    """
    (piece,) = generate(run.model, run.vocabulary, Request(lines=_LINES))
    if dataset is None:
        return Specimen(piece.text, None)
    index = index_training(dataset)
    return Specimen(piece.text, examine(piece.lines, index, Text(held_out(dataset), index)))


def dataset_at_hand(run: Run, place: Workspace) -> Dataset | None:
    """What a run was trained on, if it is in the workspace as it was then."""
    try:
        return run.description.open_dataset(place)
    except (DatasetError, RunError):
        return None
