"""Pulling XML apart: what is found, what stays away, and attacks."""

from collections.abc import Iterator
from itertools import chain, repeat

import pytest

from scriptforge.screenplay.format import BrokenScript
from scriptforge.screenplay.formats import read
from scriptforge.screenplay.xml_stream import DEEPEST, pull, root

LAUGHS = [
    '<?xml version="1.0"?>',
    "<!DOCTYPE FinalDraft [",
    '<!ENTITY lol "lol">',
    '<!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">',
    "]>",
    "<FinalDraft><Content><Paragraph><Text>&lol2;</Text></Paragraph></Content></FinalDraft>",
]
BLOW_UP = [f'<!DOCTYPE PLAY [<!ENTITY a "{"a" * 10_000}">]>', f"<PLAY>{'&a;' * 10_000}</PLAY>"]
FOREIGN_FILE = ['<!DOCTYPE PLAY [<!ENTITY x SYSTEM "file:///etc/passwd">]>', "<PLAY>&x;</PLAY>"]
FOREIGN_GRAMMAR = ['<!DOCTYPE PLAY [<!ENTITY % x SYSTEM "http://127.0.0.1/x.dtd"> %x;]>', "<PLAY/>"]


def found(*lines: str, wanted: str = "b", ignored: str = "i") -> list[tuple[tuple[str, ...], str, str]]:
    return [
        (path, element.tag, "".join(element.itertext())) for path, element in pull(lines, {wanted}, {ignored})
    ]


def test_wanted_elements_come_whole_and_loose_text_by_itself() -> None:
    assert found("<A>loose<c><B>one<b>two</b></B> </c>", "<b/></A>") == [
        ((), "a", "loose"),
        (("a", "c"), "b", "onetwo"),
        (("a",), "b", ""),
    ]


def test_ignored_elements_stay_away_wherever_they_are() -> None:
    assert found("<a><i>no<b>no</b></i><b>yes<i>no<i/>no</i>, yes</b><i/>loose</a>") == [
        (("a",), "b", "yes, yes"),
        ((), "a", "loose"),
    ]


def test_namespaces_are_left_off() -> None:
    assert found('<a xmlns="urn:x" xmlns:y="urn:y"><y:b>text</y:b></a>') == [(("a",), "b", "text")]


def test_attributes_that_a_grammar_declares_are_left_off() -> None:
    """One that is long would be copied into every element, and fill the memory."""
    lines = ['<!DOCTYPE a [<!ATTLIST b long CDATA "text">]><a><b own="x">text</b></a>']
    assert [each.element.attrib for each in pull(lines, {"b"})] == [{"own": "x"}]


def test_many_defaults_of_attributes_are_refused() -> None:
    """The parser would look at all of them at every element."""
    declared = " ".join(f'x{number} CDATA "a"' for number in range(101))
    with pytest.raises(BrokenScript, match="defaults for more than 100 attributes"):
        list(pull([f"<!DOCTYPE a [<!ATTLIST b {declared}>]><a><b>text</b></a>"], {"b"}))


def test_what_came_before_the_damage_is_given() -> None:
    elements = pull(["<a><b>one</b>", "<b>two</c>"], {"b"})
    assert next(elements).element.text == "one"
    with pytest.raises(BrokenScript, match="mismatched tag in line 2"):
        next(elements)


@pytest.mark.parametrize("attack", [LAUGHS, BLOW_UP, FOREIGN_FILE, FOREIGN_GRAMMAR])
@pytest.mark.parametrize("format", [None, "fdx", "xml-play"])
def test_entities_are_refused_before_they_expand(attack: list[str], format: str | None) -> None:
    with pytest.raises(BrokenScript, match=r"declares entities of its own in line [13]") as raised:
        list(read(attack, format))
    assert "<!ENTITY" in raised.value.hint


def test_a_grammar_that_is_named_is_not_fetched() -> None:
    assert found('<!DOCTYPE a PUBLIC "-//x//EN" "http://127.0.0.1:9/a.dtd">', "<a><b>text</b></a>") == [
        (("a",), "b", "text")
    ]


def test_a_document_without_bottom_is_refused() -> None:
    with pytest.raises(BrokenScript, match=f"more than {DEEPEST} deep"):
        list(pull(repeat("<a>"), {"b"}))


def test_characters_that_xml_does_not_allow_are_left_out() -> None:
    assert found("<a><b>o\x01n\ufffee\x0c\ud800</b></a>") == [(("a",), "b", "one")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not XML: there is no element up to line 1"),
        ("<!-- a -->", "is not XML: there is no element up to line 1"),
        ("text", "is not XML: there is no element up to line 1"),
        ("<a>\n<b", "breaks off in line 2: <a> is not closed"),
        ("<a/><!--", "breaks off in line 1"),
        ("<a/>\n<a/>", "is damaged XML: junk after document element in line 2"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text: str, message: str) -> None:
    with pytest.raises(BrokenScript) as raised:
        list(pull(text.split("\n"), {"b"}))
    assert raised.value.what == message
    assert raised.value.message == f"The script {message}."
    assert raised.value.named("x.fdx").message == f"“x.fdx” {message}."


def test_a_comment_of_many_lines_is_read_in_passing() -> None:
    lines = chain(["<a><!--"], repeat("x" * 100, 50_000), ["--><b>end</b></a>"])
    assert [element.text for _, element in pull(lines, {"b"})] == ["end"]


def test_only_the_beginning_is_read_to_know_the_root() -> None:
    def lines() -> Iterator[str]:
        yield "<!DOCTYPE play SYSTEM 'x'> <!-- <b> --> <p:Play xmlns:p='x'>"
        yield from repeat(" " * 1000, 100)
        raise AssertionError("read too far")

    assert root(lines()) == "play"
    assert root(["play"]) == ""
    assert root([]) == ""
