"""Vocabulary through its doors: what goes in comes out, at every level."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.elements import decode_elements

from scriptforge.errors import DatasetError, UsageError
from scriptforge.screenplay.script import Element
from scriptforge.vocabulary import LEVELS, Level, Vocabulary

SPEAKERS = ("JERRY", "Mrs. O'Brien", "C-3PO", "老王", "<end>", "a>b", "<cue:X>", "<says>", "R2 <D2>")

ELEMENTS = [
    Element("heading", "INT. DINER - NIGHT"),
    Element("action", "The door opens. Nobody's there..."),
    Element("dialogue", 'Hello, "friend"! It\'s two-thirds -- no?', "JERRY"),
    Element("dialogue", "(softly) Verse one,\nverse two.", "Mrs. O'Brien"),
    Element("dialogue", "Beep.", "C-3PO"),
    Element("dialogue", "你好。", "老王"),
    Element("dialogue", "Who am I?", "A Rare-Bird"),
    Element("transition", "CUT TO:"),
]
TEXTS = [element.text for element in ELEMENTS] + ["A Rare-Bird"]

texts = st.text(st.characters(exclude_categories=["Cs"]))
line = texts.map(str.strip).filter(bool)
element = st.one_of(
    st.builds(Element, st.sampled_from(["heading", "action", "transition"]), line),
    st.builds(Element, st.just("dialogue"), line, st.one_of(st.sampled_from(SPEAKERS), line)),
)


def trained(level: Level, **settings: Any) -> Vocabulary:
    return Vocabulary.train(TEXTS, level, size=400 if level == "bpe" else None, speakers=SPEAKERS, **settings)


VOCABULARIES = {level: trained(level) for level in LEVELS}


@pytest.fixture(params=LEVELS)
def vocabulary(request: pytest.FixtureRequest) -> Vocabulary:
    return VOCABULARIES[request.param]


def with_own_names(elements: list[Element], vocabulary: Vocabulary) -> list[Element]:
    """A speaker with a token comes back under the display name."""
    names: dict[int | None, str] = {id_: name for name, id_ in vocabulary.speakers.items()}
    own = [names.get(vocabulary.speaker_id(element.speaker), element.speaker) for element in elements]
    return [Element(e.kind, e.text, name) for e, name in zip(elements, own, strict=True)]


@pytest.mark.parametrize("level", ["bpe", "char"])
@given(text=texts)
def test_any_text_comes_back(level: Level, text: str) -> None:
    vocabulary = VOCABULARIES[level]
    assert vocabulary.decode(vocabulary.encode(text)) == text


@pytest.mark.parametrize("level", ["bpe", "char"])
@given(elements=st.lists(element))
def test_any_elements_come_back(level: Level, elements: list[Element]) -> None:
    vocabulary = VOCABULARIES[level]
    encoded = vocabulary.encode_elements(elements)
    assert decode_elements(vocabulary, encoded.ids) == with_own_names(elements, vocabulary)
    assert encoded.unknown_count == encoded.unknown_characters == 0


@settings(max_examples=50)
@given(elements=st.lists(element, min_size=1))
def test_elements_of_known_words_come_back(elements: list[Element]) -> None:
    kept = str.maketrans("‿␣", "__")  # the two signs that the word level keeps for itself
    elements = [Element(e.kind, e.text.translate(kept), e.speaker.translate(kept)) for e in elements]
    known = [text for element in elements for text in (element.text, element.speaker)]
    vocabulary = Vocabulary.train(known, "word", speakers=SPEAKERS)
    encoded = vocabulary.encode_elements(elements)
    assert decode_elements(vocabulary, encoded.ids) == with_own_names(elements, vocabulary)
    assert encoded.unknown_count == 0


def test_a_script_comes_back_and_costs_one_token_a_line(vocabulary: Vocabulary) -> None:
    ids = vocabulary.encode_elements(ELEMENTS).ids
    assert decode_elements(vocabulary, ids) == ELEMENTS
    layout = ids[~vocabulary.is_text[ids]].tolist()
    own = [vocabulary.speakers[name] for name in ("JERRY", "Mrs. O'Brien", "C-3PO", "老王")]
    spelled = [vocabulary.cue, vocabulary.says]
    assert layout == [vocabulary.heading, vocabulary.action, *own, *spelled, vocabulary.transition]


def test_ids_have_the_smallest_type_that_fits(vocabulary: Vocabulary) -> None:
    ids = vocabulary.encode_elements(ELEMENTS).ids
    assert ids.dtype == vocabulary.dtype == (np.uint8 if vocabulary.size <= 256 else np.uint16)


def test_no_elements_are_no_ids(vocabulary: Vocabulary) -> None:
    assert vocabulary.encode_elements([]).ids.shape == (0,)
    assert vocabulary.decode([]) == ""


def test_long_sequences_are_encoded_in_order(vocabulary: Vocabulary) -> None:
    many = ELEMENTS * 1500
    assert decode_elements(vocabulary, vocabulary.encode_elements(iter(many)).ids) == many


def test_parts_of_a_text_follow_each_other(vocabulary: Vocabulary) -> None:
    lines = ["Nobody's there...\n", "\n", "Beep. Hello,\n", "friend!"]
    assert vocabulary.decode(vocabulary.encode_texts(lines).ids) == "".join(lines)


LAYOUT_LOOKALIKES = "say <action> or <cue:JERRY> then <end>, <says> and <unk>, <cue>"


@pytest.mark.parametrize("level", LEVELS)
def test_text_that_looks_like_layout_is_text(level: Level, tmp_path: Path) -> None:
    vocabulary = Vocabulary.train([LAYOUT_LOOKALIKES], level, speakers=SPEAKERS)
    vocabulary.save(tmp_path / "tokenizer.json")
    for each in (vocabulary, Vocabulary.load(tmp_path / "tokenizer.json")):
        ids = each.encode(LAYOUT_LOOKALIKES)
        assert each.is_text[ids].all()
        assert each.unknown not in ids
        assert each.decode(ids) == LAYOUT_LOOKALIKES


def test_speakers_are_found_however_they_are_spelled(vocabulary: Vocabulary) -> None:
    assert vocabulary.speaker_id("jerry") == vocabulary.speakers["JERRY"]
    assert vocabulary.speaker_id(" MRS.  o'brien ") == vocabulary.speakers["Mrs. O'Brien"]
    assert vocabulary.speaker_id("Newman") is None
    assert tuple(vocabulary.speakers) == SPEAKERS


def test_two_spellings_of_a_speaker_share_a_token() -> None:
    vocabulary = Vocabulary.train(TEXTS, "char", speakers=["Jerry", "JERRY", "George"])
    assert list(vocabulary.speakers) == ["Jerry", "George"]


@pytest.mark.parametrize("level", LEVELS)
def test_lower_reads_everything_in_lower_case(level: Level) -> None:
    vocabulary = trained(level, lower=True)
    assert vocabulary.decode(vocabulary.encode("The DOOR opens.")) == "the door opens."
    [element] = decode_elements(vocabulary, vocabulary.encode_elements(ELEMENTS[2:3]).ids)
    assert (element.speaker, element.text) == ("JERRY", ELEMENTS[2].text.lower())


@pytest.mark.parametrize("level", LEVELS)
def test_a_plain_vocabulary_has_no_layout_but_the_end(level: Level) -> None:
    vocabulary = Vocabulary.train(TEXTS, level, plain=True)
    assert vocabulary.plain
    assert np.flatnonzero(~vocabulary.is_text).tolist() == [vocabulary.end]
    with pytest.raises(DatasetError, match="plain"):
        vocabulary.encode_elements(ELEMENTS)
    ids = vocabulary.encode_texts(["Hello,", "Beep."]).ids
    assert [element.kind for element in decode_elements(vocabulary, ids)] == ["action"]


@pytest.mark.parametrize("level", LEVELS)
def test_size_holds_or_is_refused(level: Level) -> None:
    text = [" ".join(f"{chr(0x4E00 + n)}{n}" for n in range(500))]
    assert Vocabulary.train(text, level, size=320).size == 320
    with pytest.raises(UsageError, match="too small"):
        Vocabulary.train(text, level, size=20)


@pytest.mark.parametrize("level", LEVELS)
def test_training_twice_gives_the_same(level: Level) -> None:
    assert trained(level).fingerprint == VOCABULARIES[level].fingerprint
    assert trained(level, lower=True).fingerprint != VOCABULARIES[level].fingerprint


class TestMix:
    """A vocabulary of two sources that both have a Jerry."""

    LINE = Element("dialogue", "hello", "Jerry")

    @pytest.fixture(params=LEVELS)
    def mix(self, request: pytest.FixtureRequest, tmp_path: Path) -> Vocabulary:
        sources = {"diner": ["Jerry", "Bo"], "bridge-2.0": ["JERRY"], "moon": []}
        trained = Vocabulary.train(["hello", "CUT TO:"], request.param, speakers=["Dee"], sources=sources)
        trained.save(tmp_path / "tokenizer.json")
        return Vocabulary.load(tmp_path / "tokenizer.json")

    def test_sources_and_speakers_have_tokens(self, mix: Vocabulary) -> None:
        assert list(mix.sources) == ["diner", "bridge-2.0", "moon"]
        assert [(token.name, token.source) for token in mix.speaker_tokens] == [
            ("Dee", None), ("Jerry", "diner"), ("Bo", "diner"), ("JERRY", "bridge-2.0"),
        ]  # fmt: skip
        ids = [*mix.sources.values(), *(token.id for token in mix.speaker_tokens)]
        assert ids == list(range(ids[0], ids[0] + 7)) and not mix.is_text[ids].any()
        assert [token.name for token in mix.speaker_tokens_named("jerry")] == ["Jerry", "JERRY"]
        assert mix.speaker_tokens_named("Newman") == []

    def test_a_speaker_is_found_in_a_source(self, mix: Vocabulary) -> None:
        dee, jerry, bo, other_jerry = (token.id for token in mix.speaker_tokens)
        assert [mix.speaker_id("jerry", source) for source in mix.sources] == [jerry, other_jerry, None]
        assert [mix.speaker_id("dee", source) for source in mix.sources] == [dee] * 3
        assert [mix.speaker_id(name) for name in ("jerry", "bo", "newman")] == [jerry, bo, None]
        assert mix.speakers["Jerry"] == jerry

    def test_lines_are_laid_out_for_their_source(self, mix: Vocabulary) -> None:
        first = {source: mix.encode_elements([self.LINE], source).ids[0] for source in mix.sources}
        assert first["diner"] == mix.speaker_tokens[1].id and first["bridge-2.0"] == mix.speaker_tokens[3].id
        assert first["moon"] == mix.cue

    def test_source_tokens_leave_no_trace_in_elements(self, mix: Vocabulary) -> None:
        line = mix.encode_elements([self.LINE], "bridge-2.0").ids.tolist()
        ids = [mix.end, mix.sources["bridge-2.0"], *line, mix.end, mix.sources["moon"]]
        assert decode_elements(mix, ids) == [Element("dialogue", "hello", "JERRY")]


def test_a_name_with_a_colon_is_no_source() -> None:
    vocabulary = Vocabulary.train(TEXTS, "char", speakers=["diner:Jerry"])
    assert [(token.name, token.source) for token in vocabulary.speaker_tokens] == [("diner:Jerry", None)]
