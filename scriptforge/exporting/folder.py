"""A folder with an exported model: made whole or not at all, and never over anything else."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from scriptforge.errors import ExportError, UsageError
from scriptforge.exporting.parity import Parity
from scriptforge.workspace.files import atomic_folder

Target = Literal["onnx", "transformers"]


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


def refuse_overwriting(path: Path, names: Iterable[str], *, force: bool) -> None:
    """Refuse a folder that holds something, unless it may be replaced and holds nothing but such files.

    Args:
        path: the folder.
        names: what an export of this kind consists of.
        force: whether an earlier one may be replaced.

    Raises:
        UsageError: something is there.
    """
    if not path.exists():
        return
    if not path.is_dir():
        raise UsageError(f"{path} is a file, and not a folder.", "Name another folder.")
    there = sorted(each.name for each in path.iterdir())
    foreign = [name for name in there if name not in names]
    if foreign:
        raise UsageError(
            f"The folder {path} holds {foreign[0]}, which is no part of an exported model.",
            "Name a new folder: what is there stays as it is.",
        )
    if there and not force:
        raise UsageError(
            f"There is an exported model in {path} already.", "Replace it with --force, or name another one."
        )


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
