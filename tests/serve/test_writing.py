"""What an alternative reports of the ids that it is given."""

from typing import Any

from scriptforge.generation.prompt import Given
from scriptforge.serve.prompt import SuggestionRequest, encode_request
from scriptforge.serve.writing import Alternative
from scriptforge.vocabulary import Vocabulary

TEXT = "a bell rang.\n(O.S.) no"
SCRIPTS = Vocabulary.train([TEXT], "char", speakers=["Bo"])
PLAIN = Vocabulary.train([TEXT], "char", plain=True)
DONE = {"n": 0, "done": True, "seed": 7}


def begun(vocabulary: Vocabulary, **wish: Any) -> Alternative:
    """Return an alternative that has taken its prompt, which gives no events."""
    request = encode_request(SuggestionRequest.model_validate({"run": "harbour", **wish}), vocabulary, seed=7)
    alternative = Alternative(0, 7, request, vocabulary)
    for part in request.prompt:
        assert isinstance(part, Given) and alternative.begin(part.ids) == []
    return alternative


def pushed(alternative: Alternative, *ids: int) -> list[dict[str, Any]]:
    """Return the events of ids, the texts that follow each other joined."""
    events: list[dict[str, Any]] = []
    for event in (event for id_ in ids for event in alternative.push(id_)):
        if "add" in event and events and "add" in events[-1]:
            events[-1]["add"] += event["add"]
        else:
            events.append(dict(event))
    return events


def whole(kind: str, speaker: str, text: str) -> dict[str, Any]:
    return {"n": 0, "element": {"kind": kind, "speaker": speaker, "text": text}}


def test_an_element_begins_is_added_to_and_is_whole_in_normal_form() -> None:
    ids = [SCRIPTS.cue, *SCRIPTS.encode("ann (O.S.)"), SCRIPTS.says, *SCRIPTS.encode("no "), SCRIPTS.action]
    assert pushed(begun(SCRIPTS), *ids) == [
        {"n": 0, "begin": {"kind": "dialogue", "speaker": "ann (O.S.)"}},
        {"n": 0, "add": "no "},
        whole("dialogue", "ann", "(O.S.) no"),
        DONE,
    ]


def test_of_a_continued_element_only_what_is_added_is_reported() -> None:
    for text, added in (("a bell", " rang"), ("a bell ", "rang")):
        alternative = begun(SCRIPTS, open={"kind": "dialogue", "text": text, "speaker": "Bo"}, lines=2)
        assert alternative.needs_text
        ids = [*SCRIPTS.encode(" rang "), SCRIPTS.heading]
        assert pushed(alternative, *ids) == [
            {"n": 0, "add": f"{added} "},
            whole("dialogue", "Bo", added),
            {"n": 0, "begin": {"kind": "heading", "speaker": ""}},
        ]
        assert not alternative.needs_text


def test_a_line_that_gets_only_a_mark_is_closed_and_the_next_one_is_written() -> None:
    alternative = begun(SCRIPTS, open={"kind": "dialogue", "text": "a bell", "speaker": "Bo"})
    ids = [*SCRIPTS.encode("."), SCRIPTS.action, *SCRIPTS.encode("no"), SCRIPTS.heading]
    assert pushed(alternative, *ids) == [
        {"n": 0, "add": "."},
        whole("dialogue", "Bo", "."),
        {"n": 0, "begin": {"kind": "action", "speaker": ""}},
        {"n": 0, "add": "no"},
        whole("action", "", "no"),
        DONE,
    ]
    two = begun(SCRIPTS, open={"kind": "dialogue", "text": "a bell", "speaker": "Bo"}, lines=2)
    assert pushed(two, *ids)[-1] == DONE


def test_each_line_of_plain_text_that_is_not_blank_is_an_action() -> None:
    ids = [*PLAIN.encode("\n a bell\n\nno"), PLAIN.end]
    assert pushed(begun(PLAIN, lines=2), *ids) == [
        {"n": 0, "add": " a bell"},
        whole("action", "", "a bell"),
        {"n": 0, "add": "no"},
        whole("action", "", "no"),
        DONE,
    ]


def test_a_line_of_plain_text_is_continued() -> None:
    alternative = begun(PLAIN, open={"kind": "dialogue", "text": "a bell", "speaker": "Bo"})
    assert pushed(alternative, *PLAIN.encode(" rang\n")) == [
        {"n": 0, "add": " rang"},
        whole("dialogue", "Bo", " rang"),
        DONE,
    ]


def test_what_is_cut_off_is_reported_as_far_as_it_is_written() -> None:
    alternative = begun(SCRIPTS, lines=8)
    pushed(alternative, SCRIPTS.action, *SCRIPTS.encode("a bell "))
    assert alternative.cut() == [whole("action", "", "a bell"), DONE]
    assert alternative.is_finished and alternative.cut() == []
    alternative = begun(SCRIPTS)
    pushed(alternative, SCRIPTS.action, *SCRIPTS.encode(" "))
    assert alternative.cut() == [DONE]
