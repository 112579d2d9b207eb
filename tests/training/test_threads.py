"""How many threads compute: chosen from times of steps that a simulated machine makes up, without a clock."""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tiny import finish, small

from scriptforge.dataset import Dataset
from scriptforge.run.records import RunDescription
from scriptforge.training.checkpoint import newest_checkpoint
from scriptforge.training.events import Started, StepsDone
from scriptforge.training.threads import ThreadChooser, fastest, possible, typical
from scriptforge.training.trainer import resume, start
from scriptforge.workspace import RunFolder

TWO_CORES = (1, 2)
MANY_CORES = (1, 2, 4, 6)


def step_seconds(threads: int, cores: int, others: int, parallel: float) -> float:
    """The time of a step of a made-up machine: more threads than free cores wait for each other."""
    seconds = (1 - parallel) + parallel / threads
    return seconds if threads <= max(1, cores - others) else seconds * 4


class Machine:
    """Makes steps with the number of threads that a chooser asks for.

    Args:
        numbers: of threads, ascending; the last is the number of cores.
        first: the number to begin with.
        noise: relative spread of a step's time.
        seed: of the noise.
    """

    def __init__(self, numbers: tuple[int, ...], first: int, noise: float = 0.0, seed: int = 0) -> None:
        self.chooser = ThreadChooser(numbers, first)
        self.numbers = numbers
        self.choices: list[int] = [first]
        self._noise, self._rng = noise, random.Random(seed)

    def train(self, steps: int, seconds_of: Callable[[int], float]) -> float:
        """Make some steps, and return how long they took."""
        total = 0.0
        for _ in range(steps):
            seconds = seconds_of(self.chooser.number) * self._rng.uniform(1 - self._noise, 1 + self._noise)
            total += seconds
            self.chooser.add(seconds)
            if self.chooser.chosen != self.choices[-1]:
                self.choices.append(self.chooser.chosen)
        return total

    def under(self, others: int, parallel: float = 0.7) -> Callable[[int], float]:
        """What a step takes with a number of threads beside so many busy processes."""
        return lambda number: step_seconds(number, self.numbers[-1], others, parallel)


@settings(max_examples=40)
@given(
    numbers=st.sampled_from([TWO_CORES, MANY_CORES]),
    loads=st.lists(st.integers(0, 6), min_size=1, max_size=4),
    parallel=st.floats(0.5, 1),
    noise=st.floats(0, 0.1),
    first=st.integers(0, 1),
    seed=st.integers(0, 1000),
)
def test_whatever_the_load_does_the_best_number_is_found_and_little_is_lost(
    numbers: tuple[int, ...], loads: list[int], parallel: float, noise: float, first: int, seed: int
) -> None:
    machine = Machine(numbers, numbers[-first], noise, seed)
    for others in loads:
        seconds_of = machine.under(others, parallel)
        best = min(map(seconds_of, numbers))
        machine.train(700, seconds_of)
        assert seconds_of(machine.chooser.chosen) <= 1.15 * best
        assert machine.train(700, seconds_of) <= 1.15 * 1.03 * 700 * best


@pytest.mark.parametrize(("noise", "most"), [(0.02, 0), (0.1, 0), (0.2, 4)])
def test_noise_seldom_flips_the_number(noise: float, most: int) -> None:
    for seed in range(10):
        machine = Machine(TWO_CORES, 2, noise, seed)
        machine.train(2000, lambda number: 1.0 if number == 2 else 1.02)
        assert len(machine.choices) - 1 <= most


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("slower", [1.1, 1.5, 5.0])
def test_trying_loses_little(noise: float, slower: float) -> None:
    machine = Machine(TWO_CORES, 2, noise)
    machine.train(500, {1: slower, 2: 1.0}.__getitem__)
    assert machine.train(3000, {1: slower, 2: 1.0}.__getitem__) <= 1.03 * 3000


def test_a_process_that_comes_is_noticed_within_a_few_steps() -> None:
    machine = Machine(TWO_CORES, 2, noise=0.05)
    machine.train(400, machine.under(others=0))
    assert machine.chooser.chosen == 2
    machine.train(15, machine.under(others=1))
    assert machine.chooser.chosen == 1


def test_a_process_that_leaves_is_noticed_though_one_thread_does_not_feel_it() -> None:
    machine = Machine(TWO_CORES, 1, noise=0.05)
    machine.train(400, machine.under(others=1))
    assert machine.chooser.chosen == 1
    machine.train(300, machine.under(others=0))
    assert machine.chooser.chosen == 2


def test_an_idle_core_is_tried_at_once() -> None:
    machine = Machine(TWO_CORES, 1, noise=0.05)
    machine.train(400, machine.under(others=1))
    machine.chooser.notice_idle(0.05)
    machine.train(10, machine.under(others=0))
    machine.chooser.notice_idle(1.0)
    machine.train(10, machine.under(others=0))
    assert machine.chooser.chosen == 2


def test_a_single_slow_step_changes_nothing() -> None:
    machine = Machine(TWO_CORES, 2)
    machine.train(300, machine.under(others=0))
    before = machine.chooser.number
    machine.train(1, lambda _: 20.0)
    assert machine.chooser.number == before == 2
    machine.train(10, machine.under(others=0))
    assert machine.choices == [2]


def test_a_number_that_is_much_slower_costs_one_step() -> None:
    machine = Machine(TWO_CORES, 1)
    steps: list[int] = []

    def seconds_of(number: int) -> float:
        steps.append(number)
        return 1.0 if number == 1 else 50.0

    machine.train(2000, seconds_of)
    assert steps.count(2) <= 2


def test_before_other_work_than_steps_a_trial_is_broken_off_and_made_up_for() -> None:
    machine = Machine(TWO_CORES, 1)
    while machine.chooser.number == 1:
        machine.train(1, machine.under(others=0))
    machine.chooser.settle()
    assert machine.chooser.number == machine.chooser.chosen == 1
    machine.train(10, machine.under(others=0))
    assert machine.chooser.chosen == 2


def test_what_a_step_takes_counts_neither_the_odd_one_nor_hides_a_load_that_comes_and_goes() -> None:
    assert typical([1, 1, 1, 1, 100]) == 1
    assert typical([1] * 6 + [10] * 4) == pytest.approx(4)


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
        assert possible() == expected

    @pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "MKL_NUM_THREADS"])
    def test_the_environment_fixes_what_torch_has(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        torch.set_num_threads(2)
        monkeypatch.setenv(name, "2")
        assert possible() == (2,)

    def test_what_was_asked_for_is_stronger_than_the_environment(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        assert possible(3) == (3,)

    def test_processes_that_train_together_keep_theirs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        torch.set_num_threads(2)
        monkeypatch.setenv("WORLD_SIZE", "2")
        assert possible() == (2,)


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
    def test_a_fixed_number_stays_and_gives_the_same_bits(
        self, tiny_dataset: Dataset, tmp_path: Path
    ) -> None:
        weights, used = [], set[int]()
        for name in ("one", "another"):
            folder, settings = RunFolder(tmp_path / name), small(threads=1, epochs=0.5)
            finish(start(tiny_dataset, settings, folder, "cpu", lambda: note(used.add)))
            assert used == {1}
            assert torch.get_num_threads() == 2
            weights.append(folder.weights.read_bytes())
            state = json.loads((newest_checkpoint(folder)[0] / "state.json").read_text())
            assert state["identity"]["threads"] == 1
            hardware = RunDescription.load(folder).result
            assert hardware is not None and hardware.hardware.startswith("1 thread of a CPU")
        assert weights[0] == weights[1]

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
