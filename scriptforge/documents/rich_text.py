r"""Rich Text Format, `.rtf`: what word processors and writing programs export.

    {\rtf1\ansi{\stylesheet{\s3 Character;}{\s4 Dialogue;}}
    \pard\s3\li2880 NORA\par \pard\s4\li1440 Is that the roof?\par }

As in a Word document, the kind of a paragraph is known from its style, or else inferred from its indent and
the space above it. Libraries such as striprtf keep neither, and a screenplay without margins cannot be read.
So this module interprets the few control words that lay out paragraphs, and ignores all others, as the format
prescribes. Pictures, notes, headers, footers and deleted text are skipped.
"""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from scriptforge.documents.document import Document, content_of, damaged, has_reliable_kinds, typed
from scriptforge.documents.laid_out import Block, laid_out
from scriptforge.screenplay.format import BrokenScript, is_name
from scriptforge.screenplay.paragraphs import Paragraph, kind_of

_TOKEN = re.compile(
    rb"\\(?P<word>[a-zA-Z]{1,32})(?P<number>-?\d{1,10})? ?|\\'(?P<hex>[0-9a-fA-F]{2})|\\(?P<sign>[^a-zA-Z'])"
    rb"|(?P<brace>[{}])|[\r\n]+|(?P<text>[^\\{}\r\n]+)",
    re.DOTALL,
)
_SKIPPED = frozenset({
    "fonttbl", "colortbl", "pict", "object", "header", "headerl", "headerr", "headerf", "footer", "footerl",
    "footerr", "footerf", "footnote", "annotation", "fldinst", "listtable", "revtbl", "themedata",
    "datastore", "xmlnstbl", "nonshppict", "shpinst", "info", "bkmkstart", "bkmkend", "atnid", "atnauthor",
    "tc", "xe", "nextfile",
})  # fmt: skip
_BREAKS = frozenset({"par", "sect", "row", "nestrow"})
_SIGNS = {
    "tab": "    ", "line": "\n", "emdash": "—", "endash": "–", "lquote": "‘", "rquote": "’", "ldblquote": "“",
    "rdblquote": "”", "bullet": "•", "emspace": " ", "enspace": " ", "cell": "\t", "nestcell": "\t",
}  # fmt: skip
_SYMBOLS = {b"~": " ", b"_": "-", b"\\": "\\", b"{": "{", b"}": "}", b"\n": "\x00", b"\r": "\x00"}
_CHARSETS = {
    77: "mac_roman", 128: "cp932", 129: "cp949", 134: "gbk", 136: "big5", 161: "cp1253", 162: "cp1254",
    177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250",
}  # fmt: skip
_LAYOUT = {"li": "indent", "lin": "indent", "fi": "first", "sb": "above", "sa": "below", "s": "style"}
_ALIGNMENTS = {"ql": 0, "qj": 0, "qc": 22, "qr": 45}
"""The columns for aligned text: centred text gets that of a cue, right-aligned text that of a transition."""

_TWIPS_PER_COLUMN = 144
_TWIPS_PER_LINE = 240
_DEEPEST = 1000


@dataclass(frozen=True, slots=True)
class _Group:
    """The state that lasts until a group's brace closes.

    Attributes:
        skipped: the group's destination if it is not the body, so that its text is not part of the script.
        font: the number of the current font, which selects the codec.
        after_unicode: the number of fallback characters after each Unicode character.
        indent: the left indent in twips; `first` is that of the first line relative to it.
        above: the space above paragraphs in twips; `below` likewise.
        style: the number of the paragraph style.
        alignment: the column for centred or right-aligned text, else 0.
        is_hidden: whether text is hidden or deleted.
    """

    skipped: str = ""
    font: int = 0
    after_unicode: int = 1
    indent: int = 0
    first: int = 0
    above: int = 0
    below: int = 0
    style: int = 0
    alignment: int = 0
    is_hidden: bool = False


@dataclass(slots=True)
class _Reader:
    """Reads the tokens of a document and collects its paragraphs.

    Attributes:
        codec: the codec of text in fonts without a character set of their own.
        blocks: the paragraphs so far.
        title: the title in the document's properties.
        pending: bytes of text that are not decoded yet.
        units: UTF-16 code units of text that are not decoded yet.
        to_skip: the number of fallback characters that are still to be skipped.
        is_new: whether nothing but `*` has followed the last opening brace.
    """

    codec: str = "cp1252"
    blocks: list[Block] = field(default_factory=list)
    title: str = ""
    group: _Group = field(default_factory=_Group)
    groups: list[_Group] = field(default_factory=list)
    fonts: dict[int, str] = field(default_factory=dict)
    styles: dict[int, str] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)
    pending: bytearray = field(default_factory=bytearray)
    units: list[int] = field(default_factory=list)
    to_skip: int = 0
    is_new: bool = False

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
            if not self.groups:
                break
        if self.groups:
            raise BrokenScript(
                "is an RTF document that breaks off", "Its end is missing: save or download it anew."
            )

    def _take(self, token: re.Match[bytes]) -> None:
        if token["brace"]:
            self._brace(token["brace"])
        elif token["word"]:
            self._word(token["word"].decode(), token["number"])
        elif token["hex"]:
            self._bytes(bytes.fromhex(token["hex"].decode()))
        elif token["sign"]:
            self._sign(token["sign"])
        elif token["text"]:
            self._bytes(token["text"])
        if not token["brace"] and not token["word"] and token["sign"] != b"*":
            self.is_new = False

    def _brace(self, brace: bytes) -> None:
        self._flush()
        if brace == b"{":
            if len(self.groups) > _DEEPEST:
                raise damaged("RTF")
            self.groups.append(self.group)
            self.is_new = True
        elif self.groups:
            if len(self.groups) == 1:
                self._end_paragraph(is_last=True)
            if self.group.skipped == "stylesheet" and self.groups[-1].skipped == "stylesheet":
                self.styles[self.group.style] = "".join(self.text).strip().rstrip(";")
            if self.group.skipped == "title":
                self.title = "".join(self.text).strip()
            if self.group.skipped in ("stylesheet", "title"):
                self.text.clear()
            self.group = self.groups.pop()

    def _word(self, word: str, digits: bytes | None) -> None:
        number = int(digits) if digits else 1
        was_new, self.is_new = self.is_new, self.is_new and word == "*"
        if word == "u":
            self._unicode(number)
            return
        self._flush()
        if word in _SKIPPED or (was_new and word == "stylesheet"):
            self.group = replace(self.group, skipped=word)
        elif word == "title" and self.group.skipped == "info":
            self.group = replace(self.group, skipped="title")
        elif word in _BREAKS:
            self._end_paragraph()
        elif word in _SIGNS:
            self._add(_SIGNS[word])
        elif word in ("ansicpg", "f", "fcharset", "uc", "deleted", "v"):
            self._character(word, number if digits else int(word != "f"))
        else:
            self._layout(word, number if digits else 0)

    def _character(self, word: str, number: int) -> None:
        """Apply a control word that affects the decoding or visibility of the characters after it."""
        if word == "ansicpg" and _is_codec(f"cp{number}"):
            self.codec = f"cp{number}"
        elif word == "f":
            self.group = replace(self.group, font=number)
        elif word == "fcharset" and number in _CHARSETS:
            self.fonts[self.group.font] = _CHARSETS[number]
        elif word == "uc":
            self.group = replace(self.group, after_unicode=min(number, 8))
        elif word in ("deleted", "v"):
            self.group = replace(self.group, is_hidden=number != 0)

    def _layout(self, word: str, number: int) -> None:
        if word == "pard":
            self.group = replace(self.group, indent=0, first=0, above=0, below=0, style=0, alignment=0)
        elif word in _ALIGNMENTS:
            self.group = replace(self.group, alignment=_ALIGNMENTS[word])
        elif word in _LAYOUT:
            self.group = replace(self.group, **{_LAYOUT[word]: number})  # type: ignore[arg-type]

    def _sign(self, sign: bytes) -> None:
        self._flush()
        if sign == b"*":
            if self.is_new:
                self.group = replace(self.group, skipped="*")
        elif sign in (b"\n", b"\r"):
            self._end_paragraph()
        else:
            self._add(_SYMBOLS.get(sign, ""))

    def _unicode(self, number: int) -> None:
        self._flush(units=False)
        self.units.append(number % (1 << 16))
        self.to_skip = self.group.after_unicode

    def _bytes(self, content: bytes) -> None:
        """Append encoded text, without the fallback characters that follow a Unicode character."""
        skipped = min(self.to_skip, len(content))
        self.to_skip -= skipped
        if content[skipped:]:
            if self.units:
                self._flush()
            self.pending += content[skipped:]

    def _flush(self, units: bool = True) -> None:
        """Decode the pending bytes, and the pending UTF-16 units if `units` is set."""
        if self.pending:
            codec = self.fonts.get(self.group.font, self.codec)
            self._add(self.pending.decode(codec, errors="replace"))
            self.pending.clear()
        if units and self.units:
            packed = b"".join(unit.to_bytes(2, "little") for unit in self.units)
            self._add(packed.decode("utf-16-le", errors="replace"))
            self.units.clear()
        if units:
            self.to_skip = 0

    def _add(self, text: str) -> None:
        if self.group.skipped in ("", "stylesheet", "title") and not self.group.is_hidden:
            self.text.append(text)

    def _end_paragraph(self, is_last: bool = False) -> None:
        self._flush()
        if self.group.skipped:
            return
        text = "".join(self.text)
        self.text.clear()
        if is_last and not text.strip():
            return
        # A name in a table's first cell, or before a tab, speaks the rest.
        first, tab, second = text.rstrip("\t").partition("\t")
        if tab:
            name = first.strip().rstrip(":")
            text = f"{name}: {second}" if is_name(name) and "\t" not in second else text.replace("\t", "    ")
        group = self.group
        indent = max(0, round((group.indent + group.first) / _TWIPS_PER_COLUMN))
        column = group.alignment or indent
        style = self.styles.get(group.style, "")
        lines = group.above / _TWIPS_PER_LINE, group.below / _TWIPS_PER_LINE
        self.blocks.append(Block(text, style, column, *lines))


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
    reader = _Reader(encoding or "cp1252")
    reader.read(content_of(path))
    kinds = [Paragraph(kind_of(block.style), block.text) for block in reader.blocks]
    if has_reliable_kinds(kinds):
        return typed(reader.title, kinds, "in an RTF document")
    return Document(reader.title, (), laid_out(reader.blocks), "in an RTF document", has_margins=True)
