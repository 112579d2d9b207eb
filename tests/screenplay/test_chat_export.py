"""Chats exported as JSON: names of any length."""

from scriptforge.screenplay.chat_export import chats, people

LONG = "Ida " * 10_000


def turns(document: object, names: dict[str, str] | None = None) -> list[dict[str, str]]:
    [row] = chats(document, names or {})
    chat = row["chat"]
    assert isinstance(chat, list)
    return chat


def test_the_name_of_a_person_is_cut_before_it_stands_for_each_mention() -> None:
    users = [
        {"id": "U1", "profile": {"display_name": LONG}},
        {"id": "U2", "name": "ben", "profile": {"real_name": "Ben Reed", "display_name": ""}},
        {"id": "U3", "name": "clock", "profile": {"profile": {"display_name": "not hers"}}},
    ]
    names = people(users)
    assert names == {"U1": LONG[:80], "U2": "Ben Reed", "U3": "clock"}
    message = {"type": "message", "user": "U1", "ts": "1", "text": "<@U1>" * 1000}
    [turn] = turns([message], names)
    assert turn["speaker"] == LONG[:80]
    assert len(turn["text"]) < 100 * 1000


def test_the_name_of_a_speaker_is_cut_in_every_export() -> None:
    author = {"name": LONG}
    exports = [
        [{"type": "message", "ts": "1", "username": LONG, "text": "Rain."}],
        {"messages": [{"author": author, "content": "Rain.", "timestamp": "1"}]},
        {"messages": [{"sender_name": LONG, "timestamp_ms": 1, "content": "Rain."}]},
        {"messages": [{"type": "message", "from": LONG, "text": "Rain."}]},
    ]
    for export in exports:
        assert turns(export) == [{"speaker": LONG[:200], "text": "Rain.", "kind": "dialogue"}]
