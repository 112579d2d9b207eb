"""Every architecture is trained, stopped, gone on with, kept, opened by another process, and shared."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from support.checkpoints import left_by, stop_after
from support.generation import generate
from support.half_precision import has_bf16
from support.loopback_hub import Hub
from support.pushing import push_run
from support.slow import slow
from support.tiny import finish, small

import scriptforge
from scriptforge.architectures import ARCHITECTURES
from scriptforge.config import Settings
from scriptforge.dataset import Dataset
from scriptforge.errors import HubError, UsageError
from scriptforge.evaluation import evaluate_split
from scriptforge.hub.pull import pull
from scriptforge.hub.push import build_payload, build_space_payload
from scriptforge.options import GenerateOptions
from scriptforge.run.run import Run
from scriptforge.training.events import Validated
from scriptforge.training.trainer import resume, start
from scriptforge.workspace import RunFolder, Workspace

SIBLINGS = [arch for arch in ARCHITECTURES if arch != "lstm"]
_OPEN_AND_WRITE = """
import json, sys
import scriptforge
print(json.dumps([scriptforge.load(name).generate(lines=3, seed=5) for name in sys.argv[1:]]))
"""


def settings(arch: str, **changes: Any) -> Settings:
    dropout = {"dropout_between": 0.2, "dropout_recurrent": 0.2, "reset_probability": 0.1}
    return small(
        **{"arch": arch, "layers": 2, "memory": 10, "epochs": 1, "validations": 3} | dropout | changes
    )


@pytest.fixture(scope="module")
def workspace(tiny_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a run of every architecture, under its name."""
    workspace = Workspace(tmp_path_factory.mktemp("architectures"))
    for arch in ARCHITECTURES:
        finish(start(tiny_dataset, settings(arch), workspace.new_run(arch), "cpu"))
    return workspace


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_it_learns(workspace: Workspace, arch: str) -> None:
    first, *_, last = map(json.loads, workspace.run(arch).metrics.read_text().splitlines())
    assert last["nats_per_token"] < first["nats_per_token"] - 0.2


@pytest.mark.parametrize("arch", ["lstm", *slow(SIBLINGS)])
def test_stopped_and_gone_on_with_it_ends_in_the_same_bits(
    tiny_dataset: Dataset, workspace: Workspace, arch: str, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path / arch)
    list(start(tiny_dataset, settings(arch), folder, "cpu", stop_after(10)))
    stopped = load_file(folder.checkpoint(10) / "optimizer.safetensors")
    assert any(tensor.any() for name, tensor in stopped.items() if name.startswith("recurrent."))
    finish(resume(tiny_dataset, folder, "cpu"))
    assert left_by(folder) == left_by(workspace.run(arch))


@pytest.mark.parametrize("optimizer", ["adamw", "rmsprop"])
@pytest.mark.slow
def test_optimizers_go_on_in_the_same_bits_too(tiny_dataset: Dataset, tmp_path: Path, optimizer: str) -> None:
    chosen = settings("transformer", optimizer=optimizer, learning_rate=0.002, validations=1)
    whole, parted = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "parted")
    finish(start(tiny_dataset, chosen, whole, "cpu"))
    list(start(tiny_dataset, chosen, parted, "cpu", stop_after(10)))
    finish(resume(tiny_dataset, parted, "cpu"))
    assert left_by(parted) == left_by(whole)


@pytest.mark.slow
def test_another_process_writes_the_same(workspace: Workspace) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _OPEN_AND_WRITE, *ARCHITECTURES],
        cwd=workspace.root,
        capture_output=True,
        text=True,
        check=True,
    )
    own = [
        scriptforge.load(arch, workspace=workspace.root).generate(lines=3, seed=5) for arch in ARCHITECTURES
    ]
    assert json.loads(done.stdout) == own
    assert all(text.count("\n") >= 3 for text in own)


@pytest.mark.parametrize("arch", [SIBLINGS[0], *slow(SIBLINGS[1:])])
def test_it_is_pushed_and_pulled(hub: Hub, workspace: Workspace, arch: str, tmp_path: Path) -> None:
    run = Run(workspace.run(arch))
    card = build_payload(run, f"ann/{arch}").card
    assert f"- {arch}\n" in card and "- lstm\n" not in card
    push_run(run, f"ann/{arch}")
    pulled = Run(pull(Workspace(tmp_path), f"ann/{arch}").folder)
    request = GenerateOptions(lines=2, seed=3)
    assert generate(pulled.model, pulled.vocabulary, request) == generate(run.model, run.vocabulary, request)


@pytest.mark.parametrize("arch", SIBLINGS)
def test_it_has_no_page(workspace: Workspace, arch: str) -> None:
    with pytest.raises(HubError, match=arch) as caught:
        build_space_payload(Run(workspace.run(arch)), "ann/page")
    assert "--space" in caught.value.hint


@pytest.mark.parametrize("arch", ["gru", "rnn"])
def test_it_writes_with_eight_bits(workspace: Workspace, arch: str) -> None:
    run = Run(workspace.run(arch))
    (text,) = generate(run.model, run.vocabulary, GenerateOptions(lines=3, seed=5, int8=True))
    assert len(text.elements) == 3


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_one_layer_and_a_tied_head_end_well(tiny_dataset: Dataset, tmp_path: Path, arch: str) -> None:
    chosen = settings(arch, epochs=0.3, validations=1, tied=True, layers=1)
    folder = RunFolder(tmp_path / "run")
    finished = finish(start(tiny_dataset, chosen, folder, "cpu"))
    assert evaluate_split(Run(folder).model, tiny_dataset, "validation") == finished.best


def test_members_go_on_in_the_same_bits_and_are_one_model_at_the_end(
    tiny_dataset: Dataset, tmp_path: Path
) -> None:
    chosen = settings("lstm", members=2, layers=1, sampled_softmax=8)
    whole, parted = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "parted")
    finished = finish(start(tiny_dataset, chosen, whole, "cpu"))
    list(start(tiny_dataset, chosen, parted, "cpu", stop_after(10)))
    finish(resume(tiny_dataset, parted, "cpu"))
    assert left_by(parted) == left_by(whole)
    run = Run(whole)
    assert run.model.config.feature_size == 16
    assert evaluate_split(run.model, tiny_dataset, "validation") == finished.best
    first, *_, last = map(json.loads, whole.metrics.read_text().splitlines())
    assert last["nats_per_token"] < first["nats_per_token"] - 0.2


@pytest.mark.parametrize("arch", ["lstm-attention", "transformer", "numpy-rnn"])
def test_other_networks_have_no_members(tiny_dataset: Dataset, tmp_path: Path, arch: str) -> None:
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(UsageError, match=f"{arch} cannot be trained in 2 members"):
        list(start(tiny_dataset, settings(arch, members=2), folder, "cpu"))
    assert not folder.config.exists()


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_bf16_is_trained_in_where_the_processor_can_and_else_refused(
    tiny_dataset: Dataset, tmp_path: Path, arch: str
) -> None:
    chosen = settings(arch, epochs=0.3, validations=1, precision="bf16")
    folder = RunFolder(tmp_path / "run")
    training = start(tiny_dataset, chosen, folder, "cpu")
    if has_bf16(arch):
        assert any(isinstance(report, Validated) for report in training)
        return
    with pytest.raises(UsageError, match=f"cannot train the architecture {arch} in bf16") as caught:
        next(training)
    assert "precision=fp32" in caught.value.hint
    assert not folder.config.exists()


def test_a_run_from_another_machine_is_not_resumed_in_a_precision_that_this_one_lacks(
    tiny_dataset: Dataset, workspace: Workspace, tmp_path: Path
) -> None:
    copied = RunFolder(tmp_path / "run")
    shutil.copytree(workspace.run("lstm").path, copied.path)
    copied.config.write_text(copied.config.read_text().replace('"fp32"', '"fp16"'))
    with pytest.raises(UsageError, match="in fp16"):
        list(resume(tiny_dataset, copied, "cpu", epochs=1))


@pytest.mark.parametrize("arch", ["lstm-attention", "transformer"])
def test_steps_longer_than_the_memory(tiny_dataset: Dataset, tmp_path: Path, arch: str) -> None:
    chosen = settings(arch, memory=3, sequence_length=300, batch_size=2, epochs=0.3, validations=1)
    folder = RunFolder(tmp_path / "run")
    finished = finish(start(tiny_dataset, chosen, folder, "cpu"))
    assert evaluate_split(Run(folder).model, tiny_dataset, "validation") == finished.best


def test_settings_that_do_not_fit_together_leave_nothing_behind(
    tiny_dataset: Dataset, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(UsageError, match="16 units cannot be divided evenly among 3 heads"):
        list(start(tiny_dataset, settings("transformer", heads=3), folder, "cpu"))
    assert not folder.config.exists()
