"""The library as a program sees it."""

from pathlib import Path

import pytest
from support.command import scriptforge as command
from support.loopback_hub import Hub
from support.tiny import SPEAKERS

import scriptforge
from scriptforge.workspace import RunFolder


@pytest.fixture
def place(tiny_run: RunFolder) -> Path:
    return tiny_run.path.parent.parent


@pytest.mark.slow
def test_a_program_writes_what_the_command_writes(place: Path) -> None:
    model = scriptforge.load("harbour", workspace=place)
    options = ("--lines", "6", "--temperature", "0.5", "--seed", "4")
    done = command("generate", "harbour", "--prime", SPEAKERS[0], *options, workspace=place)
    assert done.returncode == 0, done.stderr
    assert model.generate(SPEAKERS[0], lines=6, temperature=0.5, seed=4) == done.stdout


def test_a_cast_can_be_named(place: Path) -> None:
    model = scriptforge.load(workspace=place)
    speakers = SPEAKERS[:2]
    text = model.generate(cast=speakers, turns=8)
    said = {line.partition(":")[0] for line in text.splitlines() if ":" in line}
    assert said <= set(speakers)


def test_a_model_is_shared_and_loaded_by_its_name_there(hub: Hub, place: Path, tmp_path: Path) -> None:
    model = scriptforge.load("harbour", workspace=place)
    assert model.push("ann/harbour").is_new
    again = scriptforge.load("ann/harbour", workspace=tmp_path)
    assert again.generate(seed=5, lines=4) == model.generate(seed=5, lines=4)


def test_what_does_not_exist_is_said(tmp_path: Path) -> None:
    with pytest.raises(scriptforge.ScriptforgeError, match="There is no run here yet"):
        scriptforge.load("nothing", workspace=tmp_path)
