"""How many threads there can be, and how many a training uses."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
import torch
from support.slow import slow
from support.tiny import finish, small

from scriptforge.dataset import Dataset
from scriptforge.options import TrainOptions
from scriptforge.run.records import RunDescription
from scriptforge.training.checkpoint import newest_checkpoint
from scriptforge.training.events import Notice, Started, StepsDone
from scriptforge.training.machine import fastest
from scriptforge.training.threads import candidate_thread_counts
from scriptforge.training.trainer import resume, start
from scriptforge.training_runs.train import train
from scriptforge.workspace import RunFolder, Workspace


def test_the_fastest_number_is_looked_for_from_below() -> None:
    tried: list[int] = []
    times = {1: 4.0, 2: 2.0, 4: 3.0, 8: 0.1}

    def time_step() -> float:
        tried.append(torch.get_num_threads())
        return times[torch.get_num_threads()]

    before = torch.get_num_threads()
    try:
        assert fastest((1, 2, 4, 8), time_step) == 2
    finally:
        torch.set_num_threads(before)
    assert 8 not in tried


class TestPossible:
    @pytest.fixture(autouse=True)
    def free(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "WORLD_SIZE"):
            monkeypatch.delenv(name, raising=False)
        before = torch.get_num_threads()
        yield
        torch.set_num_threads(before)

    @pytest.mark.parametrize(
        ("cores", "own", "expected"),
        [(1, 1, (1,)), (2, 2, (1, 2)), (6, 6, (1, 2, 4, 6)), (8, 4, (1, 2, 4)), (2, 1, (1,))],
    )
    def test_powers_of_two_up_to_the_cores_and_never_more_than_torch_uses(
        self, cores: int, own: int, expected: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("scriptforge.training.threads.usable_cores", lambda: cores)
        torch.set_num_threads(own)
        assert candidate_thread_counts() == expected

    @pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "MKL_NUM_THREADS"])
    def test_the_environment_fixes_what_torch_has(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        torch.set_num_threads(2)
        monkeypatch.setenv(name, "2")
        assert candidate_thread_counts() == (2,)

    def test_what_was_asked_for_is_stronger_than_the_environment(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        assert candidate_thread_counts(3) == (3,)

    def test_processes_that_train_together_keep_theirs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        torch.set_num_threads(2)
        monkeypatch.setenv("WORLD_SIZE", "2")
        assert candidate_thread_counts() == (2,)


SMALL = {"hidden_size": 16, "embedding_size": 8, "batch_size": 4, "sequence_length": 16, "validations": 2}


@contextmanager
def busy() -> Iterator[None]:
    """Keep a core busy with another process while the block lasts."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def note(take: Callable[[int], None]) -> bool:
    """Tell with how many threads the next step will be made, and not to stop."""
    take(torch.get_num_threads())
    return False


class TestATraining:
    @pytest.fixture
    def two(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """A machine with two cores and nothing fixed."""
        monkeypatch.delenv("OMP_NUM_THREADS")
        monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
        monkeypatch.setattr("scriptforge.training.threads.usable_cores", lambda: 2)
        before = torch.get_num_threads()
        torch.set_num_threads(2)
        yield
        torch.set_num_threads(before)

    @pytest.fixture
    def folder(self, tmp_path: Path) -> RunFolder:
        return RunFolder(tmp_path / "runs" / "play")

    @pytest.mark.usefixtures("two")
    def test_it_tries_both_numbers_and_gives_the_process_its_own_back(
        self, tiny_dataset: Dataset, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        used: list[int] = []
        for event in start(tiny_dataset, small(), folder, "cpu", lambda: note(used.append)):
            assert torch.get_num_threads() == 2, event
            if isinstance(event, StepsDone):
                assert event.threads in (1, 2)
        assert set(used) == {1, 2}
        result = RunDescription.load(folder).result
        assert result is not None
        assert result.hardware.split(" of ")[0] in ("1 thread", "2 threads", "1 to 2 threads")

    @pytest.mark.usefixtures("two")
    @pytest.mark.parametrize("number", [1, *slow([2])])
    def test_a_fixed_number_stays_and_gives_the_same_bits_beside_any_load(
        self, tiny_dataset: Dataset, tmp_path: Path, number: int
    ) -> None:
        weights, used = [], set[int]()
        for load in (False, True):
            folder = RunFolder(tmp_path / f"beside load {load}")
            settings = small(threads=number, epochs=0.2, validations=1)
            with busy() if load else nullcontext():
                finish(start(tiny_dataset, settings, folder, "cpu", lambda: note(used.add)))
            assert used == {number}
            assert torch.get_num_threads() == 2
            weights.append(folder.weights.read_bytes())
            state = json.loads((newest_checkpoint(folder)[0] / "state.json").read_text())
            assert state["identity"]["threads"] == number
            description = RunDescription.load(folder)
            assert description.threads == number and description.result is not None
            assert description.result.hardware.startswith(f"{number} thread")
        assert weights[0] == weights[1]

    @pytest.mark.usefixtures("two")
    @pytest.mark.parametrize(
        ("asked", "recorded", "is_said"),
        [
            ({"epochs": 0.1}, "adaptive", True),
            ({"epochs": 0.1, "threads": 2}, 2, False),
            ({"minutes": 0.005}, "adaptive", False),
        ],
    )
    def test_what_the_last_bits_depend_on_is_recorded_and_said(
        self,
        tiny_dataset: Dataset,
        tmp_path: Path,
        asked: dict[str, float],
        recorded: int | str,
        is_said: bool,
    ) -> None:
        options = TrainOptions(settings={**SMALL, **asked})
        workspace = Workspace(tmp_path)
        events = [*train(tiny_dataset, options, workspace, name="play")]
        assert RunDescription.load(workspace.run("play")).threads == recorded
        said = [each.message for each in events if isinstance(each, Notice) and "last bits" in each.message]
        assert [words.startswith("Computes with as many threads") for words in said] == [True] * is_said
        if is_said:
            assert "1 to 2" in said[0] and "threads fixes the number" in said[0]

    @pytest.mark.usefixtures("two")
    def test_a_number_fixed_by_the_environment_is_recorded(
        self, tiny_dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        options = TrainOptions(epochs=0.1, settings=SMALL)
        events = [*train(tiny_dataset, options, Workspace(tmp_path), name="play")]
        assert RunDescription.load(Workspace(tmp_path).run("play")).threads == 2
        assert not [each for each in events if isinstance(each, Notice) and "threads" in each.message]

    @pytest.mark.usefixtures("two")
    def test_resuming_an_adaptive_one_says_that_the_last_bits_may_differ(
        self, tiny_dataset: Dataset, folder: RunFolder
    ) -> None:
        finish(start(tiny_dataset, small(epochs=0.3), folder, "cpu"))
        with_note, *_ = resume(tiny_dataset, folder, "cpu", epochs=0.1)
        assert isinstance(with_note, Started)
        (note,) = with_note.notes
        assert "last bits" in note and "--set threads=1" in note

    @pytest.mark.usefixtures("two", "ticking_clock")
    def test_by_time_no_two_trainings_are_the_same_and_nothing_is_said(
        self, tiny_dataset: Dataset, folder: RunFolder
    ) -> None:
        finish(start(tiny_dataset, small(minutes=0.005), folder, "cpu"))
        first, *_ = resume(tiny_dataset, folder, "cpu", minutes=0.002)
        assert isinstance(first, Started) and not first.notes


@pytest.mark.slow
def test_a_program_finds_its_number_of_threads_again(tiny_dataset: Dataset, tmp_path: Path) -> None:
    """In a process of its own, since a number that PyTorch was started with hides a change."""
    program = (
        "import os, sys, torch\nfrom scriptforge.training.machine import measure\n"
        "torch.set_num_threads(3)\nmeasure('cpu')\nmeasure('cpu', 1)\nprint(torch.get_num_threads())"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "3"
