"""Conversion of scripts from any supported input format to any supported output format.

Scripts are parsed as for a dataset and then laid out anew; only what the output format cannot represent is
lost. Several scripts go into one file, if the format allows it, or into a folder with one file each.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from scriptforge.corpus.fetch import Corpus, fetch_named
from scriptforge.corpus.parse import Parsing, parse
from scriptforge.documents.kinds import WRITTEN, check_several, write, written_format
from scriptforge.errors import CorpusError, UsageError, unknown_name
from scriptforge.net.client import ProgressCallback, no_progress
from scriptforge.options import ConvertOptions, with_fields
from scriptforge.screenplay.script import Script
from scriptforge.workspace import (
    Workspace,
    as_file_stem,
    expand_home,
    is_stream,
    refuse_existing,
    write_output,
)


@dataclass(frozen=True)
class ConvertedFile:
    """A file that was written.

    Attributes:
        path: its path.
        scripts: the number of scripts in it.
        lines: the number of elements in it.
    """

    path: Path
    scripts: int
    lines: int


@dataclass(frozen=True)
class Conversion:
    """The outcome of a conversion.

    Attributes:
        files: the files that were written.
        format: the output format.
        notes: how the source was read, and what was left out, one line each.
    """

    files: tuple[ConvertedFile, ...]
    format: str
    notes: tuple[str, ...]


def convert(
    source: str | Path,
    out: str | Path,
    options: ConvertOptions | None = None,
    *,
    workspace: str | Path | None = None,
    on_progress: ProgressCallback = no_progress,
    **fields: Any,
) -> Conversion:
    """Read scripts and write them in another format.

    Args:
        source: a file or folder, a card's name, `hf:OWNER/NAME` or an http(s) address.
        out: the file to write, whose suffix selects the format, or a folder. A path that does not exist is a
            folder if `to` is given and its suffix is not that of an output format.
        options: how to read the source, and what to write.
        workspace: the workspace whose cards are known besides the built-in ones.
        on_progress: called while files are downloaded.
        fields: fields of `ConvertOptions` to change.

    Raises:
        CorpusError: the source cannot be read, or contains no script.
        UsageError: the source or the format is unknown, the format cannot hold these scripts, or the output
            exists and `force` is not set.
    """
    options = with_fields(options or ConvertOptions(), fields)
    path = expand_home(out)
    format, is_folder = _destination(path, options.to)
    if not is_folder:
        refuse_existing(path, options.force)
    corpus = fetch_named(str(source), options, Workspace.find(workspace), on_progress)
    parsing = Parsing()
    scripts = _scripts(corpus, parsing)
    if is_folder:
        files = tuple(_write_each(scripts, path, format, options))
    else:
        files = tuple(_write_together([script for _, script in scripts], path, format, options))
    if not files:
        raise CorpusError(f"There is no script in “{source}”.", "`scriptforge inspect` shows how it is read.")
    return Conversion(files, format, (*corpus.notes, *parsing.notes))


def _destination(path: Path, asked: str | None) -> tuple[str, bool]:
    """Return the output format, and whether the path is a folder."""
    if asked is not None and asked not in WRITTEN:
        raise unknown_name("format", asked, WRITTEN)
    suffix, named = path.suffix.lower().removeprefix("."), written_format(path)
    is_unnamed = named is None if asked else not suffix
    is_folder = path.is_dir() or (is_unnamed and not is_stream(path))
    format = asked or named
    if is_folder and not asked:
        raise UsageError(
            f"{path} is a folder, and no format is named.",
            f"Name one: --to fountain; there are {', '.join(WRITTEN)}.",
        )
    if format is None:
        raise UsageError(
            f"A .{suffix} file cannot be written.", f"Name a file with one of these: {', '.join(WRITTEN)}."
        )
    return format, is_folder


def _scripts(corpus: Corpus, parsing: Parsing) -> Iterator[tuple[str, Script]]:
    """Yield the name of each script of a corpus, and the script, untitled if the name is only a file's."""
    for _, group in groupby(parse(corpus, plain=False, parsing=parsing), key=attrgetter("document")):
        rows = list(group)
        name = rows[0].title
        title = "" if name in parsing.untitled else name
        yield name, Script.from_elements(title, (row.element for row in rows))


def _write_each(
    scripts: Iterable[tuple[str, Script]], folder: Path, format: str, options: ConvertOptions
) -> Iterator[ConvertedFile]:
    """Write each script to a file named after it, numbered where the name is taken."""
    taken: dict[str, int] = {}
    by_path = {
        folder / f"{_free_stem(as_file_stem(name), taken)}.{format}": script for name, script in scripts
    }
    for path in by_path:
        refuse_existing(path, options.force)
    for path, script in by_path.items():
        yield _write([script], path, format, options)


def _free_stem(stem: str, taken: dict[str, int]) -> str:
    """Return the first of `stem`, `stem 2`, `stem 3`, … that is not in `taken`, and add it there."""
    free = stem
    while free.casefold() in taken:
        taken[stem.casefold()] += 1
        free = f"{stem} {taken[stem.casefold()]}"
    taken[free.casefold()] = 1
    return free


def _write_together(
    scripts: Sequence[Script], path: Path, format: str, options: ConvertOptions
) -> Iterator[ConvertedFile]:
    check_several(len(scripts), format, f"Name a folder for them: {path.with_suffix('')} --to {format}")
    if scripts:
        yield _write(scripts, path, format, options)


def _write(scripts: Sequence[Script], path: Path, format: str, options: ConvertOptions) -> ConvertedFile:
    write_output(path, write(scripts, format, options.scene_numbers), force=options.force)
    return ConvertedFile(path, len(scripts), sum(1 for script in scripts for _ in script.elements))
