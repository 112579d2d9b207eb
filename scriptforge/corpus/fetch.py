"""Fetching: from a source to open files and a record of their origin.

The reading order is settled here: the order of the card, or the natural order of the names in a folder
(`2.txt` before `10.txt`). This module does not look at the contents of the files, except that a log in a
folder must be that of a chat.
"""

import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
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
    raising_if_changed,
    sorted_table,
    stamp,
)
from scriptforge.corpus.json_rows import read_users
from scriptforge.corpus.order import name_order
from scriptforge.corpus.sources import Source, find_source
from scriptforge.corpus.text_encoding import examine
from scriptforge.dataset import Origin, OriginFile
from scriptforge.documents.chat_archive import may_be_chat
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
"""Names, without suffixes, of files in a folder that are never scripts, whatever they contain."""

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
"""Suffixes of files in a folder that are never scripts: code, settings, media, archives except of chats."""

_USER_LIST = "users.json"
_NAMES_SHOWN = 10


@dataclass(frozen=True)
class Corpus:
    """A corpus whose files are on this machine and open.

    Attributes:
        source: the source it was fetched from.
        origin: the record of its files for `dataset.json`, and of the lists of users whose names are in them.
        files: its texts, tables and documents, in reading order.
        notes: remarks for the user, one line each: encodings, files left out.
        skips_broken: whether files that turn out to be broken are left out, as in a folder of any files; else
            they are errors.
        tasks: for each of `files`, a task with which another process can open it; empty if the tables were
            merged into a sorted one.
    """

    source: Source
    origin: Origin
    files: tuple[AnyFile, ...]
    notes: tuple[str, ...]
    skips_broken: bool = False
    tasks: "tuple[FileTask, ...]" = ()

    @property
    def name(self) -> str:
        """Return the name of the source."""
        return self.source.name


@dataclass(frozen=True)
class FileTask:
    """A file of a corpus, to be opened by another process, possibly on another machine.

    Attributes:
        source: the source of the corpus; where files are downloaded, its location contains only this one.
        path: where this process found the file; tried before downloading it.
        record: the record of the file, whose SHA-256 must match.
        users: the names of users by id, for a chat exported from Slack.
    """

    source: Source
    path: Path
    record: OriginFile
    users: Mapping[str, str]

    def open(self) -> AnyFile:
        """Open the file; if it is missing here, download it from the Hub or the web.

        Raises:
            CorpusError: it cannot be downloaded or opened.
            ScriptforgeError: a local file cannot be read on this machine, or the SHA-256 differs.
        """
        found = _Found(self._locate(), self.record.name, self.record.url, self.users)
        opened = _open(found, self.source.encoding)
        if opened.record.sha256 != self.record.sha256:
            raise ScriptforgeError(
                f"On {platform.node()}, “{self.path}” differs from the file on the machine where this was"
                " started.",
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
    """A local file that is not open yet.

    Attributes:
        path: its path.
        name: the name to show for it.
        url: its address, if it is from the web.
        users: the names of users by id, for a chat exported from Slack.
    """

    path: Path
    name: str
    url: str | None = None
    users: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Opened:
    """An open file, where it was found, its record, and a note on its encoding, if there is one."""

    found: _Found
    file: AnyFile
    record: OriginFile
    note: str | None


def fetch(source: Source, on_progress: ProgressCallback = no_progress) -> Corpus:
    """Download the files of a corpus, unless they are here already, and open them.

    Args:
        source: the corpus to fetch.
        on_progress: called with a file's or dataset's name, the bytes received, and the bytes expected.

    Raises:
        CorpusError: a file cannot be downloaded or opened, or none in a folder can be read.
    """
    card, location = source.card, source.location
    folder = location.path if isinstance(location, LocalPath) and location.path.is_dir() else None
    found, revision = _locate(location, on_progress)
    lists: list[OriginFile] = []
    if folder:
        found, lists = _with_users(found)
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
            files=(*records, *lists),
        ),
        files=tuple(files),
        notes=(*notes, *(one.note for one in opened if one.note), *_differences(source, records)),
        skips_broken=folder is not None and not (card and card.sort),
        tasks=tasks,
    )


def _tasks(source: Source, opened: list[_Opened], revision: str | None) -> Iterator[FileTask]:
    """Yield a task for each open file, its location narrowed to that file if it is downloaded."""
    for number, one in enumerate(opened):
        location, record = source.location, one.record
        if isinstance(location, HubDataset):
            location = location.model_copy(update={"revision": revision, "files": (record.name,)})
        elif isinstance(location, WebFiles):
            location = WebFiles(files=(location.files[number],))
        yield FileTask(replace(source, location=location), one.found.path, record, one.found.users)


def fetch_named(
    name: str, options: InspectOptions | ConvertOptions, workspace: Workspace, on_progress: ProgressCallback
) -> Corpus:
    """Fetch one corpus by the name that the user gave, to be read as the options say.

    Raises:
        CorpusError: it cannot be fetched or opened.
        UsageError: there is no such corpus, the columns are malformed, or none of its files is a table.
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
    """Check that there is a table, so that an option on columns applies.

    Raises:
        UsageError: none of the files is a table.
    """
    files = [file for corpus in corpora for file in corpus.files]
    if not any(isinstance(file, TableFile) for file in files):
        raise UsageError(
            f"“{files[0].name}” is a text, which has no columns.",
            "Leave --columns out; `scriptforge inspect` shows how a file is read.",
        )


def _locate(location: SourceLocation, on_progress: ProgressCallback) -> tuple[list[_Found], str | None]:
    """Return the files of a location, downloading remote ones, and the commit they are from, if any."""
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


def _with_users(found: list[_Found]) -> tuple[list[_Found], list[OriginFile]]:
    """Give the JSON files of a folder the names in Slack's lists of users beside them or one folder above.

    Returns:
        The files without these lists, and the records of the lists.
    """
    chats = [each.path for each in found if each.path.suffix.lower() == ".json"]
    near = {folder for path in chats if path.name != _USER_LIST for folder in (*path.parents,)[:2]}
    lists = {
        each.path.parent: (each.name, listed)
        for each in found
        if each.path.name == _USER_LIST and each.path.parent in near and (listed := read_users(each.path))
    }
    names = {folder: listed.names for folder, (_, listed) in lists.items()}
    others = [
        replace(each, users=names.get(each.path.parent) or names.get(each.path.parent.parent) or {})
        for each in found
        if each.path.name != _USER_LIST or each.path.parent not in lists
    ]
    records = [
        OriginFile(name=name, sha256=listed.sha256, size=listed.size, url=None)
        for name, listed in lists.values()
    ]
    return others, records


def _printable(name: str) -> str:
    r"""Return a file's name as text, with escapes such as `\xe9` for bytes that are not UTF-8."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _open_readable(
    found: list[_Found], folder: Path, encoding: str | None
) -> tuple[list[_Opened], list[str]]:
    """Open every readable file of a folder; return them, and notes on the files that were left out.

    Files whose names rule out a script and logs of programs are left out too; one note lists them all.
    Symbolic links that lead out of the folder are refused: someone else may have made the folder, with links
    to private files of the user.
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
        notes = [f"left out, not scripts by name: {_named(no_scripts)}"] if no_scripts else []
        return opened, notes + [f"left out: {problem.message}" for problem in problems]
    if problems:
        raise CorpusError(f"Nothing in “{folder.name}” can be read: {problems[0].message}", problems[0].hint)
    if no_scripts:
        raise CorpusError(
            f"No file in “{folder.name}” has the name of a script: {_named(no_scripts)}.",
            "Name a file itself to have it read, whatever it is called.",
        )
    raise CorpusError(
        f"The folder “{folder.name}” is empty.",
        "Put text files (.txt, .fountain) or tables (.csv, .json, .parquet) there.",
    )


def _refuse_leading_out(found: _Found, folder: str) -> None:
    """Raise an error for a symbolic link that leads out of a folder."""
    if found.path.is_symlink() and not Path(os.path.realpath(found.path)).is_relative_to(folder):
        raise CorpusError(
            f"“{found.name}” is a link that leads out of the folder.", "Copy the file itself into it."
        )


def _is_no_script(path: Path) -> bool:
    name, *_ = path.name.casefold().split(".")
    suffix = path.suffix.lower()
    is_left_out = suffix in _NO_SCRIPT_SUFFIXES and not (suffix == ".zip" and _may_be_chat(path))
    return is_left_out or name in _NO_SCRIPT_NAMES


def _may_be_chat(path: Path) -> bool:
    try:
        return path.is_file() and may_be_chat(path)
    except OSError:
        return True  # `_open` says why it cannot be read


def _is_log_of_program(opened: _Opened) -> bool:
    """Return whether a file is named `.log` and its contents are not a chat."""
    if opened.found.path.suffix.lower() != ".log" or not isinstance(opened.file, TextFile):
        return False
    head, _ = peek(opened.file.lines())
    return read(head).format != chat_log.FORMAT.name


def _named(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    more = len(names) - _NAMES_SHOWN
    return f"{shown} and {more:,} more" if more > 0 else shown


def _open(found: _Found, encoding: str | None) -> _Opened:
    """Open one file by its suffix and contents; reading it raises if it has changed since it was hashed."""
    path, name = found.path, found.name
    if "::" in str(path) or "://" in str(path):  # Hugging Face Datasets reads these as URLs
        raise CorpusError(
            f"“{name}” has “::” in its path, and cannot be read.",
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
            return _Opened(found, raising_if_changed(opened, path, seen), record, None)
    except BrokenScript as problem:
        raise problem.named(name) from problem
    except OSError as error:
        raise CorpusError(f"“{name}” cannot be read: {error.strerror}.", "Check the file.") from None
    examination = examine(path, name, encoding)
    file: AnyFile = (
        open_table(path, name, examination, found.users)
        if is_table(path)
        else open_text(path, name, examination)
    )
    record = OriginFile(name=name, sha256=examination.sha256, size=examination.size, url=found.url)
    return _Opened(found, raising_if_changed(file, path, seen), record, examination.note(name))


def _differences(source: Source, records: tuple[OriginFile, ...]) -> list[str]:
    """Return a note if the user's file replaces the one file of a card and its SHA-256 differs."""
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
