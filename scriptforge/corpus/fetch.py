"""From a source to files that can be read, with a record of what they are.

The order of files is settled here: as a card lists them, or as a person would count them in a folder.
The contents of the files, scripts or otherwise, are not this module's business, except that a log in a folder
has to be that of a chat.
"""

import os
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from scriptforge.corpus.cards import HubDataset, LocalPath, SourceLocation, WebFile, WebFiles, load_cards
from scriptforge.corpus.download import download, take_snapshot
from scriptforge.corpus.files import (
    AnyFile,
    TableFile,
    TextFile,
    is_table,
    open_document,
    open_table,
    open_text,
    sorted_table,
    stamp,
    unchanging,
)
from scriptforge.corpus.order import name_order
from scriptforge.corpus.sources import Source, find_source
from scriptforge.corpus.text_encoding import examine
from scriptforge.dataset import Origin, OriginFile
from scriptforge.documents.kinds import kind_of_file
from scriptforge.errors import CorpusError, ScriptforgeError, UsageError
from scriptforge.net.client import ProgressCallback, no_progress, sha256_of
from scriptforge.options import ConvertOptions, InspectOptions
from scriptforge.screenplay import chat_log
from scriptforge.screenplay.format import BrokenScript, peek
from scriptforge.screenplay.formats import read
from scriptforge.screenplay.table import parse_columns
from scriptforge.workspace import Workspace

_NO_SCRIPT_NAMES = frozenset({
    "authors", "changelog", "changes", "cmakelists", "contributing", "contributors", "copying", "credits",
    "desktop", "dockerfile", "history", "install", "licence", "license", "makefile", "manifest", "md5sums",
    "notice", "readme", "requirements", "sha1sums", "sha256sums", "thumbs", "unlicense",
})  # fmt: skip
"""Names of files, without suffixes, that are no scripts in a folder of them, whatever is in them."""

_NO_SCRIPT_SUFFIXES = frozenset({
    ".7z", ".aac", ".avi", ".bak", ".bash", ".bat", ".bib", ".bmp", ".bz2", ".c", ".cc", ".cfg",
    ".class", ".conf", ".cpp", ".cs", ".css", ".db", ".dll", ".dtd", ".eot", ".exe", ".flac", ".gif",
    ".go", ".gz", ".h", ".hpp", ".ico", ".ini", ".ipynb", ".jar", ".java", ".jpeg", ".jpg", ".js",
    ".jsx", ".kt", ".less", ".lnk", ".lock", ".lua", ".m4a", ".map", ".mjs", ".mkv", ".mov",
    ".mp3", ".mp4", ".o", ".ogg", ".otf", ".php", ".pl", ".png", ".ps1", ".py", ".pyc", ".r", ".rar",
    ".rb", ".rng", ".rs", ".scss", ".sh", ".so", ".sql", ".sqlite", ".svg", ".swift", ".tar", ".tif",
    ".tiff", ".toml", ".ts", ".tsx", ".ttf", ".url", ".wav", ".webm", ".webp", ".woff", ".woff2",
    ".xsd", ".xsl", ".xslt", ".yaml", ".yml", ".zip",
})  # fmt: skip
"""Suffixes of code, settings, pictures, sounds, archives and the like."""

_NAMES_SHOWN = 10


@dataclass(frozen=True)
class Corpus:
    """A corpus that is here and can be read.

    Attributes:
        source: what it was fetched for.
        origin: what to record of it.
        files: the texts and tables, in reading order.
        notes: what a person should know, one line each: encodings, files left out.
        skips_broken: whether its files are whatever somebody's folder holds, so that those which turn out to
            be broken are left out, too.
        tasks: each file as another process can open it; empty where several make one table.
    """

    source: Source
    origin: Origin
    files: tuple[AnyFile, ...]
    notes: tuple[str, ...]
    skips_broken: bool = False
    tasks: "tuple[FileTask, ...]" = ()

    @property
    def name(self) -> str:
        """Return the name of its source."""
        return self.source.name


@dataclass(frozen=True)
class FileTask:
    """A file of a corpus, to be opened by another process, perhaps on another machine.

    Attributes:
        source: the corpus's, its location narrowed to what this file is downloaded from, if it is.
        path: where the file was opened first, and is looked for first.
        record: what it must turn out to be.
    """

    source: Source
    path: Path
    record: OriginFile

    def open(self) -> AnyFile:
        """Open the file, downloaded if it is of the Hub or the web and not here.

        Raises:
            CorpusError: it cannot be downloaded.
            ScriptforgeError: it is not to be seen from here, cannot be read, or is another one.
        """
        opened = _open(_Found(self._locate(), self.record.name, self.record.url), self.source.encoding)
        if opened.record.sha256 != self.record.sha256:
            raise ScriptforgeError(
                f"On {platform.node()}, “{self.path}” is not the file that was found where this was started.",
                "Let all machines read the same folder, and change nothing in it meanwhile.",
            )
        return opened.file

    def _locate(self) -> Path:
        try:
            with self.path.open("rb"):
                return self.path
        except OSError as error:
            if not isinstance(self.source.location, LocalPath):
                (found,), _ = _locate(self.source.location, no_progress)
                return found.path
            raise ScriptforgeError(
                f"On {platform.node()}, “{self.path}” cannot be read: {error.strerror}.",
                "Put the folder where every machine finds it under the same path, and may read it.",
            ) from None


@dataclass(frozen=True)
class _Found:
    """A file on this machine, not yet opened, and what to call it."""

    path: Path
    name: str
    url: str | None = None


@dataclass(frozen=True)
class _Opened:
    """A file that can be read, where it is, its record, and what is peculiar about it."""

    path: Path
    file: AnyFile
    record: OriginFile
    note: str | None


def fetch(source: Source, on_progress: ProgressCallback = no_progress) -> Corpus:
    """Bring a corpus here and open it; what is already here is not fetched again.

    `on_progress` is called with what is arriving, how many bytes have come and how many are expected.

    Raises:
        CorpusError: a file cannot be had, or nothing among the files can be read.
    """
    card, location = source.card, source.location
    folder = location.path if isinstance(location, LocalPath) and location.path.is_dir() else None
    found, revision = _locate(location, on_progress)
    if folder:
        opened, notes = _open_readable(found, folder, source.encoding)
    else:
        opened, notes = [_open(each, source.encoding) for each in found], []
    files = [one.file for one in opened]
    tasks = tuple(_tasks(source, opened, revision))
    if card and card.sort:
        tasks = ()
        files = [sorted_table(_tables(files, source.name), source.name, card.sort)]
    records = tuple(one.record for one in opened)
    return Corpus(
        source=source,
        origin=Origin(
            card=card.name if card else None,
            licence=card.licence if card else None,
            rights=card.rights if card else None,
            hub=location.hub if isinstance(location, HubDataset) else None,
            revision=revision,
            files=records,
        ),
        files=tuple(files),
        notes=(*notes, *(one.note for one in opened if one.note), *_differences(source, records)),
        skips_broken=folder is not None and not (card and card.sort),
        tasks=tasks,
    )


def _tasks(source: Source, opened: list[_Opened], revision: str | None) -> Iterator[FileTask]:
    """Yield the task of each file that was opened."""
    for number, one in enumerate(opened):
        location, record = source.location, one.record
        if isinstance(location, HubDataset):
            location = location.model_copy(update={"revision": revision, "files": (record.name,)})
        elif isinstance(location, WebFiles):
            location = WebFiles(files=(location.files[number],))
        yield FileTask(replace(source, location=location), one.path, record)


def fetch_named(
    name: str, options: InspectOptions | ConvertOptions, workspace: Workspace, on_progress: ProgressCallback
) -> Corpus:
    """Fetch one corpus as a person names it, and as they say that it is to be read.

    Raises:
        CorpusError: it cannot be fetched or read.
        UsageError: there is no such corpus, format or column.
    """
    source = replace(
        find_source(name, load_cards(workspace.cards)),
        format=options.format,
        columns=parse_columns(options.columns) if options.columns else None,
        encoding=options.encoding,
    )
    corpus = fetch(source, on_progress)
    if options.columns:
        expect_table([corpus])
    return corpus


def expect_table(corpora: Iterable[Corpus]) -> None:
    """Raise an error if what a person says of columns cannot be meant for any file.

    Raises:
        UsageError: there is no table among the files.
    """
    files = [file for corpus in corpora for file in corpus.files]
    if not any(isinstance(file, TableFile) for file in files):
        raise UsageError(
            f"“{files[0].name}” is a text, which has no columns.",
            "Leave --columns out; `scriptforge inspect` shows how a file is read.",
        )


def _locate(location: SourceLocation, on_progress: ProgressCallback) -> tuple[list[_Found], str | None]:
    """Return the files of a location, downloaded where they lie elsewhere, and the commit they are from."""
    match location:
        case WebFiles(files=addresses):
            return [_downloaded(address, on_progress) for address in addresses], None
        case HubDataset():
            snapshot = take_snapshot(location, on_progress)
            return [_Found(snapshot.folder / file, file) for file in snapshot.files], snapshot.revision
        case LocalPath(path=path) if path.is_dir():
            return sorted(_files_under(path), key=lambda found: name_order(found.name)), None
        case LocalPath(path=path):
            return [_Found(path, _printable(path.name))], None


def _downloaded(address: WebFile, on_progress: ProgressCallback) -> _Found:
    path = download(address, on_progress)
    parts = urlsplit(address.url)
    public = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    return _Found(path, path.name, public)


def _files_under(folder: Path) -> Iterator[_Found]:
    """Yield every file under a folder that is not hidden."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                path = Path(parent) / name
                yield _Found(path, _printable(path.relative_to(folder).as_posix()))


def _printable(name: str) -> str:
    r"""Return the name of a file as text, its bytes that are not UTF-8 as `\xe9`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _open_readable(
    found: list[_Found], folder: Path, encoding: str | None
) -> tuple[list[_Opened], list[str]]:
    """Open every file of a folder that can be read; return them, and a line on each that cannot.

    What is no script by its name is left out, too, and so are the logs of programs; one line names all of it.
    Links are followed within the folder alone: it may be somebody else's, and lead to what is nobody's
    business.
    """
    inside = os.path.realpath(folder)
    opened: list[_Opened] = []
    problems: list[CorpusError] = []
    no_scripts: list[str] = []
    for each in found:
        if _is_no_script(each.path):
            no_scripts.append(each.name)
            continue
        try:
            _refuse_leading_out(each, inside)
            one = _open(each, encoding)
            if _is_log_of_program(one):
                no_scripts.append(each.name)
            else:
                opened.append(one)
        except CorpusError as problem:
            problems.append(problem)
    if opened:
        notes = [f"left out as no script: {_named(no_scripts)}"] if no_scripts else []
        return opened, notes + [f"left out: {problem.message}" for problem in problems]
    if problems:
        raise CorpusError(f"Nothing in “{folder.name}” can be read: {problems[0].message}", problems[0].hint)
    if no_scripts:
        raise CorpusError(
            f"Nothing in “{folder.name}” is a script by its name: {_named(no_scripts)}.",
            "Give a file itself to have it read whatever it is called.",
        )
    raise CorpusError(
        f"The folder “{folder.name}” is empty.",
        "Put text files (.txt, .fountain) or tables (.csv, .json, .parquet) there.",
    )


def _refuse_leading_out(found: _Found, folder: str) -> None:
    """Raise an error for a file that really is somewhere else than in a folder."""
    if found.path.is_symlink() and not Path(os.path.realpath(found.path)).is_relative_to(folder):
        raise CorpusError(
            f"“{found.name}” is a link that leads out of the folder.", "Copy the file itself into it."
        )


def _is_no_script(path: Path) -> bool:
    name, *_ = path.name.casefold().split(".")
    return path.suffix.lower() in _NO_SCRIPT_SUFFIXES or name in _NO_SCRIPT_NAMES


def _is_log_of_program(opened: _Opened) -> bool:
    """Return whether a file is a log by its name, and not that of a chat."""
    if opened.path.suffix.lower() != ".log" or not isinstance(opened.file, TextFile):
        return False
    head, _ = peek(opened.file.lines())
    return read(head).format != chat_log.FORMAT.name


def _named(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    more = len(names) - _NAMES_SHOWN
    return f"{shown} and {more:,} more" if more > 0 else shown


def _open(found: _Found, encoding: str | None) -> _Opened:
    """Open one file as what its name says it is; its record holds as long as the file stays the same."""
    path, name = found.path, found.name
    if "::" in str(path) or "://" in str(path):  # Hugging Face Datasets would not take it for one file
        raise CorpusError(
            f"“{name}” lies under a path with “::” in it, which cannot be read.",
            "Rename the file or its folder.",
        )
    if not path.is_file():
        raise CorpusError(f"“{name}” is not a file.", "Give a text, a table or a folder of them.")
    try:
        seen = stamp(path)
        kind = None if is_table(path) else kind_of_file(path)
        if kind or path.suffix.lower() == ".parquet":
            record = OriginFile(name=name, sha256=sha256_of(path), size=path.stat().st_size, url=found.url)
            opened = open_document(path, name, kind, encoding) if kind else open_table(path, name, None)
            return _Opened(path, unchanging(opened, path, seen), record, None)
    except BrokenScript as problem:
        raise problem.named(name) from problem
    except OSError as error:
        raise CorpusError(f"“{name}” cannot be read: {error.strerror}.", "Check the file.") from None
    examination = examine(path, name, encoding)
    file = (open_table if is_table(path) else open_text)(path, name, examination)
    record = OriginFile(name=name, sha256=examination.sha256, size=examination.size, url=found.url)
    return _Opened(path, unchanging(file, path, seen), record, examination.note(name))


def _differences(source: Source, records: tuple[OriginFile, ...]) -> list[str]:
    """Return a line if a person's own file stands in for the one file of a card and is not the same."""
    if not source.card or not isinstance(source.location, LocalPath):
        return []
    match source.card.source, records:
        case WebFiles(files=(promised,)), (record,) if promised.sha256 not in (None, record.sha256):
            return [f"{record.name}: not the file that the card “{source.card.name}” describes"]
    return []


def _tables(files: list[AnyFile], name: str) -> list[TableFile]:
    tables = [file for file in files if isinstance(file, TableFile)]
    if len(tables) < len(files):
        raise CorpusError(
            f"“{name}” cannot be sorted, because it contains texts as well as tables.",
            "Remove “sort” from the card.",
        )
    return tables
