"""A dataset's text at another level or with another vocabulary: the same words in the same splits.

What was parsed is read back from `scripts.parquet`; nothing is fetched or parsed again, and the division into
splits is taken over, so that what is measured on the two datasets can be compared.
"""

import shutil

from scriptforge.corpus.options import Options, Recommendation
from scriptforge.corpus.parsed import ParsedText
from scriptforge.corpus.tokenise import write_ids
from scriptforge.corpus.vocabulary_training import train_vocabulary
from scriptforge.dataset import Dataset, Description, Division, SplitDescription
from scriptforge.errors import DatasetError
from scriptforge.net.client import untold
from scriptforge.pieces import read_pieces
from scriptforge.vocabulary import Level
from scriptforge.workspace import SPLITS, DatasetFolder, atomic_folder, atomic_write


def relevel(
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
    text = _parsed_text(dataset)
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
                    split: _sum([splits[split] for splits in tokenised.splits.values()]) for split in SPLITS
                },
                "sources": [
                    source.model_copy(update={"splits": tokenised.splits[source.name]})
                    for source in about.sources
                ],
            }
        )
        atomic_write(draft.description, description.model_dump_json(indent=2) + "\n")
    return description


def _parsed_text(dataset: Dataset) -> ParsedText:
    """The text as it was when its vocabulary was learnt.

    Raises:
        DatasetError: it is missing or damaged.
    """
    about = dataset.description
    sizes: list[int] = []
    names: dict[str, None] = {}
    count = 0
    try:
        for piece in read_pieces(dataset.folder.scripts):
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
        progress=untold,
    )


def _only(about: Description) -> Division:
    assert about.division is not None, "only a mix has none"
    return about.division


def _sum(parts: list[SplitDescription]) -> SplitDescription:
    dumped = [part.model_dump() for part in parts]
    return SplitDescription(
        **{key: sum(each[key] for each in dumped) for key in SplitDescription.model_fields}
    )
