"""How files are damaged: each so that what reads it gets deep, by what is drawn at random.

JSON is damaged value by value, the headers of tensors and arrays too, a database cell by cell; everything
byte by byte as well. What reads it stands in `damaged`.
"""

import json
import random
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**31, 2**63, 10**400, 1.5, 1e308, float("nan"), float("inf"), "", "x",
    "x" * 70_000, "\x00\x1b[31m\u202e", "../../etc/passwd", [], {}, [[]], {"": {}}, "DEEP",
)  # fmt: skip
_ODD_TOML = (
    "-1", "0", "1.5", "nan", "inf", "1e400", "9" * 5000, "true", '""', '"x"', f'"{"x" * 70_000}"', "",
    "1979-05-27", "[" * 5000, "[" * 900 + "]" * 900, "{a = " * 900 + "1" + "}" * 900, "[]", "{}", "[[], 1]",
    r'"\u001b[31m"', '"../../etc/passwd"',
)  # fmt: skip


def damage_json(content: bytes, draw: random.Random) -> bytes:
    """Return JSON of which one value, or one key, is another."""
    try:
        document = json.loads(content)
    except ValueError:
        return damage_bytes(content, draw)
    holder: Any = {"": document}
    key: Any = ""
    node: Any = document
    while isinstance(node, dict | list) and node and draw.random() < 0.85:
        holder, key = node, draw.choice(list(node)) if isinstance(node, dict) else draw.randrange(len(node))
        node = holder[key]
    way = draw.randrange(4)
    if way == 0 and holder is not document and isinstance(holder, dict):
        del holder[key]
    elif way == 1 and isinstance(holder, dict):
        holder[f"{key}{draw.choice(('', 's', ' '))}"] = holder.pop(key)
        holder["unknown"] = draw.choice(_ODD)
    elif way == 2 and isinstance(node, list) and node:
        node.append(draw.choice(node))
    else:
        holder[key] = draw.choice(_ODD)
    if isinstance(holder, dict) and holder.keys() == {""}:
        document = holder[""]
    return json.dumps(document).replace('"DEEP"', "[" * 5000 + "]" * 5000).encode()


def damage_bytes(content: bytes, draw: random.Random) -> bytes:
    """Return bytes of which some are missing, flipped, repeated or in another place."""
    start, length = draw.randrange(len(content) + 1), draw.choice((1, 4, 64, 4096))
    match draw.randrange(6):
        case 0:
            return content[:start]
        case 1:
            return (
                content[:start]
                + bytes(draw.randrange(256) for _ in range(length))
                + content[start + length :]
            )
        case 2:
            return content[:start] + content[start + length :]
        case 3:
            return content[: start + length] + content[start:]
        case 4:
            return content[:start] + bytes(length) + content[start + length :]
    return b""


def damage_tensors(content: bytes, draw: random.Random) -> bytes:
    """Return a safetensors file whose header says something else, its length kept true."""
    if draw.random() < 0.4:
        return damage_bytes(content, draw)
    length = int.from_bytes(content[:8], "little")
    header = damage_json(content[8 : 8 + length], draw)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def damage_array(content: bytes, draw: random.Random) -> bytes:
    """Return an `.npy` file with another header, or other numbers."""
    changes = (
        (b"|u1", b"<i8"),
        (b"<u2", b">u2"),
        (b"False", b"True "),
        (b"(", b"(9"),
        (b",)", b",9,)"),
        (b"|u1", b"|O "),
    )
    old, new = draw.choice(changes)
    return content.replace(old, new, 1) if draw.random() < 0.4 else damage_bytes(content, draw)


def damage_lines(content: bytes, draw: random.Random) -> bytes:
    """Return lines of JSON of which one says something else, comes twice, or is missing."""
    lines = content.splitlines(keepends=True)
    if not lines or draw.random() < 0.3:
        return damage_bytes(content, draw)
    place = draw.randrange(len(lines))
    changed = damage_json(lines[place], draw) + b"\n"
    lines[place] = draw.choice((changed, changed, changed, lines[place] * 2, b"", b"\n"))
    return b"".join(lines)


def damage_words(content: bytes, draw: random.Random) -> bytes:
    """Return a list of words, one a line, of which one is no word, is in another place, or has no end."""
    if draw.random() < 0.4:
        return damage_bytes(content, draw)
    lines = content.split(b"\n")
    odd = (
        b"",
        b"two words",
        b"x" * 70_000,
        b"\xff\xfe",
        b"Caf\xc3\xa9",
        b"\x1b[2J",
        b"\xe2\x80\xae",
        lines[-2],
    )
    lines.insert(draw.randrange(len(lines) + 1), draw.choice(odd))
    if draw.random() < 0.5:
        lines.sort()
    return b"\n".join(lines)


def damage_toml(content: bytes, draw: random.Random) -> bytes:
    """Return TOML in which a line says something else, comes twice, is missing, or follows another one."""
    if draw.random() < 0.3:
        return damage_bytes(content, draw)
    lines = content.decode().splitlines()
    place = draw.randrange(len(lines))
    key = lines[place].partition("=")[0].strip() or "title"
    value = draw.choice(_ODD_TOML)
    match draw.randrange(6):
        case 0:
            del lines[place]
        case 1:
            lines.insert(place, lines[place])
        case 2:
            lines.insert(
                place, draw.choice(("[source", "[[source.files]]", f"[{'a.' * 3000}a]", "\x00", "="))
            )
        case 3:
            lines.insert(place, f"{'a.' * 3000}a = {value}")
        case _:
            lines[place] = f"{key} = {value}"
    return "\n".join([*lines, ""]).encode(errors="surrogateescape")


def damage_database(content: bytes, draw: random.Random) -> bytes:
    """Return a database of SQLite in which one cell, row or table is another; or with damaged bytes."""
    if draw.random() < 0.4:
        return damage_bytes(content, draw)
    with TemporaryDirectory(prefix="database-") as folder:
        path = Path(folder) / "copy.db"
        path.write_bytes(content)
        with closing(sqlite3.connect(path, isolation_level=None)) as db, suppress(sqlite3.Error):
            db.execute("PRAGMA journal_mode = DELETE")
            db.execute("PRAGMA ignore_check_constraints = ON")
            tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            filled = [name for name in tables if db.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone()]
            table = draw.choice(filled or tables)
            columns = [row[1] for row in db.execute(f'PRAGMA table_info("{table}")')]
            _damage_table(db, table, draw.choice(columns), draw)
        return path.read_bytes()


def _damage_table(db: sqlite3.Connection, table: str, column: str, draw: random.Random) -> None:
    (count,) = db.execute(f'SELECT count(*) FROM "{table}"').fetchone()
    one = f'rowid = (SELECT rowid FROM "{table}" LIMIT 1 OFFSET {draw.randrange(max(count, 1))})'
    match draw.randrange(8):
        case 0:
            db.execute(f'DROP TABLE "{table}"')
        case 1:
            db.execute(f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO other')
        case 2:
            db.execute(f'DELETE FROM "{table}" WHERE {one}')
        case 3:
            kept = db.execute(f'SELECT "{column}" FROM "{table}" WHERE {one}').fetchone()[0]
            changed = damage_json(str(kept).encode(), draw).decode(errors="replace")
            db.execute(f'UPDATE "{table}" SET "{column}" = ? WHERE {one}', (changed,))
        case 4:
            db.execute(f'UPDATE "{table}" SET "{column}" = CAST(? AS TEXT) WHERE {one}', (b"b\xff\xfed",))
        case _:
            odd = (
                None,
                -1,
                2**62,
                1.5,
                "",
                "x",
                "x" * 70_000,
                b"\x00\xff",
                "[" * 5_000,
                '{"a": NaN}',
                "\x1b[2J",
            )
            db.execute(f'UPDATE "{table}" SET "{column}" = ? WHERE {one}', (draw.choice(odd),))
