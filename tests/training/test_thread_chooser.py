"""How many threads compute: chosen from times of steps that a simulated machine makes up, without a clock."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptforge.training.thread_chooser import ThreadChooser, trimmed_mean

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
    assert trimmed_mean([1, 1, 1, 1, 100]) == 1
    assert trimmed_mean([1] * 6 + [10] * 4) == pytest.approx(4)
