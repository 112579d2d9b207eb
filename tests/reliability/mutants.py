"""Files of every format that is read, and ways to change them that leave most of their structure as it is."""

import io
import json
import random
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import pyarrow
import pyarrow.parquet
from support import tin_roof

from scriptforge.corpus.inspect import inspect
from scriptforge.documents.kinds import write
from scriptforge.options import InspectOptions
from scriptforge.workspace import Workspace

_TESTS = Path(__file__).parents[1]
_MAX_REPEATED, _LONGEST_REPEATED = 10_000, 200
_SUFFIXES = (
    ".txt", ".md", ".log", ".csv", ".tsv", ".json", ".jsonl", ".parquet", ".fdx", ".fountain", ".xml", ".srt",
    ".vtt", ".html", ".rtf", ".docx", ".pdf", ".highland", ".fadein", ".osf", ".celtx", ".trelby", ".odt",
    ".fodt", ".zip", ".ttml",
)  # fmt: skip
_ENCODINGS = (
    "utf-16",
    "utf-16-be",
    "utf-32",
    "utf-8-sig",
    "latin-1",
    "cp037",
    "shift_jis",
    "koi8_r",
    "utf-7",
)
_ENDS = (b"\r", b"\r\n", b"\n\r", b"\x0b", b"\x0c", b"\x85", b"\xe2\x80\xa8", b"\0", b"\n\n\n")
_ODD: tuple[bytes, ...] = (
    b"9" * 5000,
    b"-1",
    b"1e999",
    b"NaN",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae",
    b"\xed\xa0\x80",
    b"\x1b[31m",
    b"\\ud800",
    b"&#0;",
    b"&#xD800;",
    b"&lol;",
    b"<!--",
    b"]]>",
    b"<![CDATA[",
    b"<!DOCTYPE a [",
    b"/*",
    b"*/",
    b"[[",
    b"]]",
    b'"',
    b"'",
    b"{",
    b"}",
    b"[",
    b"]",
    b"(",
    b"\\",
    b"\\'",
    b"\\u-32768?",
    b"\\li9999999999 ",
    b"\\bin999 ",
    b"**",
    b"_",
    b"-->",
    b"00:00:01,000 --> 00:00:00,000",
    b"WEBVTT",
    b"---",
    b"99:99:99",
    b"\t" * 300,
    b" " * 5000,
    b"(" * 300,
    b"<i>" * 300,
    b"\xcc\x81" * 300,
    b"A: " * 300,
    b"A" * 70_000,
    b"2147483648",
    b"\xf0\x9f\x98\x80",
)
"""What is put into a file: numbers too large, marks without a partner, signs that steer, long runs."""


def read(path: Path) -> None:
    """Read a file as `scriptforge inspect` does."""
    inspect(str(path), InspectOptions(), Workspace(path.parent))


class Fixture(NamedTuple):
    """A file that reads well: what it is listed under, its name and its bytes."""

    format: str
    name: str
    content: bytes


@cache
def fixtures() -> tuple[Fixture, ...]:
    """Return the cases and fixtures of the tests, and a document of each kind that programs write."""
    cases = (path for path in sorted((_TESTS / "corpus" / "cases").iterdir()) if path.is_file())
    texts = (path for path in sorted((_TESTS / "screenplay" / "fixtures").iterdir()) if path.is_file())
    found = [
        Fixture(path.suffix.removeprefix("."), path.name, path.read_bytes())
        for path in (*cases, *texts)
        if path.suffix != ".reads"
    ]
    made = {**_documents(), **_tables()}
    return (*found, *(Fixture(Path(name).suffix[1:], name, content) for name, content in made.items()))


def _documents() -> dict[str, bytes]:
    kinds = ("docx", "pdf", "html", "fdx", "json")
    written = {f"written.{kind}": write([tin_roof.SCRIPT], kind) for kind in kinds}
    return written | {
        "a.rtf": tin_roof.rich_text().encode(),
        "indents.rtf": tin_roof.rich_text(has_styles=False).encode(),
        "a.highland": tin_roof.zipped({"a.textbundle/text.fountain": tin_roof.FOUNTAIN, "info.json": "{}"}),
        "a.fadein": tin_roof.zipped({"document.xml": tin_roof.open_screenplay()}),
        "a.osf": tin_roof.open_screenplay().encode(),
        "a.celtx": tin_roof.celtx(),
        "a.trelby": tin_roof.trelby().encode(),
        "a.odt": tin_roof.open_document(),
        "a.fodt": tin_roof.flat_open_document(has_styles=False).encode(),
        "a.zip": tin_roof.zipped(
            {"_chat.txt": (_TESTS / "corpus" / "cases" / "whatsapp-iphone.txt").read_bytes()}
        ),
        "a.epub": tin_roof.zipped({"mimetype": "application/epub+zip", "a.xhtml": "<p>NORA: Yes.</p>"}),
    }


def _tables() -> dict[str, bytes]:
    spoken = [(each.speaker, each.text) for each in tin_roof.ELEMENTS if each.speaker] * 5
    rows = [{"speaker": speaker, "line": line} for speaker, line in spoken]
    parquet = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), parquet)
    scenes = {"title": "Tin Roof", "scenes": [{"heading": "INT. ROOF", "turns": rows}]}
    return {
        "a.parquet": parquet.getvalue(),
        "rows.jsonl": "".join(f"{json.dumps(row)}\n" for row in rows).encode(),
        "scenes.json": json.dumps(scenes, indent=1).encode(),
        "scripts.csv": f'title,script\nTin Roof,"{tin_roof.FOUNTAIN}"\n'.encode(),
    }


Mutation = Callable[[bytes, random.Random], bytes]


def flip(content: bytes, draw: random.Random) -> bytes:
    """Change a few bytes."""
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 8, 64)) if changed else 0):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def cut(content: bytes, draw: random.Random) -> bytes:
    """Leave out the beginning, the end, or what is between two places."""
    start, end = sorted(draw.randrange(len(content) + 1) for _ in range(2))
    return draw.choice((content[:start], content[end:], content[:start] + content[end:]))


def move_lines(content: bytes, draw: random.Random) -> bytes:
    """Drop, double, join, swap or indent lines."""
    lines = content.splitlines(keepends=True) or [b""]
    for _ in range(draw.choice((1, 3, 20))):
        place = draw.randrange(len(lines))
        match draw.randrange(5):
            case 0:
                lines[place] = b""
            case 1:
                lines.insert(place, lines[place])
            case 2:
                lines[place] = lines[place].rstrip(b"\r\n")
            case 3:
                other = draw.randrange(len(lines))
                lines[place], lines[other] = lines[other], lines[place]
            case _:
                lines[place] = draw.choice((b" ", b"    ", b"\t", b" " * 40)) + lines[place]
    return b"".join(lines)


def repeat(content: bytes, draw: random.Random) -> bytes:
    """Say one line 10,000 times."""
    lines = content.splitlines(keepends=True) or [b""]
    place = draw.randrange(len(lines))
    line = lines[place][:_LONGEST_REPEATED]
    return b"".join([*lines[:place], line * _MAX_REPEATED, *lines[place:]])


def put_in(content: bytes, draw: random.Random) -> bytes:
    """Put in something odd, at a few places or in place of a number or word."""
    for _ in range(draw.choice((1, 2, 5))):
        odd = draw.choice(_ODD)
        words = list(re.finditer(rb"[\w.-]+", content)) if draw.random() < 0.5 else []
        if words:
            start, end = draw.choice(words).span()
        else:
            start = end = draw.randrange(len(content) + 1)
        content = content[:start] + odd + content[end:]
    return content


def encode(content: bytes, draw: random.Random) -> bytes:
    """Write a text in another encoding, or part of it."""
    start = draw.choice((0, draw.randrange(len(content) + 1)))
    text = content[start:].decode(errors="replace")
    return content[:start] + text.encode(draw.choice(_ENCODINGS), errors="replace")


def end_lines(content: bytes, draw: random.Random) -> bytes:
    """End lines in other ways, all or each in its own."""
    ends = [draw.choice(_ENDS)] if draw.random() < 0.5 else _ENDS
    return b"".join(line + draw.choice(ends) for line in content.splitlines())


def nest(content: bytes, draw: random.Random) -> bytes:
    """Nest what is between two places, by the marks of some format."""
    opening, closing = draw.choice(
        ((b"[", b"]"), (b'{"turns":[', b"]}"), (b"<p>", b"</p>"), (b"<div>", b"</div>"), (b"{", b"}"),
         (b"(", b")"), (b"/*", b"*/"), (b"<sp>", b"</sp>"))
    )  # fmt: skip
    depth = draw.choice((3, 150, 400, 900, 5000))
    start, end = sorted(draw.randrange(len(content) + 1) for _ in range(2))
    return content[:start] + opening * depth + content[start:end] + closing * depth + content[end:]


MUTATIONS: tuple[Mutation, ...] = (flip, cut, move_lines, repeat, put_in, encode, end_lines, nest)


def mutate_member(content: bytes, draw: random.Random) -> bytes:
    """Return a ZIP archive of which one member is a mutant, or has another name or packing."""
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            members = [(name, archive.read(name)) for name in archive.namelist()]
    except Exception:  # whatever another mutation has done to it
        return flip(content, draw)
    chosen = draw.choice(members)[0]
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", draw.choice((0, 8, 12, 14))) as archive:
        for name, member in members:
            if name == chosen and draw.random() < 0.9:
                archive.writestr(name, draw.choice(MUTATIONS)(member, draw))
            elif name == chosen:
                archive.writestr(draw.choice(("../a", "a\0b", name.upper(), f"{name}/")), member)
            else:
                archive.writestr(name, member)
    packed = buffer.getvalue()
    return flip(packed, draw) if draw.random() < 0.2 else packed


def mutant(fixture: Fixture, draw: random.Random) -> tuple[str, bytes]:
    """Return the name and the bytes of a mutant."""
    content, suffix = fixture.content, Path(fixture.name).suffix
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        is_archive = content.startswith(b"PK\x03\x04") and draw.random() < 0.8
        content = (mutate_member if is_archive else draw.choice(MUTATIONS))(content, draw)
    return f"mutant{draw.choice(_SUFFIXES) if draw.random() < 0.1 else suffix}", content
