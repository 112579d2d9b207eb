"""From fetched corpora to a dataset on disk, in constant memory.

First everything is parsed into `scripts.parquet` and counted; then each corpus is split by itself and the
vocabulary learnt from what is trained on; last the parsed text is read back and its ids are written.

A dataset's text at another level or with another vocabulary: the same words in the same splits.

What was parsed is read back from `scripts.parquet`; nothing is fetched or parsed again, and the division into
splits is taken over, so that what is measured on the two datasets can be compared.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, groupby
from typing import Any

from scriptforge.corpus.fetch import Fetched
from scriptforge.corpus.options import Options, Recommendation, divide, recommended, recommended_for_mix
from scriptforge.corpus.parse import ROWS_BETWEEN_REPORTS, ParsedText, Parsing, parse
from scriptforge.corpus.sources import Source
from scriptforge.corpus.tokenize import casts_apart, train_vocabulary, write_ids
from scriptforge.dataset import (
    Dataset,
    Description,
    Division,
    Member,
    ScriptRow,
    SourceDescription,
    SplitDescription,
    read_rows,
    write_rows,
)
from scriptforge.errors import CorpusError, DatasetError, UsageError
from scriptforge.net.client import ProgressCallback, no_progress
from scriptforge.screenplay.script import cast
from scriptforge.vocabulary import Level
from scriptforge.workspace import SPLITS, DatasetFolder, atomic_folder, atomic_write

__all__ = ["Options", "Recommendation", "prepare", "prepare_mix", "recommended", "recommended_for_mix"]


def prepare(
    source: Source,
    fetched: Fetched,
    options: Options,
    folder: DatasetFolder,
    progress: ProgressCallback = no_progress,
) -> Description:
    """Makes a dataset of one corpus.

    Args:
        source: what was asked for.
        fetched: its files.
        options: how they become tokens.
        folder: where the dataset goes; one that is there is replaced when the new one is whole.
        progress: told what is being done, how many pieces are done, and of how many.

    Returns:
        What `dataset.json` says.

    Raises:
        CorpusError: the files hold too little text, or cannot be read as scripts.
    """
    return prepare_mix([(source, fetched)], options, folder, progress)


def prepare_mix(
    corpora: Sequence[tuple[Source, Fetched]],
    options: Options,
    folder: DatasetFolder,
    progress: ProgressCallback = no_progress,
) -> Description:
    """Makes a dataset of several corpora, or of one.

    Args:
        corpora: what was asked for, each with its files; no two of one name.
        options: as of `prepare`.
        folder: as of `prepare`.
        progress: as of `prepare`.

    Returns:
        What `dataset.json` says.

    Raises:
        CorpusError: one of them holds too little text, or cannot be read as scripts.
        UsageError: two of them hold the same file, or a weight leaves nothing of one.
    """
    _refuse_shared_files(corpora)
    with atomic_folder(folder.path) as temporary:
        draft = DatasetFolder(temporary)
        parsings = [Parsing() for _ in corpora]
        write_rows(draft.scripts, _told(_parsed(corpora, parsings, options), progress))
        text = _parsed_text(draft, corpora, parsings, options, progress)
        vocabulary, alphabet = train_vocabulary(text, options)
        vocabulary.save(draft.tokenizer)
        tokenised = write_ids(draft, text, vocabulary)
        sources = [
            SourceDescription(
                name=source.name,
                weight=source.weight,
                origin=fetched.origin.without(parsing.left_out).model_dump(mode="json"),
                text_format=parsing.text_format,
                documents=len(parsing.sizes),
                division=text.divisions[source.name],
                unparsed_share=parsing.unparsed_share,
                splits=tokenised.splits[source.name],
            )
            for (source, fetched), parsing in zip(corpora, parsings, strict=True)
        ]
        _check_not_empty(sources, options)
        description = Description(
            name=folder.name,
            created=datetime.now(UTC).isoformat(timespec="microseconds"),
            level=options.level,
            plain=options.plain,
            lower=options.lower,
            vocabulary_size=vocabulary.size,
            alphabet=alphabet,
            cast=_cast(text, options),
            fingerprint=tokenised.fingerprint,
            notes=_notes(corpora, parsings),
            **(_together(sources, parsings) if text.is_mixed else _alone(sources[0])),
        )
        atomic_write(draft.description, description.model_dump_json(indent=2) + "\n")
    return description


def _refuse_shared_files(corpora: Sequence[tuple[Source, Fetched]]) -> None:
    """Lets no file pass that two of the corpora hold: what one holds out, the other would train on."""
    holders: dict[str, str] = {}
    for source, fetched in corpora:
        for file in fetched.origin.files:
            other = holders.setdefault(file.sha256, source.name)
            if other != source.name:
                raise UsageError(
                    f"“{other}” and “{source.name}” both hold the text of “{file.name}”.",
                    f"Name it in one of them only; a weight makes a corpus count for more: {other}=2",
                )


def _parsed(
    corpora: Sequence[tuple[Source, Fetched]], parsings: Sequence[Parsing], options: Options
) -> Iterator[ScriptRow]:
    """The pieces of all corpora, their documents numbered from one to the next."""
    first_document = 0
    for (source, fetched), parsing in zip(corpora, parsings, strict=True):
        yield from parse(source, fetched, options.plain, parsing, first_document)
        first_document += len(parsing.sizes)


def _told(pieces: Iterable[ScriptRow], progress: ProgressCallback) -> Iterator[ScriptRow]:
    for number, piece in enumerate(pieces):
        if number % ROWS_BETWEEN_REPORTS == 0:
            progress("Reading", number, None)
        yield piece


def _parsed_text(
    draft: DatasetFolder,
    corpora: Sequence[tuple[Source, Fetched]],
    parsings: Sequence[Parsing],
    options: Options,
    progress: ProgressCallback,
) -> ParsedText:
    """What was parsed, each corpus divided by itself."""
    names = [source.name for source, _ in corpora]
    divisions = [divide(parsing.sizes, options.shares) for parsing in parsings]
    return ParsedText(
        path=draft.scripts,
        weights={source.name: source.weight for source, _ in corpora},
        divisions=dict(zip(names, divisions, strict=True)),
        sizes=list(chain.from_iterable(parsing.sizes for parsing in parsings)),
        pieces=sum(parsing.pieces for parsing in parsings),
        progress=progress,
    )


def _check_not_empty(sources: Sequence[SourceDescription], options: Options) -> None:
    wanted = SPLITS if len(sources) > 1 and options.shares.test else SPLITS[:2]
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


def _alone(source: SourceDescription) -> dict[str, Any]:
    """What `dataset.json` says of the only corpus."""
    return {
        key: getattr(source, key) for key in SourceDescription.model_fields if key not in ("name", "weight")
    }


def _together(sources: list[SourceDescription], parsings: Sequence[Parsing]) -> dict[str, Any]:
    """What `dataset.json` says of the corpora of a mix."""
    formats = chain.from_iterable(parsing.reasons for parsing in parsings)
    characters = sum(parsing.characters for parsing in parsings)
    return {
        "origin": None,
        "text_format": ", ".join(dict.fromkeys(formats)),
        "documents": sum(source.documents for source in sources),
        "division": None,
        "unparsed_share": sum(parsing.unparsed for parsing in parsings) / max(characters, 1),
        "splits": {split: _sum(source.splits[split] for source in sources) for split in SPLITS},
        "sources": sources,
    }


def _sum(splits: Iterable[SplitDescription]) -> SplitDescription:
    dumped = [split.model_dump() for split in splits]
    return SplitDescription(
        **{key: sum(each[key] for each in dumped) for key in SplitDescription.model_fields}
    )


def _cast(text: ParsedText, options: Options) -> list[Member]:
    """Who speaks, and how much, in all splits; most lines first."""
    if options.plain:
        return []
    apart = casts_apart(options, text)
    members: list[Member] = []
    for source, pieces in groupby(read_rows(text.path), lambda piece: piece.source if apart else None):
        members += (
            Member(speaker=member.speaker, lines=member.lines, words=member.words, source=source)
            for member in cast(piece.element for piece in pieces)
        )
    return sorted(members, key=lambda member: (-member.lines, -member.words, member.speaker))


def _notes(corpora: Sequence[tuple[Source, Fetched]], parsings: Sequence[Parsing]) -> list[str]:
    """What a person should know of each corpus, with its name before it where there are several."""
    return [
        f"{source.name}: {note}" if len(corpora) > 1 else note
        for (source, fetched), parsing in zip(corpora, parsings, strict=True)
        for note in (*fetched.notes, *parsing.notes)
    ]


def retokenize(
    dataset: Dataset, level: Level, vocabulary_size: int | None, folder: DatasetFolder
) -> Description:
    """Makes a dataset of the text of another one.

    Args:
        dataset: the one whose text it is.
        level: what a token is to be.
        vocabulary_size: tokens in all; None leaves it to the level.
        folder: where the new dataset goes; one that is there is replaced when the new one is whole.

    Returns:
        What its `dataset.json` says. `created` is that of the text: the dataset that a person prepared last
        stays the latest.

    Raises:
        DatasetError: the parsed text is missing or damaged.
        UsageError: `vocabulary_size` is too small for the level.
    """
    about = dataset.description
    text = _reread_text(dataset)
    options = Options(
        level=level,
        vocabulary_size=vocabulary_size,
        min_count=Recommendation(level).min_count,
        lower=about.lower,
        plain=about.plain,
        merge_casts=all(member.source is None for member in about.cast),
    )
    with atomic_folder(folder.path) as temporary:
        draft = DatasetFolder(temporary)
        vocabulary, alphabet = train_vocabulary(text, options)
        vocabulary.save(draft.tokenizer)
        tokenised = write_ids(draft, text, vocabulary)
        shutil.copyfile(dataset.folder.scripts, draft.scripts)
        description = about.model_copy(
            update={
                "name": folder.name,
                "level": level,
                "vocabulary_size": vocabulary.size,
                "alphabet": alphabet,
                "fingerprint": tokenised.fingerprint,
                "splits": {
                    split: _sum_of_retokenize([splits[split] for splits in tokenised.splits.values()])
                    for split in SPLITS
                },
                "sources": [
                    source.model_copy(update={"splits": tokenised.splits[source.name]})
                    for source in about.sources
                ],
            }
        )
        atomic_write(draft.description, description.model_dump_json(indent=2) + "\n")
    return description


def _reread_text(dataset: Dataset) -> ParsedText:
    """The text as it was when its vocabulary was learnt.

    Raises:
        DatasetError: it is missing or damaged.
    """
    about = dataset.description
    sizes: list[int] = []
    names: dict[str, None] = {}
    count = 0
    try:
        for piece in read_rows(dataset.folder.scripts):
            if piece.document == len(sizes):
                sizes.append(0)
            sizes[piece.document] += piece.characters
            names[piece.source] = None
            count += 1
    except (OSError, ValueError, IndexError) as error:
        raise DatasetError(
            f"{dataset.folder.scripts.name} of dataset “{dataset.name}” is missing or damaged.",
            "Prepare it again with --force.",
        ) from error
    weights = {source.name: source.weight for source in about.sources}
    divisions = {source.name: source.division for source in about.sources}
    return ParsedText(
        path=dataset.folder.scripts,
        weights=weights or dict.fromkeys(names, 1.0),
        divisions=divisions or dict.fromkeys(names, _only(about)),
        sizes=sizes,
        pieces=count,
        progress=no_progress,
    )


def _only(about: Description) -> Division:
    assert about.division is not None, "only a mix has none"
    return about.division


def _sum_of_retokenize(parts: list[SplitDescription]) -> SplitDescription:
    dumped = [part.model_dump() for part in parts]
    return SplitDescription(
        **{key: sum(each[key] for each in dumped) for key in SplitDescription.model_fields}
    )
