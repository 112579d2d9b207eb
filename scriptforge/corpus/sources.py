"""Sources of corpora, by the names that users give: a card, a file or folder, a Hub dataset or a URL.

Several sources make a mix, in which each may have a weight: `seinfeld=2`. Nothing is read or fetched here; a
source only holds a location and what is known in advance.
"""

import glob
import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from scriptforge.characters import command
from scriptforge.corpus.cards import Card, Cards, HubDataset, LocalPath, SourceLocation, WebFile, WebFiles
from scriptforge.errors import CorpusError, ScriptforgeError, UsageError, nearest, unknown_name
from scriptforge.screenplay.table import Columns
from scriptforge.workspace import as_file_name, expand_home

_WEB = re.compile(r"https?://", re.IGNORECASE)
_LONGEST_NAME = 60
_MAX_WEIGHT = 100
_FILE_LIKE = re.compile(r"[\\/]|\.\w{2,8}$")


@dataclass(frozen=True)
class Source:
    """A requested corpus, not fetched yet.

    Attributes:
        name: the default name of a dataset made from it.
        location: where its files are.
        card: its card; None for a path, a URL or a Hub id.
        weight: how often its training text occurs in a mix; above 0.
        columns: what the columns of its tables hold, overriding the card; None keeps the card's.
        format: the name of the format of its texts, overriding the card; None keeps the card's.
        encoding: the codec of its texts; None detects it.
    """

    name: str
    location: SourceLocation
    card: Card | None = None
    weight: float = 1.0
    columns: Columns | None = None
    format: str | None = None
    encoding: str | None = None


def find_sources(texts: Sequence[str], cards: Cards, *, path: Path | None = None) -> list[Source]:
    """Resolve the names of one or several corpora, each of several optionally with a weight.

    If two sources have the same name, the second becomes `NAME-2`.

    Args:
        texts: the names, as for `find_source`, optionally followed by `=WEIGHT`. An existing path is taken
            whole, even if it ends like a weight.
        cards: the known cards.
        path: as for `find_source`; only for a single corpus.

    Raises:
        UsageError: a name is unknown or given twice, a weight is out of range, a single corpus has a weight
            other than 1, or `path` is given for several corpora.
        CorpusError: as for `find_source`.
    """
    if path is not None and len(texts) > 1:
        raise UsageError(
            f"--from works with one corpus, not {len(texts)}.",
            f"Give the path itself in place of a name: {command('prepare', *_with_path(texts, path, cards))}",
        )
    sources: list[Source] = []
    for text, weight in map(_split_weight, texts):
        try:
            source = find_source(text, cards, path=path)
        except ScriptforgeError as error:
            name = " ".join(texts)
            if len(texts) == 1 or not expand_home(name).exists():
                raise
            hint = f"Did you mean the file “{name}”? Then quote it: {command('prepare', name)}"
            raise UsageError(error.message, hint) from error
        if any(source.location == other.location for other in sources):
            raise UsageError(f"“{text}” is named twice.", f"Name it once, with a weight: {text}=2")
        name = _free_name(source.name, [other.name for other in sources])
        sources.append(replace(source, name=name, weight=1.0 if weight is None else weight))
    if len(sources) == 1 and sources[0].weight != 1:
        raise UsageError(
            f"“{sources[0].name}” has a weight, but there is nothing to weigh it against.",
            "Leave the weight out, or name another corpus beside it.",
        )
    return sources


def _with_path(texts: Sequence[str], path: Path, cards: Cards) -> list[str]:
    """Return the names with a path in place of the first that is a card's, or else of the last one."""
    parted = list(map(_split_weight, texts))
    of_cards = (number for number, (name, _) in enumerate(parted) if name in cards.cards)
    replaced = next(of_cards, len(texts) - 1)
    weight = parted[replaced][1]
    words = str(path) if weight is None else f"{path}={weight:g}"
    return [*texts[:replaced], words, *texts[replaced + 1 :]]


def at_revision(source: Source, revision: str) -> Source:
    """Return the source at another commit, branch or tag of its Hub repository.

    Raises:
        UsageError: it is not on the Hub.
    """
    if not isinstance(source.location, HubDataset):
        raise UsageError(f"“{source.name}” is not on the Hub and has no revisions.", "Leave --revision out.")
    return replace(source, location=source.location.model_copy(update={"revision": revision}))


def mix_name(sources: Sequence[Source]) -> str:
    """Return the default name of a dataset made from these sources."""
    first, *others = (source.name for source in sources)
    return "_".join([first, *others])[:_LONGEST_NAME].rstrip(".") if others else first


def _split_weight(text: str) -> tuple[str, float | None]:
    """Return the name of a corpus, and its weight if one is given.

    Raises:
        UsageError: the weight is out of range.
    """
    corpus, equals, number = text.rpartition("=")
    is_query = _WEB.match(corpus) and "?" in corpus  # the `=` may belong to the query of a URL
    if not equals or is_query or expand_home(text).exists():
        return text, None
    try:
        weight = float(number)
    except ValueError:
        return text, None
    if not 0 < weight <= _MAX_WEIGHT:
        raise UsageError(
            f"“{text}” has an invalid weight, {number}.",
            f"A weight is above 0 and at most {_MAX_WEIGHT}: {corpus}=2 or {corpus}=0.5",
        )
    return corpus, weight


def _free_name(stem: str, taken: Sequence[str]) -> str:
    """Return the first of `stem`, `stem-2`, `stem-3`, … that is not taken."""
    names = chain([stem], (f"{stem}-{number}" for number in count(2)))
    return next(name for name in names if name not in taken)


def find_source(text: str, cards: Cards, *, path: Path | None = None) -> Source:
    """Resolve the name of a corpus.

    Args:
        text: a card's name, the path of a file or folder, `hf:OWNER/NAME[@REVISION]`, or an http(s)
            address. A card's name takes precedence over a path; `./NAME` is always a path.
        cards: the known cards.
        path: a file or folder to read instead of the files that the card lists.

    Raises:
        UsageError: `text` is unknown or malformed, or `path` is given and `text` is not a card's name.
        CorpusError: the path does not exist, or the card cannot be read.
    """
    if path is not None:
        return Source(text, _existing(path), cards.card(text))
    if text.startswith("hf:"):
        return _hub_source(text)
    if _WEB.match(text):
        return _web_source(text)
    name = unicodedata.normalize("NFC", text)
    if name in cards.cards or name in cards.broken:
        card = cards.card(name)
        return Source(name, card.source, card)
    if text and (expand_home(text).exists() or _FILE_LIKE.search(text)):
        location = _existing(Path(text))
        typed = Path(os.path.normpath(expand_home(text).absolute()))  # a link has its own name
        return Source(_dataset_name(typed.name if typed.is_dir() else typed.stem), location)
    if files := _files_without_suffix(text):
        raise UsageError(
            f"There is no corpus named “{text}”.", f"Did you mean the file {' or '.join(map(str, files))}?"
        )
    raise unknown_name("corpus", text, cards.cards)


def _files_without_suffix(text: str) -> list[Path]:
    """Return the files of the current folder that a name without its suffix may mean."""
    pattern = f"{glob.escape(text)}.*"
    return sorted(path for path in Path().glob(pattern) if path.is_file()) if text else []


def _hub_source(text: str) -> Source:
    name, _, revision = text.removeprefix("hf:").partition("@")
    try:
        dataset = HubDataset(hub=name, revision=revision or None)
    except ValidationError:
        raise UsageError(
            f"“{text}” does not name a dataset on the Hub.",
            "Write hf:OWNER/NAME, or hf:OWNER/NAME@REVISION.",
        ) from None
    return Source(_dataset_name(name.partition("/")[2]), dataset)


def _web_source(text: str) -> Source:
    try:
        address = WebFile(url=text)
        name = Path(unquote(urlsplit(text).path)).stem
    except ValueError:
        raise UsageError(f"“{text}” is not a web address.", "Write it in full: https://HOST/PATH.") from None
    return Source(_dataset_name(name), WebFiles(files=(address,)))


def _dataset_name(stem: str) -> str:
    """Return a dataset name, valid as a folder's name, made from that of a file or repository."""
    return as_file_name(stem).strip("-.")[:_LONGEST_NAME].rstrip(".") or "corpus"


def _existing(path: Path) -> LocalPath:
    """Return the absolute location of a path.

    Raises:
        CorpusError: the path does not exist.
    """
    absolute = Path(os.path.realpath(expand_home(path)))
    if absolute.exists():
        return LocalPath(path=absolute)
    neighbours = sorted(entry.name for entry in absolute.parent.iterdir()) if absolute.parent.is_dir() else []
    close = nearest(absolute.name, neighbours)
    raise CorpusError(
        f"There is no file or folder “{path}”.",
        f"Did you mean {' or '.join(str(path.parent / name) for name in close)}?"
        if close
        else "Check the path; `scriptforge corpora` lists the corpora that need none.",
    )
