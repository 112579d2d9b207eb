"""Scripts converted from any form that is read into any that is written.

A script is parsed as it is for a dataset, and laid out anew: what the other format has no place for is lost,
and nothing else. Several scripts go into one file where the format has room for them, or into a folder, each
in a file of its own.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path, PurePath
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
    atomic_write,
    expand_home,
    refuse_existing,
)


@dataclass(frozen=True)
class ConvertedFile:
    """A file that was written.

    Attributes:
        path: where it is.
        scripts: how many scripts are in it.
        lines: how many elements.
    """

    path: Path
    scripts: int
    lines: int


@dataclass(frozen=True)
class Conversion:
    """The outcome of a conversion.

    Attributes:
        files: all that were written.
        format: what they are laid out in.
        notes: as what the source was read, and what was left out, one line each.
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
        source: a file or folder, a card's name, `hf:OWNER/NAME` or an https address.
        out: the file to write, whose suffix says the format; a folder if it is one, or if `to` is given and
            it has no such suffix.
        options: how to read, and what to write.
        workspace: where cards of one's own are.
        on_progress: called while something arrives.
        fields: fields of `ConvertOptions` to change.

    Raises:
        CorpusError: nothing can be read.
        UsageError: the format is not known or cannot hold these scripts, or there is a file of that name.
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
    """Return the format to write, and whether the path is that of a folder."""
    if asked is not None and asked not in WRITTEN:
        raise unknown_name("format", asked, WRITTEN)
    suffix, named = path.suffix.lower().removeprefix("."), written_format(path)
    is_folder = path.is_dir() or (named is None if asked else not suffix)
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
    """Yield the scripts of a corpus and their names; a name that is only that of a file is no title."""
    stems = {PurePath(file.name).stem for file in corpus.files}
    for _, group in groupby(parse(corpus, plain=False, parsing=parsing), key=attrgetter("document")):
        rows = list(group)
        name = rows[0].title
        yield name, Script.from_elements("" if name in stems else name, (row.element for row in rows))


def _write_each(
    scripts: Iterable[tuple[str, Script]], folder: Path, format: str, options: ConvertOptions
) -> Iterator[ConvertedFile]:
    """Write each script into a file with its name; a second one of a name has a number."""
    taken: dict[str, int] = {}
    for name, script in scripts:
        path = folder / f"{_free_stem(as_file_stem(name), taken)}.{format}"
        refuse_existing(path, options.force)
        yield _write([script], path, format, options)


def _free_stem(stem: str, taken: dict[str, int]) -> str:
    """Return the first of `stem`, `stem 2`, `stem 3`, … that is not taken, and take it."""
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
    atomic_write(path, write(scripts, format, options.scene_numbers))
    return ConvertedFile(path, len(scripts), sum(1 for script in scripts for _ in script.elements))
