"""`scriptforge generate`: from a run to new scripts."""

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scriptforge.cli.options import AsJSON, Force, Quiet, WorkspacePath
from scriptforge.cli.output import Output

if TYPE_CHECKING:
    from scriptforge.generation import Piece

DEFAULT_LINES = 20
_PIPE_PATIENCE = 0.1  # seconds


def generate(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="The run, by name or folder; the latest if left out."),
    ] = None,
    prime: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="How it begins: a speaker, `speaker: words`, or words; - reads standard input.",
        ),
    ] = None,
    length: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="About so many tokens, to the end of a line.")
    ] = None,
    lines: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help=f"So many lines; {DEFAULT_LINES} if neither is given."),
    ] = None,
    count: Annotated[
        int, typer.Option("-n", min=1, max=10_000, metavar="COUNT", help="So many scripts, from seed on.")
    ] = 1,
    temperature: Annotated[
        float | None, typer.Option(metavar="T", help="0 takes the likeliest always, more is bolder.")
    ] = None,
    top_k: Annotated[int | None, typer.Option(metavar="K", help="Draw from the K likeliest tokens.")] = None,
    top_p: Annotated[
        float | None,
        typer.Option(metavar="P", help="Draw from the likeliest tokens of probability P together."),
    ] = None,
    min_p: Annotated[
        float | None,
        typer.Option(metavar="P", help="Leave out what is less likely than P times the likeliest."),
    ] = None,
    typical: Annotated[
        float | None, typer.Option(metavar="P", help="Draw from the least surprising or boring tokens.")
    ] = None,
    repetition_penalty: Annotated[
        float | None, typer.Option(metavar="X", help="Make what was said lately less likely, 1 is off.")
    ] = None,
    no_repeat_ngram: Annotated[
        int | None, typer.Option(metavar="N", help="Never say the same N tokens in a row twice.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="S", help="The same seed gives the same text.")] = 1,
    path: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="PATH", help="Write to this file, or with -n into this folder."
        ),
    ] = None,
    force: Force = False,
    workspace: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Write new scripts in the voice of a run."""
    from scriptforge.generation import Request, SamplingOptions, stream
    from scriptforge.generation import generate as generate_pieces
    from scriptforge.run import Run
    from scriptforge.workspace import Workspace

    output = Output(as_json, quiet)
    sampling: dict[str, Any] = {
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "typical": typical,
        "repetition_penalty": repetition_penalty,
        "no_repeat_ngram": no_repeat_ngram,
    }
    request = Request(
        prime=read_prime(prime),
        length=length,
        lines=DEFAULT_LINES if length is None and lines is None else lines,
        count=count,
        seed=seed,
        sampling=SamplingOptions(**{key: value for key, value in sampling.items() if value is not None}),
    )
    trained = Run(Workspace.find(workspace).run(run))
    if count == 1 and path is None and not as_json:
        output.stream(stream(trained.model, trained.vocabulary, request))
        return
    pieces = generate_pieces(trained.model, trained.vocabulary, request)
    if path is not None:
        for file, piece in _files(path, trained.folder.name, pieces, count > 1):
            _write(file, piece.text, force)
            output.note(f"{file} (seed {piece.seed})")
    documents = [_document(trained.folder.name, piece) for piece in pieces]
    if as_json or path is None:
        output.result(documents if count > 1 else documents[0], lambda: _joined(pieces))


def read_prime(given: str | None) -> str:
    """The prime of the option, or what is piped in where there is none, or all of stdin for `-`."""
    if given == "-" or (given is None and _is_piped()):
        return sys.stdin.read().strip("\r\n")
    return given or ""


def _is_piped() -> bool:
    """Whether something waits on stdin; an open pipe in which nothing comes is not waited for."""
    import select
    import stat

    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
        if stat.S_ISREG(mode):
            return True
        return stat.S_ISFIFO(mode) and bool(select.select([sys.stdin], [], [], _PIPE_PATIENCE)[0])
    except (OSError, ValueError):
        return False


def _files(path: Path, run: str, pieces: "list[Piece]", is_folder: bool) -> Iterator[tuple[Path, "Piece"]]:
    """Each piece with the file it goes to; in a folder the seed is in the file's name."""
    for piece in pieces:
        in_folder = is_folder or path.is_dir()
        yield (path / f"{run}-seed-{piece.seed}.txt" if in_folder else path), piece


def _write(file: Path, text: str, force: bool) -> None:
    from scriptforge.errors import UsageError
    from scriptforge.workspace import atomic_write

    if file.exists() and not force:
        raise UsageError(f"There is a file {file} already.", "Replace it with --force, or name another one.")
    atomic_write(file, text)


def _document(run: str, piece: "Piece") -> dict[str, Any]:
    return {
        "run": run,
        "seed": piece.seed,
        "text": piece.text,
        "elements": [asdict(element) for element in piece.elements],
    }


def _joined(pieces: "list[Piece]") -> str:
    return "\n\n".join(piece.text.rstrip("\n") for piece in pieces)
