"""Inspecting corpora, and preparing datasets of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scriptforge.net.client import progress_bars
from scriptforge.options import InspectOptions, PrepareOptions, with_fields
from scriptforge.workspace import Workspace

if TYPE_CHECKING:
    from scriptforge.corpus.inspect import Inspection
    from scriptforge.dataset import Dataset


def inspect(
    corpus: str | Path,
    options: InspectOptions | None = None,
    *,
    workspace: str | Path | None = None,
    progress: bool | None = None,
    **fields: Any,
) -> "Inspection":
    """Parse a corpus, and return its format, scenes, cast, repeats, problems and a sample.

    Args:
        corpus: a file or folder, a card's name, `hf:OWNER/NAME` or an https address.
        options: how to read it.
        workspace: the workspace whose cards are known besides the built-in ones.
        progress: whether to show bars; None shows them in a notebook.
        fields: fields of `InspectOptions` to change.

    Raises:
        ScriptforgeError: the corpus cannot be fetched or read.
    """
    from scriptforge.corpus.inspect import inspect as inspect_corpus

    chosen = with_fields(options or InspectOptions(), fields)
    with progress_bars(progress) as on_progress:
        return inspect_corpus(str(corpus), chosen, Workspace.find(workspace), on_progress)


def prepare(
    corpora: str | Path | Sequence[str | Path] = "demo",
    options: PrepareOptions | None = None,
    *,
    path: str | Path | None = None,
    name: str | None = None,
    force: bool = False,
    workspace: str | Path | None = None,
    progress: bool | None = None,
    **fields: Any,
) -> "Dataset":
    """Prepare a dataset from one or more corpora.

    Args:
        corpora: a file or folder, a card's name, `hf:OWNER/NAME` or an https address. Several are mixed;
            `NAME=2` uses the training text of one twice.
        options: how to prepare them.
        path: a file or folder to read instead of the files that the only card lists.
        name: name of the dataset; None takes that of the corpora.
        force: whether to replace a dataset of that name.
        workspace: the workspace in which to create the dataset.
        progress: whether to show bars; None shows them in a notebook.
        fields: fields of `PrepareOptions` to change.

    Raises:
        ScriptforgeError: a corpus cannot be fetched or read, or has too little text, or a dataset of that
            name exists.
    """
    from scriptforge.corpus.prepare import prepare as prepare_corpora

    several = [corpora] if isinstance(corpora, str | Path) else corpora
    with progress_bars(progress) as on_progress:
        return prepare_corpora(
            [str(corpus) for corpus in several],
            with_fields(options or PrepareOptions(), fields),
            Workspace.find(workspace),
            path=Path(path) if path is not None else None,
            name=name,
            force=force,
            on_progress=on_progress,
        )
