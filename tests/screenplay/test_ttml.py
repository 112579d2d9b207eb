"""Subtitles in TTML: titles, times in every unit, names, and what is no TTML."""

import tracemalloc
from itertools import chain, count, islice, pairwise

import pytest

from scriptforge.screenplay.format import BrokenScript, LinePart
from scriptforge.screenplay.formats import read
from scriptforge.screenplay.script import Element

METADATA = 'xmlns:ttm="http://www.w3.org/ns/ttml#metadata"'
PARAMETERS = 'xmlns:ttp="http://www.w3.org/ns/ttml#parameter"'


def document(*captions: str, head: str = "", attributes: str = "") -> list[str]:
    opening = f'<tt xmlns="http://www.w3.org/ns/ttml" {METADATA} {PARAMETERS} {attributes}>'
    return [opening, f"<head>{head}</head><body><div>", *captions, "</div></body></tt>"]


def elements(*captions: str, head: str = "", attributes: str = "") -> list[Element]:
    return list(read(document(*captions, head=head, attributes=attributes)))


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("00:00:02.500", "00:00:04.000"),
        ("00:00:02,500", "00:00:04"),
        ("00:02.5", "00:04.0"),
        ("2.5s", "4s"),
        ("2500ms", "4000ms"),
        ("2.5", "4"),
        ("00:00:02:12.1", "00:00:04:00"),
        ("63f", "100f"),
        ("2500t", "4000t"),
        (" 2.5s ", " 4s"),
    ],
)
def test_a_caption_goes_on_if_it_is_near_in_any_unit_of_time(begin: str, end: str) -> None:
    rates = 'ttp:frameRate="25" ttp:tickRate="1000"'
    above = '<p begin="00:00:01.000" end="00:00:02.400">The harbour</p>'
    near = f'<p begin="{begin}" end="{end}">is closed.</p>'
    after = '<p begin="00:00:05.500" end="6s">all day</p>'
    assert elements(above, near, after, attributes=rates) == [
        Element("action", "The harbour is closed."),
        Element("action", "all day"),
    ]
    late = '<p begin="00:00:09.000" end="10s">is closed.</p>'
    assert len(elements(above, late, attributes=rates)) == 2


@pytest.mark.parametrize("rates", ["", 'ttp:frameRate="0"', 'ttp:tickRate="many" ttp:frameRate="1e9"'])
def test_a_rate_that_is_none_is_the_usual_one(rates: str) -> None:
    captions = ('<p begin="30f" end="60f">The harbour</p>', '<p begin="3s" end="4t">is closed.</p>')
    assert elements(*captions, attributes=rates) == [Element("action", "The harbour is closed.")]


def test_captions_without_times_are_read() -> None:
    assert elements("<p>NORA: Is that the roof?</p>", '<p begin="later">OSKAR: Rain.</p>') == [
        Element("dialogue", "Is that the roof?", "NORA"),
        Element("dialogue", "Rain.", "OSKAR"),
    ]


def test_the_title_is_that_of_the_document() -> None:
    head = (
        "<metadata><ttm:agent xml:id='a'><ttm:name>Ida</ttm:name></ttm:agent>"
        "<ttm:title>The\n Tram</ttm:title></metadata>"
    )
    assert read(document("<p>Rain.</p>", head=head)).title == "The Tram"
    metadata = "<p><metadata><ttm:title>Caption 1</ttm:title></metadata>Rain.</p>"
    assert read(document(metadata)).title == ""
    assert elements(metadata) == [Element("action", "Rain.")]


def test_signs_of_markup_stay_what_they_are() -> None:
    head = "<metadata><ttm:agent xml:id='a'><ttm:name>Ida &amp; &lt;Ben&gt;</ttm:name></ttm:agent></metadata>"
    [found] = elements('<p ttm:agent="a">1 &lt; 2 &amp;amp; &lt;i&gt;</p>', head=head)
    assert found == Element("dialogue", "1 < 2 &amp; <i>", "Ida & <Ben>")


def test_names_and_lists_of_agents_are_cut() -> None:
    """Each of thousands of references to a name is a few letters long, and the name has any length."""
    name = "Ida " * 1000
    head = f"<metadata><ttm:agent xml:id='a'><ttm:name>{name}</ttm:name></ttm:agent></metadata>"
    caption = f'<p ttm:agent="{"a " * 5000}">Rain.</p>'
    tracemalloc.start()
    [found] = elements(caption, head=head)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.speaker.startswith("Ida Ida") and len(found.speaker) <= 200
    assert peak < 2_000_000
    [found] = elements(f'<p ttm:agent="{"x" * 9000}">Rain.</p>')
    assert found == Element("dialogue", "Rain.", "x" * 200)


def test_a_caption_is_no_larger_than_a_script_needs() -> None:
    with pytest.raises(BrokenScript, match="an element with more than 300,000 others in it"):
        elements("<p>Rain.</p>", "<p>" + "<br/>" * 300_001 + "</p>")


def test_rolling_captions_are_read_once() -> None:
    lines = ["The harbour is closed.", "All of it?", "Even the gull?", "The gull knows.", "It always does."]
    captions = [
        f'<p begin="{number}s" end="{number + 1}s">{above}<br/>{line}</p>'
        for number, (above, line) in enumerate(pairwise(lines))
    ]
    assert " ".join(each.text for each in elements(*captions)) == " ".join(lines)


def test_it_is_read_as_it_arrives_and_in_lines_of_any_length() -> None:
    endless = (LinePart(f'<p begin="{time}s" end="{time + 1}s">NORA: Rain {time}.</p>') for time in count())
    found = read(chain(document()[:2], endless))
    assert found.format == "ttml"
    assert [each.speaker for each in islice(found, 3)] == ["NORA"] * 3


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (document()[:1], "breaks off in line"),
        (document("<p>Rain.</p>")[:-1], "breaks off in line"),
        (document(), "is TTML without text in its captions"),
        (["<rss/>"], "is not TTML: it begins with <rss>"),
        (["1", "00:00:01,000 --> 00:00:02,000", "Rain."], "is not XML"),
        (["<!DOCTYPE tt [<!ENTITY a 'b'>]>", *document("<p>&a;</p>")], "declares entities of its own"),
        (document("<p>" + "<span>" * 300), "more than 200 deep"),
    ],
)
@pytest.mark.parametrize("suffix", [".ttml", ".DFXP"])
def test_what_is_no_ttml_is_said_in_one_line(lines: list[str], problem: str, suffix: str) -> None:
    with pytest.raises(BrokenScript, match=problem) as caught:
        list(read(lines, suffix=suffix))
    assert "\n" not in caught.value.message + caught.value.hint


def test_other_xml_and_a_page_are_not_taken_for_it() -> None:
    assert read(["<TEI><sp><speaker>A</speaker></sp></TEI>"]).format == "xml-play"
    assert read(["NORA: <tt>Rain.</tt>"]).format == "name-line"
