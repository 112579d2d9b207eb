"""What is shown while it is written is what the writer makes of it once it is whole."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptforge.generation.transcript import Transcript, new_transcript
from scriptforge.screenplay.name_line import write
from scriptforge.screenplay.script import Element, normalise
from scriptforge.vocabulary import LEVELS, Vocabulary

SPEAKERS = ("Jerry", "[aside", "Cop 2", "setting", "INT.")
VOCABULARIES = [Vocabulary.train(["what is\nthis?"], level, speakers=SPEAKERS) for level in LEVELS[1:]]

texts = st.text(st.sampled_from("aB1 \n(]:.TOé老"), min_size=1) | st.sampled_from(
    ["GO TO:", "FADE OUT", "10 four", "42 FOR YOU", "BUT why TO:", "jerry: no", "//x", "(aside) no", "here]"]
)
elements = st.lists(
    st.builds(Element, st.sampled_from(["heading", "action", "transition"]), texts)
    | st.builds(Element, st.just("dialogue"), texts, st.sampled_from([*SPEAKERS, "newman", "A B", "[x"]))
)


def shown(transcript: Transcript, ids: list[int]) -> list[str]:
    return [transcript.push(id_) for id_ in ids]


@given(elements, st.sampled_from(VOCABULARIES))
@settings(max_examples=200)
def test_a_script_is_shown_as_the_writer_lays_it_out(script: list[Element], vocabulary: Vocabulary) -> None:
    tidy = [element for element in map(normalise, script) if element]
    transcript = new_transcript(vocabulary)
    ids = [vocabulary.end, *vocabulary.encode_elements(tidy).ids.tolist(), vocabulary.end]
    assert "".join(shown(transcript, ids)) == "".join(f"{line}\n" for line in write(tidy))
    assert transcript.elements == tidy
    assert transcript.lines == len(tidy)
    assert transcript.is_between_lines


@given(
    st.lists(st.text(st.sampled_from("aé \t\n\u3000\x00\x1f\x85."), max_size=3)),
    st.sampled_from(VOCABULARIES),
)
@settings(max_examples=200)
def test_pieces_make_the_element_that_the_whole_text_makes(pieces: list[str], vocabulary: Vocabulary) -> None:
    for opening in (vocabulary.action, vocabulary.speakers["Jerry"]):
        transcript = new_transcript(vocabulary)
        ids = [id_ for piece in pieces for id_ in vocabulary.encode(piece)]
        text = "".join(shown(transcript, [vocabulary.end, opening, *ids, vocabulary.end]))
        kind, speaker = ("action", "") if opening == vocabulary.action else ("dialogue", "Jerry")
        element = normalise(Element(kind, "".join(pieces), speaker))  # type: ignore[arg-type]
        assert transcript.elements == ([element] if element else [])
        assert text == "".join(f"{line}\n" for line in write(transcript.elements))


def test_dialogue_is_shown_word_by_word(vocabulary: Vocabulary) -> None:
    transcript = new_transcript(vocabulary)
    jerry = vocabulary.speakers["Jerry"]
    news = shown(transcript, [vocabulary.end, jerry, *vocabulary.encode("what is this verse")])
    assert len([each for each in news if each]) > 3
    assert "".join(news) == "Jerry: what is this verse"
    assert not transcript.is_between_lines
    assert transcript.push(vocabulary.end) == "\n"


def test_an_element_of_nothing_but_space_leaves_no_trace(vocabulary: Vocabulary) -> None:
    transcript = new_transcript(vocabulary)
    ids = [vocabulary.end, vocabulary.action, *vocabulary.encode(" \n "), vocabulary.end]
    assert "".join(shown(transcript, ids)) == ""
    assert transcript.elements == []


@given(st.text(st.sampled_from("ab \n"), max_size=40))
@settings(max_examples=200)
def test_plain_text_is_shown_as_it_is_up_to_its_last_blank(text: str) -> None:
    vocabulary = Vocabulary.train(["ab \n"], "char", plain=True)
    transcript = new_transcript(vocabulary)
    result = "".join(shown(transcript, [vocabulary.end, *vocabulary.encode(text)]))
    assert text.startswith(result)
    assert not text[len(result) :].strip()
    assert transcript.lines == len([line for line in text.split("\n")[:-1] if line.strip()])
    assert transcript.is_between_lines == (not result or result.endswith("\n"))


@pytest.mark.parametrize("before", ["what", "what\n"])
def test_the_end_of_a_plain_text_is_a_line_break(plain_vocabulary: Vocabulary, before: str) -> None:
    transcript = new_transcript(plain_vocabulary)
    end = plain_vocabulary.end
    ids = [end, *plain_vocabulary.encode(before), end, end, *plain_vocabulary.encode("this")]
    assert "".join(shown(transcript, ids)) == "what\nthis"
