r"""Rich Text Format, `.rtf`: what word processors and writing programs export.

    {\rtf1\ansi{\stylesheet{\s3 Character;}{\s4 Dialogue;}}
    \pard\s3\li2880 NORA\par \pard\s4\li1440 Is that the roof?\par }

As in a Word document, the kind of a paragraph is known from its style, or else inferred from its indent and
the space above it. Libraries such as striprtf keep neither, and a screenplay without margins cannot be read.
So this module interprets the few control words that lay out paragraphs, and ignores all others, as the format
prescribes. Pictures, notes, headers, footers and deleted text are skipped.
"""

import re
import sys
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple

from scriptforge.documents.document import Document, check_paragraphs, content_of, damaged, from_blocks
from scriptforge.documents.laid_out import CENTRED, RIGHT_ALIGNED, Block
from scriptforge.screenplay.format import BrokenScript, is_name

_TOKEN = re.compile(
    rb"\\(?P<word>[a-zA-Z]{1,32})(?P<number>-?\d{1,10})? ?|\\'(?P<hex>[0-9a-fA-F]{2})|\\(?P<sign>[^a-zA-Z])"
    rb"|(?P<brace>[{}])|[\r\n]+|(?P<text>[^\\{}\r\n]+)",
    re.DOTALL,
)
_SKIPPED = frozenset({
    "fonttbl", "colortbl", "pict", "object", "header", "headerl", "headerr", "headerf", "footer", "footerl",
    "footerr", "footerf", "footnote", "annotation", "fldinst", "listtable", "revtbl", "themedata",
    "datastore", "xmlnstbl", "nonshppict", "shpinst", "bkmkstart", "bkmkend", "atnid", "atnauthor",
    "tc", "xe", "nextfile",
})  # fmt: skip
_BREAKS = frozenset({"par", "sect", "row", "nestrow"})
_SIGNS = {
    "tab": "    ", "line": "\n", "emdash": "—", "endash": "–", "lquote": "‘", "rquote": "’", "ldblquote": "“",
    "rdblquote": "”", "bullet": "•", "emspace": " ", "enspace": " ", "cell": "\t", "nestcell": "\t",
}  # fmt: skip
_SYMBOLS = {b"~": " ", b"_": "-", b"\\": "\\", b"{": "{", b"}": "}"}
_CHARSETS = {
    77: "mac_roman", 128: "cp932", 129: "cp949", 134: "gbk", 136: "big5", 161: "cp1253", 162: "cp1254",
    177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250",
}  # fmt: skip
_MEASURES = {"li": "indent", "lin": "indent", "fi": "first", "sb": "above", "sa": "below", "s": "style"}
_ALIGNMENTS = {"ql": 0, "qj": 0, "qc": CENTRED, "qr": RIGHT_ALIGNED}
_NUMBERS = {"uc": 1, "deleted": 1, "v": 1}
"""The numbers of control words that come without one; that of all others is 0."""

_TWIPS_PER_COLUMN = 144
_TWIPS_PER_LINE = 240
_MAX_FALLBACK = 8
"""Characters, at most, that are skipped after one in Unicode."""

_MAX_DEPTH = 1000
"""Groups within one another, at most."""


class _Destination(Enum):
    """Where the text of a group goes."""

    BODY = auto()
    """To the paragraphs of the script."""

    STYLES = auto()
    """To the names of styles: the style sheet, and each of the groups in it."""

    INFO = auto()
    """Nowhere, but the group may hold that of the title."""

    TITLE = auto()
    """To the title."""

    SKIPPED = auto()
    """Nowhere."""


_READ = (_Destination.BODY, _Destination.STYLES, _Destination.TITLE)
"""The destinations whose text is not left out."""


class _Layout(NamedTuple):
    """The layout of paragraphs, until the next `pard`.

    Attributes:
        indent: the left indent in twips; `first` is that of the first line relative to it.
        above: the space above paragraphs in twips; `below` likewise.
        style: the number of the paragraph style.
        alignment: the column for centred or right-aligned text, else 0.
    """

    indent: int = 0
    first: int = 0
    above: int = 0
    below: int = 0
    style: int = 0
    alignment: int = 0

    @property
    def column(self) -> int:
        """Return the column at which text begins."""
        return self.alignment or max(0, round((self.indent + self.first) / _TWIPS_PER_COLUMN))


class _Group(NamedTuple):
    """The state that lasts until a group's brace closes.

    Attributes:
        destination: where text goes.
        font: the number of the current font, which selects the codec.
        after_unicode: the number of fallback characters after each Unicode character.
        is_hidden: whether text is hidden or deleted.
        layout: the layout of paragraphs.
    """

    destination: _Destination = _Destination.BODY
    font: int = 0
    after_unicode: int = 1
    is_hidden: bool = False
    layout: _Layout = _Layout()


@dataclass(slots=True)
class _Decoder:
    """Decodes text that comes as encoded bytes, or as UTF-16 code units with a fallback in bytes after each.

    A character may be spread over several tokens, so bytes and units wait until something else follows. Only
    one of them is waiting at a time.

    Attributes:
        codec: the codec of text in fonts without a character set of their own.
        codecs: the codecs of other fonts, by the number of the font.
        encoded: the bytes that are waiting.
        units: the code units that are waiting.
        to_skip: the number of fallback characters that are still to be skipped.
    """

    codec: str
    codecs: dict[int, str] = field(default_factory=dict)
    encoded: bytearray = field(default_factory=bytearray)
    units: list[int] = field(default_factory=list)
    to_skip: int = 0

    def add_bytes(self, content: bytes) -> str:
        """Add bytes, except those of a fallback, and return the text that was waiting before them."""
        skipped = min(self.to_skip, len(content))
        self.to_skip -= skipped
        rest = content[skipped:]
        before = self._decode_units() if rest else ""
        self.encoded += rest
        return before

    def add_unicode(self, number: int, fallback: int, font: int) -> str:
        """Add a code unit, or a code point above 0xFFFF, with so many fallback characters.

        Returns:
            The text that was waiting before it.
        """
        before = self._decode_bytes(font)
        if 0xFFFF < number <= sys.maxunicode:  # the standard has 16 bits, with a sign
            packed = chr(number).encode("utf-16-le")
            self.units += [int.from_bytes(packed[:2], "little"), int.from_bytes(packed[2:], "little")]
        else:
            self.units.append(number % (1 << 16))
        self.to_skip = fallback
        return before

    def flush(self, font: int) -> str:
        """Return the text that is waiting; what follows is no fallback."""
        self.to_skip = 0
        return self._decode_bytes(font) or self._decode_units()

    def _decode_bytes(self, font: int) -> str:
        if not self.encoded:
            return ""
        text = self.encoded.decode(self.codecs.get(font, self.codec), errors="replace")
        self.encoded.clear()
        return text

    def _decode_units(self) -> str:
        if not self.units:
            return ""
        packed = b"".join(unit.to_bytes(2, "little") for unit in self.units)
        self.units.clear()
        return packed.decode("utf-16-le", errors="replace")


@dataclass(slots=True)
class _Reader:
    """Reads the tokens of a document and collects its paragraphs.

    Attributes:
        decoder: decodes the text.
        blocks: the paragraphs so far.
        title: the title in the document's properties.
        styles: the names of the paragraph styles, by number.
        text: the text since the last paragraph ended.
        group: the state of the innermost open group.
        outer: the states of the groups around it.
        is_opening: whether nothing but `*` has followed the last opening brace.
    """

    decoder: _Decoder
    blocks: list[Block] = field(default_factory=list)
    title: str = ""
    styles: dict[int, str] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)
    group: _Group = field(default_factory=_Group)
    outer: list[_Group] = field(default_factory=list)
    is_opening: bool = False

    def read(self, content: bytes) -> None:
        """Read a whole document.

        Raises:
            BrokenScript: it is truncated, or nested too deeply.
        """
        position = 0
        while token := _TOKEN.match(content, position):
            position = token.end()
            if token["word"] == b"bin":
                position += max(0, int(token["number"] or 0))
            self._take(token)
            if not self.outer:
                break
        if self.outer:
            raise BrokenScript(
                "is an RTF document that breaks off", "Its end is missing: save or download it again."
            )

    def _take(self, token: re.Match[bytes]) -> None:
        if token["brace"]:
            self._open_group() if token["brace"] == b"{" else self._close_group()
            return
        is_first, self.is_opening = self.is_opening, False
        if token["word"]:
            self._word(token["word"].decode(), token["number"], is_first)
        elif token["hex"]:
            self._add(self.decoder.add_bytes(bytes.fromhex(token["hex"].decode())))
        elif token["sign"]:
            self._sign(token["sign"], is_first)
        elif token["text"]:
            self._add(self.decoder.add_bytes(token["text"]))

    def _open_group(self) -> None:
        self._flush()
        if len(self.outer) > _MAX_DEPTH:
            raise damaged("RTF")
        self.outer.append(self.group)
        self.is_opening = True

    def _close_group(self) -> None:
        self._flush()
        if not self.outer:
            return
        if len(self.outer) == 1:
            self._end_paragraph(is_last=True)
        closed, self.group = self.group, self.outer.pop()
        if closed.destination is _Destination.STYLES:
            if self.group.destination is _Destination.STYLES:
                self.styles[closed.layout.style] = "".join(self.text).strip().rstrip(";")
            self.text.clear()
        elif closed.destination is _Destination.TITLE is not self.group.destination:
            self.title = "".join(self.text).strip()
            self.text.clear()

    def _word(self, word: str, digits: bytes | None, is_first: bool) -> None:
        number = int(digits) if digits else _NUMBERS.get(word, 0)
        group = self.group
        if word == "u" and digits:
            self._add(self.decoder.add_unicode(number, group.after_unicode, group.font))
            return
        self._flush()
        if word in _BREAKS:
            self._end_paragraph()
        elif word in _SIGNS:
            self._add(_SIGNS[word])
        elif word in ("ansicpg", "fcharset"):
            self._choose_codec(word, number)
        elif destination := _destination(word, group, is_first):
            self.group = group._replace(destination=destination)
        else:
            self.group = _changed(group, word, number)

    def _choose_codec(self, word: str, number: int) -> None:
        if word == "ansicpg" and _is_codec(f"cp{number}"):
            self.decoder.codec = f"cp{number}"
        elif word == "fcharset" and number in _CHARSETS:
            self.decoder.codecs[self.group.font] = _CHARSETS[number]

    def _sign(self, sign: bytes, is_first: bool) -> None:
        self._flush()
        if sign == b"*":
            if is_first:
                self.group = self.group._replace(destination=_Destination.SKIPPED)
                self.is_opening = True
        elif sign in (b"\n", b"\r"):
            self._end_paragraph()
        else:
            self._add(_SYMBOLS.get(sign, ""))

    def _flush(self) -> None:
        self._add(self.decoder.flush(self.group.font))

    def _add(self, text: str) -> None:
        if text and self.group.destination in _READ and not self.group.is_hidden:
            self.text.append(text)

    def _end_paragraph(self, is_last: bool = False) -> None:
        self._flush()
        if self.group.destination is not _Destination.BODY:
            return
        text = "".join(self.text)
        self.text.clear()
        if is_last and not text.strip():
            return
        layout = self.group.layout
        self.blocks.append(
            Block(
                text=_without_tabs(text),
                style=self.styles.get(layout.style, ""),
                column=layout.column,
                above=layout.above / _TWIPS_PER_LINE,
                below=layout.below / _TWIPS_PER_LINE,
            )
        )
        check_paragraphs(len(self.blocks), "RTF")


def _destination(word: str, group: _Group, is_first: bool) -> _Destination | None:
    """Return the destination that a control word gives to its group, if it does."""
    if word in _SKIPPED:
        return _Destination.SKIPPED
    if word == "info":
        return _Destination.INFO
    if word == "title" and group.destination is _Destination.INFO:
        return _Destination.TITLE
    if word == "stylesheet" and is_first:
        return _Destination.STYLES
    return None


def _changed(group: _Group, word: str, number: int) -> _Group:
    """Return the state of a group after a control word, the same for words that are ignored."""
    match word:
        case "f":
            return group._replace(font=number)
        case "uc":
            return group._replace(after_unicode=min(max(number, 0), _MAX_FALLBACK))
        case "deleted" | "v":
            return group._replace(is_hidden=number != 0)
        case "pard":
            return group._replace(layout=_Layout())
    if word in _ALIGNMENTS:
        return group._replace(layout=group.layout._replace(alignment=_ALIGNMENTS[word]))
    if word in _MEASURES:
        return group._replace(layout=group.layout._replace(**{_MEASURES[word]: number}))
    return group


def _without_tabs(text: str) -> str:
    """Return a paragraph without tabs, as dialogue if a name is before the only one, as in a table."""
    first, tab, second = text.rstrip("\t").partition("\t")
    if not tab:
        return text
    name = first.strip().rstrip(":")
    return f"{name}: {second}" if is_name(name) and "\t" not in second else text.replace("\t", "    ")


def _is_codec(name: str) -> bool:
    try:
        "".encode(name)
    except LookupError:
        return False
    return True


def read(path: Path, encoding: str | None) -> Document:
    """Return the script in an RTF document.

    Raises:
        BrokenScript: it is truncated, damaged or too large.
    """
    reader = _Reader(_Decoder(encoding or "cp1252"))
    reader.read(content_of(path))
    return from_blocks(reader.blocks, "in an RTF document", reader.title)
