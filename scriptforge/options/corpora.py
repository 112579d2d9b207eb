"""The options of what reads corpora: prepare, inspect and convert."""

import codecs
from dataclasses import dataclass
from typing import Literal

from scriptforge.errors import UsageError

Level = Literal["word", "bpe", "char"]
OutputFormat = Literal["txt", "fountain", "fdx", "json", "html", "docx", "pdf"]


_NOT_FOR_FILES = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
"""Codecs that Python counts among those for text, but that are for domain names, source code or nothing."""


def check_encoding(name: str | None) -> None:
    """Check that a name is that of one of Python's codecs for text files, or empty or None.

    Raises:
        UsageError: there is no such codec.
    """
    if name and not _is_for_text_files(name):
        raise UsageError(
            f"There is no encoding “{name}”.",
            "Give one of Python's codecs, such as utf-8, cp1252, koi8-r, shift_jis or gb18030.",
        )


def _is_for_text_files(name: str) -> bool:
    try:
        if codecs.lookup(name).name.replace("_", "-") in _NOT_FOR_FILES:
            return False
        "".encode(name)  # refuses codecs from bytes to bytes
    except (LookupError, ValueError):  # the name has a NUL, or cannot be encoded itself
        return False
    return True


def _check_workers(workers: int) -> None:
    if workers < 1:
        raise UsageError(f"There cannot be {workers} workers.", "Leave it out, or ask for 1 or more.")


@dataclass(frozen=True, kw_only=True)
class PrepareOptions:
    """How corpora are prepared as a dataset.

    Attributes:
        level: what a token is; None takes the card's level, or else `bpe`.
        vocabulary_size: number of tokens in the vocabulary, 2 or more; None leaves it to the level.
        min_count: how often a word must occur to have a token; None leaves it to the level.
        lower: whether to convert everything to lower case.
        plain: whether to take the text as it stands, not as a script.
        merge_casts: whether speakers of the same name in several corpora of a mix are one speaker.
        validation: share of the characters held out for validation, above 0.
        test: share of the characters held out for testing, 0 or more; both together at most 0.5.
        revision: the commit, branch or tag of corpora on the Hub; None is the newest commit.
        columns: what the columns of a table hold, `speaker=Character,line=Line`, if their names do not say.
        encoding: the codec of all texts, such as `shift_jis`; None detects it file by file.
        format: the format of all texts; None detects it.
        deduplicate: whether to leave out scripts that are nearly the same as another; the longest is kept.
        strict: whether to raise an error if nobody speaks, or if speakers were probably missed.
        workers: number of processes that parse the files of a large folder, 1 or more. Each imports the main
            module again, so a program that uses several must do its work under
            `if __name__ == "__main__":`.
        cluster: address of a Dask scheduler, `tcp://HOST:8786`, whose workers parse and encode instead.

    Raises:
        UsageError: a value is out of range, the codec is unknown, both `format` and `plain` are given, or the
            shares leave nothing for validation or too little for training.
    """

    level: Level | None = None
    vocabulary_size: int | None = None
    min_count: int | None = None
    lower: bool = False
    plain: bool = False
    merge_casts: bool = False
    validation: float = 0.05
    test: float = 0.05
    revision: str | None = None
    columns: str | None = None
    encoding: str | None = None
    format: str | None = None
    deduplicate: bool = False
    strict: bool = False
    workers: int = 1
    cluster: str | None = None

    def __post_init__(self) -> None:
        check_encoding(self.encoding)
        _check_workers(self.workers)
        if self.format and self.plain:
            raise UsageError("--format and --plain cannot be used together.", "Give one of them.")
        for name, least in (("vocabulary_size", 2), ("min_count", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(
                    f"The {name.replace('_', ' ')} must be {least} or more, not {value}.",
                    "Leave it out to use what suits the text.",
                )
        if not (0 < self.validation < 1 and 0 <= self.test < 1 and self.validation + self.test <= 0.5):
            raise UsageError(
                f"Validation {self.validation} and test {self.test} cannot be held out.",
                "Validation must be above 0 and both together at most 0.5: --validation 0.1 --test 0",
            )


@dataclass(frozen=True, kw_only=True)
class InspectOptions:
    """How a corpus is read to be inspected.

    Attributes:
        format: the format of the texts; None detects it.
        columns: what the columns of a table hold, `speaker=Character,line=Line`, if their names do not say.
        encoding: the codec of all texts, such as `shift_jis`; None detects it file by file.
        workers: as in `PrepareOptions`.
        cluster: as in `PrepareOptions`.

    Raises:
        UsageError: the codec is unknown, or `workers` is out of range.
    """

    format: str | None = None
    columns: str | None = None
    encoding: str | None = None
    workers: int = 1
    cluster: str | None = None

    def __post_init__(self) -> None:
        check_encoding(self.encoding)
        _check_workers(self.workers)


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """How scripts are converted.

    Attributes:
        to: the format to write; None takes it from the suffix of the file.
        format: the format of the texts; None detects it.
        columns: what the columns of a table hold, `speaker=Character,line=Line`, if their names do not say.
        encoding: the codec of all texts, such as `shift_jis`; None detects it file by file.
        scene_numbers: whether to number the scenes in a PDF.
        force: whether to replace files that exist.

    Raises:
        UsageError: the codec is unknown.
    """

    to: OutputFormat | None = None
    format: str | None = None
    columns: str | None = None
    encoding: str | None = None
    scene_numbers: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        check_encoding(self.encoding)
