"""Cards: what scriptforge knows of a corpus before it has it, one TOML file each.

A card says where the files are (on the web, on the Hub or on this machine), how they are laid out and who
owns the words. It is data alone: nothing here fetches a file or reads one. The cards that ship with the
package stand in `corpora/`; a folder of one's own adds to them and may replace them.
"""

import json
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from scriptforge.errors import CorpusError, unknown_name
from scriptforge.screenplay.formats import FORMATS
from scriptforge.screenplay.table import Columns
from scriptforge.validation import first_problem
from scriptforge.workspace import is_file_name

FULL_REVISION = r"[0-9a-f]{40}"
OWN_FILE = "or give a file of your own with --from PATH"
"""What else a person can do where nothing can be read."""

Names: TypeAlias = tuple[Annotated[str, Field(min_length=1)], ...]


class StrictModel(BaseModel):
    """Data from a file that a person wrote: no unknown key, no conversion, no change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class WebFile(StrictModel):
    """One file on the web.

    Attributes:
        url: where it is; an http or https address.
        sha256: what its bytes must hash to; None where nobody has said.
    """

    url: str = Field(pattern=r"^https?://[^/\s]+")
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


class WebFiles(StrictModel):
    """Files on the web, in the order in which they are read."""

    files: tuple[WebFile, ...] = Field(min_length=1)


class HubDataset(StrictModel):
    """A dataset repository on the Hub.

    Attributes:
        hub: its id, `OWNER/NAME`.
        revision: a commit, branch or tag; None is the default branch. A card always names the full commit.
        files: the files to take, in this order; none named means all its tables, else all its texts.
    """

    hub: str = Field(pattern=r"^\w[\w.-]*/\w[\w.-]*$")
    revision: str | None = Field(default=None, min_length=1)
    files: Names = ()


class LocalPath(StrictModel):
    """A file or a folder on this machine."""

    path: Path


SourceLocation: TypeAlias = WebFiles | HubDataset | LocalPath


def _pinned(dataset: HubDataset) -> HubDataset:
    if not re.fullmatch(FULL_REVISION, dataset.revision or ""):
        raise ValueError("its revision must be a full commit of 40 hexadecimal digits")
    return dataset


def _variant(location: Any) -> str:
    """Return the kind of location that the table of a card means, by the key that only that one has."""
    keys = location if isinstance(location, dict) else vars(location)
    return next((key for key in ("hub", "path") if key in keys), "files")


PinnedLocation: TypeAlias = Annotated[
    Annotated[WebFiles, Tag("files")]
    | Annotated[HubDataset, AfterValidator(_pinned), Tag("hub")]
    | Annotated[LocalPath, Tag("path")],
    Discriminator(_variant),
]

KeyPath: TypeAlias = tuple[int | str, ...]

_TABLE = re.compile(r"\s*(\[\[?)\s*([\w.\s-]+?)\s*\]")
_KEY = re.compile(r"\s*([\w-]+)\s*=")
_TOML_LINE = re.compile(r"(.*) \(at line (\d+), column \d+\)")

_WORDS = {
    "missing": "it is missing",
    "extra_forbidden": "a card has no such key",
    "unexpected_keyword_argument": "a column has no such role",
}


def _known_format(name: str) -> str:
    known = [format.name for format in FORMATS]
    if name not in known:
        raise ValueError(f"there is no format “{name}”; known are {', '.join(known)}")
    return name


class Card(StrictModel):
    """One corpus.

    Attributes:
        name: the card file's name without `.toml`.
        title: the name for people.
        description: one or two sentences on what it is and what is peculiar about it.
        source: where its files are.
        format: the name of a screenplay format; None lets the reader detect it.
        columns: what a table's columns hold; None lets the reader guess.
        sort: the columns by whose values all rows together are put in order.
        licence: what the source states, as an SPDX id where it is one.
        rights: one sentence on who owns the words.
        language: a BCP 47 tag.
        cast: speakers worth naming when generating.
        level: the level that suits it.
        vocabulary_size: the number of tokens that suits it at that level.
    """

    name: str
    title: str = Field(min_length=1)
    description: str = Field(min_length=1)
    source: PinnedLocation
    format: Annotated[str, AfterValidator(_known_format)] | None = None
    columns: Columns | None = None
    sort: Names = ()
    licence: str = Field(min_length=1)
    rights: str = Field(min_length=1)
    language: str = Field(min_length=2)
    cast: Names = ()
    level: Literal["word", "bpe", "char"]
    vocabulary_size: int | None = Field(default=None, ge=2)


@dataclass(frozen=True)
class Cards:
    """Every card that could be read, and what is wrong with the others.

    Attributes:
        cards: by name, in the order of their names.
        broken: the problem of each card that could not be read, by name.
    """

    cards: Mapping[str, Card]
    broken: Mapping[str, CorpusError]

    def card(self, name: str) -> Card:
        """Return the card of that name.

        Raises:
            CorpusError: that card cannot be read.
            UsageError: there is none; the nearest names are suggested.
        """
        if name in self.broken:
            raise self.broken[name]
        if name not in self.cards:
            raise unknown_name("corpus", name, self.cards)
        return self.cards[name]


def builtin_cards_path() -> Path:
    """Return the folder of the cards that ship with the package, installed or in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "corpora"
    return installed if installed.is_dir() else package.parent / "corpora"


def load_cards(own: Path | None = None) -> Cards:
    """Return all cards: those that ship with the package, and those of a folder of one's own, if it exists.

    These add to the built-in ones and replace those of the same name.
    """
    cards: dict[str, Card] = {}
    broken: dict[str, CorpusError] = {}
    for folder in [builtin_cards_path(), *([own] if own else [])]:
        for path in sorted(folder.glob("*.toml")):
            name = unicodedata.normalize("NFC", path.stem)
            cards.pop(name, None)
            broken.pop(name, None)
            try:
                cards[name] = read_card(path)
            except CorpusError as problem:
                broken[name] = problem
    return Cards(dict(sorted(cards.items())), dict(sorted(broken.items())))


def read_card(path: Path) -> Card:
    """Read one card; a `path` in its source is taken from the card's own folder.

    Raises:
        CorpusError: the file is not a card; the message names the file and the line.
    """
    name = unicodedata.normalize("NFC", path.stem)
    if not is_file_name(name):
        raise CorpusError(
            f"{path}: “{path.stem}” cannot be the name of a corpus.",
            "Name the file with letters, digits, dots, dashes and underscores.",
        )
    text, document = _parse(path)
    if "name" in document:
        raise _problem(path, _line_of(text, ("name",)), "“name” is not a key of a card: its file names it")
    try:
        card = Card.model_validate_json(json.dumps({**document, "name": name}, default=str))
    except ValidationError as error:
        problem = first_problem(error)
        place = problem.place
        if place[:1] == ("source",):  # validation adds the variant that it chose to the path of the key
            place = place[:1] + place[2:]
        key = ".".join(str(part + 1 if isinstance(part, int) else part) for part in place)
        words = _WORDS.get(problem.kind, problem.words)
        raise _problem(path, _line_of(text, place), f"“{key}”: {words}") from None
    if isinstance(card.source, LocalPath):
        source = LocalPath(path=path.parent.resolve() / card.source.path)
        return card.model_copy(update={"source": source})
    return card


def _parse(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text("utf-8")
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _TOML_LINE.fullmatch(str(error))
        if place:
            raise _problem(path, int(place[2]), place[1]) from None
        raise _problem(path, max(1, len(text.splitlines())), str(error)) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise _problem(path, line, "the file is not UTF-8 text") from None
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}.", "Check the file.") from None


def _problem(path: Path, line: int, words: str) -> CorpusError:
    return CorpusError(
        f"{path}, line {line}: {words}.",
        "Correct the card or remove it; corpora/README.md shows how one is written.",
    )


def _line_of(text: str, location: KeyPath) -> int:
    """Return the line, from 1, on which a key stands, or else the innermost table that should have it."""
    best, shared_most = 1, 0
    for number, place in _places(text):
        shared = 0
        while shared < min(len(place), len(location)) and place[shared] == location[shared]:
            shared += 1
        if shared == len(place) and shared > shared_most:
            best, shared_most = number, shared
    return best


def _places(text: str) -> Iterator[tuple[int, KeyPath]]:
    """Yield each line that opens a table or gives a key, with the path of that table or key."""
    table: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := _TABLE.match(line):
            table = tuple(part.strip() for part in header[2].split("."))
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            yield number, table
        elif key := _KEY.match(line):
            yield number, (*table, key[1])
