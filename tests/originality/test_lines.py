from scriptforge.dataset import PLAIN, ScriptRow
from scriptforge.originality import lines_of_rows, lines_of_script, lines_of_text
from scriptforge.screenplay.script import Element


def test_an_element_is_a_line_numbered_within_its_document() -> None:
    pieces = [
        ScriptRow(0, "One", "heading", "", "INT.", 4),
        ScriptRow(0, "One", "dialogue", "Ida", "Verse one,\nverse two.", 20),
        ScriptRow(3, "Two", "action", "", "Rain.", 5),
    ]
    lines = list(lines_of_rows(pieces))
    assert [(line.title, line.number, line.speaker) for line in lines] == [
        ("One", 1, ""), ("One", 2, "Ida"), ("Two", 1, ""),
    ]  # fmt: skip
    assert lines[1].text == "Verse one,\nverse two."


def test_a_stretch_of_plain_text_is_as_many_lines_as_it_has() -> None:
    stretches = ["one\ntwo\n\n", "four\n", "five"]
    pieces = [ScriptRow(0, "Poem", PLAIN, "", text, len(text)) for text in stretches]
    lines = list(lines_of_rows(pieces))
    assert [(line.number, line.text) for line in lines] == [
        (1, "one"), (2, "two"), (3, ""), (4, "four"), (5, "five"),
    ]  # fmt: skip
    assert [line.text for line in lines_of_text("".join(stretches))] == [line.text for line in lines]


def test_a_script_is_one_document() -> None:
    script = [Element("action", "Rain."), Element("dialogue", "Wet.", "Ida")]
    assert [(line.document, line.number, line.text) for line in lines_of_script(script)] == [
        (0, 1, "Rain."), (0, 2, "Wet."),
    ]  # fmt: skip
