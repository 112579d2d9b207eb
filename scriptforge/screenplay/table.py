"""Scripts stored in rows: CSV, JSON, Parquet, datasets on the Hub.

A row holds one of four things: an element, which is dialogue unless a column gives its kind; a whole script;
a list of turns, each an element again; or a text that is a document or a line of one. `Columns` says which,
by the roles that it assigns to columns.

This module does not read files; a row is a mapping from column names to cells.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain, groupby
from operator import itemgetter
from typing import cast

from scriptforge.errors import UsageError
from scriptforge.screenplay.format import BrokenScript
from scriptforge.screenplay.formats import read
from scriptforge.screenplay.script import KINDS, Element, Kind, normalise, strip_lines
from scriptforge.workspace import parse_json

Row = Mapping[str, object]

# Common names of columns, the likeliest first, in lower case and without punctuation.
_SPEAKER = (
    "speaker", "speakers", "character", "charactername", "rawcharactertext", "speakername", "speakerlabel",
    "player", "sprecher", "figur", "personnage", "personaje", "name", "role", "person", "from", "sender",
    "sendername", "creator", "author", "username", "nickname", "actor", "who",
)  # fmt: skip
_LINE = (
    "line", "linetext", "dialogue", "dialog", "dialouge", "playerline", "text", "content", "utterance",
    "spokenwords", "rawtext", "quote", "value",
    "parts", "sentence", "speech", "message", "body", "replik", "réplique", "diálogo",
)  # fmt: skip
_KIND = ("kind", "elementkind", "elementtype")
_SCENE = (
    "scene", "scenenumber", "scenenum", "sceneno", "sceneid", "sceneindex", "scenetitle", "sceneheading",
    "actsceneline", "szene", "scène", "escena",
)  # fmt: skip
_DOCUMENT = (
    "show", "series", "play", "movie", "movieid", "film", "season", "seasonno", "seasonnumber", "episode",
    "episodeno", "episodenumber", "episodeid", "title",
)  # fmt: skip
_TITLE = ("title", "episodetitle", "episodename", "movie", "film", "play", "name")
_NAMED_FOR_SURE = _SPEAKER[: _SPEAKER.index("player")]
"""Column names that can only mean a speaker; `name` may be that of a film."""

_SCRIPT = ("script", "screenplay", "transcript", "teleplay")
_TURNS = ("elements", "conversations", "conversation", "turns", "messages", "chat", "scenes")
_ROWS = ("lines", "rows", "data", "dialogues", "utterances", "monologues")
_TEXT = ("text", "content")
_PARTS = ("text", "parts", "content", "value", "body")
_PERSON = ("name", "displayname", "username", "fullname")
_ADDRESS = re.compile(r"@([^:@\s]+):[\w.-]+")
"""A user id of Matrix: `@nora:example.org`."""

_HEADING = ("heading", "setting", "location", "title", "scene")


@dataclass(frozen=True, slots=True)
class Columns:
    """The column of each role; empty if there is none.

    The first of `turns`, `script` and `text` that is given decides what the rows hold; without any of them, a
    row is an element.

    Attributes:
        speaker: who says a row's line; a row without a speaker is action.
        line: what is said.
        kind: the kind of the line: `heading`, `action`, `transition`; anything else is dialogue.
        scene: the number or the heading of the line's scene.
        document: the columns that together name the document of a row.
        title: the title of a row's script or turns.
        script: a whole script in any format.
        turns: a list of objects, each with a speaker and a line, optionally a kind.
        text: a whole document if it has several lines, else one line of a document.
    """

    speaker: str = ""
    line: str = ""
    kind: str = ""
    scene: str = ""
    document: tuple[str, ...] = ()
    title: str = ""
    script: str = ""
    turns: str = ""
    text: str = ""


_SCENE_ID = re.compile(r"[\w-]*\d[\w-]*")
"""The id of a scene, which is not a heading: `s01e02c14`."""

_ACT_SCENE_LINE = re.compile(r"\d+\.\d+\.\d+")

_ROLES = tuple(field.name for field in fields(Columns))


def parse_columns(text: str) -> Columns:
    """Parse roles of columns as a user writes them: `speaker=Character,line=Line,document=Season+Episode`.

    Raises:
        UsageError: a role does not exist or has no column, or no column is given for the lines.
    """
    roles: dict[str, str] = {}
    for part in text.split(","):
        role, equals, column = (side.strip() for side in part.partition("="))
        if role not in _ROLES:
            raise UsageError(
                f"A column cannot be the “{role}” of a script.", f"The roles are {', '.join(_ROLES)}."
            )
        if not equals or not column:
            raise UsageError(f"No column is named for “{role}”.", f"Write {role}=COLUMN.")
        roles[role] = column
    document = tuple(column.strip() for column in roles.pop("document", "").split("+") if column.strip())
    columns = Columns(document=document, **roles)
    if not (columns.line or columns.script or columns.turns or columns.text):
        raise UsageError("No column is named for the lines.", "Name one of these: line, script, turns, text.")
    return columns


def choose_columns(names: Iterable[str], said: Columns | None = None) -> Columns:
    """Return the column of each role.

    Args:
        names: the columns that exist.
        said: the columns given by a card or a user, in any case and punctuation; None to guess them from
            common names.

    Raises:
        BrokenScript: a given column does not exist, or no known name shows where the lines are.
    """
    names = list(names)
    if said is None:
        return guess_columns(names)
    by_key = {_key(name): name for name in names}

    def found(name: str) -> str:
        if not name or name in names:
            return name
        if _key(name) in by_key:
            return by_key[_key(name)]
        raise BrokenScript(f"has no column “{name}”", f"Its columns are {_listed(names)}.")

    single = {role: found(getattr(said, role)) for role in _ROLES if role != "document"}
    return replace(said, document=tuple(map(found, said.document)), **single)


def guess_columns(names: Iterable[str]) -> Columns:
    """Guess the roles of columns from their names, in any case and punctuation.

    Raises:
        BrokenScript: no known name shows where the lines are.
    """
    names = list(names)
    by_key = {_key(name): name for name in names}
    title, speaker, line = _first(by_key, _TITLE), _first(by_key, _SPEAKER), _first(by_key, _LINE)
    if turns := _first(by_key, _TURNS):
        return Columns(turns=turns, title=title)
    line = line or _line_of_speaker(by_key)
    if speaker and line:
        return Columns(
            speaker=speaker,
            line=line,
            kind=_first(by_key, _KIND),
            scene=_first(by_key, _SCENE),
            document=tuple(by_key[key] for key in _DOCUMENT if key in by_key),
        )
    if script := _first(by_key, _SCRIPT):
        return Columns(script=script, title=title)
    if turns := _first(by_key, _ROWS):
        return Columns(turns=turns, title=title)
    if text := _first(by_key, _TEXT):
        return Columns(text=text)
    what = "the speaker of its lines" if line else "the lines of a script"
    raise BrokenScript(
        f"has no column that is known to hold {what}; its columns are {_listed(names)}",
        "Say what they hold, as in --columns speaker=COLUMN,line=COLUMN, or --columns script=COLUMN.",
    )


def _line_of_speaker(by_key: Mapping[str, str]) -> str:
    """Return the column with a name for scripts if another one holds speakers: it then holds lines."""
    return _first(by_key, _SCRIPT) if _first(by_key, _NAMED_FOR_SURE) else ""


def documents(rows: Iterable[Row], columns: Columns) -> Iterator[tuple[str, Iterator[Element]]]:
    """Group rows into documents, in the order of the rows; the rows of a document must be adjacent.

    Yields:
        The name of a document, or its number if it has none, and its elements in normal form. These are read
        from the rows when iterated: consume them before the next document.
    """
    if columns.turns:
        yield from _documents_of_turns(rows, columns)
    elif columns.script:
        yield from _documents_of_scripts(rows, columns)
    elif columns.text:
        yield from _documents_of_text(rows, columns)
    else:
        yield from _documents_of_lines(rows, columns)


def _documents_of_turns(rows: Iterable[Row], columns: Columns) -> Iterator[tuple[str, Iterator[Element]]]:
    for number, row in enumerate(rows, start=1):
        yield _cell(row, columns.title) or str(number), _contents(_from_json(row.get(columns.turns)))


def _documents_of_scripts(rows: Iterable[Row], columns: Columns) -> Iterator[tuple[str, Iterator[Element]]]:
    for number, row in enumerate(rows, start=1):
        cell = row.get(columns.script)
        if isinstance(cell, list | dict):
            yield _cell(row, columns.title) or str(number), _contents(cell)
            continue
        reading = read([_cell(row, columns.script)])
        yield _cell(row, columns.title) or reading.title or str(number), iter(reading)


def _from_json(cell: object) -> object:
    """Return a cell, parsed as JSON if it is the text of a list."""
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        try:
            return parse_json(cell, strict=False)
        except ValueError:
            return cell
    return cell


def _contents(cell: object) -> Iterator[Element]:
    """Yield the elements in a cell, which may hold turns, scenes of turns, lines, or a script as text."""
    if isinstance(cell, str):
        yield from read([cell])
    elif isinstance(cell, Mapping):
        yield from _contents(_mappings(cell))
    elif isinstance(cell, Sequence) and cell and all(isinstance(turn, str | None) for turn in cell):
        yield from read(str(line) for line in cell if line)
    elif isinstance(cell, Sequence):
        for turn in cell:
            if isinstance(turn, Mapping):
                yield from _turn(turn)


def _turn(turn: Row) -> Iterator[Element]:
    """Yield the elements in a turn, which is one element or a scene of several."""
    by_key = {_key(name): name for name in turn}
    inner = _first(by_key, (*_TURNS, *_ROWS))
    speaker = _first(by_key, _SPEAKER)
    line = _first(by_key, _LINE) or _line_of_speaker(by_key)
    if inner and speaker and not line and _are_words(turn[inner]):
        words = [_cell(word, "value") for word in cast("list[Row]", turn[inner])]
        text = "".join(words) if " " in words else " ".join(words)
        yield from _spoken("", text, _name(turn, speaker))
    elif inner and isinstance(turn[inner], list | dict):
        yield Element("heading", strip_lines(_cell(turn, _first(by_key, _HEADING))))
        yield from _contents(turn[inner])
    else:
        yield from _element(turn, speaker, line, _first(by_key, _KIND))


def _are_words(cell: object) -> bool:
    """Return whether a cell lists the words and punctuation of one speech, as from speech recognition."""
    words = cell if isinstance(cell, list) else []
    return bool(words) and all(
        isinstance(each, Mapping) and {"type", "value"} <= each.keys() for each in words
    )


def _mappings(columns: Mapping[str, object]) -> list[dict[str, object]]:
    """Return a mapping of lists as a list of mappings; a mapping without lists is the only item."""
    lists = {name: cell for name, cell in columns.items() if isinstance(cell, list)}
    if not lists:
        return [dict(columns)]
    return [dict(zip(lists, cells, strict=False)) for cells in zip(*lists.values(), strict=False)]


def _documents_of_text(rows: Iterable[Row], columns: Columns) -> Iterator[tuple[str, Iterator[Element]]]:
    texts = (_cell(row, columns.text) for row in rows)
    for number, (_, group) in enumerate(group_texts(texts), start=1):
        reading = read(group)
        yield reading.title or str(number), iter(reading)


def group_texts(texts: Iterable[str]) -> Iterator[tuple[bool, Iterator[str]]]:
    """Group texts into documents: a text of several lines is one by itself, adjacent single lines form one.

    Yields:
        Whether the document is a text by itself, and its texts.
    """
    # A text of several lines has a key of its own, so it is a group by itself; single lines share the key 0.
    keyed = ((number if "\n" in text.strip() else 0, text) for number, text in enumerate(texts, start=1))
    for key, group in groupby(keyed, key=itemgetter(0)):
        yield key > 0, (text for _, text in group)


def _documents_of_lines(rows: Iterable[Row], columns: Columns) -> Iterator[tuple[str, Iterator[Element]]]:
    def name(row: Row) -> str:
        return ", ".join(f"{column} {_cell(row, column)}" for column in columns.document)

    for number, (document, group) in enumerate(groupby(rows, key=name), start=1):
        yield document or str(number), _elements_of_scenes(group, columns)


def _elements_of_scenes(rows: Iterable[Row], columns: Columns) -> Iterator[Element]:
    """Yield the elements in rows, and a heading where a scene begins.

    A scene that has only a number or an id gets an empty heading, or none if it is the first.
    """
    above = ""

    def scene_of(row: Row) -> str:
        nonlocal above
        above = _scene(row, columns.scene) or above
        return above

    for number, (scene, group) in enumerate(groupby(rows, key=scene_of)):
        elements = chain.from_iterable(
            _element(row, columns.speaker, columns.line, columns.kind) for row in group
        )
        first = next(elements, None)
        if first is None:
            continue
        has_text = any(map(str.isalpha, scene)) and not _SCENE_ID.fullmatch(scene)
        if columns.scene and first.kind != "heading" and (number or has_text):
            yield Element("heading", strip_lines(scene) if has_text else "")
        yield from chain([first], elements)


def _scene(row: Row, column: str) -> str:
    """Return the scene of a row; of a number of act, scene and line, `1.2.34`, only the first two parts."""
    cell = _cell(row, column).strip()
    return cell.rpartition(".")[0] if _ACT_SCENE_LINE.fullmatch(cell) else cell


def _element(row: Row, speaker: str, line: str, kind: str) -> Iterator[Element]:
    """Yield the element in a row; none if the row has no text."""
    yield from _spoken(_cell(row, kind), _cell(row, line), _name(row, speaker))


def _spoken(kind: str, text: str, speaker: str) -> Iterator[Element]:
    printed = kind.strip().casefold()
    known: Kind = printed if printed in KINDS else "dialogue"
    element = normalise(Element(known, text, speaker))
    if element:
        yield element


def _name(row: Row, column: str) -> str:
    """Return the speaker of a row, whose cell holds a name, a list of names, or an object with a name."""
    value = row.get(column) if column else None
    if isinstance(value, Mapping):
        by_key = {_key(name): name for name in value}
        return _cell(value, _first(by_key, _PERSON))
    if isinstance(value, list):
        return " and ".join(each for each in value if isinstance(each, str))
    name = _cell(row, column)
    address = _ADDRESS.fullmatch(name)
    return address[1] if address else name


def _cell(row: Row, column: str) -> str:
    """Return a cell as text; empty if there is no such column or the cell has no value."""
    value = row.get(column) if column else None  # JSON may have a key that is empty
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        return _text_of_parts(value)
    is_missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if is_missing else str(value)


def _text_of_parts(content: object) -> str:
    """Return the text in the parts of a chat model's message; images and tool calls have none."""
    match content:
        case str():
            return content
        case list():
            return "\n".join(filter(None, map(_text_of_parts, content)))
        case dict():
            by_key = {_key(name): name for name in content}
            kind = str(content.get(by_key.get("type", ""), "text"))
            inner = _first(by_key, _PARTS)
            return _text_of_parts(content[inner]) if inner and kind.endswith("text") else ""
    return ""


def _key(name: str) -> str:
    return "".join(filter(str.isalnum, name)).casefold()


def _first(by_key: Mapping[str, str], keys: Iterable[str]) -> str:
    return next((by_key[key] for key in keys if key in by_key), "")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(" ".join(name.split()) for name in names) or "none"
