from scriptforge.screenplay.script import CastMember, Element, cast


def test_the_cast_has_who_speaks_most_first_in_their_commonest_spelling() -> None:
    elements = [
        Element("heading", "INT. DINER"),
        Element("dialogue", "Soup, please.", "Jerry"),
        Element("dialogue", "No soup.", "CHEF"),
        Element("dialogue", "Why not?", "JERRY"),
        Element("action", "A long pause."),
        Element("dialogue", "Please.", "JERRY"),
    ]
    assert cast(elements) == [
        CastMember("JERRY", lines=3, words=5, first=1, spellings=("JERRY", "Jerry")),
        CastMember("CHEF", lines=1, words=2, first=2, spellings=("CHEF",)),
    ]


def test_a_script_without_dialogue_has_no_cast() -> None:
    assert cast([Element("action", "Rain.")]) == []
