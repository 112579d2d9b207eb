"""What a training leaves for those who look at it: its curves, and the logs of trackers."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from support.command import SMALL, TrainedWorkspace, begin, end, scriptforge, wait_until

from scriptforge.cli.app import run
from scriptforge.config import Settings
from scriptforge.workspace import RunFolder

SVG = "{http://www.w3.org/2000/svg}"
SHORT = ("train", "harbour", "--epochs", "0.5", "--set=validations=3", *SMALL)
MORE = ("--epochs", "0.2")
VALIDATION = {
    "validation/nats_per_token",
    "validation/perplexity",
    "validation/nats_per_character",
    "validation/bits_per_character",
}


def steps(folder: RunFolder) -> list[int]:
    return [json.loads(line)["step"] for line in folder.metrics.read_text(encoding="utf-8").splitlines()]


def points(folder: RunFolder) -> int:
    root = ElementTree.fromstring(folder.curves.read_text(encoding="utf-8"))
    [curve] = (group for group in root.iter(f"{SVG}g") if group.get("id") == "validation")
    return len(list(curve.iter(f"{SVG}use")))


def run_folder(stage: TrainedWorkspace, name: str) -> RunFolder:
    return RunFolder(stage.path / "runs" / name)


def with_code(code: str, *words: str, workspace: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command in a process in which some code ran before it."""
    program = f"{code}; from scriptforge.cli.app import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *words], cwd=workspace, capture_output=True, text=True, timeout=300
    )


def without(module: str, *words: str, workspace: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command in a process that cannot import a module."""
    return with_code(f"import sys; sys.modules['{module}'] = None", *words, workspace=workspace)


@pytest.fixture(scope="module")
def resumed(first_stage: TrainedWorkspace, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that was trained, and then trained on, with TensorBoard's log."""
    stage = first_stage.copied(tmp_path_factory.mktemp("resumed") / "workspace")
    for line in ((*SHORT, "--name", "resumed"), ("train", "--resume", "resumed", *MORE)):
        done = scriptforge(*line, "--track", "tensorboard", "-q", workspace=stage.path)
        assert (done.returncode, done.stderr) == (0, "")
    return run_folder(stage, "resumed")


@pytest.mark.slow
class TestCurves:
    def test_every_validation_is_drawn(self, stage: TrainedWorkspace) -> None:
        folder = run_folder(stage, "play")
        assert points(folder) == len(steps(folder)) == 2

    def test_a_training_that_goes_on_draws_all_of_it(self, resumed: RunFolder) -> None:
        assert points(resumed) == len(steps(resumed)) == 6

    def test_without_matplotlib_nothing_is_drawn(self, stage: TrainedWorkspace) -> None:
        done = without("matplotlib", *SHORT, "--name", "undrawn", "-q", workspace=stage.path)
        assert (done.returncode, done.stderr) == (0, "")
        folder = run_folder(stage, "undrawn")
        assert len(steps(folder)) == 3
        assert not folder.curves.exists()

    def test_what_cannot_be_drawn_is_said_once_and_stops_nothing(self, stage: TrainedWorkspace) -> None:
        done = without("matplotlib.figure", *SHORT, "--name", "unlucky", "-q", workspace=stage.path)
        assert done.returncode == 0
        [warning] = done.stderr.splitlines()
        assert warning.startswith("Warning: Training continues without the plot of its curves: ")
        assert len(steps(run_folder(stage, "unlucky"))) == 3


@pytest.mark.slow
class TestTensorBoard:
    def test_the_log_goes_on_where_the_training_does(self, resumed: RunFolder) -> None:
        log = _read_board(resumed.tensorboard)
        assert {*VALIDATION, "training/nats_per_token"} <= log.keys()
        for name in VALIDATION:
            assert [step for step, _ in log[name]] == steps(resumed)
        rows = [json.loads(line) for line in resumed.metrics.read_text(encoding="utf-8").splitlines()]
        assert [value for _, value in log["validation/nats_per_token"]] == pytest.approx(
            [row["nats_per_token"] for row in rows]
        )
        samples = [text for _, text in log["sample/text_summary"]]
        assert len(samples) == 6 and all(text.startswith("    ") for text in samples)
        assert "| hidden_size | 16 |" in log["settings/text_summary"][0][1]

    def test_what_was_logged_after_the_checkpoint_comes_again_and_not_twice(
        self, stage: TrainedWorkspace
    ) -> None:
        folder = run_folder(stage, "killed")
        process = begin(
            "train", "harbour", "--minutes", "10", "--name", "killed", "--track", "tensorboard", *SMALL,
            "--set=validations=1000", workspace=stage.path,
        )  # fmt: skip
        wait_until(process, lambda: folder.metrics.is_file() and len(steps(folder)) >= 3)
        end(process, signal.SIGKILL)
        words = ("--epochs", "0.1", "--track", "tensorboard", "-q")
        done = scriptforge("train", "--resume", "killed", *words, workspace=stage.path)
        assert (done.returncode, done.stderr) == (0, "")
        for name, log in _read_board(folder.tensorboard).items():
            logged = [step for step, _ in log]
            assert logged == sorted(set(logged)), name


@pytest.mark.slow
class TestTrackio:
    def test_the_log_goes_on_with_the_run_and_names_nobody(
        self, stage: TrainedWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With a token at hand, since whoever has one could be asked for by name on the Hub."""
        monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
        monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 30)
        watched = "import socket; socket.getaddrinfo = socket.socket.connect = lambda *_: print('online')"
        folder = run_folder(stage, "tracked")
        for line in ((*SHORT, "--name", "tracked"), ("train", "--resume", "tracked", *MORE)):
            done = with_code(watched, *line, "--track", "trackio", "--json", workspace=stage.path)
            assert (done.returncode, done.stderr) == (0, "")
            assert json.loads(done.stdout)["run"] == "tracked"
        [tracked] = _read_trackio()
        assert tracked["name"] == "tracked"
        validations = [row for row in tracked["logs"] if "validation/nats_per_token" in row]
        assert [row["step"] for row in validations] == steps(folder)
        assert validations[0].keys() >= {*VALIDATION, "training/nats_per_token", "sample"}
        assert len(_samples(tracked)) == 6
        config = tracked["config"]
        assert (config["dataset"], config["hidden_size"]) == ("harbour", 16)
        assert config.keys() == {"dataset", "level", "plain", "parameters", *Settings.model_fields}
        again = ("--name", "tracked", "--force", "--track", "trackio", "-q")
        done = scriptforge(*SHORT, *again, workspace=stage.path)
        assert (done.returncode, done.stderr) == (0, "")
        assert [(run["name"], len(_samples(run))) for run in _read_trackio()] == [
            ("tracked", 6),
            ("tracked", 3),
        ]


@pytest.mark.parametrize("tracker", ["tensorboard", "trackio"])
@pytest.mark.slow
def test_without_the_tracker_nothing_begins(
    tracker: str, stage: TrainedWorkspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in [name for name in sys.modules if name.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, tracker, None)
    words = [*SHORT, "--name", "never", "--track", tracker, "--workspace", str(stage.path)]
    assert run(words) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"Error: --track {tracker} needs {tracker}, which is not installed.",
        "Install it: pip install 'scriptforge-lm[track]'",
    ]
    assert not run_folder(stage, "never").path.exists()


def test_an_unknown_tracker(stage: TrainedWorkspace) -> None:
    done = scriptforge(*SHORT, "--track", "notebook", workspace=stage.path)
    assert done.returncode == 2
    problem, _ = done.stderr.splitlines()
    assert "notebook" in problem and "tensorboard" in problem and "trackio" in problem


def _samples(tracked: dict[str, Any]) -> list[Any]:
    return [row["sample"] for row in tracked["logs"] if "sample" in row]


def _read_board(folder: Path) -> dict[str, list[tuple[int, Any]]]:
    """Every figure and text of a log with its step, read by TensorBoard itself in a process of its own."""
    program = """
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

log = EventAccumulator(sys.argv[1])
log.Reload()
scalars = {tag: [(e.step, e.value) for e in log.Scalars(tag)] for tag in log.Tags()["scalars"]}
texts = {
    tag: [(e.step, e.tensor_proto.string_val[0].decode()) for e in log.Tensors(tag)]
    for tag in log.Tags()["tensors"]
}
print(json.dumps({**scalars, **texts}))
"""
    return dict(_printed(program, str(folder)))


def _read_trackio() -> list[dict[str, Any]]:
    """Every run that Trackio knows, read by itself in a process of its own."""
    program = """
import json
from trackio import Api
from trackio.sqlite_storage import SQLiteStorage

print(json.dumps([
    {
        "name": run.name,
        "config": run.config,
        "logs": SQLiteStorage.get_logs("scriptforge", run.name, run_id=run.id),
    }
    for run in Api().runs("scriptforge")
]))
"""
    return list(_printed(program))


def _printed(program: str, *words: str) -> Any:
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])
