"""`scriptforge prepare`: from a corpus, or a mix of several, to a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scriptforge.characters import command
from scriptforge.cli.completion import corpus_names
from scriptforge.cli.output import Output
from scriptforge.cli.parameters import (
    AsJSON,
    Cluster,
    Columns,
    Encoding,
    Force,
    Format,
    Quiet,
    Workers,
    WorkspacePath,
    input_as_file,
)
from scriptforge.cli.tables import facts
from scriptforge.options import Level, PrepareOptions

if TYPE_CHECKING:
    from scriptforge.dataset import Dataset, Description, SourceDescription

_CAST_SHOWN = 12

CorporaArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CORPUS[=WEIGHT]",
        help="A card's name, a file or folder, hf:OWNER/NAME, an https address, or - for a pasted text; "
        "the demo if left out. Several are mixed: with a weight of 2, the text of one is read twice.",
        autocompletion=corpus_names,
    ),
]
PathOption = Annotated[
    Path | None,
    typer.Option("--from", metavar="PATH", help="Read this file or folder instead of fetching the card's."),
]
RevisionOption = Annotated[
    str | None,
    typer.Option(metavar="REVISION", help="The commit, branch or tag of a corpus on the Hub."),
]
LevelOption = Annotated[
    Level | None, typer.Option(help="What a token is; if left out, what the card says, else bpe.")
]
VocabularySizeOption = Annotated[
    int | None, typer.Option("--vocab-size", min=2, metavar="N", help="Tokens in the vocabulary.")
]
MinCountOption = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Words that occur less often become <unk>; 2 at word level."),
]
LowerOption = Annotated[bool, typer.Option("--lower", help="Read everything in lower case.")]
PlainOption = Annotated[bool, typer.Option("--plain", help="Take the text as it stands, not as a script.")]
MergeCastsOption = Annotated[
    bool, typer.Option("--merge-casts", help="In a mix, treat speakers of the same name as one.")
]
ValidationOption = Annotated[float, typer.Option(metavar="SHARE", help="Share held out to validate on.")]
TestOption = Annotated[float, typer.Option(metavar="SHARE", help="Share held out to test on.")]
DeduplicateOption = Annotated[
    bool,
    typer.Option(
        "--deduplicate", help="Leave out scripts that are nearly the same as another; the longest stays."
    ),
]
StrictOption = Annotated[
    bool, typer.Option("--strict", help="Stop if nobody speaks or speakers are probably missed.")
]
NameOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Name of the dataset, instead of the corpus's.")
]


def prepare(
    corpora: CorporaArgument = None,
    path: PathOption = None,
    revision: RevisionOption = None,
    columns: Columns = None,
    format: Format = None,
    encoding: Encoding = None,
    level: LevelOption = None,
    vocabulary_size: VocabularySizeOption = None,
    min_count: MinCountOption = None,
    lower: LowerOption = PrepareOptions.lower,
    plain: PlainOption = PrepareOptions.plain,
    merge_casts: MergeCastsOption = PrepareOptions.merge_casts,
    validation: ValidationOption = PrepareOptions.validation,
    test: TestOption = PrepareOptions.test,
    deduplicate: DeduplicateOption = PrepareOptions.deduplicate,
    strict: StrictOption = PrepareOptions.strict,
    workers: Workers = None,
    cluster: Cluster = None,
    name: NameOption = None,
    force: Force = False,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Make a dataset of one corpus or more: fetch, parse, split, learn a vocabulary, encode."""
    output = Output(as_json, quiet)

    from scriptforge.cores import usable_cores
    from scriptforge.corpus.prepare import prepare as prepare_dataset
    from scriptforge.workspace import Workspace

    options = PrepareOptions(
        level=level,
        vocabulary_size=vocabulary_size,
        min_count=min_count,
        lower=lower,
        plain=plain,
        merge_casts=merge_casts,
        validation=validation,
        test=test,
        revision=revision,
        columns=columns,
        encoding=encoding,
        format=format,
        deduplicate=deduplicate,
        strict=strict,
        workers=workers or usable_cores(),
        cluster=cluster,
    )
    with input_as_file(output, corpora or []) as names, output.progress() as on_progress:
        workspace = Workspace.find(workspace_path)
        dataset = prepare_dataset(
            names, options, workspace, path=path, name=name, force=force, on_progress=on_progress
        )
    description = dataset.description
    for line in description.notes:
        output.note(line)
    if advice := description.advice_on_little_text():
        output.note(advice)
    output.result(description.model_dump(mode="json") if as_json else None, lambda: facts(_facts(dataset)))
    for warning in description.warnings:
        output.warn(warning)
    if description.cast or description.plain:
        output.note(f"Next: {command('train', dataset.name)}")


def _facts(dataset: "Dataset") -> list[tuple[str, str]]:
    description = dataset.description
    splits = description.splits
    tokens = sum(split.tokens for split in splits.values())
    characters = sum(split.characters for split in splits.values())
    unknown = sum(split.unknown for split in splits.values())
    return [
        ("dataset", description.name),
        ("format", description.text_format),
        ("documents", _documents(description)),
        ("lines", f"{sum(split.lines for split in splits.values()):,}"),
        ("cast", _cast(description)),
        ("tokens", f"{tokens:,}"),
        ("vocabulary", _vocabulary(dataset)),
        ("unknown", f"{100 * unknown / tokens:.2f} %"),
        ("characters per token", f"{characters / tokens:.2f}"),
        (
            "kept as action",
            f"{100 * description.unparsed_share:.1f} % of the text, for which no rule was found",
        ),
        *(
            (name, f"{split.tokens:,} tokens, {split.lines:,} lines, {split.characters:,} characters")
            for name, split in splits.items()
        ),
        *((f"of {source.name}", _source(source)) for source in description.sources),
    ]


def _vocabulary(dataset: "Dataset") -> str:
    vocabulary = dataset.vocabulary
    if vocabulary.level != "char":
        return f"{vocabulary.size:,} at {vocabulary.level} level"
    return f"{vocabulary.size:,} tokens at char level, {vocabulary.layout_size:,} of them speakers and layout"


def _documents(description: "Description | SourceDescription") -> str:
    how = f", split by {description.division.by}" if description.division else ""
    return f"{description.documents:,}{how}"


def _source(source: "SourceDescription") -> str:
    held = ", ".join(f"{name} {split.tokens:,}" for name, split in source.splits.items())
    return f"weight {source.weight:g}; documents: {_documents(source)}; tokens: {held}"


def _cast(description: "Description") -> str:
    if not description.cast:
        return "–"
    shown = ", ".join(
        f"{member.speaker} {member.lines:,}{f' ({member.source})' if member.source else ''}"
        for member in description.cast[:_CAST_SHOWN]
    )
    more = len(description.cast) - _CAST_SHOWN
    return f"{shown}, and {more:,} more" if more > 0 else shown
