"""`evaluate --profile` as a person types it."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support.command import SMALL, scriptforge
from support.tiny import comedy


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a run whose dataset has 160 held-out lines."""
    path = tmp_path_factory.mktemp("profile")
    (path / "harbour.txt").write_text(comedy(400), encoding="utf-8")
    held_out = ("--validation", "0.2", "--test", "0.2")
    for words in (
        ("prepare", "harbour.txt", "--level", "word", *held_out),
        ("train", "--epochs", "1", "--name", "play", *SMALL, "--set=validations=1"),
    ):
        done = scriptforge(*words, "--quiet", workspace=path)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return path


def test_a_profile_is_a_table_a_document_and_a_picture(place: Path) -> None:
    words = ("evaluate", "--profile", "--picture", "profile.svg")
    shown = scriptforge(*words, workspace=place)
    assert (shown.returncode, shown.stderr) == (0, "profile.svg shows the profile.\n")
    told = scriptforge("evaluate", "--profile", "--json", workspace=place)
    assert (told.returncode, told.stderr) == (0, "")
    document = json.loads(told.stdout)["profile"]
    assert (document["lines"], document["people_pages"], document["model_pages"]) == (20, 8, 32)
    figure = document["figures"]["same_speaker_again"]
    row = f"{100 * figure['low']:.1f} % … {100 * figure['high']:.1f} %"
    assert any(
        line.startswith("same speaker again ") and row in line and ("outside" in line) != figure["is_within"]
        for line in shown.stdout.splitlines()
    )
    ElementTree.parse(place / "profile.svg")
    kept = json.loads((place / "runs" / "play" / "profile.json").read_text())
    assert kept["figures"].keys() == document["figures"].keys()

    again = scriptforge(*words, workspace=place)
    assert again.returncode == 2 and "--force" in again.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--profile", "--set", "temprature=1"), "Did you mean temperature?"),
        (("--profile", "--set", "temperature=hot"), "temperature must be a number"),
        (("--profile", "--set", "temperature=200"), "must be between 0 and 100"),
        (("--profile", "--set", "lines=9"), "cannot be set"),
        (("--set", "temperature=1"), "Add --profile"),
        (("--picture", "profile.svg"), "Add --profile"),
        (("--profile", "--picture", "profile.png"), "does not end in .svg"),
    ],
)
def test_what_cannot_be_asked_is_said(place: Path, words: tuple[str, ...], said: str) -> None:
    done = scriptforge("evaluate", *words, workspace=place)
    assert done.returncode == 2
    assert said in done.stderr


def test_the_page_of_a_text_ends_with_its_own_profile(place: Path) -> None:
    (place / "draft.txt").write_text(comedy(30, seed=9), encoding="utf-8")
    done = scriptforge("originality", "draft.txt", "--html", "page.html", "--quiet", workspace=place)
    assert (done.returncode, done.stderr) == (0, "")
    page = (place / "page.html").read_text(encoding="utf-8")
    assert "<th>on a page of 20 lines</th><th>human text</th>" in page
    assert "<tr><td>unknown words</td><td>0.0 %</td><td>0.0 % … 0.0 %</td><td>0.0 %</td>" in page
