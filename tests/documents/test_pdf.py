"""PDFs: ours and such as other programs print, and those that cannot be read."""

import io
import re
from collections.abc import Sequence
from pathlib import Path

import pypdfium2
import pytest
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas
from support import tin_roof
from support.tin_roof import write

from scriptforge.documents.kinds import write as write_scripts
from scriptforge.errors import CorpusError, UsageError
from scriptforge.screenplay.script import Element, Script

from .conftest import Read


def printed(
    pages: Sequence[Sequence[tuple[float, float, str]]], font: str = "Courier", **options: object
) -> bytes:
    """Return a PDF with texts at places, in points from the upper left corner."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(612, 792), **options)
    for page in pages:
        canvas.setFont(font, 12)
        for x, y, text in page:
            canvas.drawString(x, 792 - y, text)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def texts(content: bytes) -> list[str]:
    """Return the text of each page, as another program has it."""
    document = pypdfium2.PdfDocument(content)
    return [page.get_textpage().get_text_range() for page in document]


def visible(content: bytes) -> str:
    """Return what is printed above the bottom margins, an inch of each page."""
    document = pypdfium2.PdfDocument(content)
    return "\n".join(page.get_textpage().get_text_bounded(bottom=66) for page in document)


def test_our_own_page_reads_as_the_script(tmp_path: Path, read: Read) -> None:
    found, rows = read(write(tmp_path, "a.pdf", write_scripts([tin_roof.SCRIPT], "pdf")))
    assert found == "indented"
    assert [row.element for row in rows] == list(tin_roof.ELEMENTS)
    assert rows[0].title == "TIN ROOF"


def test_a_long_script_is_the_same_over_page_breaks(tmp_path: Path, read: Read) -> None:
    elements = list(tin_roof.ELEMENTS[:3])
    for number in range(40):
        speech = " ".join(f"Sentence {word} of speech {number} is not short." for word in range(number))
        elements += [
            Element("action", f"Rain, for the {number}. time."),
            Element("dialogue", f"Well. {speech}".strip(), "OSKAR"),
        ]
        elements.append(Element("dialogue", "Hm.", "NORA"))
    content = write_scripts([Script.from_elements("", elements)], "pdf")
    assert [row.element for row in read(write(tmp_path, "a.pdf", content))[1]] == elements
    pages = texts(content)
    assert len(pages) > 10
    assert any("(MORE)" in page for page in pages)
    assert all(f"{number}." in page for number, page in enumerate(pages[1:], start=2))
    assert not any(page.rstrip().endswith(("NORA", "OSKAR")) for page in pages)


ROOMS = [Element("heading", f"INT. ROOM {number} - DAY") for number in range(60)]
SPEECH = Element("dialogue", "Hm.", "NORA")
ENDLESS = " ".join(["Ink spreads over the whole of the page."] * 200)


@pytest.mark.parametrize(
    ("title", "elements"),
    [
        ("", ROOMS[:30]),
        ("", [*ROOMS, SPEECH]),
        ("", [*[SPEECH] * 17, *ROOMS[:1], SPEECH]),
        ("", [*ROOMS[:16], Element("dialogue", ENDLESS, "NORA"), *ROOMS[:20]]),
        ("", [*ROOMS[:17], Element("heading", ENDLESS), *ROOMS[:2], SPEECH]),
        (ENDLESS, [SPEECH]),
    ],
    ids=[
        "an outline",
        "before a speech",
        "at the foot",
        "around a long speech",
        "a long heading",
        "a long title",
    ],
)
def test_nothing_is_printed_off_the_page(title: str, elements: list[Element]) -> None:
    content = write_scripts([Script.from_elements(title, elements)], "pdf")
    said = " ".join([title, *(each.text for each in elements)])
    for wanted in (r"ROOM \d+", "HM", "INK"):
        assert len(re.findall(wanted, visible(content).upper())) == len(re.findall(wanted, said.upper()))


def test_a_heading_after_many_stays_with_its_speech() -> None:
    for count in range(1, 40):
        pages = texts(write_scripts([Script.from_elements("", [*ROOMS[:count], SPEECH])], "pdf"))
        assert f"ROOM {count - 1} " in pages[-1]
        assert "Hm." in pages[-1]


def test_headings_have_numbers_on_wish(tmp_path: Path, read: Read) -> None:
    content = write_scripts([tin_roof.SCRIPT], "pdf", scene_numbers=True)
    assert (
        "2     EXT. YARD - DAWN" in " ".join(texts(content)).replace("\r\n", " ") or "2" in texts(content)[1]
    )
    assert [row.element for row in read(write(tmp_path, "a.pdf", content))[1]] == list(tin_roof.ELEMENTS)


def test_letters_beyond_western_europe_are_printed_or_named(tmp_path: Path, read: Read) -> None:
    script = Script.from_elements(
        "", [Element("heading", "ИНТ. КУХНЯ"), Element("dialogue", "Чай – да?", "АННА")]
    )
    try:
        content = write_scripts([script], "pdf")
    except UsageError as problem:
        assert "has the letter" in problem.message
    else:
        assert "Чай – да?" in texts(content)[0]
    with pytest.raises(UsageError, match=r"\(U\+12000\)"):
        write_scripts([Script.from_elements("", [Element("action", "\U00012000")])], "pdf")


def test_what_a_title_does_not_print_needs_no_font() -> None:
    title = "Ex\u202eact\u200b \x1b[2JChange (\\) Tj"
    content = write_scripts([Script.from_elements(title, [Element("action", "A toll bridge.")])], "pdf")
    assert "EXACT [2JCHANGE (\\) TJ" in texts(content)[0]


def test_margins_numbers_and_running_lines_of_other_programs(tmp_path: Path, read: Read) -> None:
    def page(number: int) -> list[tuple[float, float, str]]:
        return [
            (108, 30, "TIN ROOF - Blue Draft 3/4/2020"), (500, 42, f"{number}."),
            (108, 96, "EXT. YARD - DAWN"), (108, 120, "Mud everywhere."),
            (266, 144, "NORA"), (180, 156, "The hens are gone, all"), (180, 168, f"{number} of them."),
            (266, 192, "OSKAR"), (223, 204, "(calling)"), (180, 216, "It is only rain."),
        ]  # fmt: skip

    title = [(266, 300, "TIN ROOF"), (266, 324, "by"), (266, 348, "N. N.")]
    _, rows = read(write(tmp_path, "a.pdf", printed([title, *map(page, range(2, 7))])))
    assert rows[0].title == "TIN ROOF"
    assert [(row.kind, row.speaker, row.text) for row in rows[:4]] == [
        ("heading", "", "EXT. YARD - DAWN"),
        ("action", "", "Mud everywhere."),
        ("dialogue", "NORA", "The hens are gone, all 2 of them."),
        ("dialogue", "OSKAR", "(calling) It is only rain."),
    ]
    assert len(rows) == 20


def test_a_transcript_in_type_of_many_widths_is_joined_at_its_margin(tmp_path: Path, read: Read) -> None:
    lines = [
        "Nora Lind: I asked the roofer to come on Monday, and then again on Tuesday, and he",
        "said that tin is not his trade.",
        "Oskar Falk: It is only rain.",
        "Nora Lind: You have said so since the year in which we bought it, and every year it has",
        "been more than rain.",
        "Oskar Falk: Hm.",
    ]
    content = printed([[(72, 72 + 14 * row, line) for row, line in enumerate(lines)]], "Helvetica")
    found, rows = read(write(tmp_path, "a.pdf", content))
    assert found == "name-line"
    assert [row.speaker for row in rows] == ["Nora Lind", "Oskar Falk"] * 2
    assert rows[2].text.endswith("every year it has been more than rain.")


def scanned() -> bytes:
    document = pypdfium2.PdfDocument.new()
    for _ in range(3):
        document.new_page(612, 792)
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue() + b"\n%%EOF\n"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (printed([[(72, 72, "Tea?")]], encrypt=StandardEncryption("key", "owner")), "PDF .* encrypted"),
        (scanned(), "is a scanned PDF: its 3 pages are pictures"),
        (printed([[(72, 72, "NORA: Tea?")]])[:-40], "PDF document that is damaged or cut off"),
        (b"%PDF-1.7\n%%EOF\n", "PDF document that is damaged or cut off"),
        (b"NORA: Tea?\n", "is not what its name says, PDFs"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_the_reason(
    tmp_path: Path, read: Read, content: bytes, problem: str
) -> None:
    path = write(tmp_path, "a.pdf", content)
    with pytest.raises(CorpusError, match=f"^“a.pdf” .*{problem}"):
        read(path)
    write(tmp_path, "b.fountain", tin_roof.FOUNTAIN)
    assert len(read(tmp_path)[1]) == len(tin_roof.ELEMENTS)
