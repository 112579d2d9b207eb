"""Documents that are damaged deep inside, or made to take time or memory out of proportion to their size."""

import io
from pathlib import Path

import docx
import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from reliability.bombs import BOMBS
from reportlab.pdfgen.canvas import Canvas
from support.tin_roof import with_member, write, zipped
from support.verdict import problem_of

from scriptforge.documents.kinds import kind_of_file
from scriptforge.errors import CorpusError

from .conftest import Read

WIDEST = 1000
LINES = ("Nora: Is that the roof?", "Oskar: It is only rain.", "Nora: The hens are gone.")


def rich_text() -> bytes:
    body = "".join(f"\\pard\\li1999999999 {line}\\par " for line in LINES)
    return f"{{\\rtf1 {body}}}".encode()


def word() -> bytes:
    document = docx.Document()
    for line in LINES:
        paragraph = document.add_paragraph(line)
        indent = f'<w:pPr {nsdecls("w")}><w:spacing w:before="0"/><w:ind w:left="1999999999"/></w:pPr>'
        paragraph._p.insert(0, parse_xml(indent))
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def printed(far: float) -> bytes:
    """Return a PDF in which something stands far away, on a line of its own and behind others."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(612, 792))
    for number, line in enumerate(LINES):
        canvas.drawString(72, 720 - 40 * number, line)
        canvas.drawString(far, 720 - 40 * number, "far")
        canvas.drawString(far, 700 - 40 * number, "away")
    canvas.save()
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.rtf", rich_text()),
        ("a.docx", word()),
        ("a.pdf", printed(1e6)),
        ("b.pdf", printed(1e9)),
        ("c.pdf", printed(1e30)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_stands_far_away_widens_no_line(tmp_path: Path, name: str, content: bytes) -> None:
    kind = kind_of_file(path := write(tmp_path, name, content))
    assert kind is not None
    lines = kind.read(path, None).lines
    assert max(map(len, lines)) < WIDEST
    assert all(any(line in each for each in lines) for line in LINES)


def test_many_comments_before_what_is_no_page_are_a_text(tmp_path: Path, read: Read) -> None:
    """Each could be a part of the one before it, which makes two to the power of fifty ways to read them."""
    found, rows = read(write(tmp_path, "a.txt", "<!-- a -->\n" * 50 + "\n".join(LINES)))
    assert found == "prose"
    assert rows[-1].element.text.endswith(LINES[-1])


def with_change(old: bytes, new: bytes) -> bytes:
    """Return a document of Word in whose text and styles the first of something is something else."""
    document = docx.Document()
    style = document.styles.add_style("Odd", WD_STYLE_TYPE.PARAGRAPH)
    style.base_style = document.styles["Normal"]
    for line in LINES:
        document.add_paragraph(line, style)
    buffer = io.BytesIO()
    document.save(buffer)
    whole = buffer.getvalue()
    for member in ("word/document.xml", "word/styles.xml"):
        whole = with_member(whole, member, lambda xml: xml.replace(old, new, 1))
    return whole


@pytest.mark.parametrize(
    "layout",
    [
        '<w:jc w:val="start"/>',
        '<w:jc w:val="nowhere"/>',
        '<w:spacing w:before="12pt"/>',
        '<w:ind w:left="far"/>',
    ],
)
def test_a_layout_that_word_does_not_know_is_none(tmp_path: Path, read: Read, layout: str) -> None:
    """Newer documents say `start` for the left, and lengths with units."""
    style = b'<w:pStyle w:val="Odd"/>'
    content = with_change(style, style + layout.encode())
    assert [row.element.text for row in read(write(tmp_path, "a.docx", content))[1]] == [
        "Is that the roof?",
        "It is only rain.",
        "The hens are gone.",
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'w:type="paragraph"', b'w:type="odd"'),
        (b"<w:basedOn w:val=", b"<w:basedOn w:of="),
        (b"<w:document ", b'<w:document xmlns:w="urn:odd" '),
        (b"<w:body>", b"<w:nobody>"),
        (b"<w:p>", b"<w:p><a>"),
    ],
)
def test_what_word_would_not_open_is_damaged(tmp_path: Path, read: Read, old: bytes, new: bytes) -> None:
    with pytest.raises(CorpusError, match="damaged or cut off"):
        read(write(tmp_path, "a.docx", with_change(old, new)))


def test_word_has_no_more_paragraphs_than_can_be_looked_at(tmp_path: Path, read: Read) -> None:
    content = with_change(b"<w:body>", b"<w:body>" + b"<w:p/>" * 200_001)
    with pytest.raises(CorpusError, match="a Word document with more than 200,000 paragraphs"):
        read(write(tmp_path, "a.docx", content))


def test_rich_text_has_no_more_paragraphs_than_can_be_looked_at(tmp_path: Path, read: Read) -> None:
    with pytest.raises(CorpusError, match="an RTF document with more than 200,000 paragraphs"):
        read(write(tmp_path, "a.rtf", b"{\\rtf1 " + b"\\par" * 200_001 + b"}"))


@pytest.mark.parametrize("members", [1, 2], ids=["one member", "two members together"])
def test_no_more_is_unpacked_than_a_script_needs(tmp_path: Path, read: Read, members: int) -> None:
    padding = f"<a><!--{' ' * (33_600_000 // members)}--></a>"
    names = ("styles.xml", "content.xml")[-members:]
    path = write(
        tmp_path, "a.odt", zipped({"mimetype": "a", "content.xml": "", **dict.fromkeys(names, padding)})
    )
    with pytest.raises(CorpusError, match="unpacks to more than 32 MB, too much for a script"):
        read(path)


def test_no_line_is_longer_than_a_book(tmp_path: Path, read: Read) -> None:
    lines = f"NORA\nRain.\n\n{'Rain. ' * 700_000}\n"
    with pytest.raises(CorpusError, match="has a line of more than 4 million characters, too much"):
        read(write(tmp_path, "a.highland", zipped({"text.md": lines})))


def test_no_paragraph_is_longer_than_a_book(tmp_path: Path, read: Read) -> None:
    content = BOMBS["a text of .odt with a paragraph of 30 MB"].content(0.15)
    with pytest.raises(CorpusError, match="more than 4 million characters in one element, too long"):
        read(write(tmp_path, "a.odt", content))


def test_a_paragraph_on_a_page_is_not_read_once_for_each_around_it(tmp_path: Path, read: Read) -> None:
    """What is nested is read where it stands; else 200 KB would be read as 20 MB."""
    nested = "<h2 class=dialogue><span>" * 40 + "Rain." + "</span></h2>" * 40
    page = f"<p class=character>NORA</p>{nested}<p class=character>OSKAR</p><p class=dialogue>Yes.</p>"
    assert [row.element.text for row in read(write(tmp_path, "a.html", page))[1]] == ["Rain.", "Yes."]


def test_a_message_on_a_page_is_not_read_once_for_each_around_it(tmp_path: Path, read: Read) -> None:
    message = '<div class="message"><div class="body"><div class="from_name">Nora</div><div class="text">'
    page = f"<body>{message * 20}Rain."
    assert sum(row.element.text.count("Rain.") for row in read(write(tmp_path, "a.html", page))[1]) == 1


def test_links_are_not_counted_once_for_each_block_around_them(tmp_path: Path, read: Read) -> None:
    page = "<body><pre>Nora: Is that the roof?</pre>" + "<div>" * 200 + "<a>x</a>" * 50_000 + "y" * 100_000
    path = write(tmp_path, "a.html", page)
    assert problem_of(lambda: read(path)) is None


def test_a_pdf_has_no_more_letters_than_its_bytes_can_stand_for(tmp_path: Path, read: Read) -> None:
    """All of its pages may be one."""
    content = BOMBS["a PDF with 5,000 pages that are one"].content(0.05)
    with pytest.raises(CorpusError, match=r"is a PDF of more than 3\d\d,\d{3} letters"):
        read(write(tmp_path, "a.pdf", content))


@pytest.mark.slow
def test_a_pdf_that_fills_the_memory_leaves_the_process_alone(tmp_path: Path, read: Read) -> None:
    """Its forms draw each other, 100,000,000 times."""
    content = BOMBS["a PDF whose forms draw 100,000,000 lines"].content(1.0)
    with pytest.raises(CorpusError, match="takes more memory or time to read than any script"):
        read(write(tmp_path, "a.pdf", content))
