"""What an element in normal form is, and the two views of a script."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.scripts import scripts

from scriptforge.screenplay.script import KINDS, Element, Scene, Script, normalise, speaker_key

anything = st.builds(
    Element, st.sampled_from(KINDS), st.text(), st.text(alphabet=st.characters() | st.sampled_from("()_: '"))
)


@pytest.mark.parametrize(
    ("cue", "text", "speaker", "normal_text"),
    [
        ("JERRY (O.S.)", "Hi.", "JERRY", "(O.S.) Hi."),
        ("JERRY (V.O.) (tired)", "Hi.", "JERRY", "(V.O.) (tired) Hi."),
        ("JERRY (CONT'D)", "Hi.", "JERRY", "Hi."),
        ("JERRY (cont’d) (O.S.)", "Hi.", "JERRY", "(O.S.) Hi."),
        ("HOMER_(CONT'D", "Hi.", "HOMER", "Hi."),
        ("Moe_Szyslak", "Hi.", "Moe Szyslak", "Hi."),
        ("  uncle   leo ", "Hi.", "uncle leo", "Hi."),
        ("HAL: 9000", "Hi.", "HAL 9000", "Hi."),
        ("C-3PO", " Oh\r\n\r\n  dear ", "C-3PO", "Oh\ndear"),
        ("Mrs. O'Brien", "Hi.", "Mrs. O'Brien", "Hi."),
        ("小明", "你好。", "小明", "你好。"),
    ],
)
def test_a_cue_is_a_name_and_what_it_adds_opens_the_text(
    cue: str, text: str, speaker: str, normal_text: str
) -> None:
    assert normalise(Element("dialogue", text, cue)) == Element("dialogue", normal_text, speaker)


def test_dialogue_without_a_speaker_is_action() -> None:
    assert normalise(Element("dialogue", "Rain.", " ")) == Element("action", "Rain.")


def test_only_a_heading_may_be_empty() -> None:
    assert normalise(Element("heading", " \n")) == Element("heading", "")
    assert normalise(Element("action", " \n")) is None
    assert normalise(Element("dialogue", "\ufeff", "JERRY")) is None


@given(anything)
def test_normalising_twice_changes_nothing(element: Element) -> None:
    once = normalise(element)
    assert once is None or normalise(once) == once


def test_scenes_begin_at_headings() -> None:
    elements = (
        Element("action", "Rain."),
        Element("heading", "INT. DINER"),
        Element("dialogue", "Hi.", "JERRY"),
        Element("heading", ""),
    )
    script = Script.from_elements("Rain", elements)
    assert script.scenes == (
        Scene("", elements[:1]),
        Scene("INT. DINER", elements[2:3]),
        Scene("", ()),
    )
    assert tuple(script.elements) == elements


@given(scripts)
@example(Script("", (Scene("", ()),)))
def test_both_views_of_a_script_hold_the_same(script: Script) -> None:
    assert Script.from_elements(script.title, script.elements) == script


def test_case_and_underscores_do_not_make_another_speaker() -> None:
    assert speaker_key("Moe_Szyslak") == speaker_key("MOE  SZYSLAK")
