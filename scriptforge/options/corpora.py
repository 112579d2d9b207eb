"""What may be asked of the verbs that read corpora."""

from dataclasses import dataclass
from typing import Literal

from scriptforge.errors import UsageError

Level = Literal["word", "bpe", "char"]
WrittenFormat = Literal["txt", "fountain", "fdx", "json", "html", "docx", "pdf"]


def check_encoding(name: str | None) -> None:
    """Raise an error for a name that is not one of Python's text codecs; None passes.

    Raises:
        UsageError: there is no such codec.
    """
    try:
        "".encode(name or "utf-8")
    except LookupError:
        raise UsageError(
            f"There is no encoding “{name}”.",
            "Give a codec of Python, such as utf-8, cp1252, koi8-r, shift_jis or gb18030.",
        ) from None


def _check_workers(workers: int) -> None:
    if workers < 1:
        raise UsageError(f"There cannot be {workers} workers.", "Leave it out, or ask for 1 or more.")


@dataclass(frozen=True, kw_only=True)
class PrepareOptions:
    """How corpora become a dataset.

    Attributes:
        level: what a token is; None leaves it to the card, else it is bpe.
        vocabulary_size: tokens in all, 2 or more; None leaves it to the level.
        min_count: how often a word must occur to have a token; None leaves it to the level.
        lower: whether to read everything in lower case.
        plain: whether to take the text as it stands, not as a script.
        merge_casts: in a mix, whether speakers of one name are one speaker.
        validation: share of the characters held out to validate on, above 0.
        test: share of the characters held out to test on, 0 or more; both together at most 0.5.
        revision: of corpora on the Hub, the commit, branch or tag to read; None is the newest.
        columns: what the columns of a table hold, `speaker=Character,line=Line`, if their names do not say.
        encoding: the codec of all texts, such as `shift_jis`; None recognises it file by file.
        format: the format of all texts, if it is not to be recognised.
        deduplicate: whether to leave out scripts that are nearly the same as another; the longest stays.
        strict: whether it is an error where nobody speaks, or where speakers are probably missed.
        workers: how many processes parse the files of a large folder, 1 or more. They import the main module
            anew: a program that asks for several must do its work under `if __name__ == "__main__":`.
        cluster: the address of a Dask scheduler, `tcp://HOST:8786`, whose workers parse and encode instead.

    Raises:
        UsageError: a value is out of its range, or there is no such codec, or the shares leave nothing to
            validate on or too little to train on.
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
                    "Leave it out for what suits the text.",
                )
        if not (0 < self.validation < 1 and 0 <= self.test < 1 and self.validation + self.test <= 0.5):
            raise UsageError(
                f"Validation {self.validation} and test {self.test} cannot be held out.",
                "Validation must be above 0 and both together at most 0.5: --validation 0.1 --test 0",
            )


@dataclass(frozen=True, kw_only=True)
class InspectOptions:
    """How a corpus is read that is looked through.

    Attributes:
        format: the format of the texts; None recognises it.
        columns: what the columns of a table hold, `speaker=Character,line=Line`, if their names do not say.
        encoding: the codec of all texts, such as `shift_jis`; None recognises it file by file.
        workers: as of `PrepareOptions`, and so is `cluster`.

    Raises:
        UsageError: there is no such codec, or a number is out of its range.
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
        to: the format to write; None leaves it to the suffix of the file.
        format: the format of the texts; None recognises it.
        columns: what the columns of a table hold, `speaker=Character,line=Line`, if their names do not say.
        encoding: the codec of all texts, such as `shift_jis`; None recognises it file by file.
        scene_numbers: whether headings in a PDF have numbers.
        force: whether to replace files that exist.

    Raises:
        UsageError: there is no such codec.
    """

    to: WrittenFormat | None = None
    format: str | None = None
    columns: str | None = None
    encoding: str | None = None
    scene_numbers: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        check_encoding(self.encoding)
