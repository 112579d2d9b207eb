"""Invalid values are reported in words for people, wherever they come from."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scriptforge.cli.app import run
from scriptforge.config import Settings, resolve
from scriptforge.corpus.cards import read_card
from scriptforge.errors import CorpusError, RunError, UsageError
from scriptforge.run.records import RunDescription
from scriptforge.validation import first_problem
from scriptforge.workspace import RunFolder

PYDANTIC = ("input", "should", "valid ", "Value error", "True", "None")
"""Words of pydantic's messages that people do not use."""


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("hidden_size", 0, "hidden_size must be 1 or more, not 0."),
        ("hidden_size", 70_000, "hidden_size must be 65536 or less, not 70000."),
        ("hidden_size", 2.5, "hidden_size must be a whole number, not 2.5."),
        ("hidden_size", "many", "hidden_size must be a whole number, not 'many'."),
        ("hidden_size", True, "hidden_size must be a whole number, not true."),
        ("learning_rate", 0, "learning_rate must be greater than 0, not 0."),
        ("learning_rate", float("inf"), "learning_rate must be a finite number, not inf."),
        ("dropout_input", 1.0, "dropout_input must be less than 1, not 1.0."),
        ("tied", "yes", "tied must be true or false, not 'yes'."),
        ("arch", 3, "arch must be text, not 3."),
        ("precision", "fp8", "precision must be 'fp32', 'bf16' or 'fp16', not 'fp8'."),
    ],
)
def test_a_wrong_setting(name: str, value: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve({"epochs": 1}, {name: value})
    assert caught.value.message == message


@pytest.mark.parametrize("name", Settings.model_fields)
@pytest.mark.parametrize("value", ["", "x", -1, 1e9, 0.5, True, [], {}, float("nan")], ids=str)
def test_no_setting_is_refused_in_the_words_of_pydantic(name: str, value: Any) -> None:
    try:
        resolve({"epochs": 1}, {name: value})
    except UsageError as refused:
        assert not [
            word for word in PYDANTIC if word in refused.message.removeprefix(name).partition(", not ")[0]
        ]


CARD: dict[str, Any] = {
    "title": "My Sitcom",
    "description": "Two seasons.",
    "language": "en",
    "licence": "not stated",
    "rights": "The lines belong to their owners.",
    "level": "bpe",
}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("title", '""', "must not be empty"),
        ("title", "3", "must be text"),
        ("cast", '"ANNA"', "must be a list"),
        ("vocabulary_size", "1", "must be 2 or more"),
        ("vocabulary_size", '"big"', "must be a whole number"),
        ("columns", "3", "must be a table of keys and values"),
    ],
)
def test_a_wrong_card(tmp_path: Path, key: str, value: str, words: str) -> None:
    lines = [f"{name} = {json.dumps(text)}" for name, text in CARD.items() if name != key]
    path = tmp_path / "mine.toml"
    path.write_text("\n".join([f"{key} = {value}", *lines, '[source]\npath = "x"']), encoding="utf-8")
    with pytest.raises(CorpusError) as caught:
        read_card(path)
    assert caught.value.message == f"{path}, line 1: “{key}”: {words}."


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"parameters": -1}, "parameters must be 0 or more"),
        ({"parameters": "many"}, "parameters must be a whole number"),
        ({"format": 2}, "format must be 1 or less"),
        ({"surplus": 1}, "surplus is not a known key"),
        ({"name": None}, "name must be text"),
        ({"settings": []}, "settings must be a table of keys and values"),
    ],
)
def test_a_wrong_record(tiny_run: RunFolder, tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    folder = RunFolder(tmp_path / "play")
    folder.path.mkdir()
    document = json.loads(tiny_run.config.read_text(encoding="utf-8"))
    folder.config.write_text(json.dumps({**document, **changes}), encoding="utf-8")
    with pytest.raises(RunError) as caught:
        RunDescription.load(folder)
    assert caught.value.message.endswith(f": {words}.")


def test_an_unknown_kind_of_problem_keeps_its_words_but_not_its_input() -> None:
    class Odd(BaseModel):
        model_config = ConfigDict(strict=True)

        when: bytes = Field(b"", max_length=2)

    with pytest.raises(ValidationError) as caught:
        Odd(when=3)  # type: ignore[arg-type]
    assert first_problem(caught.value).words == "must be a valid bytes"


def test_the_command_says_it_in_two_lines(tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = str(tiny_run.path.parent.parent)
    assert run(["train", "--workspace", workspace, "--set", "layers=0", "--name", "refused"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "Error: layers must be 1 or more, not 0.",
        "layers: Layers, one above the other.",
    ]
