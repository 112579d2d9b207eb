import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.tiny import finish, prepared, small

from scriptforge.dataset import Dataset
from scriptforge.errors import RunError, ScriptforgeError
from scriptforge.generation.generate import Session
from scriptforge.options import GenerateOptions
from scriptforge.run.records import HubRecord, RunDescription
from scriptforge.run.run import Run
from scriptforge.training.trainer import start
from scriptforge.workspace import RunFolder


@pytest.fixture
def folder(tiny_run: RunFolder, tmp_path: Path) -> RunFolder:
    """Return a copy of the run to damage."""
    return RunFolder(shutil.copytree(tiny_run.path, tmp_path / "harbour"))


def change_config(folder: RunFolder, **changes: Any) -> None:
    config = json.loads(folder.config.read_text())
    folder.config.write_text(json.dumps({**config, **changes}))


def test_three_files_suffice(tiny_run: RunFolder, tmp_path: Path) -> None:
    for file in (tiny_run.config, tiny_run.tokenizer, tiny_run.weights):
        shutil.copy(file, tmp_path)
    run = Run(RunFolder(tmp_path))
    logits_BTV, _ = run.model(torch.tensor([[0]]), run.model.initial_state(1))
    assert logits_BTV.shape == (1, 1, run.vocabulary.size)
    assert not run.model.training


def test_a_run_without_a_lexicon_says_so(tiny_text: Path, tmp_path: Path) -> None:
    dataset = prepared(tiny_text, tmp_path / "data" / "harbour", level="char")
    folder = RunFolder(tmp_path / "runs" / "harbour")
    finish(start(dataset, small(epochs=0.1), folder, "cpu"))
    assert not any("may invent words" in note for note in Session(Run(folder), GenerateOptions()).notes)
    folder.lexicon.unlink()
    assert "may invent words" in Session(Run(folder), GenerateOptions()).notes[-1]
    shutil.copy(dataset.folder.lexicon, folder.lexicon)
    assert not any("may invent words" in note for note in Session(Run(folder), GenerateOptions()).notes)


def test_the_config_says_all_about_the_training(tiny_run: RunFolder, tiny_dataset: Dataset) -> None:
    description = RunDescription.load(tiny_run)
    assert description.settings == small()
    assert description.dataset.fingerprint == tiny_dataset.description.fingerprint
    assert description.parameters == sum(tensor.numel() for tensor in Run(tiny_run).model.parameters())
    assert description.result is not None
    assert description.result.best.stream.nats_per_token > 0


def test_nothing_tells_of_the_machine(tiny_run: RunFolder, tiny_dataset: Dataset) -> None:
    import getpass
    import socket

    texts = [tiny_run.config.read_text(), tiny_dataset.folder.description.read_text()]
    for secret in (
        str(tiny_run.path.parent),
        str(Path.home()),
        socket.gethostname(),
        f'"{getpass.getuser()}"',
    ):
        assert all(secret not in text for text in texts)


def test_another_dataset_is_refused(tiny_run: RunFolder, tiny_text: Path, tmp_path: Path) -> None:
    other = prepared(tiny_text, tmp_path / "data", lower=True)
    with pytest.raises(RunError, match="not the one that run “harbour” was trained on"):
        RunDescription.load(tiny_run).refuse_other_dataset(other)


def test_a_run_without_weights(folder: RunFolder) -> None:
    folder.weights.unlink()
    with pytest.raises(RunError, match="no weights yet") as caught:
        Run(folder)
    assert "--resume harbour" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"x", b"\xff" * 8 + b"{}", b"\x02\0\0\0\0\0\0\0{}"])
def test_damaged_weights(folder: RunFolder, content: bytes) -> None:
    folder.weights.write_bytes(content)
    with pytest.raises(RunError, match="is damaged or belongs to another model"):
        Run(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "lexicon.txt", "hub.json"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(folder: RunFolder, name: str) -> None:
    (folder.path / name).unlink(missing_ok=True)
    os.mkfifo(folder.path / name)
    with pytest.raises(RunError, match=f"cannot be read: {name} is a pipe or device, not a file"):
        Run(folder)
    assert HubRecord.load(folder) is None


def test_cut_weights(folder: RunFolder) -> None:
    content = folder.weights.read_bytes()
    folder.weights.write_bytes(content[:-100])
    with pytest.raises(RunError, match="damaged"):
        Run(folder)


def test_weights_of_another_model(folder: RunFolder) -> None:
    tensors = load_file(folder.weights)
    save_file({**tensors, "head.bias": torch.zeros(3)}, folder.weights)
    with pytest.raises(RunError, match="another model"):
        Run(folder)
    del tensors["head.bias"]
    save_file(tensors, folder.weights)
    with pytest.raises(RunError, match="another model"):
        Run(folder)


def test_weights_that_are_not_numbers(folder: RunFolder) -> None:
    tensors = load_file(folder.weights)
    tensors["head.bias"][2] = torch.nan
    save_file(tensors, folder.weights)
    with pytest.raises(RunError, match="damaged"):
        Run(folder)


def test_a_config_that_asks_for_a_huge_model_takes_no_memory(folder: RunFolder) -> None:
    model = json.loads(folder.config.read_text())["model"]
    change_config(folder, model={**model, "hidden_size": 65_536, "layers": 4})
    with pytest.raises(RunError, match="its settings give 120,270,095,264"):
        Run(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": {"arch": "lstm"}},
        {"model": {"arch": "transformer"}},
        {"model": []},
        {"settings": {"epochs": 1, "hook": "os.system"}},
        {"settings": {}},
        {"loader": "somewhere.Loader"},
        {"dataset": None},
        {"parameters": "many"},
    ],
    ids=str,
)
def test_a_config_that_we_would_not_write(folder: RunFolder, changes: dict[str, Any]) -> None:
    change_config(folder, **changes)
    with pytest.raises(ScriptforgeError):
        Run(folder)


def test_a_vocabulary_of_another_size(folder: RunFolder, tiny_text: Path, tmp_path: Path) -> None:
    other = prepared(tiny_text, tmp_path / "data", level="char")
    shutil.copy(other.folder.tokenizer, folder.tokenizer)
    with pytest.raises(RunError, match="vocabulary of another size"):
        Run(folder)
