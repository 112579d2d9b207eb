import unicodedata
from pathlib import Path

import pytest

from scriptforge.corpus.cards import HubDataset, LocalPath, WebFile, WebFiles, load_cards
from scriptforge.corpus.sources import Source, find_source, find_sources, mix_name
from scriptforge.errors import CorpusError, UsageError
from scriptforge.workspace import Workspace


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


def test_a_dataset_is_called_as_what_was_typed(workspace_path: Path) -> None:
    (workspace_path / "target").mkdir()
    (workspace_path / "my-show").symlink_to("target")
    (workspace_path / "season 1.5").mkdir()
    found = {text: find_source(text, load_cards()) for text in ("./my-show", "season 1.5")}
    assert {text: source.name for text, source in found.items()} == {
        "./my-show": "my-show",
        "season 1.5": "season-1.5",
    }
    assert found["./my-show"].location == LocalPath(path=workspace_path / "target")


@pytest.mark.parametrize("name", ["Amélie", "हिन्दी", "ภาษาไทย", "Ünï-code"])
def test_a_dataset_is_called_as_its_file_is_however_letters_are_composed(
    workspace_path: Path, name: str
) -> None:
    for form in ("NFC", "NFD"):
        path = workspace_path / f"{unicodedata.normalize(form, name)}.txt"
        path.write_text("A: Hello.\n")
        assert find_source(str(path), load_cards()).name == unicodedata.normalize("NFC", name)
        assert Workspace(workspace_path).new_run(path.stem).name == unicodedata.normalize("NFC", name)


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


def test_a_name_without_its_suffix_suggests_the_file(workspace_path: Path) -> None:
    (workspace_path / "moes_tavern.txt").write_text("A: Hello.\n")
    with pytest.raises(UsageError, match="no corpus named “moes_tavern”") as caught:
        find_source("moes_tavern", load_cards())
    assert caught.value.hint == "Did you mean the file moes_tavern.txt?"


@pytest.mark.parametrize("words", [["Scene", "Draft", "3.txt"], ["other.txt", "copy.txt"]])
def test_words_that_are_a_file_together_have_to_be_quoted(workspace_path: Path, words: list[str]) -> None:
    name = " ".join(words)
    (workspace_path / name).write_text("A: Hello.\n")
    with pytest.raises(UsageError, match=words[0]) as caught:
        find_sources(words, load_cards())
    assert caught.value.hint.endswith(f"prepare '{name}'")


@pytest.mark.parametrize(
    ("texts", "suggested"),
    [
        (["moes.txt", "seinfeld"], "moes.txt ../mine.txt"),
        (["seinfeld=2", "moes.txt"], "../mine.txt=2 moes.txt"),
    ],
)
def test_a_file_of_ones_own_replaces_the_card_of_a_mix(
    workspace_path: Path, texts: list[str], suggested: str
) -> None:
    with pytest.raises(UsageError, match="--from works with one corpus") as caught:
        find_sources(texts, load_cards(), path=Path("../mine.txt"))
    assert caught.value.hint.endswith(f"prepare {suggested}")


@pytest.mark.parametrize("text", ["hf:", "hf:name", "hf:a/b/c", "hf:../../etc", "https://"])
def test_a_malformed_place_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        find_source(text, load_cards())


class TestSeveral:
    @pytest.fixture(autouse=True)
    def plays(self, workspace_path: Path) -> None:
        for name in ("a/play.txt", "b/play.txt", "season=2/1.txt", "x=y.txt", "other.txt"):
            (workspace_path / name).parent.mkdir(exist_ok=True)
            (workspace_path / name).write_text(f"A: I am {name}.\n")

    def weights(self, *texts: str) -> dict[str, float]:
        return {source.name: source.weight for source in find_sources(texts, load_cards())}

    def test_each_may_have_a_weight(self) -> None:
        found = self.weights("seinfeld=2", "south-park", "a/play.txt=0.5", "hf:owner/name=1.5")
        assert found == {"seinfeld": 2, "south-park": 1, "play": 0.5, "name": 1.5}

    def test_what_is_no_number_belongs_to_the_name(self) -> None:
        assert self.weights("x=y.txt", "other.txt") == {"x-y": 1, "other": 1}
        assert self.weights("x=y.txt=3", "other.txt") == {"x-y": 3, "other": 1}

    def test_what_exists_is_no_weight(self) -> None:
        assert self.weights("season=2") == {"season-2": 1}
        assert self.weights("season=2=3", "other.txt") == {"season-2": 3, "other": 1}

    def test_a_query_of_an_address_is_no_weight(self) -> None:
        assert self.weights("https://example.org/play.txt?id=5", "other.txt") == {"play": 1, "other": 1}
        assert self.weights("https://example.org/play.txt=5", "other.txt") == {"play": 5, "other": 1}

    @pytest.mark.parametrize("number", ["0", "-1", "nan", "1e9", "inf", "0.0", "100.5"])
    def test_a_weight_that_cannot_be(self, number: str) -> None:
        with pytest.raises(UsageError, match="weight") as caught:
            find_sources([f"seinfeld={number}", "other.txt"], load_cards())
        assert "seinfeld=2" in caught.value.hint

    def test_a_weight_needs_something_to_weigh_against(self) -> None:
        with pytest.raises(UsageError, match=r"“seinfeld” has a weight"):
            find_sources(["seinfeld=2"], load_cards())

    @pytest.mark.parametrize("twice", [("seinfeld", "seinfeld=2"), ("a/play.txt", "./a/../a/play.txt")])
    def test_nothing_is_named_twice(self, twice: tuple[str, str]) -> None:
        with pytest.raises(UsageError, match="named twice"):
            find_sources(twice, load_cards())

    def test_two_files_of_one_name(self) -> None:
        assert self.weights("a/play.txt", "b/play.txt=2") == {"play": 1, "play-2": 2}

    def test_a_path_cannot_stand_in_for_several(self) -> None:
        with pytest.raises(UsageError, match="--from"):
            find_sources(["seinfeld", "south-park"], load_cards(), path=Path("other.txt"))

    def test_one_alone_is_as_ever(self) -> None:
        cards = load_cards()
        assert find_sources(["seinfeld"], cards) == [find_source("seinfeld", cards)]
        assert find_sources(["seinfeld"], cards, path=Path("other.txt")) == [
            find_source("seinfeld", cards, path=Path("other.txt"))
        ]

    def test_an_unknown_name_with_a_weight_is_said_without_it(self) -> None:
        with pytest.raises(UsageError, match=r"no corpus named “seinfold”"):
            find_sources(["seinfold=2", "other.txt"], load_cards())

    def test_a_mix_is_named_after_its_corpora(self) -> None:
        cards = load_cards()
        assert mix_name(find_sources(["seinfeld=2", "a/play.txt"], cards)) == "seinfeld_play"
        assert mix_name(find_sources(["seinfeld"], cards)) == "seinfeld"
        assert len(mix_name(find_sources(list(cards.cards), cards))) <= 64
