"""The base model: a model of American plays that ships with the package.

One script of 100 kB is too little text to learn grammar and spelling from. So training on little text starts
from the base model's weights instead of random ones, unless the user asks otherwise or the base model's
subwords do not fit the text, as in another language.

The base model is a run like any other, stored in half precision to save space. `make base` builds it: see
`pack`.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save

from scriptforge.dataset import Dataset
from scriptforge.errors import UsageError
from scriptforge.run.records import RunDescription
from scriptforge.run.run import Run
from scriptforge.training.transfer import transferred_settings
from scriptforge.vocabulary.borrowed import BASE_MODEL, fits
from scriptforge.workspace import RunFolder

FROM_SCRATCH = "none"
"""The value of `--from` that starts from random weights."""

_BELOW_CHARACTERS = 1_500_000
"""Characters of training text below which training starts from the base model."""

NOTE = f"Starts from the model of American plays in the package; --from {FROM_SCRATCH} starts from scratch."


def base_model_for(dataset: Dataset, chosen: Mapping[str, Any]) -> Run | None:
    """Return the base model if training on the dataset should start from it, else None.

    Args:
        dataset: the dataset to train on.
        chosen: settings that the user set; some of them need another architecture or size.
    """
    about = dataset.description
    if about.plain or about.splits["train"].characters >= _BELOW_CHARACTERS or not BASE_MODEL.is_dir():
        return None
    base = Run(RunFolder(BASE_MODEL))
    try:
        transferred_settings(base.description, dataset, chosen)
    except UsageError:  # another level, architecture or size
        return None
    texts = (row.text for row in dataset.rows("validation"))
    return base if fits(base.vocabulary, texts) else None


def pack(run: RunFolder, folder: Path = BASE_MODEL) -> None:
    """Write a run as the base model: its weights in half precision, and a README that lists its sources."""
    folder.mkdir(exist_ok=True)
    for path in (run.config, run.tokenizer):
        (folder / path.name).write_bytes(path.read_bytes())
    halves = {name: weight.to(torch.float16) for name, weight in load_file(run.weights).items()}
    (folder / run.weights.name).write_bytes(save(halves))
    (folder / "README.md").write_text(_card(RunDescription.load(run)), encoding="utf-8")


def _card(about: RunDescription) -> str:
    origin, result = about.dataset.origin, about.result
    assert origin is not None and result is not None
    files = "\n".join(f"- `{file.name}`, SHA-256 `{file.sha256}`" for file in origin.files)
    bits = result.best.stream.bits_per_character
    return (
        "# The base model\n\n"
        "A language model of American plays, from which `scriptforge train` starts where text is little.\n"
        f"Made by `make base`: {about.parameters:,} parameters, kept in half precision; {bits:.3f} bits per\n"
        "character of plays that it has not read.\n\n"
        f"Licence of the text: {origin.licence}. {origin.rights}\n"
        "`corpora/american-plays.toml` says where each file is.\n\n"
        f"{files}\n"
    )


if __name__ == "__main__":
    pack(RunFolder(Path(sys.argv[1])))
