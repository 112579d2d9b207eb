"""OpenDocument texts: with styles and without, as archives and flat, broken and hostile."""

from pathlib import Path

import pytest
from support import tin_roof
from support.tin_roof import MANIFEST, flat_open_document, open_document, with_member, write, zipped

from scriptforge import convert
from scriptforge.documents.kinds import kind_of_file
from scriptforge.errors import CorpusError
from scriptforge.screenplay.script import Element

from .conftest import Read

TRANSCRIPT = [
    Element("dialogue", "Is that the roof?", "Nora"),
    Element("dialogue", "It is only rain.", "Oskar"),
    Element("action", "(He pulls the door shut.)"),
    Element("dialogue", "It sounded like a ladder.", "Nora"),
]
ODT = "application/vnd.oasis.opendocument.text"
SPREADSHEET = "application/vnd.oasis.opendocument.spreadsheet"
DECLARED = "<!DOCTYPE a [<!ENTITY b 'c'>]>"
ENCRYPTED = f"{MANIFEST}<manifest:encryption-data/></manifest:manifest>"


def elements(read: Read, folder: Path, content: bytes | str, name: str = "a.odt") -> list[Element]:
    return [row.element for row in read(write(folder, name, content))[1]]


@pytest.mark.parametrize("has_styles", [True, False])
@pytest.mark.parametrize("name", ["a.odt", "a.ott", "a.fodt", "a.pdf", "a.txt"])
def test_styles_or_indents_say_what_paragraphs_are(
    tmp_path: Path, read: Read, name: str, has_styles: bool
) -> None:
    is_flat = name in ("a.fodt", "a.txt")
    content = (flat_open_document if is_flat else open_document)(has_styles=has_styles)
    found, rows = read(write(tmp_path, name, content))
    assert found == (("fodt" if is_flat else "odt") if has_styles else "indented")
    assert rows[0].title == "Tin Roof"
    assert [row.element for row in rows] == list(tin_roof.ELEMENTS)


def test_a_style_based_on_another_has_its_kind(tmp_path: Path, read: Read) -> None:
    derived = "".join(
        f'<style:style style:name="{name}" style:family="paragraph" style:parent-style-name="{base}"/>'
        for name, base in (
            ("Cue_20_of_20_Mine", "Character"),
            ("P1", "Cue_20_of_20_Mine"),
            ("P2", "Dialogue"),
        )
    )
    body = (
        '<text:p text:style-name="Title">The Rain</text:p><text:p text:style-name="Subtitle">a play</text:p>'
        '<text:p text:style-name="P1">NORA</text:p><text:p text:style-name="P2">Is that the roof?</text:p>'
    )
    content = with_member(
        open_document(body),
        "content.xml",
        lambda xml: xml.replace(b"</office:automatic", derived.encode() + b"</office:automatic"),
    )
    _, rows = read(write(tmp_path, "a.odt", content))
    assert [(row.title, row.element) for row in rows] == [
        ("The Rain", Element("dialogue", "Is that the roof?", "NORA"))
    ]


def test_a_transcript_is_read_line_by_line_without_what_is_no_text(tmp_path: Path, read: Read) -> None:
    body = (
        "<text:tracked-changes><text:changed-region><text:deletion><text:p>Nora: Deleted.</text:p>"
        "</text:deletion></text:changed-region></text:tracked-changes>"
        "<text:p>\n Nora:<text:s/>Is <text:change-start/>that<text:change-end/> the roof?"
        "<text:note><text:note-body><text:p>A note.</text:p></text:note-body></text:note></text:p>"
        "<text:section><text:p>Oskar:<text:tab/>It is\n  <text:a><text:span>only</text:span></text:a> rain."
        "<office:annotation><text:p>Really?</text:p></office:annotation><text:line-break/>"
        "(He pulls the door shut.)</text:p></text:section>"
        "<text:p><draw:frame><draw:text-box><text:p>Box</text:p></draw:text-box></draw:frame></text:p>"
        "<text:list><text:list-item><text:h>Nora: It sounded like a ladder.</text:h></text:list-item>"
        "</text:list>"
    )
    assert elements(read, tmp_path, open_document(body)) == TRANSCRIPT


def test_rows_of_a_table_are_lines(tmp_path: Path, read: Read) -> None:
    rows = "".join(
        f"<table:table-row><table:table-cell><text:p>{each.speaker}</text:p></table:table-cell>"
        f"<table:table-cell><text:p>{each.text}</text:p></table:table-cell></table:table-row>"
        for each in TRANSCRIPT
    )
    assert elements(read, tmp_path, open_document(f"<table:table>{rows}</table:table>")) == TRANSCRIPT


def test_spaces_and_indents_widen_no_line_out_of_proportion(tmp_path: Path) -> None:
    far = (
        '<style:style style:name="Far" style:family="paragraph"><style:paragraph-properties '
        'fo:margin-left="999999in" fo:text-indent="twenty" fo:margin-top="50%"/></style:style>'
    )
    body = f'{far}<text:p text:style-name="Far"><text:s text:c="9999"/>a<text:s text:c="x"/>b</text:p>'
    kind = kind_of_file(path := write(tmp_path, "a.odt", open_document(body)))
    assert kind is not None
    [line] = kind.read(path, None).lines
    assert line.split() == ["a", "b"] and 80 < len(line) < 1000


def test_a_letter_is_prose(tmp_path: Path, read: Read) -> None:
    body = (
        '<text:h text:style-name="Heading_20_1">To the landlord</text:h>'
        '<text:p text:style-name="Text_20_body">The roof is made of tin, and it rains.</text:p>'
        '<text:p text:style-name="Text_20_body">Please send somebody.</text:p>'
    )
    found, rows = read(write(tmp_path, "a.odt", open_document(body)))
    assert found == "prose"
    assert {row.kind for row in rows} == {"action"}


@pytest.mark.parametrize("source", ["a.odt", "a.fodt"])
def test_it_can_be_converted(tmp_path: Path, source: str) -> None:
    content = open_document() if source == "a.odt" else flat_open_document()
    convert(write(tmp_path, source, content), tmp_path / "a.fountain")
    assert (tmp_path / "a.fountain").read_text().endswith(tin_roof.FOUNTAIN)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("cut.odt", open_document()[:900], "an odt document that is damaged or cut off"),
        ("cut.fodt", flat_open_document()[:3000], "breaks off in line 2"),
        ("cut-inside.odt", with_member(open_document(), "content.xml", lambda xml: xml[:-99]), "breaks off"),
        ("text.odt", "NORA: Tea?\n", "is not what its name says, OpenDocument texts"),
        ("text.fodt", "NORA: Tea?\n", "is not what its name says, OpenDocument texts in one XML file"),
        ("pages.odt", zipped({"Index/Document.iwa": "a"}), "not one of OpenDocument texts"),
        ("table.odt", zipped({"mimetype": SPREADSHEET, "content.xml": "<a/>"}), "without paragraphs of text"),
        ("empty.odt", zipped({"mimetype": ODT}), "is an ODT document without the script in it"),
        ("table.fodt", "<office:document xmlns:office='a'><spreadsheet/></office:document>", "without par"),
        ("locked.odt", zipped({"mimetype": ODT, "META-INF/manifest.xml": ENCRYPTED}), "an ODT .* encrypted"),
        ("up.odt", zipped({"mimetype": ODT, "../content.xml": "<a/>"}), "leads out of it"),
        ("drive.odt", zipped({"mimetype": ODT, "c:/content.xml": "<a/>"}), "leads out of it"),
        ("bomb.odt", zipped({"mimetype": ODT, "content.xml": b" " * (65 << 20)}), "unpacks to more than 32"),
        ("tags.odt", zipped({"mimetype": ODT, "content.xml": b"<a/>" * 500_001}), "an ODT .*500,000 tags"),
        ("tags.fodt", "<office:document >" + "<a/>" * 500_001, "a flat ODT .*500,000 tags"),
        ("deep.odt", zipped({"mimetype": ODT, "content.xml": "<a>" * 300}), "more than 200 deep"),
        ("entities.fodt", DECLARED + flat_open_document().partition("\n")[2], "declares entities"),
    ],
)  # fmt: skip
def test_what_is_broken_or_hostile_is_refused_in_one_line_and_the_rest_of_a_folder_kept(
    tmp_path: Path, read: Read, name: str, content: str | bytes, problem: str
) -> None:
    with pytest.raises(CorpusError, match=f"^“{name}” .*{problem}") as caught:
        read(write(tmp_path, name, content))
    assert "\n" not in caught.value.message + caught.value.hint
    write(tmp_path, "whole.fountain", tin_roof.FOUNTAIN)
    assert len(read(tmp_path)[1]) == len(tin_roof.ELEMENTS)


def test_a_spreadsheet_keeps_its_message(tmp_path: Path, read: Read) -> None:
    content = zipped({"mimetype": SPREADSHEET, "content.xml": "<a/>"})
    with pytest.raises(CorpusError, match="is not text: it is a ZIP archive or an office document"):
        read(write(tmp_path, "a.ods", content))
