"""Elements of the page as a model reads them."""

import pytest

from scriptforge.screenplay.script import Element
from scriptforge.serve.elements import Line, OpenLine, context_of, to_elements

CUE = Line(kind="character", text="NORA")


@pytest.mark.parametrize("printed", ["softly", "(softly", "softly)", "(softly)"])
def test_a_parenthetical_has_its_brackets_with_a_cue_and_without(printed: str) -> None:
    aside = Line(kind="parenthetical", text=printed)
    assert to_elements([CUE, aside]) == [Element("dialogue", "(softly)", "NORA")]
    assert to_elements([aside]) == [Element("action", "(softly)")]


@pytest.mark.parametrize("printed", ["so", "(so", "(so)"])
def test_an_open_parenthetical_is_open_with_a_cue_and_without(printed: str) -> None:
    opened = OpenLine(kind="parenthetical", text=printed)
    assert context_of([CUE], opened).open == Element("dialogue", "(so", "NORA")
    assert context_of([], opened).open == Element("action", "(so")
    named = OpenLine(kind="parenthetical", text=printed, speaker="NORA")
    assert context_of([], named).open == Element("dialogue", "(so", "NORA")
