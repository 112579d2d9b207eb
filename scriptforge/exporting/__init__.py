"""A run in the forms that other programs read: for ONNX Runtime, and for transformers.

A copy of a model is only written once it has read a text and said what the model says. Knows nothing of the
command line, and needs the programs in question only where they are used.
"""

from scriptforge.exporting.folder import Exported
from scriptforge.options import ExportOptions
from scriptforge.run.run import Run
from scriptforge.workspace import expand_home

__all__ = ["Exported", "export"]


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
