"""Reading: which format is chosen and why, and what is promised of any text."""

import unicodedata
from collections import Counter
from itertools import chain, repeat
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.slow import slow

from scriptforge.errors import UsageError
from scriptforge.screenplay.formats import FORMATS, read
from scriptforge.screenplay.script import Element, cast, normalise

TRANSCRIPT = ["anna: tea?\n", "\n", "ben: no.\n", "\n", "anna (hurt): oh.\n"]
PLAY = ["ANNA:\n", "Tea,\n", "perhaps?\n", "\n", "BEN:\n", "No.\n"]
SCREENPLAY = [
    "  INT. KITCHEN", "", "  Steam.", "", "          ANNA", "      Tea?", "", "          BEN", "      No.",
]  # fmt: skip
FOUNTAIN = ["INT. KITCHEN", "", "Steam.", "", "ANNA", "Tea?", "", "BEN", "No."]
NOVEL = ["It rained.", "It went on raining.", "", "Then it stopped."]

OF_MARKUP = {"fdx", "ttml", "xml-play"}  # these refuse what is not in them
names = [format.name for format in FORMATS if format.name not in OF_MARKUP]
scraps = [
    "anna: tea?", "ANNA", "ANNA:", "          ANNA (O.S.)", "      Tea?", "INT. KITCHEN", "CUT TO:", "", "  ",
    "(CONTINUED)", "12.", "/* ", " */", "[[", "]]", "# act", "= note", "===", "> end <", ">", ".", "@", "!",
    "(", "Title: Tea", "\ufeff",
]  # fmt: skip
lines_of_anything = st.lists(st.text() | st.sampled_from(scraps), max_size=12)


@pytest.mark.parametrize(
    ("lines", "format", "evidence"),
    [
        (TRANSCRIPT, "name-line", "100 % of 3 lines are `name: text`."),
        (
            ["Anna_Lee: Tea?", "Ben: No.", "Anna_Lee: Oh."],
            "name-line",
            "100 % of 3 lines are `Full_Name: text`.",
        ),
        (PLAY, "shakespeare", "100 % of 2 paragraphs open with `NAME:`."),
        (SCREENPLAY, "indented", "100 % of 6 lines begin at column 2 (action), 6 (dialogue) or 10 (cue)."),
        (FOUNTAIN, "fountain", "50 % of 4 paragraphs are a cue and its dialogue, and 1 are scene headings."),
        (NOVEL, "prose", "No known layout was recognised, so every paragraph is an action."),
    ],
)
def test_the_format_that_explains_a_text_is_chosen(lines: list[str], format: str, evidence: str) -> None:
    reading = read(lines)
    assert (reading.format, reading.reason) == (format, evidence)


def test_the_format_can_be_asked_for() -> None:
    reading = read(TRANSCRIPT, format="prose")
    assert {element.kind for element in reading} == {"action"}
    assert reading.reason == "The format was given, not recognised."


def test_an_unknown_format_is_an_error_that_suggests_one() -> None:
    with pytest.raises(UsageError) as raised:
        read(TRANSCRIPT, format="fontain")
    assert "fountain" in raised.value.hint


def test_what_was_not_understood_is_counted() -> None:
    reading = read(["anna: tea?", "ben: no.", "Steam rises"])
    assert [element.kind for element in reading] == ["dialogue", "dialogue", "action"]
    assert reading.unparsed == len("Steam rises")
    assert reading.characters == len("annatea?benno.Steam rises")


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\r"])
def test_line_ends_do_not_matter(end: str) -> None:
    assert list(read(line + end for line in FOUNTAIN)) == list(read(FOUNTAIN))
    assert list(read(["\ufeff" + "\n".join(FOUNTAIN)])) == list(read(FOUNTAIN))


def test_a_text_without_end_is_read_as_it_comes() -> None:
    for name in names:
        lines = chain.from_iterable(repeat([*SCREENPLAY, ""]))
        reading = iter(read(lines, format=name))
        assert [next(reading) for _ in range(5)]


@pytest.mark.parametrize("lines", [[], [""], ["\n", " \t\n", "\x0c\n"], ["\ufeff"]])
def test_nothing_gives_nothing(lines: list[str]) -> None:
    for name in (None, *names):
        reading = read(lines, format=name)
        assert [element for element in reading if element.text] == []
        assert reading.unparsed == 0


@pytest.mark.parametrize("text", ["[Nora] ''\n[Ben] Hello there.", "Nora\t''\nBen\tHello there."])
def test_a_speech_may_be_quotation_marks_alone(text: str) -> None:
    assert "Hello there." in "".join(element.text for element in read(text.splitlines()))


def test_what_is_not_text_at_all_is_kept_as_action_without_its_control_characters() -> None:
    binary = bytes(range(256)).decode("latin-1")
    text = "".join(element.text for element in read([binary, "\x00\x00\x00"]))
    assert "ABC" in text
    assert not any(unicodedata.category(character) == "Cc" for character in text.replace("\n", ""))


@pytest.mark.parametrize(
    "piece",
    ["a: ", "( ", "[[", "/*", "]]/*", "a (", "\t", "THE ", *slow(["A\n"])],
)
def test_a_long_line_is_read_in_passing(piece: str) -> None:
    for name in (None, *names):
        for _ in read([piece * (25_000 if "\n" in piece else 100_000)], format=name):
            pass


@given(lines=lines_of_anything)
def test_whatever_is_read_is_in_normal_form(lines: list[str]) -> None:
    for name in (None, *names):
        for element in read(lines, format=name):
            assert normalise(element) == element, name


words = st.text(alphabet="abcXYZé我", min_size=1, max_size=6)
sentences = st.lists(words, min_size=1, max_size=6).map(" ".join)
laid_out = st.one_of(
    sentences,
    st.builds("{}: {}".format, words, sentences),
    st.builds("{}:".format, words),
    st.builds("{} (O.S.)".format, words.map(str.upper)),
    st.builds("    {}".format, sentences),
    st.builds("        {}".format, words.map(str.upper)),
    st.builds("INT. {}".format, sentences),
    st.just(""),
)


@given(lines=st.lists(laid_out, max_size=20))
@example(["        X", "    X", "", "    X", "X"])
def test_no_letter_is_lost_but_of_a_name_that_says_nothing(lines: list[str]) -> None:
    there = Counter(filter(str.isalnum, "".join(lines)))
    names_alone = Counter("".join(line for line in lines if line.rstrip().endswith(":")))
    for name in (None, *names):
        reading = read(lines, format=name)
        kept = Counter(
            filter(str.isalnum, chain.from_iterable(element.speaker + element.text for element in reading))
        )
        lost = there - kept if reading.format == "shakespeare" else Counter[str]()
        assert kept + lost == there, name
        assert lost <= names_alone, name


@pytest.mark.parametrize(
    ("file", "format", "leads", "most_unparsed"),
    [
        ("seinfeld.txt", "name-line", ["jerry", "george", "elaine", "kramer"], 0.01),
        ("moes_tavern.txt", "name-line", ["Moe Szyslak", "Homer Simpson", "Lenny Leonard"], 0.01),
        ("tinyshakespeare.txt", "shakespeare", ["GLOUCESTER", "DUKE VINCENTIO"], 0.01),
        ("biglebowski.txt", "indented", ["DUDE", "WALTER", "MAUDE", "LEBOWSKI"], 0.01),
    ],
)
def test_real_corpora_are_understood(
    shared_corpora: Path, file: str, format: str, leads: list[str], most_unparsed: float
) -> None:
    with (shared_corpora / file).open(encoding="utf-8") as lines:
        reading = read(lines)
        members = cast(reading)
    assert reading.format == format
    assert [member.speaker for member in members[: len(leads)]] == leads
    assert reading.unparsed < most_unparsed * reading.characters


def test_scenes_of_a_transcript_part_at_bigger_gaps(shared_corpora: Path) -> None:
    with (shared_corpora / "moes_tavern.txt").open(encoding="utf-8") as lines:
        elements = list(read(lines))
    assert elements[0] == Element(
        "action", "[YEAR DATE 1989] © Twentieth Century Fox Film Corporation. All rights reserved."
    )
    assert sum(element.kind == "heading" for element in elements) == 261
