"""From a fetched corpus to a dataset on disk, in constant memory.

First everything is parsed into `scripts.parquet` and counted; then the split is decided and the vocabulary
trained on the training split; last the parsed text is read back and its ids are written.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import numpy as np

from scriptforge.corpus.fetch import Fetched
from scriptforge.corpus.ids import IdsWriter
from scriptforge.corpus.parse import Parsing, parse
from scriptforge.corpus.progress import Progress, untold
from scriptforge.corpus.sources import Source
from scriptforge.corpus.split import Shares, divide
from scriptforge.dataset import Description, Division, Member, SplitDescription
from scriptforge.errors import CorpusError
from scriptforge.pieces import Piece, blocks, read_pieces, write_pieces
from scriptforge.screenplay.cast import cast
from scriptforge.screenplay.script import Element, speaker_key
from scriptforge.vocabulary import Encoded, Level, Vocabulary
from scriptforge.workspace import SPLITS, DatasetFolder, atomic_folder, atomic_write

SPEAKER_MIN_LINES = 10
"""A speaker with fewer lines in the training split spells their name instead of having a token."""

SPEAKERS_AT_MOST = 200
_BPE_SIZES = ((300_000, 1000), (10_000_000, 2000), (math.inf, 4000))
_PIECES_BETWEEN_REPORTS = 4096


@dataclass(frozen=True)
class Options:
    """How a corpus becomes tokens.

    Attributes:
        level: what a token is.
        vocabulary_size: tokens in all; None leaves it to the level.
        min_count: how often a word must occur to have a token.
        lower: whether to read everything in lower case.
        plain: whether to take the text as it stands instead of as a script.
        shares: how much is held out.
    """

    level: Level
    vocabulary_size: int | None = None
    min_count: int = 1
    lower: bool = False
    plain: bool = False
    shares: Shares = field(default_factory=Shares)


@dataclass(frozen=True)
class Recommendation:
    """What suits a corpus."""

    level: Level
    vocabulary_size: int | None = None

    @property
    def min_count(self) -> int:
        """2 at word level: a model learns how likely an unknown word is from the words seen but once."""
        return 2 if self.level == "word" else 1


def recommended(source: Source, fetched: Fetched, level: Level | None = None) -> Recommendation:
    """The level and vocabulary size that suit a corpus: its card's, else by its size.

    Args:
        source: what was asked for.
        fetched: its files.
        level: the level, where it is settled already.
    """
    card = source.card
    if card and level in (None, card.level):
        return Recommendation(card.level, card.vocabulary_size)
    if level in ("word", "char"):
        return Recommendation(level)
    size = sum(file.size for file in fetched.origin.files)
    return Recommendation("bpe", next(tokens for limit, tokens in _BPE_SIZES if size < limit))


@dataclass
class _Split:
    """What has been seen of one split."""

    documents: set[int] = field(default_factory=set)
    lines: int = 0
    characters: int = 0
    unknown: int = 0
    unknown_characters: int = 0

    def add(self, pieces: list[Piece], encoded: Encoded) -> None:
        """Counts some pieces, all of one document."""
        self.lines += sum(piece.lines for piece in pieces)
        self.characters += sum(piece.characters for piece in pieces)
        self.unknown += encoded.unknown_count
        self.unknown_characters += encoded.unknown_characters

    def description(self, tokens: int) -> SplitDescription:
        """What `dataset.json` says of the split."""
        return SplitDescription(
            documents=len(self.documents),
            lines=self.lines,
            characters=self.characters,
            tokens=tokens,
            unknown=self.unknown,
            unknown_characters=self.unknown_characters,
        )


@dataclass
class _Reader:
    """Reads the parsed text back, each piece with its split."""

    path: Path
    division: Division
    progress: Progress
    total: int

    def __call__(self, doing: str) -> Iterator[tuple[str, Piece]]:
        for number, placed in enumerate(self.division.divide(read_pieces(self.path))):
            if number % _PIECES_BETWEEN_REPORTS == 0:
                self.progress(doing, number, self.total)
            yield placed
        self.progress(doing, self.total, self.total)


def prepare(
    source: Source,
    fetched: Fetched,
    options: Options,
    folder: DatasetFolder,
    progress: Progress = untold,
) -> Description:
    """Makes a dataset.

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
    with atomic_folder(folder.path) as temporary:
        draft = DatasetFolder(temporary)
        parsing = Parsing()
        write_pieces(draft.scripts, _told(parse(source, fetched, options.plain, parsing), progress))
        division = divide(parsing.sizes, options.shares)
        read = _Reader(draft.scripts, division, progress, parsing.pieces)
        vocabulary, alphabet = _train_vocabulary(read, options)
        vocabulary.save(draft.tokenizer)
        splits, fingerprint = _write_ids(draft, read, vocabulary)
        _check_not_empty(source, splits)
        description = Description(
            name=folder.name,
            created=datetime.now(UTC).isoformat(timespec="microseconds"),
            origin=fetched.origin.model_dump(mode="json"),
            text_format=parsing.text_format,
            level=options.level,
            plain=options.plain,
            lower=options.lower,
            vocabulary_size=vocabulary.size,
            alphabet=alphabet,
            documents=len(parsing.sizes),
            division=division,
            unparsed_share=parsing.unparsed_share,
            cast=_cast(draft.scripts, options.plain),
            splits=splits,
            fingerprint=fingerprint,
            notes=[*fetched.notes, *parsing.notes],
        )
        atomic_write(draft.description, description.model_dump_json(indent=2) + "\n")
    return description


def _cast(scripts: Path, plain: bool) -> list[Member]:
    if plain:
        return []
    return [Member(**asdict(member)) for member in cast(piece.element for piece in read_pieces(scripts))]


def _told(pieces: Iterable[Piece], progress: Progress) -> Iterator[Piece]:
    for number, piece in enumerate(pieces):
        if number % _PIECES_BETWEEN_REPORTS == 0:
            progress("Reading", number, None)
        yield piece


def _train_vocabulary(read: _Reader, options: Options) -> tuple[Vocabulary, int]:
    """A vocabulary of the training split alone, and how many different characters that split has."""
    alphabet: set[str] = set()

    def training_pieces(doing: str) -> Iterator[Piece]:
        return (piece for split, piece in read(doing) if split == "train")

    def training_elements() -> Iterator[Element]:
        for piece in training_pieces("Counting"):
            alphabet.update(piece.text.lower() if options.lower else piece.text)
            if not options.plain:
                yield piece.element

    members = cast(training_elements())[:SPEAKERS_AT_MOST]
    speakers = [member.speaker for member in members if member.lines >= SPEAKER_MIN_LINES]
    with_token = {speaker_key(speaker) for speaker in speakers}

    def texts() -> Iterator[str]:
        for piece in training_pieces("Learning the vocabulary"):
            yield piece.text
            if piece.speaker and speaker_key(piece.speaker) not in with_token:
                yield piece.speaker

    vocabulary = Vocabulary.train(
        texts(),
        options.level,
        size=options.vocabulary_size,
        min_count=options.min_count,
        lower=options.lower,
        speakers=speakers,
        plain=options.plain,
    )
    return vocabulary, len(alphabet)


def _write_ids(
    draft: DatasetFolder, read: _Reader, vocabulary: Vocabulary
) -> tuple[dict[str, SplitDescription], str]:
    """Writes the ids of every split, `<end>` between documents and after the last one of training.

    Returns:
        What each split holds, and the fingerprint of vocabulary and ids.
    """
    seen = {split: _Split() for split in SPLITS}
    digest = hashlib.sha256(vocabulary.fingerprint.encode())
    with ExitStack() as files:
        writers = {
            split: files.enter_context(IdsWriter(draft.ids(split), vocabulary.dtype)) for split in SPLITS
        }
        _tokenise(read, vocabulary, writers, seen)
        for writer in writers.values():
            digest.update(writer.close().encode())
    return {split: seen[split].description(writers[split].count) for split in SPLITS}, digest.hexdigest()


def _tokenise(
    read: _Reader, vocabulary: Vocabulary, writers: dict[str, IdsWriter], seen: dict[str, _Split]
) -> None:
    end = np.array([vocabulary.end], vocabulary.dtype)
    for (split, document), pieces in groupby(
        read("Tokenising"), key=lambda placed: (placed[0], placed[1].document)
    ):
        if seen[split].documents:
            writers[split].append(end)
        seen[split].documents.add(document)
        for block in blocks(piece for _, piece in pieces):
            encoded = _encode(vocabulary, block)
            writers[split].append(encoded.ids)
            seen[split].add(block, encoded)
    writers["train"].append(end)


def _encode(vocabulary: Vocabulary, block: list[Piece]) -> Encoded:
    if vocabulary.plain:
        return vocabulary.encode_texts(piece.text for piece in block)
    return vocabulary.encode_elements(piece.element for piece in block)


def _check_not_empty(source: Source, splits: dict[str, SplitDescription]) -> None:
    if not splits["train"].lines or not splits["validation"].lines:
        raise CorpusError(
            f"“{source.name}” is too short: nothing is left to train on or to validate on.",
            "Give it more text, or hold more of it out: --validation 0.2 --test 0",
        )
