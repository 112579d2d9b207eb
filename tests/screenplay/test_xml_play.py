"""Plays in XML: TEI's markup and Bosak's, and XML that is no play."""

from itertools import chain, repeat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptforge.corpus.cards import LocalPath
from scriptforge.corpus.fetch import fetch
from scriptforge.corpus.parse import Parsing, parse
from scriptforge.corpus.sources import Source
from scriptforge.errors import CorpusError
from scriptforge.screenplay.format import BrokenScript
from scriptforge.screenplay.formats import read
from scriptforge.screenplay.script import Element, normalise

BOSAK = """\
<?xml version="1.0"?>
<!DOCTYPE PLAY SYSTEM "play.dtd">

<PLAY>
<TITLE>The Tragedy of the Kettle</TITLE>
<FM>
<P>Free to copy.</P>
</FM>
<PERSONAE>
<TITLE>Dramatis Personae</TITLE>
<PERSONA>ANNA, a cook.</PERSONA>
<PGROUP>
<PERSONA>BEN</PERSONA>
<PERSONA>CARL</PERSONA>
<GRPDESCR>sailors.</GRPDESCR>
</PGROUP>
</PERSONAE>
<SCNDESCR>SCENE  A harbour.</SCNDESCR>
<PLAYSUBT>KETTLE</PLAYSUBT>
<ACT><TITLE>ACT I</TITLE>
<SCENE><TITLE>SCENE I.  A galley.</TITLE>
<STAGEDIR>Enter ANNA with a kettle</STAGEDIR>
<SPEECH>
<SPEAKER>ANNA</SPEAKER>
<STAGEDIR>Aside</STAGEDIR>
<LINE>O kettle, sing no more,</LINE>
<STAGEDIR>It sings</STAGEDIR>
<LINE><STAGEDIR>To BEN</STAGEDIR> For all my tea &amp; rum are gone.</LINE>
<STAGEDIR>Exit</STAGEDIR>
</SPEECH>
<SPEECH>
<SPEAKER>BEN</SPEAKER>
<SPEAKER>CARL</SPEAKER>
<LINE>Farewell.</LINE>
</SPEECH>
<SUBHEAD>A song.</SUBHEAD>
</SCENE>
</ACT>
</PLAY>
"""

BOSAK_ELEMENTS = [
    Element("heading", "ACT I"),
    Element("heading", "SCENE I. A galley."),
    Element("action", "Enter ANNA with a kettle"),
    Element(
        "dialogue",
        "(Aside) O kettle, sing no more,\n(It sings)\n(To BEN) For all my tea & rum are gone.",
        "ANNA",
    ),
    Element("action", "Exit"),
    Element("dialogue", "Farewell.", "BEN & CARL"),
    Element("action", "A song."),
]

TEI = """\
<?xml version="1.0" encoding="utf-8"?>
<?xml-model href="drama.rng"?>
<TEI xmlns="http://www.tei-c.org/ns/1.0" xml:lang="en">
  <teiHeader>
    <fileDesc>
      <titleStmt>
        <title type="main">The
          Kettle</title>
        <author>Nobody</author>
      </titleStmt>
      <sourceDesc><bibl><title>Another</title></bibl></sourceDesc>
    </fileDesc>
    <profileDesc><particDesc><listPerson><person><persName>Anna</persName></person></listPerson></particDesc></profileDesc>
  </teiHeader>
  <text>
    <front>
      <div type="dedication"><head>To the Reader</head><p>Dear reader: boil it.</p></div>
      <castList><head>Persons</head><castItem><role>Anna</role></castItem></castList>
      <div type="prologue">
        <head>Prologue</head>
        <stage>Fog.</stage>
        <sp><speaker>Chorus.</speaker><l>Two kettles.</l></sp>
        <stage>Less fog.</stage>
      </div>
    </front>
    <body>
      <div type="act">
        <head>Act <hi>One</hi></head>
        <div type="scene">
          <head>Scene 1.<lb/>A galley</head>
          <stage type="entrance">Enter <name>Anna</name>
            and Ben.</stage>
          <sp who="#anna">
            <speaker>ANNA.</speaker>
            <stage>(softly)</stage>
            <lg>
              <l>O soup,
                 O <hi rend="italic">bowl</hi>,<note>sic</note></l>
              <l part="I">whose bowl<stage>She weeps.</stage> is it?</l>
            </lg>
          </sp>
          <sp who="#anna #ben_two">
            <p>It is
               <choice><sic>mien</sic><corr>mine</corr></choice>,<pb n="7"/> all
               <app><lem>mine</lem><rdg>thine</rdg></app>.</p>
            <p>No.</p>
          </sp>
          <spGrp><sp><speaker>Ben:</speaker><ab>Yes.<lb/>Yes!</ab></sp></spGrp>
          <p>Here a page is missing.</p>
        </div>
      </div>
    </body>
    <back><div><head>Errata</head><p>None.</p></div></back>
  </text>
</TEI>
"""

TEI_ELEMENTS = [
    Element("heading", "Prologue"),
    Element("action", "Fog."),
    Element("dialogue", "Two kettles.", "Chorus"),
    Element("action", "Less fog."),
    Element("heading", "Act One"),
    Element("heading", "Scene 1. A galley"),
    Element("action", "Enter Anna and Ben."),
    Element("dialogue", "(softly) O soup, O bowl,\nwhose bowl (She weeps.) is it?", "ANNA"),
    Element("dialogue", "It is mine, all mine.\nNo.", "anna & ben two"),
    Element("dialogue", "Yes.\nYes!", "Ben"),
    Element("action", "Here a page is missing."),
]


def speech(content: str) -> list[Element]:
    return list(read([f"<PLAY><SCENE><SPEECH>{content}</SPEECH></SCENE></PLAY>"]))


def test_bosaks_markup() -> None:
    reading = read(BOSAK.splitlines())
    assert (reading.format, reading.title) == ("xml-play", "The Tragedy of the Kettle")
    assert reading.reason == "It is XML, and 2 of its first 39 lines open a speech."
    assert list(reading) == BOSAK_ELEMENTS
    assert reading.unparsed_examples == ["A song."]


def test_teis_markup() -> None:
    reading = read(TEI.splitlines())
    assert (reading.format, reading.title) == ("xml-play", "The Kettle")
    assert reading.reason == "It is a TEI document."
    assert list(reading) == TEI_ELEMENTS
    assert reading.unparsed_examples == ["Here a page is missing."]


def test_what_stands_above_a_title_is_none() -> None:
    header = "<titleStmt><author>Nobody</author><title>The Kettle</title></titleStmt>"
    play = f"<TEI><teiHeader>{header}</teiHeader><sp><speaker>A</speaker><p>No.</p></sp></TEI>"
    assert read([play]).title == "The Kettle"


def test_a_prefix_for_the_namespace_does_not_matter() -> None:
    lines = [
        '<t:TEI xmlns:t="http://www.tei-c.org/ns/1.0"><t:text><t:body><t:sp>',
        "<t:speaker>ANNA</t:speaker><t:l>Tea?</t:l></t:sp></t:body></t:text></t:TEI>",
    ]
    assert list(read(lines)) == [Element("dialogue", "Tea?", "ANNA")]


def test_layout_between_the_tags_does_not_matter() -> None:
    for play, elements in ((BOSAK, BOSAK_ELEMENTS), (TEI, TEI_ELEMENTS)):
        assert list(read([play.replace("\n", " ")])) == elements
        assert list(read([play.replace("\n", "\r\n")])) == elements


@pytest.mark.parametrize(
    ("content", "elements"),
    [
        ("<SPEAKER>ANNA</SPEAKER>", [Element("action", "ANNA")]),
        ("<SPEAKER></SPEAKER><LINE>Who?</LINE>", [Element("action", "Who?")]),
        (
            "<SPEAKER>ANNA</SPEAKER><STAGEDIR>Dies</STAGEDIR>",
            [Element("dialogue", "(Dies)", "ANNA")],
        ),
        (
            "<SPEAKER>ANNA</SPEAKER><LINE>Oh.</LINE><STAGEDIR>Dies</STAGEDIR><STAGEDIR>Exeunt</STAGEDIR>",
            [Element("dialogue", "Oh.", "ANNA"), Element("action", "Dies"), Element("action", "Exeunt")],
        ),
        (
            "<SPEAKER>ANNA</SPEAKER>Tea, <STAGEDIR>she pours</STAGEDIR> and <em>rum</em>.",
            [Element("dialogue", "Tea,\n(she pours)\nand\nrum\n.", "ANNA")],
        ),
        (
            f"<SPEAKER>ANNA</SPEAKER><LINE>{'<hi>' * 150}deep{'</hi>' * 150}</LINE>",
            [Element("dialogue", "deep", "ANNA")],
        ),
        ("<SPEAKER>ALL</SPEAKER><SPEAKER>ALL</SPEAKER><LINE>Oh</LINE>", [Element("dialogue", "Oh", "ALL")]),
    ],
)
def test_odd_speeches_keep_what_they_say(content: str, elements: list[Element]) -> None:
    assert speech(content) == elements


def test_entities_of_a_grammar_that_is_not_fetched_are_those_of_html() -> None:
    play = BOSAK.replace("Farewell.", "Adieu, ma th&eacute;i&egrave;re&hellip;")
    assert Element("dialogue", "Adieu, ma théière…", "BEN & CARL") in list(read(play.splitlines()))


def test_elements_come_before_the_document_has_ended() -> None:
    line = "<SPEECH><SPEAKER>ANNA</SPEAKER><LINE>Tea?</LINE></SPEECH>"
    reading = read(chain(["<PLAY>"], repeat(line)))
    assert next(iter(reading)) == Element("dialogue", "Tea?", "ANNA")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (BOSAK.partition("</LINE>")[0], "breaks off in line 26: <LINE> is not closed"),
        (BOSAK.replace("</SCENE>", ""), "is damaged XML: mismatched tag in line 38"),
        (BOSAK.replace("&amp;", "&nothing;"), "is damaged XML: undefined entity in line 28"),
        ('<?xml version="1.0"?>\n<rss><item>Anna: hello</item></rss>', "is XML in which nobody speaks"),
        ('<?xml version="1.0"?>', "is not XML: there is no element up to line 1"),
    ],
)
def test_what_is_broken_is_said_with_its_line(text: str, what: str) -> None:
    reading = read(text.split("\n"))
    assert reading.format == "xml-play"
    with pytest.raises(BrokenScript) as raised:
        list(reading)
    assert raised.value.what == what
    assert raised.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "<anna> tea?\n<ben> no.\n<anna> oh.",
        "anna: <sp>?\nben: <speech>!\nanna: oh.",
        "A <SPEECH> about <TEI>.",
        "<3\n\nLove.",
    ],
)
def test_a_text_with_angle_brackets_is_not_taken_for_xml(text: str) -> None:
    assert read(text.split("\n")).format not in ("xml-play", "fdx")


@pytest.mark.parametrize("play", [BOSAK, TEI])
@given(
    place=st.integers(0, 3000),
    length=st.integers(0, 40),
    scrap=st.sampled_from(["", "<", "&", "<sp>", "</l>", "\0", "]]>"]),
)
def test_damage_is_an_error_or_read_in_normal_form(play: str, place: int, length: int, scrap: str) -> None:
    damaged = play[:place] + scrap + play[place + length :]
    try:
        for element in read(damaged.split("\n"), format="xml-play"):
            assert normalise(element) == element
    except BrokenScript:
        pass


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1251"])
def test_a_file_is_read_in_its_encoding(tmp_path: Path, encoding: str) -> None:
    word = "чайник" if encoding == "windows-1251" else "Théière"
    text = TEI.replace("utf-8", encoding).replace("soup", word)
    (tmp_path / "kettle.xml").write_bytes(text.encode(encoding))
    source, parsing = Source("kettle", LocalPath(path=tmp_path / "kettle.xml")), Parsing()
    found = list(parse(fetch(source), False, parsing))
    assert {row.title for row in found} == {"The Kettle"}
    assert f"(softly) O {word}, O bowl," in found[7].text
    assert parsing.text_format == "xml-play"


def test_a_broken_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "kettle.xml").write_text(TEI[:1500], encoding="utf-8")
    source = Source("kettle", LocalPath(path=tmp_path / "kettle.xml"))
    with pytest.raises(CorpusError, match=r"^“kettle\.xml” breaks off in line \d+: <\w+> is not closed\."):
        list(parse(fetch(source), False, Parsing()))
