"""A prepared dataset on disk: what it is made of, its text row by row, and its ids, memory-mapped.

`scripts.parquet` holds the parsed text, one `ScriptRow` for each element of a script or stretch of plain
text; `dataset.json` is a `Description`; the ids of each split are an `.npy` file. Each is checked before it
is used, since what nobody wrote would become an error far from here.
"""

import math
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
from scriptforge.workspace import SPLITS, DatasetFolder, RunFolder, atomic_write

_PREPARE_AGAIN = "Prepare it again with --force."

_ADVICE_BELOW_CHARACTERS = 300_000
"""Characters to train on: with fewer, a model of its own learns the look of a script and few of its words."""


class _Record(BaseModel):
    """A part of `dataset.json`: no unknown key, no change afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class OriginFile(_Record, strict=True):
    """One file that was read.

    Attributes:
        name: its name, or its path inside the folder or repository given; never a path of this machine.
        sha256: of its bytes, in hexadecimal.
        size: in bytes.
        url: its address on the web, without user, password or query; None of any other.
    """

    name: str
    sha256: str
    size: Count
    url: str | None


class Origin(_Record, strict=True):
    """The origin of a text, as `dataset.json` and the `config.json` of a run keep it.

    Attributes:
        card: the card's name, where there is one.
        licence: as the card states it.
        rights: who owns the words, as the card states it.
        hub: the id of a dataset on the Hub.
        revision: its commit.
        files: the files read, in order.
    """

    card: str | None
    licence: str | None
    rights: str | None
    hub: str | None
    revision: str | None
    files: tuple[OriginFile, ...]

    def without(self, names: Container[str]) -> "Origin":
        """Return the origin of what is left when the files of these names are not used."""
        return self.model_copy(update={"files": tuple(one for one in self.files if one.name not in names)})


class SplitDescription(_Record):
    """The amounts that one split holds.

    `unknown` counts the tokens that are `<unk>` and `unknown_characters` the characters of the words that
    they stand for; both are zero except at word level.
    """

    documents: Count
    lines: Count
    characters: Count
    tokens: Count
    unknown: Count = 0
    unknown_characters: Count = 0

    @classmethod
    def total(cls, parts: Iterable["SplitDescription"]) -> "SplitDescription":
        """Return the sum of several parts, amount by amount."""
        parts = list(parts)
        return cls(**{amount: sum(getattr(part, amount) for part in parts) for amount in cls.model_fields})


def _whole(splits: dict[str, SplitDescription]) -> dict[str, SplitDescription]:
    if set(splits) != set(SPLITS):
        raise ValueError(f"there are {', '.join(SPLITS)}")
    return splits


_Splits = Annotated[dict[str, SplitDescription], AfterValidator(_whole)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One speaker of the cast; `source` says whose, where a mix keeps the casts of its sources apart.

    There may be a hundred thousand of them, so it is no model of pydantic, which would take five times the
    memory.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    speaker: str
    lines: Count
    words: Count
    source: str | None = None


class Division(_Record):
    """The assignment of a corpus's text to splits.

    Attributes:
        by: by whole documents, or by contiguous blocks.
        documents: by document: the split of each, by its place in the corpus.
        boundaries: by block: the characters, over the whole corpus, at which validation and test begin.
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

        Plain text is cut at the very character where a split ends; an element stays whole. In a mix the first
        document has any number.
        """
        return self._by_document(rows) if self.by == "document" else self._by_block(rows)

    def _by_document(self, rows: Iterable[ScriptRow]) -> Iterator[tuple[str, ScriptRow]]:
        first: int | None = None
        for row in rows:
            first = row.document if first is None else first
            yield self.documents[row.document - first], row

    def _by_block(self, rows: Iterable[ScriptRow]) -> Iterator[tuple[str, ScriptRow]]:
        blocks = iter(zip((*self.boundaries, math.inf), SPLITS, strict=True))
        end, split = next(blocks)
        position = 0
        for row in rows:
            is_cut = row.kind == PLAIN and position + row.characters > end
            for part in self._cut(row, position) if is_cut else (row,):
                while position >= end:
                    end, split = next(blocks)
                yield split, part
                position += part.characters

    def _cut(self, row: ScriptRow, position: int) -> Iterator[ScriptRow]:
        for boundary in self.boundaries:
            if position < boundary < position + row.characters:
                head, row = row.cut(boundary - position)
                yield head
                position = boundary
        yield row


def divide_sources(
    rows: Iterable[ScriptRow], divisions: Mapping[str, Division]
) -> Iterator[tuple[str, ScriptRow]]:
    """Yield all rows of several corpora, one corpus after the other, each with its split."""
    for source, own in groupby(rows, key=attrgetter("source")):
        yield from divisions[source].divide(own)


class SourceDescription(_Record):
    """One corpus of a mix; what has the name of an attribute of `Description` means the same.

    Attributes:
        name: what the mix calls it.
        weight: how often its training text occurs in the mix.
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
        file: the name of the file that it is in.
        splits: those in which it has text; none if it was left out.
    """

    title: str
    file: str
    splits: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Return the name of the file, and the title where that says more."""
        return f"“{self.file}”" if PurePath(self.file).stem == self.title else f"“{self.title}” ({self.file})"


class Description(_Record):
    """The contents of `dataset.json`.

    Attributes:
        origin: where the text came from: card, address, revision or hash, licence and rights; None of a mix.
        alphabet: how many different characters the training split has.
        division: which text is in which split; None of a mix.
        unparsed_share: share of the characters that the format did not know and that became action.
        splits: what the ids of each split stand for; in a mix, text that is repeated counts again.
        sources: the corpora of a mix, in their order, with an origin and a division each; else empty.
        fingerprint: changes when a token of any split, or the vocabulary, does.
        notes: what a person should know of the files, one line each.
        warnings: signs that a text was not read as what it is, or measures would deceive, one line each.
        near_duplicates: groups of scripts that are nearly the same, the longest first, which is kept.
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
        """Return what to expect of a text that is short to learn from, and what helps; else None."""
        characters = self.splits["train"].characters
        if characters >= _ADVICE_BELOW_CHARACTERS:
            return None
        return (
            f"{characters:,} characters are little text: expect lines that make no sense, and phrases copied"
            " from it. More text of the same kind helps most, "
            "or to start from a model of a larger corpus: scriptforge train --from RUN"
        )


class Dataset:
    """A dataset, opened for reading."""

    def __init__(self, folder: DatasetFolder) -> None:
        """Opens a dataset folder.

        Raises:
            DatasetError: the folder is damaged or was made by another version.
        """
        self.folder = folder
        try:
            self.description = Description.model_validate_json(folder.description.read_bytes())
        except (OSError, ValidationError) as error:
            raise DatasetError(
                f"Dataset “{folder.name}” cannot be read: its dataset.json is missing or damaged.",
                _PREPARE_AGAIN,
            ) from error
        from scriptforge.vocabulary import Vocabulary  # for whoever only parses, too much to wait for

        self.vocabulary = Vocabulary.load(folder.tokenizer, folder.lexicon)
        self._checked: set[str] = set()
        promised = self.description.vocabulary_size, self.description.level, self.description.plain
        if (self.vocabulary.size, self.vocabulary.level, self.vocabulary.plain) != promised:
            raise self.damaged(folder.tokenizer, "is not what dataset.json says")

    @property
    def name(self) -> str:
        """Return the dataset's name."""
        return self.folder.name

    def rows(self, split: str) -> Iterator[ScriptRow]:
        """Yield the text of a split, in order; in a mix source by source, each row once whatever its weight.

        Raises:
            DatasetError: the text is missing or damaged.
        """
        try:
            for part_of, row in self.description.divide(read_rows(self.folder.scripts)):
                if part_of == split:
                    yield row
        except (OSError, ValueError, LookupError) as error:  # the last: rows of more texts than were divided
            raise self.damaged(self.folder.scripts) from error

    def find_words(self) -> None:
        """Load the words of the training text into the vocabulary, if the dataset is older than its lexicon.

        Raises:
            DatasetError: as of `rows`.
        """
        if self.vocabulary.lexicon is None and self.vocabulary.level != "word":
            from scriptforge.vocabulary.lexicon import WordCount

            words = WordCount()
            for row in self.rows("train"):
                words.add(f"{row.text}\n{row.speaker}")
            self.vocabulary.lexicon = words.lexicon()

    def copy_vocabulary(self, folder: RunFolder) -> None:
        """Write the vocabulary and its lexicon into the folder of a run, so that the run stands alone."""
        atomic_write(folder.tokenizer, self.folder.tokenizer.read_bytes())
        self.find_words()
        if self.vocabulary.lexicon is not None:
            atomic_write(folder.lexicon, self.vocabulary.lexicon.document)

    def ids(self, split: str) -> NDArray[np.unsignedinteger]:
        """Return the token ids of a split, in order, memory-mapped and read-only.

        Raises:
            DatasetError: the file is missing, damaged or not the one that was prepared.
        """
        path = self.folder.ids(split)
        try:
            ids: NDArray[np.unsignedinteger] = np.load(path, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # of many kinds: NumPy parses the head of the file as Python
            raise self.damaged(path) from error
        if ids.shape != (self.description.splits[split].tokens,) or ids.dtype != self.vocabulary.dtype:
            raise self.damaged(path, "does not hold what dataset.json says")
        if split not in self._checked and len(ids) and ids.max() >= self.vocabulary.size:
            raise self.damaged(path, "has ids that no token has")
        self._checked.add(split)
        return ids

    def damaged(self, path: Path, problem: str = "is missing or damaged") -> DatasetError:
        """Return the error that says that a file of the dataset cannot be used."""
        return DatasetError(f"{path.name} of dataset “{self.name}” {problem}.", _PREPARE_AGAIN)

    def ids_by_source(self, split: str) -> dict[str, NDArray[np.unsignedinteger]]:
        """Return the token ids of a held-out split, those of each source of a mix apart.

        A dataset of a single corpus has one entry, under the dataset's name.

        Args:
            split: `validation` or `test`, where source follows source; in `train` they are interleaved.

        Raises:
            DatasetError: as of `ids`.
        """
        ids = self.ids(split)
        if not self.description.sources:
            return {self.name: ids}
        tokens = [source.splits[split].tokens for source in self.description.sources]
        parts = np.split(ids, np.cumsum(tokens)[:-1])
        return {source.name: part for source, part in zip(self.description.sources, parts, strict=True)}
