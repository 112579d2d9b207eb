"""From a source to files that can be read, with a record of what they are.

The order of files is settled here: as a card lists them, or as a person would count them in a folder.
What is inside the files, scripts or otherwise, is not this module's business.
"""

import os
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict

from scriptforge.corpus.cards import HubDataset, LocalPath, WebFile, WebFiles
from scriptforge.corpus.download import download, take_snapshot
from scriptforge.corpus.files import (
    TableFile,
    TextFile,
    is_table,
    natural_key,
    open_table,
    open_text,
    sorted_table,
)
from scriptforge.corpus.sources import Source
from scriptforge.corpus.text_encoding import examine
from scriptforge.errors import CorpusError, UsageError
from scriptforge.net.client import ProgressCallback, no_progress, sha256_of

__all__ = ["Fetched", "Origin", "OriginFile", "TableFile", "TextFile", "expect_table", "fetch"]


class OriginFile(BaseModel):
    """One file that was read.

    Attributes:
        name: its name, or its path inside the folder or repository given; never a path of this machine.
        sha256: of its bytes, in hexadecimal.
        size: in bytes.
        url: where on the web it is from, without user, password or query.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    sha256: str
    size: int
    url: str | None = None


class Origin(BaseModel):
    """Where the text of a dataset is from: what `dataset.json` keeps of it.

    Attributes:
        card: the card's name, where there is one.
        licence: as the card states it.
        rights: who owns the words, as the card states it.
        hub: the id of a dataset on the Hub.
        revision: its commit.
        files: the files read, in order.
    """

    model_config = ConfigDict(frozen=True)

    card: str | None = None
    licence: str | None = None
    rights: str | None = None
    hub: str | None = None
    revision: str | None = None
    files: tuple[OriginFile, ...] = ()

    def without(self, names: Container[str]) -> "Origin":
        """The origin of what is left when the files of these names are not used."""
        return self.model_copy(update={"files": tuple(one for one in self.files if one.name not in names)})


@dataclass(frozen=True)
class Fetched:
    """A corpus that is here and can be read.

    Attributes:
        origin: what to record of it.
        files: the texts and tables, in reading order.
        notes: what a person should know, one line each: encodings, files left out.
        is_folder: whether they are what somebody's folder holds, so that those which turn out to be broken
            are left out, too.
    """

    origin: Origin
    files: tuple[TextFile | TableFile, ...]
    notes: tuple[str, ...]
    is_folder: bool = False


@dataclass(frozen=True)
class _Place:
    """A file on this machine and what to call it."""

    path: Path
    name: str
    url: str | None = None


@dataclass(frozen=True)
class _Opened:
    """A file that can be read, its record, and what is peculiar about it."""

    file: TextFile | TableFile
    record: OriginFile
    note: str | None


def fetch(source: Source, *, progress: ProgressCallback = no_progress) -> Fetched:
    """Brings a corpus here and opens it; what is already here is not fetched again.

    Args:
        source: what to fetch.
        progress: told what is arriving, how many bytes have come and how many are expected.

    Raises:
        CorpusError: a file cannot be had, or nothing among the files can be read.
    """
    hub = revision = None
    skipped: list[str] = []
    match source.location:
        case WebFiles(files=addresses):
            opened = [_open(_downloaded(address, progress)) for address in addresses]
        case HubDataset() as dataset:
            snapshot = take_snapshot(dataset, progress)
            hub, revision = dataset.hub, snapshot.revision
            opened = [_open(_Place(snapshot.folder / file, file)) for file in snapshot.files]
        case LocalPath(path=path) if path.is_dir():
            opened, skipped = _open_folder(path)
        case LocalPath(path=path):
            opened = [_open(_Place(path, path.name))]

    card = source.card
    records = tuple(one.record for one in opened)
    notes = [*skipped, *(one.note for one in opened if one.note), *_differences(source, records)]
    files = [one.file for one in opened]
    if card and card.sort:
        files = [sorted_table(_tables(files, source.name), source.name, card.sort)]
    origin = Origin(
        card=card.name if card else None,
        licence=card.licence if card else None,
        rights=card.rights if card else None,
        hub=hub,
        revision=revision,
        files=records,
    )
    is_folder = isinstance(source.location, LocalPath) and source.location.path.is_dir()
    return Fetched(origin, tuple(files), tuple(notes), is_folder and not (card and card.sort))


def expect_table(corpora: Iterable[Fetched]) -> None:
    """Lets what was fetched pass if what a person says of columns can be meant for some of it.

    Raises:
        UsageError: there is no table among the files.
    """
    files = [file for fetched in corpora for file in fetched.files]
    if not any(isinstance(file, TableFile) for file in files):
        raise UsageError(
            f"“{files[0].name}” is a text, which has no columns.",
            "Leave --columns out; `scriptforge inspect` shows how a file is read.",
        )


def _downloaded(address: WebFile, progress: ProgressCallback) -> _Place:
    path = download(address, progress)
    parts = urlsplit(address.url)
    public = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    return _Place(path, path.name, public)


def _open_folder(folder: Path) -> tuple[list[_Opened], list[str]]:
    """Every file of a folder that can be read, and a line on each that cannot."""
    opened: list[_Opened] = []
    problems: list[CorpusError] = []
    for place in sorted(_places(folder), key=lambda place: natural_key(place.name)):
        try:
            opened.append(_open(place))
        except CorpusError as problem:
            problems.append(problem)
    if opened:
        return opened, [f"left out: {problem.message}" for problem in problems]
    if problems:
        raise CorpusError(f"Nothing in “{folder.name}” can be read: {problems[0].message}", problems[0].hint)
    raise CorpusError(
        f"The folder “{folder.name}” is empty.",
        "Put text files (.txt, .fountain) or tables (.csv, .json, .parquet) there.",
    )


def _places(folder: Path) -> Iterator[_Place]:
    """Every file under a folder that is not hidden."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                path = Path(parent) / name
                yield _Place(path, path.relative_to(folder).as_posix())


def _open(place: _Place) -> _Opened:
    """Opens one file as what its name says it is."""
    _refuse_chained(place)
    if not place.path.is_file():
        raise CorpusError(f"“{place.name}” is not a file.", "Give a text, a table or a folder of them.")
    if place.path.suffix.lower() == ".parquet":
        try:
            record = OriginFile(name=place.name, sha256=sha256_of(place.path), size=place.path.stat().st_size)
        except OSError as error:
            raise CorpusError(
                f"“{place.name}” cannot be read: {error.strerror}.", "Check the file."
            ) from None
        return _Opened(open_table(place.path, place.name, None), record, None)
    examination = examine(place.path, place.name)
    file = (open_table if is_table(place.path) else open_text)(place.path, place.name, examination)
    record = OriginFile(name=place.name, sha256=examination.sha256, size=examination.size, url=place.url)
    return _Opened(file, record, examination.note(place.name))


def _refuse_chained(place: _Place) -> None:
    """Refuses a path that Hugging Face Datasets would not take for one file."""
    if "::" in str(place.path) or "://" in str(place.path):
        raise CorpusError(
            f"“{place.name}” lies under a path with “::” in it, which cannot be read.",
            "Rename the file or its folder.",
        )


def _differences(source: Source, records: tuple[OriginFile, ...]) -> list[str]:
    """A line if a person's own file stands in for the one file of a card and is not the same."""
    if not source.card or not isinstance(source.location, LocalPath):
        return []
    match source.card.source, records:
        case WebFiles(files=(promised,)), (record,) if promised.sha256 not in (None, record.sha256):
            return [f"{record.name}: not the file that the card “{source.card.name}” describes"]
    return []


def _tables(files: list[TextFile | TableFile], name: str) -> list[TableFile]:
    tables = [file for file in files if isinstance(file, TableFile)]
    if len(tables) < len(files):
        raise CorpusError(
            f"“{name}” is to be sorted, but holds texts as well as tables.", "Remove “sort” from the card."
        )
    return tables
