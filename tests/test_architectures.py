"""A new architecture is one file and one entry: everything else follows from it."""

from pathlib import Path
from typing import Any

import pytest
from support.generation import generate
from support.loopback_hub import Hub
from support.pushing import push_run
from support.tiny import finish, small
from support.toy_architecture import TOY

from scriptforge.architectures import ARCHITECTURES
from scriptforge.config import resolve
from scriptforge.dataset import Dataset
from scriptforge.errors import HubError, UsageError
from scriptforge.hub.pull import pull
from scriptforge.hub.push import build_payload, build_space_payload
from scriptforge.options import GenerateOptions, TrainOptions
from scriptforge.run.run import Run
from scriptforge.training.trainer import start
from scriptforge.training_runs.train import choose_settings
from scriptforge.workspace import RunFolder, Workspace


@pytest.fixture
def run(tiny_dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a run of an architecture that is registered only here."""
    monkeypatch.setitem(ARCHITECTURES, "toy", TOY)
    folder = RunFolder(tmp_path / "runs" / "toy")
    finish(start(tiny_dataset, small(arch="toy", epochs=0.5, validations=1), folder, "cpu"))
    return Run(folder)


def test_it_is_pushed_and_pulled_with_a_card(run: Run, hub: Hub, tmp_path: Path) -> None:
    card = build_payload(run, "ann/toy").card
    assert "A small bigram language model" in card and "\n- toy\n" in card
    push_run(run, "ann/toy")
    pulled = Run(pull(Workspace(tmp_path / "elsewhere"), "ann/toy").folder)
    request = GenerateOptions(lines=2, seed=3)
    assert generate(pulled.model, pulled.vocabulary, request) == generate(run.model, run.vocabulary, request)


def test_what_it_does_not_say_it_can_is_refused(run: Run) -> None:
    with pytest.raises(HubError, match="is toy"):
        build_space_payload(run, "ann/page")
    with pytest.raises(UsageError, match="not toy"):
        run.inference("int8")


@pytest.mark.usefixtures("run")
def test_settings_are_suggested_for_it(tiny_dataset: Dataset) -> None:
    settings = choose_settings(tiny_dataset, TrainOptions(arch="toy", epochs=1), "cpu").settings
    assert (settings.arch, settings.hidden_size) == ("toy", TOY.suggestion.little_text_size)
    with pytest.raises(UsageError, match="toy has no layers"):
        choose_settings(tiny_dataset, TrainOptions(arch="toy", settings={"layers": 2}), "cpu")


def test_without_the_entry_there_is_no_such_architecture() -> None:
    with pytest.raises(UsageError, match=r"^arch must be 'lstm', "):
        resolve({"arch": "toy", "epochs": 1})


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_classes_that_an_entry_names_are_there(arch: str) -> None:
    entry: Any = ARCHITECTURES[arch]
    assert entry.config_class().__dataclass_fields__["arch"]
    assert entry.model_class().__name__ == entry.model.rpartition(":")[2]
    assert (entry.inference_class() is None) == (entry.inference is None)
