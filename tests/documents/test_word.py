"""Word's documents and RTF: with styles and without, as people and programs make them."""

import io
from pathlib import Path
from zipfile import ZipFile

import docx
import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from docx.shared import Inches, Pt
from support import tin_roof
from support.tin_roof import PARAGRAPHS, write, zipped

from scriptforge.documents.kinds import write as write_document
from scriptforge.errors import CorpusError
from scriptforge.screenplay.script import Element, Script

from .conftest import Read

TRANSCRIPT = [
    Element("dialogue", "Is that the roof?", "Nora"),
    Element("dialogue", "It is only rain.", "Oskar"),
    Element("action", "(He pulls the door shut.)"),
    Element("dialogue", "It sounded like a ladder.", "Nora"),
]
LINES = [
    "Nora: Is that the roof?",
    "Oskar: It is only rain.",
    "(He pulls the door shut.)",
    "Nora: It sounded like a ladder.",
]


def saved(document: docx.document.Document) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def elements(read: Read, folder: Path, content: bytes | str, name: str = "a.docx") -> list[Element]:
    return [row.element for row in read(write(folder, name, content))[1]]


@pytest.mark.parametrize("prefix", ["", "Screenplay - ", "SCRIPT_"])
def test_styles_say_what_paragraphs_are(tmp_path: Path, read: Read, prefix: str) -> None:
    document = docx.Document()
    for kind in dict.fromkeys(kind for kind, _ in PARAGRAPHS):
        document.styles.add_style(prefix + kind, WD_STYLE_TYPE.PARAGRAPH)
    document.add_paragraph("Tin Roof", "Title")
    for kind, text in PARAGRAPHS:
        document.add_paragraph(text, prefix + kind)
        document.add_paragraph("")
    found, rows = read(write(tmp_path, "a.docx", saved(document)))
    assert (found, rows[0].title) == ("docx", "Tin Roof")
    assert [row.element for row in rows] == list(tin_roof.ELEMENTS)


@pytest.mark.parametrize("spacing", ["blank paragraphs", "space above", "none"])
def test_indents_say_what_paragraphs_are_where_no_styles_do(tmp_path: Path, read: Read, spacing: str) -> None:
    indents = {"Character": 2.2, "Dialogue": 1.0, "Parenthetical": 1.6, "Transition": 4.5}
    document = docx.Document()
    document.styles["Normal"].paragraph_format.space_after = Pt(0)
    for kind, text in PARAGRAPHS:
        begins = kind not in ("Dialogue", "Parenthetical")
        if begins and spacing == "blank paragraphs":
            document.add_paragraph("")
        paragraph = document.add_paragraph(text)
        paragraph.paragraph_format.left_indent = Inches(indents.get(kind, 0))
        if begins and spacing == "space above":
            paragraph.paragraph_format.space_before = Pt(12)
    assert elements(read, tmp_path, saved(document)) == list(tin_roof.ELEMENTS)


def test_centred_cues_are_cues(tmp_path: Path, read: Read) -> None:
    document = docx.Document()
    for text in ("Rain on the tin roof.", "NORA", "Is that the roof?", "OSKAR", "It is only rain."):
        paragraph = document.add_paragraph(text)
        if text.isupper():
            paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
    assert [(each.speaker, each.text) for each in elements(read, tmp_path, saved(document))][1:] == [
        ("NORA", "Is that the roof?"),
        ("OSKAR", "It is only rain."),
    ]


def test_a_transcript_is_read_line_by_line(tmp_path: Path, read: Read) -> None:
    document = docx.Document()
    for line in LINES:
        document.add_paragraph(line)
    assert elements(read, tmp_path, saved(document)) == TRANSCRIPT


def test_rows_of_a_table_are_lines(tmp_path: Path, read: Read) -> None:
    document = docx.Document()
    table = document.add_table(rows=0, cols=2)
    for line in LINES:
        name, _, text = line.rpartition(": ")
        cells = table.add_row().cells
        cells[0].text, cells[1].text = name, text
    assert elements(read, tmp_path, saved(document)) == TRANSCRIPT


def test_what_was_added_is_read_and_what_was_deleted_is_not(tmp_path: Path, read: Read) -> None:
    document = docx.Document()
    paragraph = document.add_paragraph("Nora: Is that ")
    space = nsdecls("w")
    paragraph._p.append(parse_xml(f"<w:del {space}><w:r><w:delText>not </w:delText></w:r></w:del>"))
    paragraph._p.append(parse_xml(f"<w:ins {space}><w:r><w:t>the roof?</w:t></w:r></w:ins>"))
    for line in LINES[1:]:
        box = f"<w:sdt {space}><w:sdtContent><w:p><w:r><w:t>{line}</w:t></w:r></w:p></w:sdtContent></w:sdt>"
        document.element.body.insert(-1, parse_xml(box))
    assert elements(read, tmp_path, saved(document)) == TRANSCRIPT


def test_a_letter_is_prose(tmp_path: Path, read: Read) -> None:
    document = docx.Document()
    document.add_heading("To the landlord", 1)
    document.add_paragraph("The roof is made of tin, and it rains.")
    document.add_paragraph("Please send somebody.")
    assert [each.kind for each in elements(read, tmp_path, saved(document))] == ["action"] * 3


def test_what_is_written_has_no_date() -> None:
    content = write_document([Script.from_elements("Roof", tin_roof.ELEMENTS)], "docx")
    with ZipFile(io.BytesIO(content)) as archive:
        assert {each.date_time for each in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    docx.Document(io.BytesIO(content))


@pytest.mark.parametrize("has_styles", [True, False])
def test_rtf_says_it_by_styles_or_indents(tmp_path: Path, read: Read, has_styles: bool) -> None:
    found, rows = read(write(tmp_path, "a.rtf", tin_roof.rich_text(has_styles=has_styles)))
    assert found == ("rtf" if has_styles else "indented")
    assert [row.element for row in rows] == list(tin_roof.ELEMENTS)


def test_rtf_has_letters_in_three_ways(tmp_path: Path, read: Read) -> None:
    text = (
        r"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0\fcharset0 A;}{\f1\fcharset204 B;}}\uc1 "
        r"\f0 N\'f6ra: caf\u233\'e9 \u8212 ? \{tea\}\par \f1\cf0 N\'eef0: \'cf\'f0\f0\par "
        "{\\v hidden}{\\footnote no}Nöra: \\u-10179?\\u-8704?\\\n}"
    )
    assert elements(read, tmp_path, text.encode("cp1252"), "a.rtf") == [
        Element("dialogue", "café — {tea}", "Nöra"),
        Element("dialogue", "Пр", "Nоf0"),
        Element("dialogue", "😀", "Nöra"),
    ]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (r"\uc-1 caf\u233 rain", "caférain"),
        (r"\uc0 caf\u233 rain", "caférain"),
        (r"\uc2 caf\u233 e'rain", "caférain"),
        (r"\u128512?rain", "😀rain"),
        (r"caf\u rain", "cafrain"),
        (r"\'zz rain", "zz rain"),
        (r"\li-9999999999\f-3\bin-5 rain", "rain"),
    ],
)
def test_rtf_with_unusual_numbers(tmp_path: Path, read: Read, said: str, text: str) -> None:
    content = rf"{{\rtf1\ansi Nora: Is that the roof?\par Bo: {said}\par Nora: No.\par}}"
    assert elements(read, tmp_path, content.encode(), "a.rtf") == [
        Element("dialogue", "Is that the roof?", "Nora"),
        Element("dialogue", text, "Bo"),
        Element("dialogue", "No.", "Nora"),
    ]


def test_a_paragraph_in_the_style_of_a_title_is_the_title_in_rtf_too(tmp_path: Path, read: Read) -> None:
    text = rb"{\rtf1{\stylesheet{\s1 Title;}}\pard\s1 Tin Roof\par\pard Nora: Tea?\par Bo: No.}"
    _, rows = read(write(tmp_path, "a.rtf", text))
    assert [(row.title, row.speaker) for row in rows] == [("Tin Roof", "Nora"), ("Tin Roof", "Bo")]


def test_a_part_of_an_rtf_title_may_be_bold(tmp_path: Path, read: Read) -> None:
    text = rb"{\rtf1{\info{\title Tin {\b Roof}}}Nora: Tea?\par Bo: No.}"
    _, rows = read(write(tmp_path, "a.rtf", text))
    assert {row.title for row in rows} == {"Tin Roof"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (zipped({"word/document.xml": "<w:document"}), "damaged or cut off"),
        (zipped({"word/document.xml": "<a/>", "[Content_Types].xml": "<Types/>"}), "damaged or cut off"),
        (b"PK\x03\x04 and nothing else", "damaged or cut off"),
        (b"NORA: Is that the roof?\n", "is not what its name says, Word's documents"),
    ],
)
def test_what_is_no_word_document_is_refused(
    tmp_path: Path, read: Read, content: bytes, problem: str
) -> None:
    with pytest.raises(CorpusError, match=f"^“a.docx” .*{problem}"):
        read(write(tmp_path, "a.docx", content))
