from pathlib import Path

import pytest

from scriptforge.corpus.cards import load_cards
from scriptforge.corpus.locations import HubDataset, LocalPath, WebFile, WebFiles
from scriptforge.corpus.sources import Source, find_source
from scriptforge.errors import CorpusError, UsageError


def test_a_name_is_a_card() -> None:
    cards = load_cards()
    card = cards.card("seinfeld")
    assert find_source("seinfeld", cards) == Source("seinfeld", card.source, card)


def test_a_card_wins_over_a_folder_of_that_name(workspace_path: Path) -> None:
    (workspace_path / "seinfeld").mkdir()
    cards = load_cards()
    assert find_source("seinfeld", cards).card
    assert find_source("./seinfeld", cards).location == LocalPath(path=workspace_path / "seinfeld")


def test_a_path_is_made_absolute(workspace_path: Path) -> None:
    (workspace_path / "My Show.txt").write_text("A: Hello.\n")
    source = find_source("My Show.txt", load_cards())
    assert source == Source("My-Show", LocalPath(path=workspace_path / "My Show.txt"))


@pytest.mark.parametrize(("text", "revision"), [("hf:owner/name", None), ("hf:owner/name@v1.0", "v1.0")])
def test_a_hub_id_may_carry_a_revision(text: str, revision: str | None) -> None:
    assert find_source(text, load_cards()) == Source("name", HubDataset(hub="owner/name", revision=revision))


def test_an_address_is_one_file() -> None:
    url = "https://example.org/my%20show.txt?raw=1"
    assert find_source(url, load_cards()) == Source("my-show", WebFiles(files=(WebFile(url=url),)))


def test_a_file_of_ones_own_stands_in_for_a_download(workspace_path: Path) -> None:
    (workspace_path / "mine.txt").write_text("jerry: hello\n")
    cards = load_cards()
    source = find_source("seinfeld", cards, path=Path("mine.txt"))
    assert source == Source("seinfeld", LocalPath(path=workspace_path / "mine.txt"), cards.card("seinfeld"))


def test_only_a_card_takes_a_file_of_ones_own(workspace_path: Path) -> None:
    (workspace_path / "mine.txt").write_text("jerry: hello\n")
    with pytest.raises(UsageError, match="no corpus named"):
        find_source("hf:owner/name", load_cards(), path=Path("mine.txt"))


@pytest.mark.parametrize("text", ["seinfield", "", "no such thing"])
def test_an_unknown_name_is_said_with_what_there_is(text: str) -> None:
    with pytest.raises(UsageError, match="no corpus named"):
        find_source(text, load_cards())


def test_a_missing_path_suggests_its_neighbour(workspace_path: Path) -> None:
    (workspace_path / "episode.txt").write_text("A: Hello.\n")
    with pytest.raises(CorpusError, match="no file or folder") as caught:
        find_source("epsode.txt", load_cards())
    assert caught.value.hint == "Did you mean episode.txt?"


@pytest.mark.parametrize("text", ["hf:", "hf:name", "hf:a/b/c", "hf:../../etc", "https://"])
def test_a_malformed_place_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        find_source(text, load_cards())
