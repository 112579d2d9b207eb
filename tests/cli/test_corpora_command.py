import json
from pathlib import Path

import pytest

from scriptforge.cli.app import run
from scriptforge.corpus.cards import load_cards

CARD = """\
title = "My [red]plays\\u001b[0m"
description = "Two plays."
licence = "CC0-1.0"
rights = "Nobody owns them."
language = "en"
cast = ["ADA", "BOB"]
level = "char"

[source]
path = "plays"
"""


@pytest.fixture
def own_cards(workspace_path: Path) -> Path:
    """A workspace with one good card, `mine`, and one that is not TOML, `broken`."""
    folder = workspace_path / "corpora"
    folder.mkdir()
    (folder / "mine.toml").write_text(CARD, encoding="utf-8")
    (folder / "broken.toml").write_text('title = "No end\n', encoding="utf-8")
    return folder


def test_lists_own_cards_among_the_built_in_and_warns_of_broken_ones(
    own_cards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["corpora"]) == 0
    out, err = capsys.readouterr()
    rows = [line.split()[0] for line in out.splitlines()[1:]]
    assert rows == sorted([*load_cards().cards, "mine"])
    assert "My [red]plays␛[0m" in out
    assert err.startswith("Warning: ")
    assert "broken.toml, line 1: " in err
    assert len(err.splitlines()) == 1


def test_the_workspace_can_be_named(
    own_cards: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir("/")
    assert run(["corpora", "--json", "--workspace", str(own_cards.parent)]) == 0
    assert "mine" in {card["name"] for card in json.loads(capsys.readouterr().out)}


def test_shows_one_whole_card(own_cards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["corpora", "mine"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = [line.split(maxsplit=1) for line in out.splitlines()]
    assert {"level": "char", "cast": "ADA, BOB"}.items() <= {
        line[0]: line[1].strip() for line in lines
    }.items()


def test_one_card_as_json(own_cards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["corpora", "mine", "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["cast"] == ["ADA", "BOB"]
    assert card["source"] == {"path": str(own_cards / "plays")}


def test_the_home_of_whoever_asks_is_not_shown(
    own_cards: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(own_cards.parent))
    for more in ([], ["--json"]):
        assert run(["corpora", "mine", *more]) == 0
        out = capsys.readouterr().out
        assert "~/corpora/plays" in out
        assert str(own_cards.parent) not in out


def test_a_broken_card_asked_for_by_name_is_an_error(
    own_cards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["corpora", "broken"]) == 1
    assert "broken.toml, line 1" in capsys.readouterr().err
