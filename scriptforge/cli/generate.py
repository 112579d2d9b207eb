"""How a text begins: what a person typed, or what another program pipes in.

Pieces on their way into files: in which format, under which name, never over another file.

`scriptforge generate`: from a run to new scripts.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scriptforge.cli.output import AsJSON, Force, Output, Quiet, WorkspacePath
from scriptforge.options import DEFAULT_LINES, GenerateOptions

if TYPE_CHECKING:
    from scriptforge.copying import Index, OriginalityReport
    from scriptforge.dataset import Dataset
    from scriptforge.generation import GeneratedText
    from scriptforge.generation.decoding import Sitting
    from scriptforge.run.run import Run

_PIPE_PATIENCE = 0.1  # seconds


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


def laid_out(piece: "GeneratedText", format: str, is_plain: bool) -> str:
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
    path: Path, run: str, format: str, pieces: Sequence["GeneratedText"], texts: Sequence[str], force: bool
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


def generate(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help="The run, by name or folder, or OWNER/NAME on the Hub; the latest if left out.",
        ),
    ] = None,
    prime: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="How it begins: a speaker, `speaker: words`, or words; - reads standard input.",
        ),
    ] = None,
    scene: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The scene it opens in: “INT. DINER - NIGHT”.")
    ] = None,
    cast: Annotated[
        str | None, typer.Option(metavar="A,B", help="Only these speak, whatever the model would like.")
    ] = None,
    next_speaker: Annotated[
        str | None, typer.Option("--next", metavar="NAME", help="Who speaks next.")
    ] = None,
    no_stage_directions: Annotated[
        bool, typer.Option("--no-stage-directions", help="No actions, and no asides in brackets.")
    ] = False,
    source: Annotated[
        str | None, typer.Option(metavar="CORPUS", help="Of a mixed model, the corpus to write like.")
    ] = None,
    length: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="About so many tokens, to the end of a line.")
    ] = None,
    lines: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help=f"So many lines; {DEFAULT_LINES} if neither is given."),
    ] = None,
    turns: Annotated[int | None, typer.Option(min=1, metavar="N", help="So many lines of dialogue.")] = None,
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
    cache: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="How strongly what has appeared comes back, from 0 to 0.99; 0.1 is usual.",
        ),
    ] = None,
    max_copy: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Never copy more than N words in a row; 8 is usual."),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Reckon with eight bits: faster, and hardly worse.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Say how much of it is copied from the training text.")
    ] = False,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="S", help=f"The same seed gives the same text; {GenerateOptions.seed} if left out."
        ),
    ] = None,
    continued: Annotated[
        Path | None,
        typer.Option("--continue", metavar="FILE", help="Go on from a state saved with --save-state."),
    ] = None,
    saved: Annotated[
        Path | None,
        typer.Option("--save-state", metavar="FILE", help="Save where it ends, to go on another day."),
    ] = None,
    format: Annotated[
        FormatChoice | None,
        typer.Option(help="The layout; the suffix of -o, or txt, decides if left out."),
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="PATH", help="Write to this file, or with -n into this folder."
        ),
    ] = None,
    force: Force = False,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Write new scripts in the voice of a run."""
    from scriptforge.copying import index_training
    from scriptforge.copying.view import summary_words
    from scriptforge.generation import Writing
    from scriptforge.generation.decoding import save_sitting
    from scriptforge.hub import find_run
    from scriptforge.run.run import Run
    from scriptforge.workspace import Workspace

    output = Output(as_json, quiet)
    layout = chosen_format(format, path)
    is_streamed = count == 1 and path is None and not as_json and layout == FormatChoice.txt.value
    _refuse_contradictions(continued, saved, seed, count, layout if path is None else "")
    given: dict[str, Any] = {
        "seed": seed,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "typical": typical,
        "repetition_penalty": repetition_penalty,
        "no_repeat_ngram": no_repeat_ngram,
        "cache": cache,
    }
    names = tuple(name.strip() for name in (cast or "").split(",") if name.strip())
    options = GenerateOptions(
        prime=read_prime(prime),
        scene=scene or "",
        source=source or "",
        lines=lines,
        turns=turns,
        length=length,
        count=count,
        cast=names,
        next_speaker=next_speaker or "",
        stage_directions=not no_stage_directions,
        max_copy=max_copy,
        int8=int8,
        **{key: value for key, value in given.items() if value is not None},
    )
    workspace = Workspace.find(workspace_path)
    with output.progress() as progress:
        folder, notes = find_run(workspace, run, on_progress=progress)
    for note in notes:
        output.note(note)
    trained = Run(folder)
    _check_cast(options, trained)
    options, after = _opened(continued, options, trained)
    dataset = trained.description.open_dataset(workspace) if max_copy or check else None
    index = index_training(dataset) if dataset else None
    writing = Writing(trained.model, trained.vocabulary, options, after=after, index=index)
    if is_streamed:
        output.stream(new for (new,) in writing if new)
    else:
        for _ in writing:
            pass
    if saved:
        save_sitting(writing.pause(), saved, weights=trained.fingerprint, seed=options.seed)
        output.note(f"Go on another day: scriptforge generate {trained.folder.name} --continue {saved}")
    if writing.relaxed:
        output.note(
            f"{writing.relaxed} times more than {max_copy} words were copied: nothing else could come."
        )
    reports = _examined(writing.pieces, dataset, index) if check and dataset and index else []
    if not is_streamed:
        texts = [laid_out(piece, layout, trained.vocabulary.plain) for piece in writing.pieces]
        if path is not None:
            for line in write_files(path, trained.folder.name, layout, writing.pieces, texts, force):
                output.note(line)
        documents = _documents(trained.folder.name, writing.pieces, reports)
        if as_json or path is None:
            output.result(
                documents if count > 1 else documents[0], lambda: "\n".join(texts).removesuffix("\n")
            )
    for piece, report in zip(writing.pieces, reports, strict=False):
        output.note(f"Seed {piece.seed}: {summary_words(report)}.")


def _refuse_contradictions(
    continued: Path | None, saved: Path | None, seed: int | None, count: int, layout: str
) -> None:
    """Lets only pass what can be done.

    Args:
        continued: the state to go on from.
        saved: where to save the state.
        seed: asked for.
        count: how many pieces.
        layout: the format in which they are to be printed; empty if they go into files.

    Raises:
        UsageError: two of them contradict each other.
    """
    from scriptforge.errors import UsageError

    if (continued or saved) and count > 1:
        raise UsageError("Only one script can be gone on with.", "Leave -n out.")
    if continued and seed is not None:
        raise UsageError("What goes on has its seed already.", "Leave --seed out.")
    if count > 1 and layout not in ("", FormatChoice.txt.value):
        raise UsageError(
            f"Several scripts do not fit into one {layout} document.", "Give a folder for them: -o FOLDER"
        )


def _check_cast(options: GenerateOptions, trained: "Run") -> None:
    from scriptforge.generation.cast import check_known

    names = [*options.cast, *([options.next_speaker] if options.next_speaker else [])]
    if not trained.vocabulary.plain:
        check_known(names, trained.vocabulary, trained.description.dataset.cast)


def _opened(
    continued: Path | None, options: GenerateOptions, trained: "Run"
) -> "tuple[GenerateOptions, Sitting | None]":
    """The state to go on from, if any, and the options with the seed that it began with."""
    from scriptforge.generation.decoding import load_sitting

    if continued is None:
        return options, None
    sitting, seed = load_sitting(continued, weights=trained.fingerprint)
    return replace(options, seed=seed), sitting


def _examined(pieces: "list[GeneratedText]", dataset: "Dataset", index: "Index") -> "list[OriginalityReport]":
    """How much of each piece is copied, beside what people copy."""
    from scriptforge.copying import examine_texts

    return examine_texts([piece.lines for piece in pieces], dataset, index)


def _documents(
    run: str, pieces: "list[GeneratedText]", reports: "list[OriginalityReport]"
) -> list[dict[str, Any]]:
    documents = [
        {
            "run": run,
            "seed": piece.seed,
            "text": piece.text,
            "elements": [asdict(element) for element in piece.elements],
        }
        for piece in pieces
    ]
    for document, report in zip(documents, reports, strict=False):
        document["originality"] = report.document()
    return documents
