"""A run in the forms that other programs read: for ONNX Runtime, and for transformers.

A copy of a model is written whole or not at all, once it has read a text and said what the model says. Knows
nothing of the command line, and needs the programs in question only where they are used.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from scriptforge.errors import ExportError
from scriptforge.exporting.parity import Parity
from scriptforge.options import ExportOptions
from scriptforge.run.run import Run
from scriptforge.workspace import atomic_folder, expand_home

__all__ = ["Exported", "export"]

Target = Literal["onnx", "transformers"]

WHAT = "an exported model"
"""What a folder holds that is written here, in words."""


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


def export(run: Run, options: ExportOptions) -> list[Exported]:
    """Write a run for other programs, each in a folder of its own.

    Args:
        run: the run.
        options: for which ones, and where.

    Raises:
        UsageError: a folder holds something, or what is needed is not installed.
        ExportError: the model cannot be had in that form.
    """
    from scriptforge.exporting.onnx_folder import export_onnx
    from scriptforge.exporting.transformers_folder import export_transformers

    targets = ((export_onnx, options.onnx), (export_transformers, options.transformers))
    named = [(write, expand_home(path)) for write, path in targets if path is not None]
    return [write(run, path, force=options.force) for write, path in named]


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
