"""What holds of any transcript, chat or subtitles: what a person is told, and half a file."""

from pathlib import Path

import pytest

from scriptforge.corpus.cards import Cards
from scriptforge.corpus.fetch import fetch
from scriptforge.corpus.parse import Parsing, parse
from scriptforge.corpus.sources import find_source
from scriptforge.screenplay.formats import read
from scriptforge.screenplay.script import normalise

CASES = Path(__file__).parent / "cases"
SPOKEN = [
    path.with_suffix("")
    for path in sorted(CASES.glob("*.reads"))
    if path.read_text(encoding="utf-8").partition("\n")[0] in ("chat", "subtitles", "transcript")
    and path.with_suffix("").suffix not in (".json", ".html", "")
]


def notes(path: Path) -> str:
    parsing = Parsing()
    for _ in parse(fetch(find_source(str(path), Cards({}, {}))), False, parsing):
        pass
    return "\n".join(parsing.notes)


@pytest.mark.parametrize("name", ["whatsapp-android.txt", "telegram.json", "telegram.html", "slack"])
def test_of_a_chat_it_is_said_whom_to_ask(name: str) -> None:
    assert "other people's names and words" in notes(CASES / name)


@pytest.mark.parametrize("name", ["play-of-gutenberg.txt", "meeting.vtt", "messages-of-a-model.json"])
def test_of_other_texts_it_is_not(name: str) -> None:
    assert "other people" not in notes(CASES / name)


@pytest.mark.parametrize("path", SPOKEN, ids=lambda path: path.name)
def test_half_a_file_is_read_and_nobody_speaks_who_does_not_in_the_whole(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    whole = {element.speaker for element in read([text])}
    for tenth in range(1, 10):
        found = list(read([text[: len(text) * tenth // 10]]))
        assert found == list(map(normalise, found))
    lines = text.splitlines(keepends=True)
    assert {element.speaker for element in read(lines[:-2])} <= whole | {""}
