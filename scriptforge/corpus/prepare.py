"""Preparation of a dataset on disk from the names of corpora, in constant memory.

1. Resolve the names (`sources`), download the files and open them (`fetch`).
2. Choose the level and the vocabulary size where the options leave them open (`options`).
3. Parse every line, once, into the rows of `scripts.parquet` (`parse`), find scripts that are nearly the same
   (`near_duplicates`), leave them out if asked, and divide each corpus into splits (`parsed_corpora`).
4. Read all rows, passage by passage (`passages`), to count the cast, and those of the training split again to
   learn the vocabulary (`tokenize`).
5. Read all rows to count the words of the training split and write the ids of each split (`tokenize`).
6. Write `dataset.json`.

Tokenising the same text at another level or with another vocabulary needs only steps 4 and 5: `retokenize`.
"""

import math
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from scriptforge.corpus.cards import load_cards
from scriptforge.corpus.fetch import Corpus, expect_table, fetch
from scriptforge.corpus.near_duplicates import Sketch, describe_groups, leak_warning, near_duplicates
from scriptforge.corpus.options import TokenPlan, default_min_count, plan_tokens
from scriptforge.corpus.parse import Parsing
from scriptforge.corpus.parsed_corpora import parse_corpora
from scriptforge.corpus.passages import ParsedText, report_rows
from scriptforge.corpus.sources import Source, at_revision, find_source, find_sources, mix_name
from scriptforge.corpus.tokenize import Tokenised, write_tokens
from scriptforge.corpus.workers import parsing_pool
from scriptforge.dataset import (
    Dataset,
    Description,
    Member,
    NearDuplicate,
    SourceDescription,
    SplitDescription,
)
from scriptforge.errors import CorpusError, UsageError
from scriptforge.net.client import ProgressCallback, no_progress
from scriptforge.options import Level, PrepareOptions
from scriptforge.screenplay.script import CastCount
from scriptforge.screenplay.table import parse_columns
from scriptforge.script_rows import read_rows
from scriptforge.workspace import (
    SPLITS,
    DatasetFolder,
    Workspace,
    atomic_folder,
    atomic_write,
    creation_time,
)

DEMO = "demo"
"""The corpus that ships with the package."""

_BORROWED = (
    "There is little text, so the subwords of the base model are used;"
    " --vocab-size N learns N tokens from the text instead."
)
_SAMPLED = "The subwords were learnt from "


def prepare(
    corpora: Sequence[str],
    options: PrepareOptions,
    workspace: Workspace,
    *,
    path: Path | None = None,
    name: str | None = None,
    force: bool = False,
    on_progress: ProgressCallback = no_progress,
) -> Dataset:
    """Make a dataset of a corpus, or of a mix of several.

    Args:
        corpora: the corpora, each a card's name, a file or folder, `hf:OWNER/NAME` or an http(s) address, in
            a mix optionally followed by `=WEIGHT`; empty selects the demo.
        options: how to read, split and tokenise them.
        workspace: the workspace that receives the dataset, and whose cards are known besides the built-in
            ones.
        path: a file or folder to read instead of the files that the only card lists.
        name: the name of the dataset; None makes one from the names of the corpora.
        force: whether to replace an existing dataset of that name.
        on_progress: called with the current task, the amount done, and the total if it is known.

    Raises:
        UsageError: a corpus is unknown, options contradict each other, or the dataset already exists.
        CorpusError: a corpus cannot be downloaded, is too short, or cannot be read as scripts.
        DatasetError: another process is preparing a dataset of that name.
    """
    sources = _find(corpora, options, workspace, path)
    folder = workspace.new_dataset(name or mix_name(sources))
    workspace.refuse_overwriting(folder, force)
    with folder.lock("being prepared"):
        workspace.refuse_overwriting(folder, force)  # another process may have been faster
        fetched = [fetch(source, on_progress) for source in sources]
        if options.columns:
            expect_table(fetched)
        prepare_corpora(fetched, options, folder, on_progress)
    return Dataset(folder)


def _find(
    corpora: Sequence[str], options: PrepareOptions, workspace: Workspace, path: Path | None
) -> list[Source]:
    cards = load_cards(workspace.cards)
    if corpora:
        sources = find_sources(corpora, cards, path=path)
    else:
        sources = [find_source(str(path) if path else DEMO, cards)]
    if options.revision:
        sources = [at_revision(source, options.revision) for source in sources]
    columns = parse_columns(options.columns) if options.columns else None
    return [
        replace(source, columns=columns, encoding=options.encoding, format=options.format)
        for source in sources
    ]


def prepare_corpora(
    corpora: Sequence[Corpus],
    options: PrepareOptions,
    folder: DatasetFolder,
    on_progress: ProgressCallback = no_progress,
) -> Description:
    """Make a dataset of fetched corpora, all with different names: steps 2 to 6.

    An existing dataset in the folder is replaced once the new one is complete.

    Args:
        corpora: the fetched corpora.
        options: how to read, split and tokenise them.
        folder: the folder that receives the dataset.
        on_progress: called with the current task, the rows done, and their total if it is known.

    Returns:
        The contents of `dataset.json`.

    Raises:
        CorpusError: a corpus is too short, or cannot be read as scripts.
        UsageError: two corpora contain the same file, or a weight leaves nothing of one to train on.
        ScriptforgeError: the cluster cannot be reached or used, or is lost.
    """
    _refuse_shared_files(corpora)
    plan = plan_tokens(options, corpora)
    with (
        parsing_pool(options.workers, options.cluster, corpora) as pool,
        atomic_folder(folder.path) as temporary,
    ):
        draft = DatasetFolder(temporary)
        parsed = parse_corpora(corpora, draft.scripts, plan.plain, pool, on_progress)
        warnings = parsed.warnings
        if warnings and options.strict:
            raise CorpusError(*warnings[0])
        groups = near_duplicates(parsed.sketches, parsed.sizes)
        left_out = {number for _, *others in groups for number in others} if options.deduplicate else set()
        kept = parsed.without(left_out) if left_out else parsed
        text = kept.divided(options.validation, options.test, on_progress)
        alike = _name_alike(groups, parsed.sketches, left_out, kept.splits(text))
        tokens = write_tokens(draft, text, plan, pool)
        sources = [_describe_source(corpus, parsing, text, tokens) for corpus, parsing in kept.parsings]
        _check_not_empty(sources, options)
        description = Description(
            name=folder.name,
            created=creation_time(folder),
            level=plan.level,
            plain=plan.plain,
            lower=plan.lower,
            vocabulary_size=tokens.vocabulary_size,
            alphabet=tokens.alphabet,
            cast=_cast(tokens.casts),
            fingerprint=tokens.fingerprint,
            notes=[*kept.notes, *describe_groups(alike), *_notes_on_subwords(tokens)],
            warnings=[*map(str, warnings), *filter(None, [leak_warning(alike)])],
            near_duplicates=alike,
            **(_mix_fields(sources, kept.together) if text.is_mixed else _single_corpus_fields(sources[0])),
        )
        atomic_write(draft.description, description.model_dump_json(indent=2) + "\n")
    return description


def _notes_on_subwords(tokens: Tokenised) -> Iterator[str]:
    """Yield where the subwords come from, unless they were learnt from the whole training text."""
    if tokens.is_borrowed:
        yield _BORROWED
    elif tokens.learnt_from < 1:
        percent = max(1, math.floor(100 * tokens.learnt_from))
        yield (
            f"{_SAMPLED}{percent} % of the training text, taken at even distances;"
            " more would hardly change them."
        )


def _refuse_shared_files(corpora: Sequence[Corpus]) -> None:
    """Raise an error for a file in two corpora: text held out of one might be trained on in the other."""
    holders: dict[str, str] = {}
    for corpus in corpora:
        for file in corpus.origin.files:
            other = holders.setdefault(file.sha256, corpus.name)
            if other != corpus.name:
                raise UsageError(
                    f"“{other}” and “{corpus.name}” both hold the text of “{file.name}”.",
                    f"Name it in one of them only; a weight makes a corpus count for more: {other}=2",
                )


def _name_alike(
    groups: Sequence[Sequence[int]],
    sketches: Sequence[Sketch],
    left_out: Collection[int],
    splits: Iterable[tuple[str, ...]],
) -> list[list[NearDuplicate]]:
    """Return groups of document numbers as groups of scripts; scripts left out are in no split.

    Args:
        groups: the numbers that the documents had before any were left out.
        sketches: the sketch of each of these documents.
        left_out: the numbers of the documents that were left out.
        splits: the splits of each of the other documents, in order.
    """
    if not groups:
        return []
    kept = (number for number in range(len(sketches)) if number not in left_out)
    splits_by_number = dict(zip(kept, splits, strict=True))
    return [
        [
            NearDuplicate(
                title=sketches[number].title,
                file=sketches[number].file,
                splits=splits_by_number.get(number, ()),
            )
            for number in group
        ]
        for group in groups
    ]


def _describe_source(
    corpus: Corpus, parsing: Parsing, text: ParsedText, tokens: Tokenised
) -> SourceDescription:
    return SourceDescription(
        name=corpus.name,
        weight=corpus.source.weight,
        origin=corpus.origin.without(parsing.left_out),
        text_format=parsing.text_format,
        documents=len(parsing.sizes),
        division=text.divisions[corpus.name],
        unparsed_share=parsing.unparsed_share,
        splits=tokens.splits[corpus.name],
    )


def _check_not_empty(sources: Sequence[SourceDescription], options: PrepareOptions) -> None:
    wanted = SPLITS if len(sources) > 1 and options.test else SPLITS[:2]
    for source in sources:
        empty = [split for split in wanted if not source.splits[split].lines]
        if empty == ["train"] and source.weight < 1:
            raise UsageError(
                f"A weight of {source.weight:g} leaves nothing of “{source.name}” to train on.",
                "Give it a larger weight, or leave it out.",
            )
        if empty:
            purpose = "test on" if empty == ["test"] else "train on or to validate on"
            raise CorpusError(
                f"“{source.name}” is too short: nothing is left to {purpose}.",
                "Give it more text, or hold more of it out: --validation 0.2 --test 0",
            )


def _single_corpus_fields(source: SourceDescription) -> dict[str, Any]:
    """Return the fields of `dataset.json` that describe a single corpus."""
    return {key: value for key, value in source if key not in ("name", "weight")}


def _mix_fields(sources: list[SourceDescription], whole: Parsing) -> dict[str, Any]:
    """Return the fields of `dataset.json` that describe the corpora of a mix."""
    return {
        "origin": None,
        "text_format": whole.text_format,
        "documents": len(whole.sizes),
        "division": None,
        "unparsed_share": whole.unparsed_share,
        "splits": _total([source.splits for source in sources]),
        "sources": sources,
    }


def _total(sources: Collection[dict[str, SplitDescription]]) -> dict[str, SplitDescription]:
    return {split: SplitDescription.total(splits[split] for splits in sources) for split in SPLITS}


def _cast(casts: Mapping[str, CastCount]) -> list[Member]:
    """Return the cast of all splits, most lines first, given the casts by source."""
    members = [
        Member(speaker=member.speaker, lines=member.lines, words=member.words, source=source or None)
        for source, counted in casts.items()
        for member in counted.members
    ]
    return sorted(members, key=lambda member: (-member.lines, -member.words, member.speaker))


def retokenize(
    dataset: Dataset,
    level: Level,
    vocabulary_size: int | None,
    folder: DatasetFolder,
    on_progress: ProgressCallback = no_progress,
) -> Description:
    """Make a dataset from the text of another one, with the same splits, so that the two can be compared.

    An existing dataset in the folder is replaced once the new one is complete.

    Args:
        dataset: the other dataset.
        level: the level of the new one.
        vocabulary_size: number of tokens in its vocabulary; None leaves it to the level.
        folder: its folder.
        on_progress: called with the current task, the rows done, and their total; may raise to stop.

    Returns:
        The contents of its `dataset.json`. `created` is copied from the other dataset, so that the latest
        dataset remains the one that the user prepared last.

    Raises:
        DatasetError: the parsed text is missing or damaged.
        UsageError: `vocabulary_size` is too small for the level.
    """
    about = dataset.description
    text = _reread(dataset, on_progress)
    plan = TokenPlan(
        level=level,
        vocabulary_size=vocabulary_size,
        min_count=default_min_count(level),
        lower=about.lower,
        plain=about.plain,
        merge_casts=all(member.source is None for member in about.cast),
    )
    with atomic_folder(folder.path) as temporary:
        draft = DatasetFolder(temporary)
        tokens = write_tokens(draft, text, plan)
        shutil.copyfile(dataset.folder.scripts, draft.scripts)
        description = about.model_copy(
            update={
                "name": folder.name,
                "level": level,
                "vocabulary_size": tokens.vocabulary_size,
                "alphabet": tokens.alphabet,
                "fingerprint": tokens.fingerprint,
                "notes": [
                    *(note for note in about.notes if not note.startswith((_BORROWED, _SAMPLED))),
                    *_notes_on_subwords(tokens),
                ],
                "splits": _total(tokens.splits.values()),
                "sources": [
                    source.model_copy(update={"splits": tokens.splits[source.name]})
                    for source in about.sources
                ],
            }
        )
        atomic_write(draft.description, description.model_dump_json(indent=2) + "\n")
    return description


def _reread(dataset: Dataset, on_progress: ProgressCallback) -> ParsedText:
    """Return a dataset's parsed text, with the splits and weights it was prepared with.

    Raises:
        DatasetError: `scripts.parquet` is missing or damaged.
    """
    about = dataset.description
    sizes: list[int] = []
    names: dict[str, None] = {}
    count = 0
    try:
        for row in report_rows(read_rows(dataset.folder.scripts), on_progress, "Reading"):
            if row.document == len(sizes):
                sizes.append(0)
            sizes[row.document] += row.characters
            names[row.source] = None
            count += 1
    except (OSError, ValueError, IndexError) as error:
        raise dataset.damaged(dataset.folder.scripts) from error
    if about.division is None:
        weights = {source.name: source.weight for source in about.sources}
        divisions = {source.name: source.division for source in about.sources}
    else:
        weights, divisions = dict.fromkeys(names, 1.0), dict.fromkeys(names, about.division)
    return ParsedText(
        path=dataset.folder.scripts,
        weights=weights,
        divisions=divisions,
        sizes=sizes,
        rows=count,
        on_progress=on_progress,
    )
