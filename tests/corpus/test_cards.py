import hashlib
import re
from pathlib import Path

import pytest

from scriptforge.corpus.cards import (
    HubDataset,
    LocalPath,
    WebFiles,
    builtin_cards_path,
    load_cards,
    read_card,
)
from scriptforge.errors import CorpusError, UsageError

CARD = """\
title = "My Sitcom"
description = "Two seasons."
language = "en"
licence = "not stated"
rights = "The lines belong to their owners."
level = "bpe"
"""
SOURCE = '[source]\npath = "scripts"\n'


def own_card(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_built_in_card_can_be_read() -> None:
    cards = load_cards()
    assert not cards.broken
    assert {"demo", "seinfeld", "tiny-shakespeare", "the-office", "south-park"} <= set(cards.cards)
    assert set(cards.cards) == {path.stem for path in builtin_cards_path().glob("*.toml")}


def test_built_in_cards_pin_what_they_download() -> None:
    for card in load_cards().cards.values():
        match card.source:
            case WebFiles(files=files):
                assert all(file.sha256 and file.url.startswith("https://") for file in files), card.name
            case HubDataset(revision=revision):
                assert re.fullmatch("[0-9a-f]{40}", revision or ""), card.name
            case LocalPath(path=path):
                assert path.is_dir(), card.name


def test_south_park_lists_its_seasons_in_order() -> None:
    source = load_cards().cards["south-park"].source
    assert isinstance(source, WebFiles)
    assert [file.url.rpartition("/")[2] for file in source.files] == [f"Season-{n}.csv" for n in range(1, 5)]


def test_cards_have_the_hashes_of_the_real_files(shared_corpora: Path) -> None:
    real = {
        path.name.casefold(): path
        for path in shared_corpora.rglob("*")
        if path.suffix in (".txt", ".csv", ".xml")
    }
    real |= {"seinfeld_scripts.txt": real["seinfeld.txt"], "moes_tavern_lines.txt": real["moes_tavern.txt"]}
    real["input.txt"] = real["tinyshakespeare.txt"]
    wrong, checked = [], 0
    for card in load_cards().cards.values():
        for file in card.source.files if isinstance(card.source, WebFiles) else ():
            path = real[file.url.rpartition("/")[2].casefold()]
            checked += 1
            if file.sha256 != hashlib.sha256(path.read_bytes()).hexdigest():
                wrong.append(file.url)
    assert (wrong, checked) == ([], 45)


def test_what_the_card_of_seinfeld_says_of_its_text(shared_corpora: Path) -> None:
    text = (shared_corpora / "seinfeld.txt").read_text(encoding="utf-8")
    assert text == text.lower()
    lines = text.splitlines()
    first, rest = lines[: len(lines) // 20], lines[len(lines) // 20 :]
    assert sum("'" in line for line in first) < 0.02 * len(first) / 2
    assert sum("'" in line for line in rest) > 0.4 * len(rest) / 2


def test_own_cards_add_to_the_built_in_ones_and_replace_them(tmp_path: Path) -> None:
    own_card(tmp_path, CARD + SOURCE)
    own_card(tmp_path, CARD + SOURCE, "seinfeld")
    cards = load_cards(tmp_path)
    assert cards.card("mine").source == LocalPath(path=tmp_path / "scripts")
    assert cards.card("seinfeld").title == "My Sitcom"
    assert "demo" in cards.cards


def test_a_folder_of_own_cards_need_not_exist(tmp_path: Path) -> None:
    assert load_cards(tmp_path / "nowhere") == load_cards()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (CARD + "format = = 1\n", 7, "Invalid value"),
        (CARD + 'format = "name-line', 7, "Unterminated"),
        (CARD.replace('"bpe"', '"bytes"') + SOURCE, 6, "“level”: must be 'word', 'bpe' or 'char'"),
        (CARD + 'vocabulary_size = "2000"\n' + SOURCE, 7, "“vocabulary_size”"),
        (CARD + "vocab = 2000\n" + SOURCE, 7, "“vocab”: a card has no such key"),
        (CARD + 'format = "opera"\n' + SOURCE, 7, "there is no format “opera”; known are fdx, ttml, xml"),
        (CARD + 'name = "other"\n' + SOURCE, 7, "“name” is not a key"),
        (CARD + 'cast = ["A", 3]\n' + SOURCE, 7, "“cast.2”"),
        (CARD, 1, "“source”: it is missing"),
        (CARD + '[source]\nhub = "a/b"\nrevision = "main"\n', 7, "full commit"),
        (CARD + '[source]\nhub = "a/b"\npath = "c"\n', 9, "“source.path”: a card has no such key"),
        (CARD + '[[source.files]]\nurl = "https://a/b"\n\n[[source.files]]\nurl = "b"\n', 11, "files.2.url"),
        (CARD + SOURCE + '[columns]\nspeakers = "a"\n', 10, "“columns.speakers”"),
        ("", 1, "“title”: it is missing"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = own_card(tmp_path, text)
    with pytest.raises(CorpusError) as caught:
        read_card(path)
    assert caught.value.message.startswith(f"{path}, line {line}: ")
    assert words in caught.value.message
    assert "\n" not in caught.value.message


def test_a_card_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(CARD.encode() + b"\n# caf\xe9")
    with pytest.raises(CorpusError, match="line 8: the file is not UTF-8"):
        read_card(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = " + "[" * 5000, "nested too deeply"),
        ("a" + ".a" * 1000 + " = 1", "nested too deeply"),
        ("a = " + "9" * 5000, "a number that is too long"),
        ("a = 0x" + "9" * 5000, "a number that is too long"),
        ("[columns]\na = " + "{a = " * 5000, "nested too deeply"),
    ],
    ids=["arrays", "keys", "digits", "hexadecimal digits", "tables"],
)
def test_a_card_that_no_parser_endures_leaves_the_others_usable(
    tmp_path: Path, text: str, words: str
) -> None:
    own_card(tmp_path, CARD + SOURCE)
    path = own_card(tmp_path, CARD + text, "broken")
    cards = load_cards(tmp_path)
    assert "mine" in cards.cards and list(cards.broken) == ["broken"]
    assert str(path) in cards.broken["broken"].message and words in cards.broken["broken"].message
    assert "\n" not in cards.broken["broken"].message


def test_a_mistake_is_found_in_a_card_with_lines_of_any_length(tmp_path: Path) -> None:
    path = own_card(tmp_path, CARD + f'a = """\n{"[" + " " * 3000}\n{" " * 3000}\n{"a" * 3000}"""\n' + SOURCE)
    with pytest.raises(CorpusError, match="line 7: “a”: a card has no such key"):
        read_card(path)


def test_a_bad_card_leaves_the_others_usable(tmp_path: Path) -> None:
    own_card(tmp_path, CARD + SOURCE)
    own_card(tmp_path, "title = 3", "broken")
    cards = load_cards(tmp_path)
    assert cards.card("mine").title == "My Sitcom"
    assert list(cards.broken) == ["broken"]
    with pytest.raises(CorpusError, match=re.escape("broken.toml, line 1")):
        cards.card("broken")


def test_an_unknown_card_suggests_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        load_cards().card("seinfield")
    assert "seinfeld" in caught.value.hint
