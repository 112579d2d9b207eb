"""Export of runs to the formats of other programs: ONNX Runtime and transformers.

A copy of a model is written whole or not at all, and only after it has scored a text as the model does. The
package is independent of the command line, and imports the other programs only where it uses them.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from scriptforge.errors import ExportError
from scriptforge.exporting.parity import Parity
from scriptforge.options import ExportOptions
from scriptforge.run.run import Run
from scriptforge.workspace import expand_home, output_folder

__all__ = ["Exported", "export"]

Target = Literal["onnx", "transformers"]


@dataclass(frozen=True)
class Exported:
    """An exported run.

    Attributes:
        target: the program that it is for.
        folder: the folder that was written.
        files: the size of each file in bytes, by name.
        parity: how far each copy of the model is from the model, by the name of its file.
    """

    target: Target
    folder: Path
    files: Mapping[str, int]
    parity: Mapping[str, Parity] = field(default_factory=dict)


def export(run: Run, options: ExportOptions) -> list[Exported]:
    """Export a run for other programs, to a folder for each.

    Args:
        run: the run.
        options: the folders, by program.

    Raises:
        UsageError: a folder is not empty, or a package that is needed is not installed.
        ExportError: the model cannot be exported in that format.
    """
    from scriptforge.exporting.onnx_folder import export_onnx
    from scriptforge.exporting.transformers_folder import export_transformers

    targets = ((export_onnx, options.onnx), (export_transformers, options.transformers))
    named = [(write, expand_home(path)) for write, path in targets if path is not None]
    return [write(run, path, force=options.force) for write, path in named]


@contextmanager
def new_folder(path: Path, names: Collection[str], *, force: bool) -> Iterator[Path]:
    """Yield a temporary folder that becomes the folder at `path` if the block succeeds.

    Args:
        path: the folder.
        names: the names of the files that are exported.
        force: whether to replace an earlier export.

    Raises:
        UsageError: the folder has other files, or an earlier export and `force` is false.
        ExportError: the folder cannot be written.
    """
    try:
        with output_folder(path, names, "an exported model", force=force) as folder:
            yield folder
    except OSError as error:
        raise ExportError(
            f"{path} cannot be written: {error.strerror or error}.",
            "Name a folder that you may write to, on a disk with room.",
        ) from error


def write_json(path: Path, document: Any) -> None:
    """Write a document as compact JSON."""
    path.write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


def sizes_of(folder: Path) -> dict[str, int]:
    """Return the size of each file in a folder in bytes, by name."""
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
