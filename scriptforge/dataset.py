"""A prepared dataset on disk: its description, its text row by row, and its token ids, memory-mapped.

`scripts.parquet` holds the parsed text, one `ScriptRow` for each element of a script or stretch of plain
text; `dataset.json` is a `Description`; the ids of each split are an `.npy` file. Each file is checked before
it is used, since damaged data would cause errors far from here.
"""

import sys
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path, PurePath
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from scriptforge.errors import DatasetError
from scriptforge.options import Level
from scriptforge.script_rows import PLAIN, ScriptRow, read_rows
from scriptforge.validation import Count, Share
from scriptforge.workspace import SPLITS, DatasetFolder, RunFolder, atomic_write, refuse_special_files

_PREPARE_AGAIN = "Prepare it again with --force."

_ADVICE_BELOW_CHARACTERS = 300_000
"""Characters of training text below which a model trained from scratch learns the layout but few words."""


class _Record(BaseModel):
    """A part of `dataset.json`: immutable and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class OriginFile(_Record, strict=True):
    """One file that a corpus was read from.

    Attributes:
        name: its name, or its path inside the given folder or repository; never an absolute path.
        sha256: SHA-256 of its bytes, in hexadecimal.
        size: in bytes.
        url: its address on the web, without user, password or query; None if it is not from the web.
    """

    name: str
    sha256: str
    size: Count
    url: str | None


class Origin(_Record, strict=True):
    """The origin of a corpus, as stored in `dataset.json` and in the `config.json` of a run.

    Attributes:
        card: name of the corpus's card, if it has one.
        licence: as stated in the card.
        rights: who owns the text, as stated in the card.
        hub: id of the dataset on the Hub, if it is from there.
        revision: commit of that dataset.
        files: the files read, in order.
    """

    card: str | None
    licence: str | None
    rights: str | None
    hub: str | None
    revision: str | None
    files: tuple[OriginFile, ...]

    def without(self, names: Container[str]) -> "Origin":
        """Return a copy without the files of these names."""
        return self.model_copy(update={"files": tuple(one for one in self.files if one.name not in names)})


class SplitDescription(_Record):
    """The amounts of text in one split.

    `unknown` counts the tokens that are `<unk>` and `unknown_characters` the characters of the words that
    they replace; both are zero except at word level.
    """

    documents: Count
    lines: Count
    characters: Count
    tokens: Count
    unknown: Count = 0
    unknown_characters: Count = 0

    @classmethod
    def total(cls, parts: Iterable["SplitDescription"]) -> "SplitDescription":
        """Return the sum of several parts, field by field."""
        parts = list(parts)
        return cls(**{amount: sum(getattr(part, amount) for part in parts) for amount in cls.model_fields})


def _whole(splits: dict[str, SplitDescription]) -> dict[str, SplitDescription]:
    if set(splits) != set(SPLITS):
        raise ValueError(f"there are {', '.join(SPLITS)}")
    return splits


_Splits = Annotated[dict[str, SplitDescription], AfterValidator(_whole)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One speaker of the cast; `source` names the corpus if a mix keeps the casts of its sources apart.

    A dataclass, since a cast may have a hundred thousand members, and pydantic models would take five times
    the memory.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    speaker: str
    lines: Count
    words: Count
    source: str | None = None


class Division(_Record):
    """The assignment of a corpus's text to splits.

    Attributes:
        by: whether whole documents or contiguous blocks are assigned.
        documents: the split of each document, in the order of the corpus; empty for a division by block.
        boundaries: the character offsets in the corpus at which validation and test begin; empty for a
            division by document.
    """

    by: Literal["document", "block"]
    documents: tuple[Literal["train", "validation", "test"], ...] = ()
    boundaries: tuple[Count, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.by == "block" and (
            len(self.boundaries) != len(SPLITS) - 1 or self.boundaries != (*sorted(self.boundaries),)
        ):
            raise ValueError("two blocks end, one after the other")
        return self

    def divide(self, rows: Iterable[ScriptRow]) -> Iterator[tuple[str, ScriptRow]]:
        """Yield all rows of the corpus, in order, each with its split.

        In a division by block, plain text is cut exactly where a split ends; an element stays whole. The
        first document may have any number, as it does in a mix.
        """
        return self._by_document(rows) if self.by == "document" else self._by_block(rows)

    def _by_document(self, rows: Iterable[ScriptRow]) -> Iterator[tuple[str, ScriptRow]]:
        first: int | None = None
        for row in rows:
            first = row.document if first is None else first
            yield self.documents[row.document - first], row

    def _by_block(self, rows: Iterable[ScriptRow]) -> Iterator[tuple[str, ScriptRow]]:
        blocks = iter(zip((*self.boundaries, sys.maxsize), SPLITS, strict=True))
        end, split = next(blocks)
        position = 0
        for row in rows:
            # The block ends before the row or, in plain text, within it.
            while position >= end or (row.kind == PLAIN and position + row.characters > end):
                if position < end:
                    head, row = row.cut(end - position)
                    yield split, head
                    position = end
                end, split = next(blocks)
            yield split, row
            position += row.characters


def divide_sources(
    rows: Iterable[ScriptRow], divisions: Mapping[str, Division]
) -> Iterator[tuple[str, ScriptRow]]:
    """Yield the rows of several corpora, one corpus after the other, each row with its split."""
    for source, own in groupby(rows, key=attrgetter("source")):
        yield from divisions[source].divide(own)


class SourceDescription(_Record):
    """One corpus of a mix; fields that `Description` has, too, mean the same.

    Attributes:
        name: its name in the mix.
        weight: how many times its training text occurs in the mix.
    """

    name: str
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    origin: Origin
    text_format: str
    documents: Count
    division: Division
    unparsed_share: Share
    splits: _Splits


class NearDuplicate(_Record):
    """A script that is nearly the same as others.

    Attributes:
        title: its title.
        file: name of the file that contains it.
        splits: the splits that contain its text; empty if it was left out.
    """

    title: str
    file: str
    splits: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Return the name of the file, with the title if the two differ."""
        return f"“{self.file}”" if PurePath(self.file).stem == self.title else f"“{self.title}” ({self.file})"


class Description(_Record):
    """The contents of `dataset.json`.

    Attributes:
        origin: where the text came from: card, address, revision or hash, licence and rights; None for a mix.
        alphabet: number of different characters in the training split.
        division: which text is in which split; None for a mix.
        unparsed_share: share of the characters that the format has no rule for and that became action.
        splits: the amounts of text in each split; in a mix, repeated text counts each time.
        sources: the corpora of a mix, in order, each with an origin and a division; else empty.
        fingerprint: hash of the vocabulary and of the token ids of all splits.
        notes: what the user should know about the files, one line each.
        warnings: signs that a text was misread, or that measures would be misleading, one line each.
        near_duplicates: groups of scripts that are nearly the same, each with the longest first, which is the
            one that deduplication keeps.
    """

    format: int = 1
    name: str
    created: str
    origin: Origin | None
    text_format: str
    level: Level
    plain: bool
    lower: bool
    vocabulary_size: Count
    alphabet: Count
    documents: Count
    division: Division | None
    unparsed_share: Share
    cast: list[Member]
    splits: _Splits
    sources: list[SourceDescription] = []
    fingerprint: str
    notes: list[str] = []
    warnings: list[str] = []
    near_duplicates: list[list[NearDuplicate]] = []

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.division is None) != bool(self.sources):
            raise ValueError("either the whole is divided, or each of its sources")
        return self

    def divide(self, rows: Iterable[ScriptRow]) -> Iterator[tuple[str, ScriptRow]]:
        """Yield all rows of the dataset, in order, each with its split."""
        if self.division is not None:
            return self.division.divide(rows)
        return divide_sources(rows, {source.name: source.division for source in self.sources})

    def advice_on_little_text(self) -> str | None:
        """Return what to expect of a short training text and what helps; None if the text is long enough."""
        characters = self.splits["train"].characters
        if characters >= _ADVICE_BELOW_CHARACTERS:
            return None
        return (
            f"{characters:,} characters are not much text: expect lines that make no sense, and phrases"
            " copied from it. More text of the same kind helps most; next best is a model of a larger corpus"
            " to start from: train takes that of American plays where it suits the text, or --from RUN."
        )


class Dataset:
    """A dataset, opened for reading."""

    def __init__(self, folder: DatasetFolder) -> None:
        """Open a dataset folder.

        Raises:
            DatasetError: the folder is damaged or was made by another version.
        """
        self.folder = folder
        try:
            refuse_special_files(folder.path)
            self.description = Description.model_validate_json(folder.description.read_bytes())
        except (OSError, ValidationError) as error:
            raise DatasetError(
                f"Dataset “{folder.name}” cannot be read: its dataset.json is missing or damaged.",
                _PREPARE_AGAIN,
            ) from error
        from scriptforge.vocabulary import Vocabulary  # slow to import, and not needed for parsing

        self.vocabulary = Vocabulary.load(folder.tokenizer, folder.lexicon)
        self._checked: set[str] = set()
        promised = self.description.vocabulary_size, self.description.level, self.description.plain
        if (self.vocabulary.size, self.vocabulary.level, self.vocabulary.plain) != promised:
            raise self.damaged(folder.tokenizer, "does not match dataset.json")
        if self.vocabulary.lexicon is None and self.vocabulary.level != "word":
            raise self.damaged(folder.lexicon)

    @property
    def name(self) -> str:
        """Return the dataset's name."""
        return self.folder.name

    def rows(self, split: str) -> Iterator[ScriptRow]:
        """Yield the rows of a split in order; in a mix, source by source, each row once whatever its weight.

        Raises:
            DatasetError: the text is missing or damaged.
        """
        try:
            for part_of, row in self.description.divide(read_rows(self.folder.scripts)):
                if part_of == split:
                    yield row
        except (OSError, ValueError, LookupError) as error:  # LookupError: rows of undivided documents
            raise self.damaged(self.folder.scripts) from error

    def copy_vocabulary(self, folder: RunFolder) -> None:
        """Copy the vocabulary and its lexicon into a run's folder, which then does not need the dataset."""
        atomic_write(folder.tokenizer, self.folder.tokenizer.read_bytes())
        if self.vocabulary.lexicon is not None:
            atomic_write(folder.lexicon, self.vocabulary.lexicon.document)

    def ids(self, split: str) -> NDArray[np.unsignedinteger]:
        """Return the token ids of a split, in order, memory-mapped and read-only.

        Raises:
            DatasetError: the file is missing or damaged, or does not match `dataset.json`.
        """
        path = self.folder.ids(split)
        try:
            ids: NDArray[np.unsignedinteger] = np.load(path, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # of any kind: NumPy parses the file's header as Python
            raise self.damaged(path) from error
        if ids.shape != (self.description.splits[split].tokens,) or ids.dtype != self.vocabulary.dtype:
            raise self.damaged(path, "does not match dataset.json")
        if split not in self._checked and len(ids) and ids.max() >= self.vocabulary.size:
            raise self.damaged(path, "has ids that belong to no token")
        self._checked.add(split)
        return ids

    def damaged(self, path: Path, problem: str = "is missing or damaged") -> DatasetError:
        """Return the error for a file of the dataset that cannot be used."""
        return DatasetError(f"{path.name} of dataset “{self.name}” {problem}.", _PREPARE_AGAIN)

    def ids_by_source(self, split: str) -> dict[str, NDArray[np.unsignedinteger]]:
        """Return the token ids of a held-out split by source.

        A dataset of a single corpus has one entry, under the dataset's name.

        Args:
            split: `validation` or `test`, where source follows source; in `train` they are interleaved.

        Raises:
            DatasetError: as for `ids`.
        """
        ids = self.ids(split)
        if not self.description.sources:
            return {self.name: ids}
        tokens = [source.splits[split].tokens for source in self.description.sources]
        parts = np.split(ids, np.cumsum(tokens)[:-1])
        return {source.name: part for source, part in zip(self.description.sources, parts, strict=True)}
