"""Cards: descriptions of corpora, one TOML file each.

A card says where the files are (on the web, on the Hub or on this machine), how they are laid out and who
owns the text. It is data only: nothing here fetches or reads the files. The cards in `corpora/` ship with
the package; a user's own folder can add cards and replace built-in ones.
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
from scriptforge.workspace import is_file_name, parse_toml
from scriptforge.workspace.files import is_special

FULL_REVISION = r"[0-9a-f]{40}"
OWN_FILE = "or give a file of your own: --from PATH, in a mix PATH in place of the name"
"""The alternative suggested when a file cannot be downloaded."""

Names: TypeAlias = tuple[Annotated[str, Field(min_length=1)], ...]


class StrictModel(BaseModel):
    """A frozen model of hand-written data, without unknown keys and type conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class WebFile(StrictModel):
    """One file on the web.

    Attributes:
        url: its http or https address.
        sha256: the expected SHA-256 of its bytes, in hexadecimal; None skips the check.
    """

    url: str = Field(pattern=r"^https?://[^/\s]+")
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


class WebFiles(StrictModel):
    """Files on the web, in reading order."""

    files: tuple[WebFile, ...] = Field(min_length=1)


class HubDataset(StrictModel):
    """A dataset repository on the Hub.

    Attributes:
        hub: its id, `OWNER/NAME`.
        revision: a commit, branch or tag; None is the default branch. A card always names the full commit.
        files: paths of the files to read, in order; empty selects all tables, or all texts if there are none.
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
    """Return the tag of a location's type, by the key that only this type has."""
    keys = location if isinstance(location, dict) else vars(location)
    return next((key for key in ("hub", "path") if key in keys), "files")


PinnedLocation: TypeAlias = Annotated[
    Annotated[WebFiles, Tag("files")]
    | Annotated[HubDataset, AfterValidator(_pinned), Tag("hub")]
    | Annotated[LocalPath, Tag("path")],
    Discriminator(_variant),
]

KeyPath: TypeAlias = tuple[int | str, ...]

_TABLE = re.compile(r"\s*+(\[\[?)([\w.\s-]++)\]")
_KEY = re.compile(r"\s*+([\w-]++)\s*+=")
_TOML_LINE = re.compile(r"(.*) \(at line (\d+), column \d+\)")

_CORRECT = "Correct the card or remove it; corpora/README.md shows how one is written."
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
        title: the name to display.
        description: one or two sentences on what it is and what is peculiar about it.
        source: where its files are.
        format: the name of a screenplay format; None detects it.
        columns: what the columns of its tables hold; None guesses.
        sort: the columns to sort the rows of all its tables by; empty keeps their order.
        licence: the licence that the source states, as an SPDX id where there is one.
        rights: one sentence on who owns the text.
        language: a BCP 47 tag.
        cast: speakers worth naming when generating.
        level: the recommended level.
        vocabulary_size: the recommended number of tokens at that level.
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
    """All cards that were found, valid and broken.

    Attributes:
        cards: the valid cards by name, sorted.
        broken: the error of each card that could not be read, by name, sorted.
    """

    cards: Mapping[str, Card]
    broken: Mapping[str, CorpusError]

    def card(self, name: str) -> Card:
        """Return the card of that name.

        Raises:
            CorpusError: the card cannot be read.
            UsageError: there is no such card; the message suggests the nearest names.
        """
        if name in self.broken:
            raise self.broken[name]
        if name not in self.cards:
            raise unknown_name("corpus", name, self.cards)
        return self.cards[name]


def builtin_cards_path() -> Path:
    """Return the folder of the built-in cards, whether the package is installed or in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "corpora"
    return installed if installed.is_dir() else package.parent / "corpora"


def load_cards(own: Path | None = None) -> Cards:
    """Return the built-in cards and those in the folder `own`, if it exists.

    A card in `own` replaces the built-in card of the same name.
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
    """Read one card; a relative `path` in its source is resolved against the card's folder.

    Raises:
        CorpusError: the file is not a valid card; the message names the file and the line.
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
        if place[:1] == ("source",):  # pydantic adds the tag of the location's type to the key's path
            place = place[:1] + place[2:]
        key = ".".join(str(part + 1 if isinstance(part, int) else part) for part in place)
        words = _WORDS.get(problem.kind, problem.words)
        raise _problem(path, _line_of(text, place), f"“{key}”: {words}") from None
    if isinstance(card.source, LocalPath):
        source = LocalPath(path=path.parent.resolve() / card.source.path)
        return card.model_copy(update={"source": source})
    return card


def _parse(path: Path) -> tuple[str, dict[str, Any]]:
    if is_special(path):
        raise CorpusError(f"{path} cannot be read: it is a pipe or device, not a file.", "Remove it.")
    try:
        text = path.read_text("utf-8")
        return text, parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        place = _TOML_LINE.fullmatch(str(error))
        if place:
            raise _problem(path, int(place[2]), place[1]) from None
        raise _problem(path, max(1, len(text.splitlines())), str(error)) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise _problem(path, line, "the file is not UTF-8 text") from None
    except ValueError as error:
        raise CorpusError(f"{path} cannot be read: {error}.", _CORRECT) from None
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}.", "Check the file.") from None


def _problem(path: Path, line: int, words: str) -> CorpusError:
    return CorpusError(
        f"{path}, line {line}: {words}.",
        _CORRECT,
    )


def _line_of(text: str, location: KeyPath) -> int:
    """Return the line, from 1, of a key, or of the innermost table that should contain it."""
    best, shared_most = 1, 0
    for number, place in _places(text):
        shared = 0
        while shared < min(len(place), len(location)) and place[shared] == location[shared]:
            shared += 1
        if shared == len(place) and shared > shared_most:
            best, shared_most = number, shared
    return best


def _places(text: str) -> Iterator[tuple[int, KeyPath]]:
    """Yield the number of each line that opens a table or sets a key, with the path of that table or key."""
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
