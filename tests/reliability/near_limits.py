"""Bombs that stay below a limit, of which there is one for what they are: so nothing refuses them at once."""

import io
import json
import struct
from collections.abc import Callable, Mapping
from typing import NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile

_MB = 1 << 20
_LINE = "[1/1/21, 9:14:05] Nora: Is that the roof?\n"
_SCREENPLAY = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<document type="Open Screenplay Format document" version="40">'
)
_CELTX = '<p class="character">NORA</p>\n<p class="dialog">Yes.</p>\n'
_OFFICE = "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
_TEXT = "urn:oasis:names:tc:opendocument:xmlns:text:1.0"
_OPEN_DOCUMENT = (
    f'<office:document-content xmlns:office="{_OFFICE}" xmlns:text="{_TEXT}"><office:body><office:text>'
)
_OPEN_DOCUMENT_END = "</office:text></office:body></office:document-content>"
_TTML, _METADATA = "http://www.w3.org/ns/ttml", "http://www.w3.org/ns/ttml#metadata"


class Bomb(NamedTuple):
    """A file that is small or simple, and would fill the memory or take for ever if it were simply read.

    Attributes:
        name: what it is called.
        content: returns its content, given how large it is to be, 1.0 for all of it.
        beside: the same of files that stand beside it, by their names.
    """

    name: str
    content: Callable[[float], bytes]
    beside: Mapping[str, Callable[[float], bytes]] = {}


def _zipped(member: str, content: Callable[[float], bytes], *others: str) -> Callable[[float], bytes]:
    """Return what makes an archive with one member of this content, and others that are empty."""

    def archive(size: float) -> bytes:
        buffer = io.BytesIO()
        with ZipFile(buffer, "w", ZIP_DEFLATED) as file:
            file.writestr(member, content(size))
            for other in others:
                file.writestr(other, b"")
        return buffer.getvalue()

    return archive


def _around(before: str, text: str, count: int, after: str = "") -> Callable[[float], bytes]:
    return lambda size: f"{before}{text * max(1, int(size * count))}{after}".encode()


def _open_document(inside: str, count: int) -> Callable[[float], bytes]:
    return _around(_OPEN_DOCUMENT, inside, count, _OPEN_DOCUMENT_END)


def _open_screenplay(inside: str, count: int) -> Callable[[float], bytes]:
    return _around(f"{_SCREENPLAY}<paragraphs>\n", inside, count, "</paragraphs></document>")


def _agents(size: float) -> bytes:
    """Return subtitles whose only caption has 2,000 times an agent with a name of 1 MB."""
    name = "x" * int(size * _MB)
    return (
        f'<tt xmlns="{_TTML}" xmlns:ttm="{_METADATA}"><head><metadata><ttm:agent xml:id="a"><ttm:name>{name}'
        "</ttm:name></ttm:agent></metadata></head><body><div>"
        f'<p begin="1s" end="2s" ttm:agent="{"a " * 2000}">Hi.</p></div></body></tt>'
    ).encode()


def _mentions(size: float) -> bytes:
    text = " ".join(["<@U1>"] * 10_000)
    return json.dumps([{"type": "message", "user": "U1", "text": text, "ts": "1"}] * 5).encode()


def _users(size: float) -> bytes:
    return json.dumps([{"id": "U1", "name": "n", "profile": {"real_name": "x" * int(size * _MB)}}]).encode()


def _directory(size: float) -> bytes:
    """Return an archive whose large directory is only found through the records of Zip64."""
    count = max(1, int(size * 400_000))
    first = b"PK\x03\x04" + struct.pack("<HHHHHIIIHH", 45, 0, 0, 0, 33, 0, 0, 0, 8, 0) + b"%08d" % 0
    head = b"PK\x01\x02" + struct.pack("<HHHHHHIIIHHHHHII", 45, 45, 0, 0, 0, 33, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0)
    directory = b"".join(head + b"%08d" % number for number in range(count))
    record = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, len(directory), 0)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, len(first) + len(directory), 1)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0, 0xFFFFFFFF, 0)
    return first + directory + record + locator + end


NEAR_LIMITS: Mapping[str, Bomb] = {
    "an agent with a name of 1 MB, 2,000 times in a caption": Bomb("a.ttml", _agents),
    "mentions of a user with a name of 1 MB": Bomb("a.json", _mentions, {"users.json": _users}),
    "a chat in an archive with 60 MB of line breaks": Bomb(
        "a.zip", _zipped("_chat.txt", _around(_LINE, "\n", 60 * _MB))
    ),
    "a chat in an archive with 60 MB of short lines": Bomb(
        "a.zip", _zipped("_chat.txt", _around(_LINE, "a\n", 30 * _MB))
    ),
    "a Highland document with 60 MB of line breaks": Bomb(
        "a.highland", _zipped("text.md", _around("", "\n", 60 * _MB))
    ),
    "a Highland document with a line of 30 MB": Bomb(
        "a.highland", _zipped("text.md", _around("", "ab ", 10 * _MB))
    ),
    "a Highland document with 30 MB of short paragraphs": Bomb(
        "a.highland", _zipped("text.md", _around("", f"NORA\n{'Is that the roof? ' * 8}\n\n", 200_000))
    ),
    "a chat in an archive with a message of 30 MB": Bomb(
        "a.zip", _zipped("_chat.txt", _around(_LINE, "ab ", 10 * _MB))
    ),
    "a project of Celtx with 140,000 paragraphs": Bomb(
        "a.celtx", _zipped("script.html", _around("", _CELTX, 70_000), "project.rdf")
    ),
    "a project of Celtx with 950,000 paragraphs": Bomb(
        "a.celtx", _zipped("script.html", _around("", _CELTX, 475_000), "project.rdf")
    ),
    "a comment of 50,000,000 blank lines": Bomb("a.fountain", _around("Title\n\n/* a", "\n", 50_000_000)),
    "a caption of 50,000,000 blank lines": Bomb(
        "a.srt", _around("1\n00:00:01,000 --> 00:00:03,000\nNora: Yes.\n", " \n", 25_000_000)
    ),
    "a message of 50,000,000 blank lines": Bomb("a.txt", _around(_LINE * 20, "\n", 50_000_000)),
    "a text of .odt with 290,000 empty paragraphs": Bomb(
        "a.odt", _zipped("content.xml", _open_document("<text:p/>", 290_000), "mimetype")
    ),
    "a text of .odt with 1,900,000 empty paragraphs": Bomb(
        "a.odt", _zipped("content.xml", _open_document("<text:p/>", 1_900_000), "mimetype")
    ),
    "a text of .odt with 600,000 times 80 spaces": Bomb(
        "a.odt",
        _zipped(
            "content.xml", _open_document('<text:p>a<text:s text:c="80"/></text:p>', 600_000), "mimetype"
        ),
    ),
    "a text of .odt with a paragraph of 30 MB": Bomb(
        "a.odt",
        _zipped(
            "content.xml",
            _around(f"{_OPEN_DOCUMENT}<text:p>", "ab ", 10 * _MB, f"</text:p>{_OPEN_DOCUMENT_END}"),
            "mimetype",
        ),
    ),
    "a text of .odt with 30 MB in 200,000 paragraphs": Bomb(
        "a.odt",
        _zipped(
            "content.xml", _open_document(f"<text:p>{'Is that the roof? ' * 8}</text:p>", 200_000), "mimetype"
        ),
    ),
    "a Fade In document with a paragraph of 30 MB": Bomb(
        "a.fadein",
        _zipped(
            "document.xml",
            _around(
                f"{_SCREENPLAY}<paragraphs><para><text>",
                "ab ",
                10 * _MB,
                "</text></para></paragraphs></document>",
            ),
        ),
    ),
    "a text of .fodt with 1,900,000 empty paragraphs": Bomb(
        "a.fodt",
        _around(
            f'<office:document xmlns:office="{_OFFICE}" xmlns:text="{_TEXT}"><office:body><office:text>',
            "<text:p/>",
            1_900_000,
            "</office:text></office:body></office:document>",
        ),
    ),
    "a Fade In document with 450,000 paragraphs": Bomb(
        "a.fadein",
        _zipped("document.xml", _open_screenplay("<para><text>a</text></para>\n", 450_000)),
    ),
    "an Open Screenplay Format document with 1,000,000 paragraphs": Bomb(
        "a.osf", _open_screenplay("<para><text>a</text></para>\n", 1_000_000)
    ),
    "a directory of an archive that 32 bits do not show": Bomb("a.docx", _directory),
    "the same of a chat": Bomb("a.zip", _directory),
}
"""By what they are."""
