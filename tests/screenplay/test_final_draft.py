"""Final Draft's XML: reading it, writing it, and the law that reading gives back what was written."""

import xml.etree.ElementTree as ElementTree
from itertools import chain, groupby
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from screenplay_tools.fdx.parser import Parser
from screenplay_tools.screenplay import ElementType
from support.scripts import scripts

from scriptforge.corpus.cards import LocalPath
from scriptforge.corpus.fetch import fetch
from scriptforge.corpus.parse import Parsing, parse
from scriptforge.corpus.sources import Source
from scriptforge.errors import CorpusError
from scriptforge.screenplay.format import BrokenScript
from scriptforge.screenplay.formats import read, write
from scriptforge.screenplay.script import Element, Script, normalise
from scriptforge.script_rows import ScriptRow

HARBOUR = """\
<?xml version="1.0" encoding="UTF-8" standalone="no" ?>
<FinalDraft DocumentType="Script" Template="No" Version="5">

  <Content>
    <Paragraph Number="1" Type="Scene Heading">
      <SceneProperties Length="2/8" Page="1" Title="">
        <Summary>
          <Paragraph Alignment="Left"><Text>They quarrel over a kettle.</Text></Paragraph>
        </Summary>
      </SceneProperties>
      <Text>INT. HARBOUR OFFICE - NIGHT</Text>
    </Paragraph>
    <Paragraph Type="Action">
      <ScriptNote ID="1"><Paragraph><Text>Whose kettle?</Text></Paragraph></ScriptNote>
      <Text>A kettle </Text>
      <Text AdornmentStyle="-1" Style="Bold+Italic">shrieks</Text>
      <Text>. Rain &amp; wind.</Text>
    </Paragraph>
    <Paragraph Type="Character">
      <Text>ANNA</Text>
      <Text> (O.S.) (CONT'D)</Text>
    </Paragraph>
    <Paragraph Type="Parenthetical">
      <Text>(softly)</Text>
    </Paragraph>
    <Paragraph Type="Dialogue">
      <Text>Is that</Text>
      <Text Style="Italic"> mine?</Text>
    </Paragraph>
    <Paragraph Type="Parenthetical">
      <Text>(beat)</Text>
    </Paragraph>
    <Paragraph Type="Dialogue">
      <Text>It was
mine.</Text>
    </Paragraph>
    <Paragraph Type="Parenthetical">
      <Text>(MORE)</Text>
    </Paragraph>
    <Paragraph>
      <DualDialogue>
        <Paragraph Type="Character"><Text>BEN</Text></Paragraph>
        <Paragraph Type="Dialogue"><Text>No.</Text></Paragraph>
        <Paragraph Type="Character"><Text>CARL</Text></Paragraph>
        <Paragraph Type="Lyrics"><Text>O kettle!</Text></Paragraph>
      </DualDialogue>
    </Paragraph>
    <Paragraph Type="General"><Text></Text></Paragraph>
    <Paragraph Type="Shot"><Text>CLOSE ON THE KETTLE</Text></Paragraph>
    <Paragraph Type="Transition"><Text>CUT TO:</Text></Paragraph>
    <Paragraph Type="New Act"><Text>ACT TWO</Text></Paragraph>
    <Paragraph Type="Cast List"><Text>Anna, Ben</Text></Paragraph>
    <Paragraph Type="Scene Heading"><Text>OMITTED</Text>
      <OmittedScene><Paragraph Type="Action"><Text>Nobody sees this.</Text></Paragraph></OmittedScene>
    </Paragraph>
    <Paragraph Type="End of Act"><Text>END OF ACT TWO</Text></Paragraph>
    <Paragraph Type="Jingle"><Text>La la.</Text></Paragraph>
  </Content>

  <TitlePage>
    <HeaderAndFooter><Header><Paragraph><Text>Draft</Text></Paragraph></Header></HeaderAndFooter>
    <Content>
      <Paragraph Alignment="Center"><Text></Text></Paragraph>
      <Paragraph Alignment="Center"><Text>The </Text><Text Style="Underline">Kettle</Text></Paragraph>
      <Paragraph Alignment="Center"><Text>by Nobody</Text></Paragraph>
    </Content>
  </TitlePage>

</FinalDraft>
"""

ELEMENTS = [
    Element("heading", "INT. HARBOUR OFFICE - NIGHT"),
    Element("action", "A kettle shrieks. Rain & wind."),
    Element("dialogue", "(O.S.) (softly) Is that mine? (beat) It was\nmine.", "ANNA"),
    Element("dialogue", "No.", "BEN"),
    Element("dialogue", "O kettle!", "CARL"),
    Element("action", "CLOSE ON THE KETTLE"),
    Element("transition", "CUT TO:"),
    Element("heading", "ACT TWO"),
    Element("action", "Anna, Ben"),
    Element("heading", "OMITTED"),
    Element("action", "END OF ACT TWO"),
    Element("action", "La la."),
]


KITCHEN = """\
Title: Tea for Nobody

INT. KITCHEN - DAY

A kettle & two cups.

ANNA (O.S.)
(softly)
Is it hot?
(beat)
(to the kettle)
O kettle,
O tea. Speak!
(listens)
No?

@McHugh
(coughs)
\x20\x20
It is (very) hot.
So there. (He drinks.)

BEN
(laughs)

> Later
"""

KITCHEN_ELEMENTS = [
    Element("heading", "INT. KITCHEN - DAY"),
    Element("action", "A kettle & two cups."),
    Element(
        "dialogue",
        "(O.S.) (softly) Is it hot? (beat) (to the kettle) O kettle,\nO tea. Speak! (listens) No?",
        "ANNA",
    ),
    Element("dialogue", "(coughs)\nIt is (very) hot.\nSo there. (He drinks.)", "McHugh"),
    Element("dialogue", "(laughs)", "BEN"),
    Element("transition", "Later"),
]


def document(content: str) -> str:
    return f"<FinalDraft><Content>{content}</Content></FinalDraft>"


def paragraph(type: str, text: str) -> str:
    return f'<Paragraph Type="{type}"><Text>{text}</Text></Paragraph>'


def elements(content: str) -> list[Element]:
    return list(read([document(content)], format="fdx"))


def read_script(text: str, format: str = "fdx") -> Script:
    reading = read(text.splitlines(), format=format)
    return Script.from_elements(reading.title, reading)


def rows(path: Path) -> tuple[list[ScriptRow], Parsing]:
    source, parsing = Source("corpus", LocalPath(path=path)), Parsing()
    return list(parse(fetch(source), False, parsing)), parsing


def test_a_document_is_read_whole() -> None:
    reading = read(HARBOUR.splitlines())
    assert (reading.format, reading.reason) == ("fdx", "It is a Final Draft document.")
    assert reading.title == "The Kettle"
    assert list(reading) == ELEMENTS
    assert reading.unparsed == len("La la.")
    assert reading.unparsed_examples == ["La la."]


def test_layout_between_the_tags_does_not_matter() -> None:
    for lines in (["".join(HARBOUR.split("\n  "))], list(HARBOUR), [HARBOUR.replace("\n", "\r\n")]):
        reading = read(["".join(lines)])
        assert (reading.title, reading.format) == ("The Kettle", "fdx")
        assert len(list(reading)) == len(ELEMENTS)


def test_the_title_is_found_behind_a_long_script() -> None:
    long = document(paragraph("Action", "It rains.\n" * 5) * 20_000)
    page = f"<TitlePage><Content>{paragraph('', 'Rain &amp; Co.')}</Content></TitlePage></FinalDraft>"
    lines = long.replace("</FinalDraft>", page).replace("<Paragraph", "\n<Paragraph").split("\n")
    assert len(lines) > 100_000
    assert read(lines).title == "Rain & Co."


def test_a_document_without_a_title_page_has_no_title() -> None:
    assert read([document(paragraph("Action", "Rain."))]).title == ""
    assert read([document("").replace("</FinalDraft>", "<TitlePage/></FinalDraft>")]).title == ""


def test_dialogue_without_a_cue_and_a_cue_without_dialogue_are_not_understood() -> None:
    content = paragraph("Dialogue", "Who?") + paragraph("Character", "ANNA") + paragraph("Action", "Rain.")
    reading = read([document(content)])
    assert list(reading) == [Element("action", "Who?"), Element("action", "ANNA"), Element("action", "Rain.")]
    assert reading.unparsed == len("Who?ANNA")


def test_dual_dialogue_is_found_without_a_paragraph_around_it() -> None:
    content = "".join(paragraph("Character", name) + paragraph("Dialogue", "Oh.") for name in ("ANNA", "BEN"))
    assert elements(f"<DualDialogue>{content}</DualDialogue>") == [
        Element("dialogue", "Oh.", "ANNA"),
        Element("dialogue", "Oh.", "BEN"),
    ]


@pytest.mark.parametrize(
    ("spoken", "text"),
    [
        (["(softly)", "Tea?", "(beat)", "Now?"], "(softly) Tea? (beat) Now?"),
        (["(softly)", "(to Ben)", "Tea?"], "(softly) (to Ben) Tea?"),
        (["Tea?", "Now?"], "Tea?\nNow?"),
        (["O tea,\nO cup.", "(beat)", "Now,\nnow?"], "O tea,\nO cup. (beat) Now,\nnow?"),
        (["Tea?", "(he drinks)"], "Tea? (he drinks)"),
        (["Tea?", "(softly,\n  to Ben)", "Now?"], "Tea? (softly, to Ben) Now?"),
        (["(softly)\nTea?"], "(softly)\nTea?"),
        (["Tea?", "(MORE)", "Now?"], "Tea?\nNow?"),
    ],
)
def test_parentheticals_are_joined_by_spaces_and_dialogue_keeps_its_lines(
    spoken: list[str], text: str
) -> None:
    content = "".join(
        paragraph("Parenthetical" if said.startswith("(") and said.endswith(")") else "Dialogue", said)
        for said in spoken
    )
    assert elements(paragraph("Character", "ANNA") + content) == [Element("dialogue", text, "ANNA")]


@pytest.mark.parametrize(
    ("printed", "text"),
    [
        ("softly", "(softly)"),
        ("(softly", "(softly)"),
        ("softly)", "(softly)"),
        ("[softly", "[softly]"),
        ("(low) or (loud", "(low) or (loud)"),
        ("(low) or loud", "((low) or loud)"),
    ],
)
def test_a_parenthetical_has_brackets_even_where_the_file_has_none_or_half(printed: str, text: str) -> None:
    content = paragraph("Parenthetical", printed) + paragraph("Dialogue", "Tea?")
    spoken = elements(paragraph("Character", "ANNA") + content)
    assert spoken == [Element("dialogue", f"{text} Tea?", "ANNA")]
    assert elements(content) == [Element("action", text), Element("action", "Tea?")]
    for read_so in (spoken, elements(content)):
        document = write(Script.from_elements("", read_so), "fdx")
        assert list(read(document.splitlines(), format="fdx")) == read_so


def test_a_page_mark_without_a_cue_is_dropped() -> None:
    assert elements(paragraph("Parenthetical", "(MORE)") + paragraph("Action", "Rain.")) == [
        Element("action", "Rain.")
    ]


def test_whatever_is_in_a_file_named_fdx_is_held_to_it() -> None:
    assert read(HARBOUR.splitlines(), suffix=".FDX").reason == "The file's name ends in .fdx."
    with pytest.raises(BrokenScript, match="is not XML"):
        list(read(["anna: tea?", "ben: no.", "anna: oh."], suffix=".fdx"))
    assert read(["anna: tea?", "ben: no.", "anna: oh."], "name-line", ".fdx").format == "name-line"


@given(
    place=st.integers(0, 3500),
    length=st.integers(0, 40),
    scrap=st.sampled_from(["", "<", "&", "</Text>", "<Paragraph>", "\0", "]]>"]),
)
def test_damage_is_an_error_or_read_in_normal_form(place: int, length: int, scrap: str) -> None:
    damaged = HARBOUR[:place] + scrap + HARBOUR[place + length :]
    try:
        for element in read(damaged.split("\n"), format="fdx"):
            assert normalise(element) == element
    except BrokenScript:
        pass


def test_elements_come_before_the_document_has_ended() -> None:
    lines = chain(["<FinalDraft><Content>"], (paragraph("Action", str(number)) for number in iter(int, 1)))
    assert next(iter(read(lines, format="fdx"))) == Element("action", "0")


@pytest.mark.parametrize("declared", ["ISO-8859-1", "UTF-16", "utf-8", "klingon"])
def test_the_declared_encoding_is_ignored_since_the_text_is_decoded(declared: str) -> None:
    lines = [f'<?xml version="1.0" encoding="{declared}"?>', document(paragraph("Action", "Café — 我"))]
    assert list(read(lines)) == [Element("action", "Café — 我")]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("\n".join(HARBOUR.splitlines()[:20]), "breaks off in line 20: <Paragraph> is not closed"),
        ("\n".join(HARBOUR.splitlines()[:20]) + "\n    <Parag", "breaks off in line 21"),
        (HARBOUR.replace("</DualDialogue>", ""), "is damaged XML: mismatched tag in line 47"),
        ("ANNA\nTea?", "is not XML: there is no element up to line 1"),
        ("", "is not XML: there is no element up to line 1"),
        ("<TEI>\n<text/></TEI>", "is not Final Draft's XML: it begins with <tei>"),
    ],
)
def test_what_is_broken_is_said_with_its_line(text: str, what: str) -> None:
    with pytest.raises(BrokenScript) as raised:
        list(read(text.split("\n"), format="fdx"))
    assert raised.value.what.startswith(what)
    assert raised.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "<anna> who is <FinalDraft>?\n<ben> me",
        "anna: <FinalDraft>\nben: <Content>\nanna: oh.",
        "I bought <FinalDraft> today.",
    ],
)
def test_a_text_that_merely_mentions_tags_is_not_taken_for_it(text: str) -> None:
    assert read(text.split("\n")).format in ("name-line", "prose")


def test_the_layout_is_a_paragraph_for_each_part() -> None:
    script = Script.from_elements(
        "Tea & Rain",
        [
            Element("heading", "INT. KITCHEN"),
            Element("action", "Steam < smoke."),
            Element("dialogue", "(O.S.) (softly) O tea,\nO cup. (beat) Tea?", "ANNA"),
            Element("dialogue", "(on phone) No. (beat)\nNo. (aside) (twice) No.", "CARL"),
            Element("dialogue", "(laughs)", "BEN"),
            Element("transition", "CUT TO:"),
            Element("heading", ""),
        ],
    )
    assert write(script, "fdx").splitlines() == [
        '<?xml version="1.0" encoding="UTF-8" standalone="no" ?>',
        '<FinalDraft DocumentType="Script" Template="No" Version="5">',
        "  <Content>",
        '    <Paragraph Type="Scene Heading"><Text>INT. KITCHEN</Text></Paragraph>',
        '    <Paragraph Type="Action"><Text>Steam &lt; smoke.</Text></Paragraph>',
        '    <Paragraph Type="Character"><Text>ANNA (O.S.)</Text></Paragraph>',
        '    <Paragraph Type="Parenthetical"><Text>(softly)</Text></Paragraph>',
        '    <Paragraph Type="Dialogue"><Text>O tea,',
        "O cup.</Text></Paragraph>",
        '    <Paragraph Type="Parenthetical"><Text>(beat)</Text></Paragraph>',
        '    <Paragraph Type="Dialogue"><Text>Tea?</Text></Paragraph>',
        '    <Paragraph Type="Character"><Text>CARL</Text></Paragraph>',
        '    <Paragraph Type="Parenthetical"><Text>(on phone)</Text></Paragraph>',
        '    <Paragraph Type="Dialogue"><Text>No. (beat)',
        "No.</Text></Paragraph>",
        '    <Paragraph Type="Parenthetical"><Text>(aside)</Text></Paragraph>',
        '    <Paragraph Type="Parenthetical"><Text>(twice)</Text></Paragraph>',
        '    <Paragraph Type="Dialogue"><Text>No.</Text></Paragraph>',
        '    <Paragraph Type="Character"><Text>BEN</Text></Paragraph>',
        '    <Paragraph Type="Parenthetical"><Text>(laughs)</Text></Paragraph>',
        '    <Paragraph Type="Transition"><Text>CUT TO:</Text></Paragraph>',
        '    <Paragraph Type="Scene Heading"><Text></Text></Paragraph>',
        "  </Content>",
        "  <TitlePage>",
        "  <Content>",
        '    <Paragraph Alignment="Center"><Text>Tea &amp; Rain</Text></Paragraph>',
        "  </Content>",
        "  </TitlePage>",
        "</FinalDraft>",
    ]


def test_a_script_from_fountain_comes_back_from_final_draft_as_it_was() -> None:
    script = read_script(KITCHEN, "fountain")
    assert list(script.elements) == KITCHEN_ELEMENTS
    from_final_draft = read_script(write(script, "fdx"))
    assert from_final_draft == script
    assert write(from_final_draft, "fountain") == KITCHEN


def test_a_script_from_final_draft_comes_back_from_fountain_as_it_was() -> None:
    script = read_script(HARBOUR)
    text = write(script, "fountain")
    assert read_script(text, "fountain") == script
    assert "ANNA (O.S.)\n(softly)\nIs that mine?\n(beat)\nIt was\nmine.\n\n" in text


bracketed_texts = st.lists(
    st.sampled_from(["(a)", "(b c)", "(MORE)", "(V.O.)", "(", ")", " ", "\n", ".", "?", "d", "E"]),
    max_size=12,
).map("".join)
speeches = (
    st.builds(Element, st.just("dialogue"), bracketed_texts, st.sampled_from(["ANNA", "Ben (", "C (V.O.)"]))
    .map(normalise)
    .filter(lambda element: element is not None)
)
bracketed_scripts = st.builds(Script.from_elements, st.just(""), st.lists(speeches, max_size=3))


@given(scripts | bracketed_scripts)
@example(Script.from_elements("", [Element("heading", "")]))
@example(Script.from_elements("", [Element("dialogue", "(MORE)", "ANNA")]))
@example(Script.from_elements("", [Element("dialogue", "(O.S.)", "ANNA")]))
@example(Script.from_elements("", [Element("dialogue", "(V.O.) (a) (b)\n(c)\n(d) e", "ANNA (")]))
@example(Script.from_elements("", [Element("dialogue", "(a)\nb (c)\n(d)", "ANNA")]))
@example(Script.from_elements("", [Element("dialogue", "(a  b) c", "ANNA")]))
@example(Script.from_elements("", [Element("dialogue", "No. (MORE) No.", "ANNA")]))
@example(Script.from_elements("<![CDATA[", [Element("action", "]]> &amp; <!-- <TitlePage>")]))
def test_reading_gives_back_what_was_written(script: Script) -> None:
    text = write(script, "fdx")
    assert read_script(text) == script
    assert ElementTree.fromstring(text).tag == "FinalDraft"


@pytest.mark.parametrize("file", ["seinfeld", "moes_tavern", "tinyshakespeare", "biglebowski"])
def test_real_corpora_come_back_and_others_read_the_same(shared_corpora: Path, file: str) -> None:
    lines = (shared_corpora / f"{file}.txt").read_text(encoding="utf-8").splitlines()[:6000]
    script = Script.from_elements("Title", read(lines))
    text = write(script, "fdx")
    assert read_script(text) == script
    assert spoken_by_others(text) == [
        (element.speaker, element.text.split()) for element in script.elements if element.kind == "dialogue"
    ]


def spoken_by_others(text: str) -> list[tuple[str, list[str]]]:
    """Cues and the words under them, as another reader finds them."""
    speeches: list[tuple[str, list[str]]] = []
    for element in Parser().parse(text).elements:
        match element.type:
            case ElementType.CHARACTER:
                speeches.append((element.name, f"({element.extension})".split() if element.extension else []))
            case ElementType.PARENTHETICAL:
                speeches[-1][1].extend(f"({element.text})".split())
            case ElementType.DIALOGUE:
                speeches[-1][1].extend(element.text.split())
    return speeches


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "iso-8859-2", "koi8-r"])
def test_a_file_is_read_in_its_encoding_and_titled_by_its_title_page(tmp_path: Path, encoding: str) -> None:
    word = {"koi8-r": "чайник", "iso-8859-2": "čajník"}.get(encoding, "théière")
    text = HARBOUR.replace("UTF-8", encoding.upper()).replace("Rain", word)
    (tmp_path / "harbour.fdx").write_bytes(text.encode(encoding))
    found, parsing = rows(tmp_path / "harbour.fdx")
    assert [row.element for row in found[:1]] == ELEMENTS[:1]
    assert found[1].text == f"A kettle shrieks. {word} & wind."
    assert {row.title for row in found} == {"The Kettle"}
    assert parsing.text_format == "fdx"


@pytest.mark.parametrize("text", [HARBOUR[:700], "ANNA\nTea?\n", HARBOUR.replace("</Content>", "")])
def test_a_broken_file_is_an_error_that_names_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "harbour.fdx").write_text(text, encoding="utf-8")
    with pytest.raises(CorpusError, match=r"^“harbour\.fdx” (is|breaks)") as raised:
        rows(tmp_path / "harbour.fdx")
    assert "\n" not in raised.value.message + raised.value.hint


def test_one_broken_file_in_a_folder_is_left_out_and_named(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}.fdx").write_text(HARBOUR, encoding="utf-8")
    (tmp_path / "2.fdx").write_text(HARBOUR[:1500], encoding="utf-8")
    found, parsing = rows(tmp_path)
    assert [len(list(group)) for _, group in groupby(found, key=lambda row: row.document)] == [12, 12, 12]
    assert any("“2.fdx” breaks off" in note for note in parsing.notes)
