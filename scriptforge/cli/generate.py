"""`scriptforge generate`: from a run to new scripts."""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scriptforge.characters import command
from scriptforge.cli.output import Output
from scriptforge.cli.parameters import AsJSON, Force, PulledRunArgument, Quiet, WorkspacePath
from scriptforge.errors import UsageError
from scriptforge.options import DEFAULT_LINES, MAX_COUNT, GenerateOptions, OutputFormat

if TYPE_CHECKING:
    from scriptforge.copying import OriginalityReport
    from scriptforge.generation.files import Destination
    from scriptforge.generation.generate import Session

_PIPE_TIMEOUT_SECONDS = 0.1

_CONVERTED = (".docx", ".pdf", ".fdx")
"""Suffixes of scripts that standard input is not read as."""

Prime = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="How the text starts: a speaker, `speaker: words`, or words. - reads standard input to its end;"
        " without --prime a file is read too, and a pipe if something comes at once.",
    ),
]
PrimeOpen = Annotated[
    bool,
    typer.Option(
        "--prime-open", help="Let the model extend the last word of the prime: “bank” may become “banker”."
    ),
]
Scene = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Start with this scene heading: “INT. DINER - NIGHT”.")
]
CastNames = Annotated[
    list[str] | None, typer.Option(metavar="A,B", help="Let only these people speak; may be repeated.")
]
NextSpeaker = Annotated[str | None, typer.Option("--next", metavar="NAME", help="Who speaks next.")]
NoStageDirections = Annotated[
    bool, typer.Option("--no-stage-directions", help="No actions, and no asides in brackets.")
]
Voice = Annotated[
    list[str] | None,
    typer.Option(
        metavar="X|NAME=X",
        help="How strongly to exaggerate each speaker's own way of talking, 0 to 5; repeat it for single"
        " speakers: --voice 1 --voice kramer=3.",
    ),
]
Source = Annotated[
    str | None, typer.Option(metavar="CORPUS", help="In a mixed model, the corpus to write like.")
]
Length = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Write about N tokens, up to the end of a line.")
]
Lines = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help=f"Write N lines; {DEFAULT_LINES} by default."),
]
Turns = Annotated[int | None, typer.Option(min=1, metavar="N", help="Write N lines of dialogue.")]
Count = Annotated[
    int,
    typer.Option(
        "-n", min=1, max=MAX_COUNT, metavar="COUNT", help="Write COUNT scripts, with consecutive seeds."
    ),
]
BestOf = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Write N candidates for each line, and keep the one that follows best from the lines before and"
        " is not stale (Li et al. 2016), 1 to 64; 1 is off.",
    ),
]
Temperature = Annotated[
    float, typer.Option(metavar="T", help="0 always takes the likeliest token, more is bolder.")
]
TopK = Annotated[
    int,
    typer.Option(
        metavar="K", help="Top-k sampling: keep the K likeliest tokens (Fan et al. 2018). 0 is off."
    ),
]
TopP = Annotated[
    float,
    typer.Option(
        metavar="P",
        help="Nucleus sampling: keep the likeliest tokens whose probabilities add up to P (Holtzman et al."
        " 2020). 1 is off.",
    ),
]
MinP = Annotated[
    float,
    typer.Option(
        metavar="P",
        help="Min-p sampling: leave out tokens less likely than P times the likeliest (Nguyen et al. 2024)."
        " 0 is off.",
    ),
]
Typical = Annotated[
    float,
    typer.Option(
        metavar="P",
        help="Locally typical sampling: keep the most typical tokens whose probabilities add up to P (Meister"
        " et al. 2023). 1 is off.",
    ),
]
RepetitionPenalty = Annotated[
    float,
    typer.Option(
        metavar="X", help="Make recent tokens less likely by a factor X (Keskar et al. 2019). 1 is off."
    ),
]
NoRepeatNgram = Annotated[
    int,
    typer.Option(metavar="N", help="Never repeat the same N tokens in a row (Paulus et al. 2018). 0 is off."),
]
Cache = Annotated[
    float,
    typer.Option(
        metavar="SHARE",
        help="Neural cache: how strongly what has appeared comes back (Grave et al. 2017), 0 to 0.99; 0.1 is"
        " usual.",
    ),
]
MaxCopy = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Never copy more than N words in a row; 8 is usual."),
]
InventWords = Annotated[
    bool,
    typer.Option(
        "--invent-words", help="Let it spell words and names that do not occur in the training text."
    ),
]
Int8 = Annotated[
    bool, typer.Option("--int8", help="Compute in 8-bit integers: faster, slightly less accurate.")
]
Check = Annotated[bool, typer.Option("--check", help="Say how much of it is copied from the training text.")]
Seed = Annotated[
    int | None,
    typer.Option(
        min=0, metavar="S", help="The same seed gives the same text; without it, each text is different."
    ),
]
ContinueFrom = Annotated[
    Path | None,
    typer.Option(
        "--continue",
        metavar="FILE",
        help="Continue a state saved with --save-state; with --seed or -n, in different ways.",
    ),
]
Back = Annotated[int, typer.Option(min=0, metavar="N", help="With --continue: first drop the last N lines.")]
SaveTo = Annotated[
    Path | None, typer.Option("--save-state", metavar="FILE", help="Save where it ends, to continue later.")
]
Format = Annotated[
    OutputFormat | None, typer.Option(help="The layout; the suffix of -o, or txt, decides if left out.")
]
OutputPath = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="PATH",
        help="Write to this file; with -n and a name without a suffix, into this folder.",
    ),
]
Append = Annotated[bool, typer.Option("--append", help="Append to the file of -o.")]


def generate(
    context: typer.Context,
    run: PulledRunArgument = None,
    prime: Prime = None,
    prime_open: PrimeOpen = GenerateOptions.prime_open,
    scene: Scene = None,
    cast: CastNames = None,
    next_speaker: NextSpeaker = None,
    no_stage_directions: NoStageDirections = False,
    voice: Voice = None,
    source: Source = None,
    length: Length = None,
    lines: Lines = None,
    turns: Turns = None,
    count: Count = GenerateOptions.count,
    best_of: BestOf = GenerateOptions.best_of,
    temperature: Temperature = GenerateOptions.temperature,
    top_k: TopK = GenerateOptions.top_k,
    top_p: TopP = GenerateOptions.top_p,
    min_p: MinP = GenerateOptions.min_p,
    typical: Typical = GenerateOptions.typical,
    repetition_penalty: RepetitionPenalty = GenerateOptions.repetition_penalty,
    no_repeat_ngram: NoRepeatNgram = GenerateOptions.no_repeat_ngram,
    cache: Cache = GenerateOptions.cache,
    max_copy: MaxCopy = GenerateOptions.max_copy,
    invent_words: InventWords = GenerateOptions.invent_words,
    int8: Int8 = GenerateOptions.int8,
    check: Check = False,
    seed: Seed = GenerateOptions.seed,
    continue_from: ContinueFrom = None,
    back: Back = GenerateOptions.back,
    save_state: SaveTo = None,
    format: Format = None,
    path: OutputPath = None,
    append: Append = False,
    force: Force = False,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Write new scripts in the voice of a run."""
    output = Output(as_json, quiet)
    piped = read_piped_prime(prime, output)
    options = GenerateOptions(
        **_unchanged(context.params),
        prime=_given_prime(prime) if piped is None else piped,
        cast=tuple(name.strip() for name in ",".join(cast or []).split(",") if name.strip()),
        stage_directions=not no_stage_directions,
        **_voices(voice or []),
    )
    layout, destination = _destination(format, path, count, append=append, force=force)
    session = _open_session(run, options, workspace_path, output, check)
    is_streamed = count == 1 and path is None and not as_json and layout == "txt"
    try:
        _write(session, output, is_streamed)
    finally:
        if seed is None and session.draws_anew:
            output.note(_how_again(session, context, is_piped=piped is not None))
    _note_limits(session, output)
    reports = session.originality() if check else []
    if destination:
        _keep(session, destination, output)
    if as_json or not (destination or is_streamed):
        _show(session, reports, layout, output)
    _note_originality(session, reports, output)


def _unchanged(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given parameters that are fields of `GenerateOptions` as they are, without conversion."""
    names = {each.name for each in fields(GenerateOptions)} - {"prime", "cast", "voice"}
    return {name: value for name, value in parameters.items() if name in names and value is not None}


def _voices(given: Sequence[str]) -> dict[str, Any]:
    """Return the options that `--voice X --voice NAME=X` stands for.

    Raises:
        UsageError: a value is not a number.
    """
    strengths: dict[str, float] = {}
    for each in given:
        name, _, number = each.rpartition("=")
        try:
            strengths[name.strip()] = float(number)
        except ValueError:
            raise UsageError(
                f"--voice takes a number, or a name and a number, not “{each}”.",
                "Write --voice 2, or --voice kramer=4",
            ) from None
    return {"voice": strengths.pop("", None), "voices": strengths}


def _destination(
    asked: OutputFormat | None, path: Path | None, count: int, *, append: bool, force: bool
) -> "tuple[str, Destination | None]":
    """Return the layout, and the destination or None for stdout; check both before any work is done."""
    from scriptforge.generation.files import Destination, check_printable, check_several, format_of

    layout = format_of(path, asked)
    if path is None:
        check_several(count, layout)
        check_printable(layout)
        if append:
            raise UsageError("--append needs a file to append to.", "Name it: -o page.txt --append")
        return layout, None
    destination = Destination(path, layout, force, append)
    destination.check(count)
    return layout, destination


def _write(session: "Session", output: Output, is_streamed: bool) -> None:
    if is_streamed:
        output.stream(session.stream())
    else:
        session.write()


def _how_again(session: "Session", context: typer.Context, *, is_piped: bool) -> str:
    """Return a note with the seeds that were drawn and the command that gives the same texts again."""
    given, words = context.params, context.obj
    named = [] if given["run"] else [session.run.folder.name]
    piped = ["--prime", "-"] if is_piped and given["prime"] is None else []
    force = ["--force"] if given["path"] and not (given["force"] or given["append"]) else []
    again = command(words[0], *named, *words[1:], *piped, *force, "--seed", session.seed)
    last = session.seed + session.options.count - 1
    seeds = f"Seed {session.seed}" if last == session.seed else f"Seeds {session.seed} to {last}"
    return f"{seeds}. To write this again: {again}{' < the same text' if is_piped else ''}"


def read_piped_prime(given: str | None, output: Output) -> str | None:
    """Return standard input without leading line breaks and the last one; None if it is not the prime.

    Standard input is decoded as the text of a script is.

    `-` waits for the end of standard input, however long that takes. Without a prime, standard input is read
    whole if it is a file, or a pipe that has data at once. An open pipe without data is not waited for: a
    command that inherits one that is never closed, as under cron, would hang forever.
    """
    if given != "-" and not (given is None and _has_input(output)):
        return None
    from scriptforge.corpus.text_encoding import decoded

    content = sys.stdin.buffer.read()
    if given is None and not content:
        return None
    text = decoded(content, "standard input") if content.strip() else content.decode()
    return text.lstrip("\r\n").removesuffix("\n").removesuffix("\r")


def _given_prime(given: str | None) -> str:
    """Return the prime of the option.

    Raises:
        UsageError: it is the name of a file.
    """
    from scriptforge.workspace import names_a_file

    if given and names_a_file(given):
        raise UsageError(f"“{given}” is a file, and would be read as text.", _how_to_give(given))
    return given or ""


def _how_to_give(file: str) -> str:
    if Path(file).suffix.lower() in _CONVERTED:
        return f"Convert it first: {command('convert', file, Path(file).with_suffix('.fountain'))}"
    return f"Give its text: {command('generate', 'RUN', '--prime', '-')} < {shlex.quote(file)}"


def _has_input(output: Output) -> bool:
    """Return whether standard input is a file, or a pipe that has data or is already closed."""
    import select
    import stat

    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
        if not stat.S_ISFIFO(mode):
            return stat.S_ISREG(mode)
        has_input = bool(select.select([sys.stdin], [], [], _PIPE_TIMEOUT_SECONDS)[0])
    except (AttributeError, OSError, ValueError):
        return False
    if not has_input:
        output.note("Standard input is a pipe with nothing in it yet: --prime - waits for it.")
    return has_input


def _open_session(
    name: str | None, options: GenerateOptions, workspace_path: Path | None, output: Output, check: bool
) -> "Session":
    from scriptforge.hub.pull import find_run
    from scriptforge.workspace import Workspace

    workspace = Workspace.find(workspace_path)
    with output.progress() as progress:
        folder, notes = find_run(workspace, name, on_progress=progress)

    from scriptforge.generation.generate import Session
    from scriptforge.run.run import Run

    for note in [*notes, *([] if name else [f"Run {folder.name}, the latest."])]:
        output.note(note)
    run = Run(folder)
    dataset = run.description.open_dataset(workspace) if options.max_copy or check else None
    session = Session(run, options, dataset=dataset)
    for note in session.notes:
        output.note(note)
    return session


def _note_limits(session: "Session", output: Output) -> None:
    """Print how to continue the text, and how often it exceeded the copy limit."""
    if session.options.save_state:
        later = command("generate", session.run.folder.name, "--continue", session.options.save_state)
        output.note(f"Continue it later: {later}")
    if session.limit_overrides:
        times = "once" if session.limit_overrides == 1 else f"{session.limit_overrides} times"
        output.note(
            f"The copy limit of {session.options.max_copy} words was exceeded {times}: no other token was"
            " possible."
        )


def _keep(session: "Session", destination: "Destination", output: Output) -> None:
    """Write the texts into files, and print their names."""
    for file, texts in destination.write(session.texts, session.run.folder.name):
        first, last = texts[0].seed, texts[-1].seed
        output.note(f"{file} (seed {first})" if first == last else f"{file} (seeds {first} to {last})")


def _show(session: "Session", reports: "list[OriginalityReport]", layout: str, output: Output) -> None:
    from scriptforge.generation.files import lay_out_several

    documents = _documents(session, reports)
    output.result(
        documents if len(documents) > 1 else documents[0],
        lambda: lay_out_several(session.texts, layout).removesuffix("\n"),
    )


def _documents(session: "Session", reports: "list[OriginalityReport]") -> list[dict[str, Any]]:
    documents = [
        {
            "run": session.run.folder.name,
            "seed": text.seed,
            "text": text.text,
            "elements": [asdict(element) for element in text.elements],
        }
        for text in session.texts
    ]
    for document, report in zip(documents, reports, strict=False):
        document["originality"] = report.document()
    return documents


def _note_originality(session: "Session", reports: "list[OriginalityReport]", output: Output) -> None:
    if not reports:
        return
    from scriptforge.copying.view import summary_words

    for text, report in zip(session.texts, reports, strict=True):
        output.note(f"Seed {text.seed}: {summary_words(report)}.")
