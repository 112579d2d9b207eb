import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
import torch
from safetensors.torch import load_file
from support import skips
from support.command import SMALL, TrainedWorkspace, begin, end, scriptforge, wait_until
from support.half_precision import has_bf16
from support.tiny import comedy

from scriptforge.cli.app import run
from scriptforge.training.checkpoint import newest_checkpoint
from scriptforge.workspace import RunFolder

GIGABYTE = 2**30
Refused: TypeAlias = Callable[..., tuple[int, str, str]]
Training: TypeAlias = tuple[subprocess.Popen[str], RunFolder]


@pytest.fixture
def refused(stage: TrainedWorkspace, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs a `train` that fails within this process; gives the exit code and the two lines on stderr."""

    def train(*words: str) -> tuple[int, str, str]:
        code = run(["train", *words, "--quiet", "--workspace", str(stage.path)])
        out, err = capsys.readouterr()
        assert out == ""
        problem, hint = err.splitlines()
        assert problem.startswith("Error: ")
        return code, problem, hint

    return train


class TestWrongUsage:
    @pytest.mark.skipif(torch.cuda.is_available(), reason=skips.HAS_GPU)
    def test_a_gpu_where_there_is_none(self, refused: Refused) -> None:
        code, problem, hint = refused("--gpu")
        assert code == 2 and "no GPU" in problem and "--gpu" in hint

    def test_an_unknown_setting(self, refused: Refused) -> None:
        code, problem, hint = refused("--set", "hiden_size=3")
        assert code == 2 and "“hiden_size”" in problem and "hidden_size" in hint

    @pytest.mark.parametrize(
        ("words", "part"),
        [
            (["--set", "layers=9"], "layers must be 8 or less, not 9"),
            (["--set", "epochs=inf"], "epochs must be a finite number"),
            (["--epochs", "inf"], "epochs must be a finite number"),
            (["--epochs", "1", "--minutes", "1"], "cannot be used together"),
            (["--epochs", "1", "--set", "minutes=1"], "Only one of epochs and minutes"),
            (["--config", "missing.toml"], "cannot be read"),
            (["--arch", "lsmt"], "arch must be 'lstm', 'gru'"),
            (["--name", "../elsewhere"], "cannot be the name"),
            (["harbor"], "no dataset named “harbor”"),
            (["play", "--resume", "--set", "hidden_size=3"], "keeps its settings"),
            (["play", "--resume", "--epochs", "-1"], "epochs must be greater than 0"),
            (["play", "--resume", "--minutes", "-1"], "minutes must be greater than 0"),
            (["play", "--resume", "--set", "epochs=many"], "epochs must be a number, not 'many'"),
            (["plya", "--resume"], "no run named “plya”"),
            (["--name", "play"], "named “play” already"),
            (["--arch", "rnn", "--set", "heads=2"], "architecture rnn has no heads"),
            (["--arch", "numpy-rnn", "--set", "sampled_softmax=9"], "scores every token"),
            (["--arch", "numpy-rnn", "--set", "layers=2"], "architecture numpy-rnn has no layers"),
            (["--from", "plya"], "no run named “plya”"),
            (["--from", "play", "--resume"], "--from is for a new one"),
            (["play", "--resume", "--preset", "best"], "--preset is for a new one"),
            (["play", "--resume", "--name", "other"], "--name is for a new one"),
            (["play", "--resume", "--force"], "--force is for a new one"),
            (["--from", "play", "--arch", "transformer"], "“play” has arch = lstm, not transformer"),
            (["--from", "play", "--set", "hidden_size=32"], "“play” has hidden_size = 16, not 32"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_it_is_two_lines_and_2(self, refused: Refused, words: list[str], part: str) -> None:
        code, problem, _ = refused(*words)
        assert code == 2 and part in problem


class TestFailing:
    def test_a_finished_run(self, refused: Refused) -> None:
        code, problem, hint = refused("play", "--resume")
        assert code == 1 and "has finished" in problem and "--epochs" in hint

    def test_too_little_text(self, refused: Refused, stage: TrainedWorkspace) -> None:
        words = ("harbour", "--name", "short", "--set", "sequence_length=60000")
        code, problem, hint = refused(*words)
        assert code == 1 and "too small" in problem and "sequence_length" in hint
        assert refused(*words)[0] == 1, "the name is not taken by the failure"

    def test_divergence(self, refused: Refused, stage: TrainedWorkspace) -> None:
        hostile = ("learning_rate=10", "weight_decay=1", "warmup=0", "validations=100")
        code, problem, hint = refused(
            "--name", "wild", "--epochs", "10", *SMALL, *(f"--set={each}" for each in hostile)
        )
        assert code == 1 and "infinite or undefined" in problem and "--set learning_rate=3" in hint
        checkpoint, skipped = newest_checkpoint(RunFolder(stage.path / "runs" / "wild"))
        assert not skipped
        tensors = load_file(checkpoint / "model.safetensors")
        assert all(tensor.isfinite().all() for tensor in tensors.values())

    @pytest.mark.slow
    def test_out_of_memory(self, stage: TrainedWorkspace) -> None:
        """A model of 130 gigabytes, with `--force` on a run that must stay as it is."""
        folder = RunFolder(stage.path / "runs" / "play")
        before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
        done = scriptforge(
            "train", "--name", "play", "--force", "--epochs", "1",
            "--set", "hidden_size=65536", "--set", "embedding_size=65536",
            workspace=stage.path, memory=12 * GIGABYTE,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (1, "")
        problem, hint = done.stderr.splitlines()
        assert problem == "Error: There is not enough memory for this model and batch."
        assert "batch_size" in hint
        assert all(path.read_bytes() == content for path, content in before.items())


@pytest.mark.slow
def test_the_goal_of_the_course_is_shown_whenever_its_network_was_trained(
    stage: TrainedWorkspace, tmp_path: Path
) -> None:
    (tmp_path / "data").symlink_to(stage.path / "data")
    short = ("--epochs", "0.01")
    begun = scriptforge("train", "--preset", "classroom", "--name", "course", *short, workspace=tmp_path)
    gone_on_with = scriptforge("train", "course", "--resume", *short, workspace=tmp_path)
    other = scriptforge("train", "--name", "other", *SMALL, *short, workspace=tmp_path)
    goal = "the course asks for below 3.5: not reached"
    assert [goal in done.stdout for done in (begun, gone_on_with, other)] == [True, True, False]


@pytest.mark.slow
def test_a_run_begins_with_the_weights_of_another_one(stage: TrainedWorkspace, tmp_path: Path) -> None:
    (tmp_path / "runs").symlink_to(stage.path / "runs")
    (tmp_path / "later.txt").write_text(comedy(60, seed=7) + "KIT: A heron!\n\n" * 60, encoding="utf-8")
    scriptforge("prepare", "later.txt", "--level", "word", workspace=tmp_path)
    words = ("train", "later", "--from", "play", "--epochs", "1", "--set=validations=1", "--json")
    done = scriptforge(*words, "--name", "heir", workspace=tmp_path)
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "runs" / "heir" / "config.json").read_text())
    assert config["init_from"]["name"] == "play"
    assert config["settings"]["hidden_size"] == 16
    anew = scriptforge(*words[:2], *words[4:], "--name", "anew", *SMALL, workspace=tmp_path)
    figures = [json.loads(each.stdout)["best"]["stream"]["bits_per_character"] for each in (done, anew)]
    assert figures[0] < figures[1]


def test_every_setting_reaches_the_run(stage: TrainedWorkspace, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = {
        "layers": 2, "hidden_size": 12, "embedding_size": 6, "tied": True, "speaker_embedding": False,
        "members": 1, "dropout_input": 0.1, "dropout_between": 0.2, "dropout_output": 0.3,
        "batch_size": 3, "sequence_length": 7,
        "dropout_recurrent": 0.25, "sampled_softmax": 8, "reset_probability": 0.5, "optimizer": "muon",
        "learning_rate": 0.001, "matrix_learning_rate": 0.02, "momentum": 0.9, "warmup": 0.1,
        "final_learning_rate": 0.5, "beta1": 0.8, "beta2": 0.95, "weight_decay": 0.1,
        "matrix_weight_decay": 0.2, "gradient_clip": 0.5,
        "epochs": 0.1, "validations": 1, "patience": 2, "seed": 7, "arch": "lstm-attention", "memory": 9,
        "threads": 1, "precision": "bf16" if has_bf16("lstm-attention") else "fp32",
    }  # fmt: skip
    words = [f"--set={key}={json.dumps(value)}" for key, value in chosen.items()]
    assert run(["train", "--name", "set", *words, "--quiet", "--workspace", str(stage.path)]) == 0
    config = json.loads((stage.path / "runs" / "set" / "config.json").read_text())
    assert config["settings"] == {**chosen, "heads": None, "minutes": None, "max_epochs": None}
    assert (config["model"]["hidden_size"], config["model"]["tied"]) == (12, True)
    capsys.readouterr()


def test_a_file_gives_way_to_a_flag_and_that_to_set(
    stage: TrainedWorkspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.toml").write_text('epochs = 9\nhidden_size = 9\noptimizer = "adam"\n')
    words = ["--config", str(tmp_path / "mine.toml"), "--epochs", "0.1", *SMALL, "--preset", "best"]
    assert run(["train", "--name", "mine", *words, "--quiet", "--workspace", str(stage.path)]) == 0
    settings = json.loads((stage.path / "runs" / "mine" / "config.json").read_text())["settings"]
    assert (settings["epochs"], settings["hidden_size"], settings["optimizer"]) == (0.1, 16, "adam")
    assert settings["dropout_output"] == 0.4
    capsys.readouterr()


class TestInterrupting:
    @pytest.fixture
    def training(self, stage: TrainedWorkspace, request: pytest.FixtureRequest) -> Iterator[Training]:
        """A training without an end in sight."""
        name = re.sub(r"\W+", "-", request.node.name)
        process = begin(
            "train", "harbour", "--minutes", "10", "--name", name, *SMALL, "--set=validations=1000",
            workspace=stage.path,
        )  # fmt: skip
        yield process, RunFolder(stage.path / "runs" / name)
        process.kill()
        process.communicate()

    @pytest.mark.slow
    def test_ctrl_c_saves_and_the_run_goes_on(
        self,
        training: Training,
        refused: Refused,
        stage: TrainedWorkspace,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        process, folder = training
        wait_until(process, folder.metrics.is_file)
        code, problem, hint = refused(folder.name, "--resume")
        assert code == 1 and f"is being trained by process {process.pid}." in problem
        assert "another name" in hint
        code, errors = end(process, signal.SIGINT)
        assert code == 130
        step = folder.checkpoint_steps()[0]
        assert step > 0
        stopped = f"Stopped at step {step:,}; continue with scriptforge train --resume {folder.name}"
        assert errors.splitlines()[-1] == stopped
        words = ["train", "--resume", folder.name, "--epochs", "0.1", "--workspace", str(stage.path)]
        assert run(words) == 0
        assert f"Run “{folder.name}” continues" in capsys.readouterr().err

    @pytest.mark.slow
    def test_sigterm_saves_too(self, training: Training) -> None:
        process, folder = training
        wait_until(process, folder.metrics.is_file)
        code, errors = end(process, signal.SIGTERM)
        assert code == 143 and "Stopped at step" in errors
        assert folder.checkpoint_steps()[0] > 0

    @pytest.mark.slow
    def test_asking_twice_leaves_at_once(self, stage: TrainedWorkspace) -> None:
        """In the middle of a step that takes seconds."""
        process = begin(
            "train", "harbour", "--minutes", "10", "--name", "slow", "--set=hidden_size=64",
            "--set=batch_size=32", "--set=sequence_length=3000", workspace=stage.path,
        )  # fmt: skip
        folder = RunFolder(stage.path / "runs" / "slow")
        wait_until(process, lambda: folder.path.is_dir() and folder.checkpoint_steps() == [0])
        code, errors = end(process, signal.SIGINT, signal.SIGTERM)
        assert code == 143
        assert "Stopped" not in errors and "Traceback" not in errors
        assert folder.checkpoint_steps() == [0]
        with folder.lock():
            pass
