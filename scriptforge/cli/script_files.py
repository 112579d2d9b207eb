"""Pieces on their way into files: in which format, under which name, never over another file."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scriptforge.generation import Piece


class FormatChoice(StrEnum):
    """The formats that scripts are written in; a file's suffix says the same."""

    txt = "txt"
    fountain = "fountain"
    fdx = "fdx"
    json = "json"
    html = "html"


def chosen_format(asked: FormatChoice | None, path: Path | None) -> str:
    """The format asked for, else the one that a file's suffix names, else `txt`."""
    if asked is not None:
        return asked.value
    suffix = path.suffix.lower().removeprefix(".") if path else ""
    return suffix if suffix in list(FormatChoice) else FormatChoice.txt.value


def laid_out(piece: "Piece", format: str, is_plain: bool) -> str:
    """A piece in a format.

    Args:
        piece: what was written.
        format: one of `FormatChoice`.
        is_plain: whether the model writes plain text, which is no script.

    Raises:
        UsageError: plain text is asked for as a script.
    """
    from scriptforge.errors import UsageError
    from scriptforge.screenplay.formats import write
    from scriptforge.screenplay.script import Script

    if format == FormatChoice.txt.value:
        return piece.text
    if is_plain:
        raise UsageError(
            f"This model writes plain text, which cannot be laid out as {format}.",
            "Leave --format out, or train on a corpus prepared without --plain.",
        )
    return write(Script.from_elements("", piece.elements), format)


def write_files(
    path: Path, run: str, format: str, pieces: Sequence["Piece"], texts: Sequence[str], force: bool
) -> Iterator[str]:
    """Writes each piece into a file of its own; of several, the seed is in the file's name.

    Args:
        path: the file, or a folder.
        run: how the files in a folder are called.
        format: what the texts are laid out in.
        pieces: what was written.
        texts: the same, laid out.
        force: whether files that are there already are replaced.

    Yields:
        A line on each file.

    Raises:
        UsageError: there is a file of that name.
    """
    from scriptforge.errors import UsageError
    from scriptforge.workspace import atomic_write

    is_folder = len(pieces) > 1 or path.is_dir()
    for piece, text in zip(pieces, texts, strict=True):
        file = path / f"{run}-seed-{piece.seed}.{format}" if is_folder else path
        if file.exists() and not force:
            raise UsageError(
                f"There is a file {file} already.", "Replace it with --force, or name another one."
            )
        atomic_write(file, text)
        yield f"{file} (seed {piece.seed})"
