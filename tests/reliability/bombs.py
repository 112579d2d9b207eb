"""Files that are small, or simple, and would fill the memory or take for ever if they were simply read."""

import gzip
import io
import struct
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pyarrow
import pyarrow.parquet
from support.campaign import Part, share
from support.tin_roof import zipped
from support.verdict import MEGABYTES, SECONDS, problem_of

from reliability.mutants import read
from reliability.near_limits import NEAR_LIMITS, Bomb
from scriptforge.documents.kinds import write as write_document
from scriptforge.screenplay.script import Script

_MB = 1 << 20
_SECONDS_A_MEGABYTE, _MEGABYTES_A_MEGABYTE = 0.2, 2.0
"""Of a file on the disk, on top of what each may take: a cell, a page or JSON is in memory whole."""

_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_LAUGHS = "".join(f'<!ENTITY l{number} "{f"&l{number - 1};" * 10}">' for number in range(1, 10))


def _docx(part: Callable[[float], bytes], member: str = "word/document.xml") -> Callable[[float], bytes]:
    """Return what makes a document of Word of which one member is replaced."""

    def content(size: float) -> bytes:
        whole = write_document([Script("", ())], "docx")
        buffer = io.BytesIO()
        with ZipFile(io.BytesIO(whole)) as source, ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
            for name in source.namelist():
                archive.writestr(name, part(size) if name == member else source.read(name))
            if member not in source.namelist():
                archive.writestr(member, part(size))
        return buffer.getvalue()

    return content


def _body(inside: str, declared: str = "") -> bytes:
    return f'{declared}<w:document xmlns:w="{_WORD}"><w:body>{inside}</w:body></w:document>'.encode()


def _nested_zip(size: float) -> bytes:
    inner = zipped({"word/document.xml": b" " * int(size * _MB)})
    for _ in range(10):
        inner = zipped({f"{number}.docx": inner for number in range(8)})
    return inner


def _pdf(objects: list[bytes]) -> bytes:
    """Return a PDF of these objects, numbered from 1, the first its catalogue."""
    file, places = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(file))
    return file + b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table) + trailer


def _page_of(stream: bytes, times: int = 1) -> bytes:
    """Return a PDF of one page with a stream, packed so many times, as what is on it."""
    packed = stream
    for _ in range(times):
        packed = zlib.compress(packed, 9)
    return _pdf(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R"
            b"/Resources<</Font<</F 5 0 R>>>>>>",
            b"<</Filter[%s]/Length %d>>stream\n%s\nendstream"
            % (b"/FlateDecode" * times, len(packed), packed),
            b"<</Type/Font/Subtype/Type1/BaseFont/Courier>>",
        ]
    )


def _drawn_within(levels: int) -> bytes:
    """Return a PDF whose page draws a form, which draws another one ten times, and so on."""
    said, font = b"BT /F 12 Tf 72 600 Td (NORA: Rain.) Tj ET", b"/Font<</F 5 0 R>>"
    forms = [
        b"<</Type/XObject/Subtype/Form/BBox[0 0 612 792]/Resources<<%s/XObject<</X %d 0 R>>>>/Length %d>>"
        b"stream\n%s\nendstream" % (font, number + 1, len(drawn), drawn)
        for number, drawn in enumerate([*[b"/X Do " * 10] * (levels - 1), said], start=6)
    ]
    page = b"<</Length 5>>stream\n/X Do\nendstream"
    return _pdf(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R"
            b"/Resources<<%s/XObject<</X 6 0 R>>>>>>" % font,
            page,
            b"<</Type/Font/Subtype/Type1/BaseFont/Courier>>",
            *forms,
        ]
    )


def _with_pages_alike(count: int) -> bytes:
    """Return a PDF whose pages all show the same packed text."""
    packed = zlib.compress(_said(100, 40), 9)
    kids = b" ".join(b"%d 0 R" % number for number in range(5, 5 + count))
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 3 0 R/Resources<</Font<</F 4 0 R>>>>>>"
    return _pdf(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, count),
            b"<</Filter/FlateDecode/Length %d>>stream\n%s\nendstream" % (len(packed), packed),
            b"<</Type/Font/Subtype/Type1/BaseFont/Courier>>",
            *[page] * count,
        ]
    )


def _said(lines: int, apart: int) -> bytes:
    """Return the stream of a page with lines of text that are so many points apart."""
    return b"BT /F 12 Tf 72 700 Td %s ET" % (
        b"(NORA) Tj %d 0 Td (Is that the roof?) Tj 0 -14 Td\n" % apart * lines
    )


def _parquet(rows: int, text: str) -> bytes:
    """Return a parquet file of as many rows that are all the same."""
    at_once = min(rows, 1_000_000)
    indices = pyarrow.repeat(pyarrow.scalar(0, pyarrow.int32()), at_once)
    column = pyarrow.DictionaryArray.from_arrays(indices, pyarrow.array([text]))
    table = pyarrow.table({"speaker": column, "line": column})
    buffer = io.BytesIO()
    with pyarrow.parquet.ParquetWriter(buffer, table.schema, compression="zstd") as writer:
        for _ in range(rows // at_once):
            writer.write_table(table)
    return buffer.getvalue()


def _absurd_parquet(size: float) -> bytes:
    """Return a parquet file whose footer says that it is far longer than the file."""
    whole = _parquet(10, "a")
    return whole[:-8] + struct.pack("<I", 0x7FFFFFFF) + whole[-4:]


def _times(text: str | bytes, count: int) -> Callable[[float], bytes]:
    whole = text.encode() if isinstance(text, str) else text
    return lambda size: whole * max(1, int(size * count))


def _around(before: str, text: str, count: int, after: str = "") -> Callable[[float], bytes]:
    return lambda size: f"{before}{text * max(1, int(size * count))}{after}".encode()


BOMBS: Mapping[str, Bomb] = {
    "a document of Word that unpacks to 400 MB": Bomb("a.docx", _docx(_times(" ", 390 * _MB))),
    "one with 60 MB of empty paragraphs": Bomb(
        "a.docx", _docx(lambda size: _body("<w:p/>" * int(size * 10_000_000)))
    ),
    "one with a paragraph of 30 MB": Bomb(
        "a.docx",
        _docx(lambda size: _body(f"<w:p><w:r><w:t>{'ab ' * int(size * 10 * _MB)}</w:t></w:r></w:p>")),
    ),
    "one with 30 MB in 75,000 paragraphs": Bomb(
        "a.docx",
        _docx(
            lambda size: _body(
                f"<w:p><w:r><w:t>{'Is that the roof? ' * 20}</w:t></w:r></w:p>" * int(size * 75_000)
            )
        ),
    ),
    "one with a comment of 30 MB among its styles": Bomb(
        "a.docx",
        _docx(
            lambda size: (
                f'<w:styles xmlns:w="{_WORD}"><!--{"a" * int(size * 30 * _MB)}--></w:styles>'.encode()
            ),
            "word/styles.xml",
        ),
    ),
    "one with 300 MB of pictures": Bomb("a.docx", _docx(_times(b"\0", 300 * _MB), "word/media/a.png")),
    "one that laughs a billion times": Bomb(
        "a.docx",
        _docx(
            lambda size: _body(
                "<w:p><w:r><w:t>&l9;</w:t></w:r></w:p>", f'<!DOCTYPE a [<!ENTITY l0 "lol">{_LAUGHS}]>'
            )
        ),
    ),
    "one that blows up quadratically": Bomb(
        "a.docx",
        _docx(
            lambda size: _body(
                f"<w:p><w:r><w:t>{'&a;' * int(size * 50_000)}</w:t></w:r></w:p>",
                f'<!DOCTYPE a [<!ENTITY a "{"a" * int(size * 50_000)}">]>',
            )
        ),
    ),
    "one with indents of a mile": Bomb(
        "a.docx",
        _docx(
            lambda size: _body(
                '<w:p><w:pPr><w:ind w:left="2000000000"/></w:pPr><w:r><w:t>Yes.</w:t></w:r></w:p>'
                * int(size * 200)
            )
        ),
    ),
    "one with 10,000 styles, each based on the next": Bomb(
        "a.docx",
        _docx(
            lambda size: (
                f'<w:styles xmlns:w="{_WORD}">'
                + "".join(
                    f'<w:style w:type="paragraph" w:styleId="s{n}"><w:basedOn w:val="s{n + 1}"/></w:style>'
                    for n in range(int(size * 10_000))
                )
                + "</w:styles>"
            ).encode(),
            "word/styles.xml",
        ),
    ),
    "archives in archives, as .docx": Bomb("a.docx", _nested_zip),
    "archives in archives, as .epub": Bomb("a.epub", _nested_zip),
    "a spreadsheet that unpacks to 300 MB": Bomb(
        "a.xlsx", lambda size: zipped({"xl/workbook.xml": "<a/>", "xl/a.xml": b" " * int(size * 300 * _MB)})
    ),
    "a text of .odt that unpacks to 300 MB": Bomb(
        "a.odt", lambda size: zipped({"mimetype": "a", "content.xml": b" " * int(size * 300 * _MB)})
    ),
    "one with 60 MB of empty paragraphs in its text": Bomb(
        "a.odt", lambda size: zipped({"mimetype": "a", "content.xml": b"<p/>" * int(size * 15 * _MB)})
    ),
    "subtitles with a caption of 200,000 lines": Bomb(
        "a.ttml", _around("<tt><body><p>", "a<br/>", 200_000, "</p></body></tt>")
    ),
    "subtitles with a name of 1 MB that 2,000 references stand for": Bomb(
        "a.ttml",
        lambda size: (
            b'<tt><head><agent id="a"><name>%s</name></agent></head><body><p agent="%s">Rain.</p></body></tt>'
            % (b"a" * int(size * _MB), b"a " * int(size * 2000))
        ),
    ),
    "a text of .odt with 490,000 empty paragraphs": Bomb(
        "a.odt",
        lambda size: zipped(
            {"mimetype": "a", "content.xml": f"<text>{'<p/>' * int(size * 490_000)}<p>A: a</p></text>"}
        ),
    ),
    "a document of Fade In with 490,000 empty paragraphs": Bomb(
        "a.fadein",
        lambda size: zipped(
            {
                "document.xml": "<document><paragraphs>"
                + "<para/>" * int(size * 490_000)
                + "<para><text>A: a</text></para></paragraphs></document>"
            }
        ),
    ),
    "a chat with 60 MB of blank lines in an archive": Bomb(
        "a.zip",
        lambda size: zipped({"_chat.txt": b"[1/1/21, 9:14:05] A: B\n" + b"\n" * int(size * 60 * _MB)}),
    ),
    "a chat with 990,000 blank lines in an archive": Bomb(
        "a.zip", lambda size: zipped({"_chat.txt": b"[1/1/21, 9:14:05] A: B\n" + b"\n" * int(size * 990_000)})
    ),
    "a script in Highland with 60 MB of blank lines": Bomb(
        "a.highland", lambda size: zipped({"text.md": b"NORA\nRain.\n" + b"\n" * int(size * 60 * _MB)})
    ),
    "a project of Celtx with 60 MB of blank lines": Bomb(
        "a.celtx",
        lambda size: zipped(
            {"project.rdf": "", "script.html": b"<pre>NORA: Rain." + b"\n" * int(size * 60 * _MB)}
        ),
    ),
    "a message of 1,000,000 blank lines": Bomb(
        "a.txt", _around("[1/1/21, 9:14:05] A: B\n[1/1/21, 9:14:05] B: A\n", "\n", 1_000_000)
    ),
    "a caption of 1,000,000 blank lines": Bomb(
        "a.srt", _around("1\n00:00:01,000 --> 00:00:02,000\nA: B\n", "\n", 1_000_000)
    ),
    "a comment of 1,000,000 blank lines": Bomb(
        "a.fountain", _around("Title: a\n\n/* a", "\n", 1_000_000, "\nA\n")
    ),
    "a title of 1 MB over 10,000 lines": Bomb(
        "a.fountain",
        lambda size: f"Title: {'a' * int(size * _MB)}\n\n".encode() + b"NORA\nRain.\n\n" * int(size * 10_000),
    ),
    "a chat that unpacks to 300 MB": Bomb(
        "a.zip", lambda size: zipped({"_chat.txt": b"[1/1/21, 9:14:05] A: B\n" * int(size * 12 * _MB)})
    ),
    "a project of Celtx with 60 MB of text": Bomb(
        "a.celtx",
        lambda size: zipped({"project.rdf": "", "script.html": b"<p>" + b"a" * int(size * 60 * _MB)}),
    ),
    "one with a member that unpacks to 100 MB": Bomb(
        "a.highland", lambda size: zipped({"text.md": b"\n" * int(size * 100 * _MB)})
    ),
    "XML that laughs a billion times": Bomb(
        "a.fdx",
        lambda size: f'<!DOCTYPE a [<!ENTITY l0 "lol">{_LAUGHS}]><FinalDraft>&l9;</FinalDraft>'.encode(),
    ),
    "XML that blows up quadratically": Bomb(
        "a.xml",
        lambda size: f'<!DOCTYPE TEI [<!ENTITY a "{"a" * 50_000}">]><TEI>{"&a;" * 50_000}</TEI>'.encode(),
    ),
    "XML with parameters of its own": Bomb(
        "a.xml", lambda size: b'<!DOCTYPE TEI [<!ENTITY % a SYSTEM "file:///etc/passwd">%a;]><TEI/>'
    ),
    "XML with a namespace of 1 MB": Bomb(
        "a.xml",
        lambda size: (
            b'<?xml version="1.0"?><TEI xmlns="%s">' % (b"a" * int(size * _MB))
            + b"<p/>" * int(size * 50_000)
            + b"</TEI>"
        ),
    ),
    "XML with an attribute of 100 KB for each of 10,000 lines": Bomb(
        "a.xml",
        lambda size: (
            b'<!DOCTYPE TEI [<!ATTLIST l x CDATA "%s">]><TEI><sp><speaker>A</speaker>' % (b"a" * 100_000)
            + b"<l>a</l>" * int(size * 10_000)
            + b"</sp></TEI>"
        ),
    ),
    "XML with 5,000 attributes for each of 5,000 lines": Bomb(
        "a.xml",
        lambda size: (
            b"<!DOCTYPE TEI [<!ATTLIST l %s>]><TEI><sp>" % b" ".join(b"x%d CDATA ''" % n for n in range(5000))
            + b"<l>a</l>" * int(size * 5000)
            + b"</sp></TEI>"
        ),
    ),
    "XML with 100,000 attributes": Bomb(
        "a.xml",
        lambda size: b"<TEI %s><sp/></TEI>" % b" ".join(b"a%d=''" % n for n in range(int(size * 100_000))),
    ),
    "XML nested 1,000,000 times": Bomb("a.xml", _times("<sp>", 1_000_000)),
    "XML with a comment of 50 MB": Bomb("a.xml", _around("<TEI><!--", "- ", 25 * _MB)),
    "JSON nested 1,000,000 times": Bomb("a.json", _times("[", 1_000_000)),
    "JSON with scenes in scenes": Bomb("a.json", _around("", '{"scenes":', 400, "1" + "}" * 400)),
    "JSON with parts in parts": Bomb("a.json", _around('{"speaker":"A","line":', "[", 900, "]" * 900 + "}")),
    "JSON with a number of 1,000,000 digits": Bomb("a.json", _around('{"script": ', "9", 1_000_000, "}")),
    "JSON with 200,000 columns": Bomb(
        "a.jsonl",
        lambda size: b"".join(b'{"a%d":1,"b%d":2}\n' % (n, n) for n in range(int(size * 100_000))),
    ),
    "a table with 60,000 columns": Bomb("a.csv", _around("", "a,", 20_000, "b\n1,2\n")),
    "a table with a cell of 50 MB": Bomb("a.csv", _around("speaker,line\nA,", "a ", 25 * _MB, "\nB,Yes.\n")),
    "a page nested 200,000 times": Bomb("a.html", _times("<div>", 200_000)),
    "a page of 200,000 words in bold": Bomb("a.html", _around("<p>", "<b>a</b>", 200_000)),
    "a page of 100,000 menus": Bomb("a.html", _around("<p>", "<nav></nav>x", 100_000)),
    "a page of comments": Bomb("a.txt", _times("<!---->", 500)),
    "a page with 50 MB of text": Bomb("a.html", _around("<p>", "a ", 25 * _MB)),
    "a page with paragraphs in each other": Bomb(
        "a.html",
        lambda size: (
            b"<h2 class=dialogue><span>" * 100
            + b"a " * int(size * 500_000)
            + b"</span></h2>" * 100
            + b"<p class=character>NORA</p>"
        ),
    ),
    "RTF of 4,000,000 paragraphs": Bomb("a.rtf", _around("{\\rtf1 A: a", "\\par\n", 4_000_000, "}")),
    "RTF nested 1,000,000 times": Bomb("a.rtf", _around("{\\rtf1 ", "{", 1_000_000)),
    "RTF with indents of a mile": Bomb("a.rtf", _around("{\\rtf1 ", "\\li9999999999 Yes.\\par ", 200, "}")),
    "a PDF of 2,000,000 objects that are not there": Bomb(
        "a.pdf",
        lambda size: _pdf([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 2000000/Kids[]>>"]),
    ),
    "a PDF whose pages are their own": Bomb(
        "a.pdf",
        lambda size: _pdf([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 9/Kids[2 0 R 2 0 R]>>"]),
    ),
    "a PDF with a page of 300 MB": Bomb("a.pdf", lambda size: _page_of(b" " * int(size * 300 * _MB))),
    "a PDF with letters a mile apart": Bomb("a.pdf", lambda size: _page_of(_said(int(size * 500), 10**7))),
    "a PDF with 5,000,000 letters": Bomb("a.pdf", lambda size: _page_of(_said(int(size * 250_000), 40))),
    "a PDF whose forms draw 100,000,000 lines": Bomb(
        "a.pdf", lambda size: _drawn_within(max(2, round(9 * size**0.2)))
    ),
    "a PDF with a page of 200 MB that is packed twice": Bomb(
        "a.pdf", lambda size: _page_of(_said(int(size * 4_000_000), 40), times=2)
    ),
    "a PDF with 5,000 pages that are one": Bomb("a.pdf", lambda size: _with_pages_alike(int(size * 5000))),
    "a gzip of 1 GB": Bomb("a.txt.gz", lambda size: gzip.compress(b" " * int(size * 1000 * _MB))),
    "a gzip that is called a table": Bomb("a.csv", lambda size: gzip.compress(b"a," * int(size * 50 * _MB))),
    "parquet with 1,000,000,000 rows": Bomb("a.parquet", lambda size: _parquet(int(size * 10**9), "a")),
    "parquet with a cell of 500 MB": Bomb("a.parquet", lambda size: _parquet(1, "a" * int(size * 500 * _MB))),
    "parquet with an absurd footer": Bomb("a.parquet", _absurd_parquet),
    "100 MB of one letter": Bomb("a.txt", _times("a", 100 * _MB)),
    "100 MB of one letter beyond ASCII": Bomb("a.txt", _times("語", 33 * _MB)),
    "100 MB of one space and a word": Bomb("a.txt", _around("", " ", 100 * _MB, "a")),
    "1,000,000 empty lines": Bomb("a.txt", _around("A: a\n", "\n", 1_000_000, "B: b\n")),
    "1,000,000 lines of one letter": Bomb("a.txt", _around("A: a\n\nB: b\n\n", "a\n", 1_000_000)),
    "1,000,000 lines of capitals": Bomb("a.txt", _times("NORA\n", 1_000_000)),
    "one text in Latin-1 on one line": Bomb(
        "a.txt", lambda size: b"\xe9\xe8\n" * 5 + b"ab " * int(size * _MB)
    ),
    **NEAR_LIMITS,
}


def attack(folder: Path, size: float, names: list[str]) -> list[Part]:
    """Read bombs of so much of their size."""
    part = Part("bombs")
    for name in share(names):
        bomb = BOMBS[name]
        path = folder / bomb.name
        written = {path: bomb.content, **{folder / other: make for other, make in bomb.beside.items()}}
        for file, make in written.items():
            file.write_bytes(make(size))
        larger = sum(file.stat().st_size for file in written) / _MB
        problem = problem_of(
            partial(read, path),
            SECONDS + _SECONDS_A_MEGABYTE * larger,
            MEGABYTES + _MEGABYTES_A_MEGABYTE * larger,
        )
        part.count(problem and f"{name}: {problem}")
        for file in written:
            file.unlink()
    return [part]
