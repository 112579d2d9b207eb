"""A training that was interrupted ends in the same bits as one that was not; with dropout, on the CPU."""

import json
import shutil
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.checkpoints import left_by, stop_after, write_manifest
from support.slow import slow
from support.tiny import finish, small
from torch import Tensor

from scriptforge.config import Settings
from scriptforge.dataset import Dataset
from scriptforge.errors import RunError
from scriptforge.training.checkpoint import newest_checkpoint, read_state
from scriptforge.training.events import Started
from scriptforge.training.trainer import resume, start
from scriptforge.workspace import RunFolder

SETTINGS = small(layers=2, dropout_between=0.2, reset_probability=0.1)


@pytest.fixture(scope="module")
def uninterrupted(tiny_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = RunFolder(tmp_path_factory.mktemp("uninterrupted") / "play")
    finish(start(tiny_dataset, SETTINGS, folder, "cpu"))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "play")


@pytest.fixture
def stopped(tiny_dataset: Dataset, folder: RunFolder) -> RunFolder:
    """A run that was stopped at step 60, with another checkpoint from its last validation."""
    list(start(tiny_dataset, SETTINGS, folder, "cpu", stop_after(60)))
    assert folder.checkpoint_steps()[0] == 60 and len(folder.checkpoint_steps()) == 2
    return folder


def test_two_checkpoints_are_kept_of_all_that_training_needs(uninterrupted: RunFolder) -> None:
    last, before = uninterrupted.checkpoint_steps()
    assert last - before == pytest.approx(last / 5, abs=1)
    path = uninterrupted.checkpoint(last)
    files = {"model.safetensors", "optimizer.safetensors", "state.json"}
    assert {file.name for file in path.iterdir()} == {*files, "manifest.json"}
    assert json.loads((path / "manifest.json").read_text()).keys() == files
    tensors = load_file(path / "optimizer.safetensors")
    assert {name.partition(".")[0] for name in tensors} == {"optimizer", "recurrent", "generators"}
    progress, identity = read_state(path)
    assert progress.step == last and len(progress.history) == 5
    assert identity.keys() == {"threads", "device", "kernel", "processes", "torch"}


@pytest.mark.parametrize(
    "steps",
    [(1,), (60, 1, 30), *slow([(2, 1, 1), (20, 1, 1)])],
    ids=str,
)
def test_stopped_and_gone_on_with(
    tiny_dataset: Dataset, uninterrupted: RunFolder, folder: RunFolder, steps: tuple[int, ...]
) -> None:
    first, *more = steps
    list(start(tiny_dataset, SETTINGS, folder, "cpu", stop_after(first)))
    for calls in more:
        list(resume(tiny_dataset, folder, "cpu", should_stop=stop_after(calls)))
    finish(resume(tiny_dataset, folder, "cpu"))
    assert left_by(folder) == left_by(uninterrupted)


@pytest.mark.parametrize("left", [0, 1])
def test_stopped_at_the_end(
    tiny_dataset: Dataset, uninterrupted: RunFolder, folder: RunFolder, left: int
) -> None:
    steps = uninterrupted.checkpoint_steps()[0]
    list(start(tiny_dataset, SETTINGS, folder, "cpu", stop_after(steps - left)))
    finish(resume(tiny_dataset, folder, "cpu"))
    assert left_by(folder) == left_by(uninterrupted)


def test_broken_off_before_the_first_step(
    tiny_dataset: Dataset, uninterrupted: RunFolder, folder: RunFolder
) -> None:
    reports = start(tiny_dataset, SETTINGS, folder, "cpu")
    next(reports)
    reports.close()
    finish(resume(tiny_dataset, folder, "cpu"))
    assert left_by(folder) == left_by(uninterrupted)


def test_broken_off_after_the_last_step(
    tiny_dataset: Dataset, uninterrupted: RunFolder, folder: RunFolder
) -> None:
    """All is trained and saved, but the result was not yet written."""
    shutil.copytree(uninterrupted.path, folder.path)
    config = json.loads(folder.config.read_text())
    folder.config.write_text(json.dumps({**config, "result": None}))
    finish(resume(tiny_dataset, folder, "cpu"))
    assert left_by(folder) == left_by(uninterrupted)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "weights cut": lambda path: cut(path / "model.safetensors"),
    "a bit flipped in the optimizer": lambda path: flip(path / "optimizer.safetensors"),
    "state empty": lambda path: (path / "state.json").write_bytes(b""),
    "state missing": lambda path: (path / "state.json").unlink(),
    "manifest missing": lambda path: (path / "manifest.json").unlink(),
    "manifest cut": lambda path: cut(path / "manifest.json"),
    "manifest empty": lambda path: (path / "manifest.json").write_text("{}"),
    "manifest a list": lambda path: (path / "manifest.json").write_text(
        '["model.safetensors", "optimizer.safetensors", "state.json"]'
    ),
    "manifest nested too deeply": lambda path: (path / "manifest.json").write_text("[" * 100_000),
    "manifest a number": lambda path: (path / "manifest.json").write_text("0"),
    "nothing left": lambda path: deque(map(Path.unlink, path.iterdir())),
}


QUICK_DAMAGES = ("weights cut", "state missing", "manifest nested too deeply")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(damage, id=name, marks=() if name in QUICK_DAMAGES else pytest.mark.slow)
        for name, damage in DAMAGES.items()
    ],
)
def test_a_damaged_checkpoint_is_skipped(
    tiny_dataset: Dataset, uninterrupted: RunFolder, stopped: RunFolder, damage: Callable[[Path], Any]
) -> None:
    newest, before = stopped.checkpoint_steps()
    damage(stopped.checkpoint(newest))
    first, *_ = resume(tiny_dataset, stopped, "cpu")
    assert isinstance(first, Started)
    assert first.step == before
    assert first.notes == ("Checkpoint step-00000060 is damaged and was skipped.",)
    assert left_by(stopped) == left_by(uninterrupted)


def rewrite(**keys: Any) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        document = json.loads((path / "state.json").read_text())
        (path / "state.json").write_text(json.dumps(document | keys))

    return damage


def with_tensors(**changes: Callable[[Tensor], Tensor] | None) -> Callable[[Path], None]:
    """Changes tensors whose names end so, or leaves them out."""

    def damage(path: Path) -> None:
        kept = {}
        for name, tensor in load_file(path / "optimizer.safetensors").items():
            change = changes.get(name.rpartition(".")[2], torch.clone)
            if change is not None:
                kept[name] = change(tensor)
        save_file(kept, path / "optimizer.safetensors")

    return damage


AGREEING: dict[str, Callable[[Path], None]] = {
    "no progress": rewrite(progress=None),
    "a step below zero": rewrite(progress={"segment": {}, "step": -1}),
    "no segment": rewrite(progress={"step": 5}),
    "a name for a moment": rewrite(optimizer={"optimizer.0.step": "one"}),
    "a moment of no weight": rewrite(optimizer={"optimizer.999.step": 1.0}),
    "an identity that is a list": rewrite(identity=[1]),
    "moments missing": with_tensors(exp_avg=None),
    "moments of another shape": with_tensors(exp_avg_sq=lambda tensor: tensor[..., :1].clone()),
    "moments of another type": with_tensors(momentum=lambda tensor: tensor.to(torch.int32)),
    "moments that are no numbers": with_tensors(momentum=lambda tensor: tensor / 0),
    "no generators": with_tensors(generators=None),
    "generators of another size": with_tensors(generators=lambda tensor: tensor[:, :9].clone()),
    "a recurrent state of another size": with_tensors(**{"0": lambda tensor: tensor[:, :1].clone()}),
}


QUICK_TO_REFUSE = ("no progress", "moments missing", "moments of another shape", "no generators")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(damage, id=name, marks=() if name in QUICK_TO_REFUSE else pytest.mark.slow)
        for name, damage in AGREEING.items()
    ],
)
def test_a_checkpoint_whose_manifest_agrees_is_refused_for_what_it_holds(
    tiny_dataset: Dataset, uninterrupted: RunFolder, folder: RunFolder, damage: Callable[[Path], None]
) -> None:
    shutil.copytree(uninterrupted.path, folder.path)
    checkpoint, _ = newest_checkpoint(folder)
    damage(checkpoint)
    write_manifest(checkpoint)
    with pytest.raises(RunError, match=f"{checkpoint.name} has invalid contents") as caught:
        list(resume(tiny_dataset, folder, "cpu", epochs=1))
    assert str(checkpoint) in caught.value.hint


def test_no_checkpoint_left(tiny_dataset: Dataset, stopped: RunFolder) -> None:
    for step in stopped.checkpoint_steps():
        cut(stopped.checkpoint(step) / "model.safetensors")
    with pytest.raises(RunError, match="no checkpoint to continue from") as caught:
        list(resume(tiny_dataset, stopped, "cpu"))
    assert "--force" in caught.value.hint
    shutil.rmtree(stopped.checkpoints)
    with pytest.raises(RunError, match="no checkpoint to continue from"):
        list(resume(tiny_dataset, stopped, "cpu"))


def test_what_a_kill_left_half_written_is_removed(tiny_dataset: Dataset, stopped: RunFolder) -> None:
    for path in (
        stopped.checkpoints / ".step-00000070.abcd1234.tmp",
        stopped.path / ".model.safetensors.abcd1234.tmp",
        stopped.samples / ".s.abcd1234.tmp",
    ):
        path.mkdir()
    newest_checkpoint(stopped)
    assert list(stopped.path.rglob(".*")) == []


def test_a_finished_run_says_so(tiny_dataset: Dataset, uninterrupted: RunFolder, folder: RunFolder) -> None:
    shutil.copytree(uninterrupted.path, folder.path)
    before = left_by(folder)
    with pytest.raises(RunError, match="has finished") as caught:
        list(resume(tiny_dataset, folder, "cpu"))
    assert "--resume play --epochs" in caught.value.hint
    assert left_by(folder) == before


@pytest.fixture(scope="module")
def longer(
    tiny_dataset: Dataset, uninterrupted: RunFolder, tmp_path_factory: pytest.TempPathFactory
) -> RunFolder:
    """A finished run that went on for an epoch more, without an interruption."""
    folder = RunFolder(tmp_path_factory.mktemp("longer") / "play")
    shutil.copytree(uninterrupted.path, folder.path)
    finish(resume(tiny_dataset, folder, "cpu", epochs=1))
    return folder


class TestMore:
    """`--resume --epochs 1` on a finished run, interrupted or not."""

    @pytest.fixture
    def finished(self, uninterrupted: RunFolder, folder: RunFolder) -> RunFolder:
        shutil.copytree(uninterrupted.path, folder.path)
        return folder

    def test_it_trains_on(self, longer: RunFolder, uninterrupted: RunFolder) -> None:
        before, after = (run.checkpoint_steps()[0] for run in (uninterrupted, longer))
        assert after == pytest.approx(1.5 * before, abs=1)
        assert len(longer.metrics.read_text().splitlines()) == 10

    @pytest.mark.parametrize("calls", [1, 30])
    def test_stopped_within(
        self, tiny_dataset: Dataset, finished: RunFolder, longer: RunFolder, calls: int
    ) -> None:
        list(resume(tiny_dataset, finished, "cpu", epochs=1, should_stop=stop_after(calls)))
        finish(resume(tiny_dataset, finished, "cpu"))
        assert left_by(finished) == left_by(longer)

    def test_broken_off_before_its_first_step(
        self, tiny_dataset: Dataset, finished: RunFolder, longer: RunFolder
    ) -> None:
        reports = resume(tiny_dataset, finished, "cpu", epochs=1)
        next(reports)
        reports.close()
        finish(resume(tiny_dataset, finished, "cpu"))
        assert left_by(finished) == left_by(longer)

    def test_broken_off_after_its_last_step(
        self, tiny_dataset: Dataset, finished: RunFolder, longer: RunFolder
    ) -> None:
        """The result of the end before must not pass for that of this one."""
        steps = longer.checkpoint_steps()[0] - finished.checkpoint_steps()[0]
        list(resume(tiny_dataset, finished, "cpu", epochs=1, should_stop=stop_after(steps)))
        again = finish(resume(tiny_dataset, finished, "cpu"))
        rows = map(json.loads, longer.metrics.read_text().splitlines())
        assert again.step == max(row["step"] for row in rows if row["is_best"])
        assert left_by(finished) == left_by(longer)


def test_the_settings_of_the_run_are_kept(tiny_dataset: Dataset, stopped: RunFolder) -> None:
    finish(resume(tiny_dataset, stopped, "cpu"))
    config = json.loads(stopped.config.read_text())
    assert Settings.model_validate(config["settings"]) == SETTINGS
