"""The parent: a model of American plays that ships with the package, to begin with where text is little.

A person's one script of 100 kB teaches a model neither grammar nor spelling. So where text is little, a
training begins with the parent's weights and not with random ones, unless something else was asked for, or
the parent's pieces of words do not fit the text: another language, or verse of numbers.

The parent is a run like any other, kept in half precision to be small. `make base` makes it: see `pack`.
"""

import sys
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from scriptforge.dataset import Dataset
from scriptforge.errors import UsageError
from scriptforge.run.run import Run
from scriptforge.training.transfer import transferred_settings
from scriptforge.workspace import RunFolder

NOBODY = "none"
"""What `--from` is given to begin with random weights."""

LITTLE_TEXT = 1_500_000
"""Characters of training text below which the parent is taken."""

NOTE = f"Begins with what the package's model of American plays has learnt; --from {NOBODY} begins without."

_FOLDER = Path(__file__).with_name("parent_model")
_SAMPLE = 400  # elements of the held-out text that the parent's pieces are tried on
_FEWEST_CHARACTERS_A_PIECE = 2.2  # English has 2.8 and more, German 2.0, and less where letters are unknown


def parent_for(dataset: Dataset, chosen: Mapping[str, Any]) -> Run | None:
    """Return the parent if a training on the dataset had better begin with it.

    Args:
        dataset: what is trained on.
        chosen: settings that were asked for one by one; some need another architecture or size.
    """
    about = dataset.description
    if about.plain or about.splits["train"].characters >= LITTLE_TEXT or not _FOLDER.is_dir():
        return None
    parent = Run(RunFolder(_FOLDER))
    try:
        transferred_settings(parent.description, dataset, chosen)
    except UsageError:  # another level, architecture or size
        return None
    return parent if _fits(parent, dataset) else None


def _fits(parent: Run, dataset: Dataset) -> bool:
    """Return whether the text is made of pieces of words that the parent knows."""
    texts = [row.text for row in islice(dataset.rows("validation"), _SAMPLE)]
    pieces = sum(len(parent.vocabulary.encode(text)) for text in texts)
    return sum(map(len, texts)) >= _FEWEST_CHARACTERS_A_PIECE * pieces


def pack(run: RunFolder, folder: Path) -> None:
    """Write a run as the parent: its config, its tokenizer, and its weights in half precision."""
    folder.mkdir(exist_ok=True)
    for path in (run.config, run.tokenizer):
        (folder / path.name).write_bytes(path.read_bytes())
    halves = {name: weight.to(torch.float16) for name, weight in load_file(run.weights).items()}
    save_file(halves, folder / run.weights.name)


if __name__ == "__main__":
    pack(RunFolder(Path(sys.argv[1])), _FOLDER)
