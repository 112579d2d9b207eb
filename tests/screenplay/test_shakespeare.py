from scriptforge.screenplay.reading import read
from scriptforge.screenplay.script import Element

PLAY = """\
ACT I

SCENE II. A kitchen.

Enter ANNA and BEN

First Cook:
The kettle sings, and thus it sings:
  O tea.

ANNA:

[Exit ANNA]
"""


def test_speeches_keep_their_verse() -> None:
    reading = read(PLAY.splitlines(), format="shakespeare")
    assert list(reading) == [
        Element("heading", "ACT I"),
        Element("heading", "SCENE II. A kitchen."),
        Element("action", "Enter ANNA and BEN"),
        Element("dialogue", "The kettle sings, and thus it sings:\nO tea.", "First Cook"),
        Element("action", "ANNA:"),
        Element("action", "[Exit ANNA]"),
    ]
    assert reading.unparsed == len("ANNA:")
