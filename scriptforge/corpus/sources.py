"""What the word CORPUS on the command line means: a card, a file or folder, a Hub dataset or an address.

Nothing is read or fetched here; a source only says where to look and what is known beforehand.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from scriptforge.corpus.cards import Card, Cards
from scriptforge.corpus.locations import HubDataset, LocalPath, Location, WebFile, WebFiles
from scriptforge.errors import CorpusError, UsageError, nearest, unknown_name

_WEB = re.compile(r"https?://", re.IGNORECASE)
_NOT_IN_NAMES = re.compile(r"[^\w.-]+")
_LONGEST_NAME = 60
_FILE_LIKE = re.compile(r"[\\/]|\.\w{2,8}$")


@dataclass(frozen=True)
class Source:
    """A corpus that somebody asked for.

    Attributes:
        name: what to call a dataset made of it.
        location: where its files are.
        card: what is known of it; None for a path, an address or a Hub id.
    """

    name: str
    location: Location
    card: Card | None = None


def find_source(text: str, cards: Cards, *, path: Path | None = None) -> Source:
    """Finds out what a CORPUS argument means.

    Args:
        text: a card's name, the path of a file or folder, `hf:OWNER/NAME[@REVISION]`, or an http(s)
            address. A card's name wins over a path; `./NAME` is always a path.
        cards: the known cards.
        path: a file or folder to read in place of what the card would download.

    Raises:
        UsageError: `text` means nothing, or `path` is given without a card.
        CorpusError: the path does not exist, or the card cannot be read.
    """
    if path is not None:
        return Source(text, _existing(path), cards.card(text))
    if text.startswith("hf:"):
        return _hub_source(text)
    if _WEB.match(text):
        return _web_source(text)
    if text in cards.cards or text in cards.broken:
        card = cards.card(text)
        return Source(text, card.source, card)
    if text and (Path(text).expanduser().exists() or _FILE_LIKE.search(text)):
        location = _existing(Path(text))
        return Source(_dataset_name(location.path.stem), location)
    raise unknown_name("corpus", text, cards.cards)


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
        raise UsageError(f"“{text}” is not a web address.", "Write it whole: https://HOST/PATH.") from None
    return Source(_dataset_name(name), WebFiles(files=(address,)))


def _dataset_name(stem: str) -> str:
    """What to call a dataset made of a file or a repository of this name: a name that a folder can have."""
    return _NOT_IN_NAMES.sub("-", stem).strip("-.")[:_LONGEST_NAME] or "corpus"


def _existing(path: Path) -> LocalPath:
    """The absolute location of a path that is there."""
    absolute = path.expanduser().resolve()
    if absolute.exists():
        return LocalPath(path=absolute)
    neighbours = [entry.name for entry in absolute.parent.iterdir()] if absolute.parent.is_dir() else []
    close = nearest(absolute.name, neighbours)
    raise CorpusError(
        f"There is no file or folder “{path}”.",
        f"Did you mean {' or '.join(str(path.parent / name) for name in close)}?"
        if close
        else "Check the path; `scriptforge corpora` lists the corpora that need none.",
    )
