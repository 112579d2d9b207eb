"""A folder with an exported model: made whole or not at all, and never over anything else."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from scriptforge.errors import ExportError
from scriptforge.exporting.parity import Parity
from scriptforge.workspace.files import atomic_folder

Target = Literal["onnx", "transformers"]

WHAT = "an exported model"


@dataclass(frozen=True)
class Exported:
    """What was made of a run for other programs.

    Attributes:
        target: for which ones.
        folder: where it is.
        files: the bytes of each file, by name.
        parity: of each copy of the model, by the name of its file, how far it is from the model.
    """

    target: Target
    folder: Path
    files: Mapping[str, int]
    parity: Mapping[str, Parity] = field(default_factory=dict)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `path`, in place of what is there, if the block succeeds.

    Raises:
        ExportError: it cannot be written.
    """
    try:
        with atomic_folder(path) as folder:
            yield folder
    except OSError as error:
        raise ExportError(
            f"{path} cannot be written: {error.strerror}.", "Name a folder that can be, on a disk with room."
        ) from error


def write_json(path: Path, document: Any) -> None:
    """Write a document, as small as it can be and stay text."""
    path.write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


def sizes_of(folder: Path) -> dict[str, int]:
    """Return the bytes of each file in a folder, by name."""
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
