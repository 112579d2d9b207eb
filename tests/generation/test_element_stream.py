"""The elements of a stream are those that its ids, taken together, make."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from scriptforge.generation.element_stream import Added, Closed, ElementEvent, ElementStream, Opened
from scriptforge.screenplay.script import Element, normalise
from scriptforge.vocabulary import LEVELS, Vocabulary

SPEAKERS = ("Jerry", "[aside", "Cop 2")
TEXT = 'He said, "two-thirds...no." (O.S.)\nÉté 中文 🎭'
VOCABULARIES = [Vocabulary.train([TEXT], level, speakers=SPEAKERS) for level in LEVELS]


def whole_elements(ids: Sequence[int], vocabulary: Vocabulary) -> Iterator[Element]:
    """Yield the elements of ids as they are drawn, each decoded in one go."""
    kinds = {vocabulary.heading: "heading", vocabulary.action: "action", vocabulary.transition: "transition"}
    names = {token.id: token.name for token in vocabulary.speaker_tokens}
    starts = [place for place, id_ in enumerate(ids) if id_ < vocabulary.layout_size]
    name = ""
    for start, stop in pairwise([*starts, len(ids)]):
        text = vocabulary.decode(ids[start + 1 : stop])
        match ids[start]:
            case vocabulary.says:
                yield Element("dialogue", text, name)
            case id_ if id_ in kinds:
                yield Element(kinds[id_], text)  # type: ignore[arg-type]
            case id_ if id_ in names:
                yield Element("dialogue", text, names[id_])
            case _:
                name = text


@st.composite
def scripts(draw: st.DrawFn) -> tuple[Vocabulary, list[int]]:
    """Draw ids of any text, in which `<says>` comes only after a name."""
    vocabulary = draw(st.sampled_from(VOCABULARIES))
    texts = st.lists(st.integers(vocabulary.layout_size, vocabulary.size - 1), max_size=6)
    openings = [each for each in range(vocabulary.layout_size) if each != vocabulary.says]
    ids = []
    for opening in draw(st.lists(st.sampled_from(openings))):
        ids += [opening, *draw(texts)]
        if opening == vocabulary.cue:
            ids += [vocabulary.says, *draw(texts)]
    return vocabulary, ids


@given(scripts())
@settings(max_examples=200)
def test_elements_are_those_of_their_whole_ids(script: tuple[Vocabulary, list[int]]) -> None:
    vocabulary, ids = script
    stream = ElementStream(vocabulary)
    events: list[ElementEvent] = [event for id_ in (*ids, vocabulary.end) for event in stream.push(id_)]
    found: list[Element] = []
    closed: list[Element | None] = []
    for event in events:
        match event:
            case Opened(kind, speaker):
                found.append(Element(kind, "", speaker))
            case Added(text):
                assert text
                found[-1] = Element(found[-1].kind, found[-1].text + text, found[-1].speaker)
            case Closed(element):
                closed.append(element)
    assert found == list(whole_elements(ids, vocabulary))
    assert closed == list(map(normalise, found))


def test_a_name_is_spelled_before_its_element_is_opened() -> None:
    vocabulary = VOCABULARIES[0]
    stream = ElementStream(vocabulary)
    for id_ in (vocabulary.cue, *vocabulary.encode("two no")):
        assert stream.push(id_) == []
    assert stream.name == vocabulary.decode(vocabulary.encode("two no"))
    assert stream.push(vocabulary.says) == [
        Opened("dialogue", vocabulary.decode(vocabulary.encode("two no")))
    ]
    assert stream.name == ""


def test_what_is_open_can_be_closed_early_once() -> None:
    vocabulary = VOCABULARIES[0]
    stream = ElementStream(vocabulary)
    assert stream.close() == []
    for id_ in (vocabulary.action, *vocabulary.encode("said")):
        stream.push(id_)
    assert stream.close() == [Closed(Element("action", vocabulary.decode(vocabulary.encode("said"))))]
    assert stream.close() == []
