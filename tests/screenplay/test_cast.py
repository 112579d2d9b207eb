from scriptforge.screenplay.cast import CastMember, cast
from scriptforge.screenplay.script import Element


def test_the_cast_has_who_speaks_most_first_in_their_commonest_spelling() -> None:
    elements = [
        Element("heading", "INT. DINER"),
        Element("dialogue", "Soup, please.", "Jerry"),
        Element("dialogue", "No soup.", "CHEF"),
        Element("dialogue", "Why not?", "JERRY"),
        Element("action", "A long pause."),
        Element("dialogue", "Please.", "JERRY"),
    ]
    assert cast(elements) == [CastMember("JERRY", 3, 5), CastMember("CHEF", 1, 2)]


def test_a_script_without_dialogue_has_no_cast() -> None:
    assert cast([Element("action", "Rain.")]) == []
