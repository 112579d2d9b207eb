import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptforge.config import resolve
from scriptforge.training.schedule import Clock, TrainingSegment, share_of_peak

SETTINGS = resolve({"epochs": 1, "warmup": 0.2, "final_learning_rate": 0.1})
shares = st.floats(0, 1)


@pytest.mark.parametrize(
    ("progress", "share"),
    [(0.0, 0.01), (0.1, 0.5), (0.2, 1.0), (0.6, 0.55), (1.0, 0.1)],
)
def test_it_rises_to_the_peak_and_falls_to_the_end(progress: float, share: float) -> None:
    assert share_of_peak(progress, SETTINGS) == pytest.approx(share)


@given(shares, shares)
def test_it_has_one_peak(a: float, b: float) -> None:
    a, b = sorted((a, b))
    if b <= 0.2:
        assert share_of_peak(a, SETTINGS) <= share_of_peak(b, SETTINGS)
    elif a >= 0.2:
        assert share_of_peak(a, SETTINGS) >= share_of_peak(b, SETTINGS)


@given(shares, st.floats(0, 1, exclude_max=True), shares)
def test_it_is_never_zero_before_the_end_nor_above_the_peak(
    progress: float, warmup: float, final: float
) -> None:
    settings = SETTINGS.model_copy(update={"warmup": warmup, "final_learning_rate": final})
    share = share_of_peak(progress, settings)
    assert min(0.01, final) * (1 - 1e-9) <= share + 1e-15 <= 1.0 + 1e-15


def test_without_warmup_and_fall_it_is_constant() -> None:
    settings = SETTINGS.model_copy(update={"warmup": 0.0, "final_learning_rate": 1.0})
    assert {share_of_peak(step / 10, settings) for step in range(11)} == {1.0}


def test_a_segment_of_steps() -> None:
    segment = TrainingSegment(first_step=100, first_second=7.0, steps=50, seconds=None)
    assert [segment.progress(step, 99.0) for step in (100, 125, 150, 151)] == [0.0, 0.5, 1.0, 1.0]


def test_a_segment_of_seconds() -> None:
    segment = TrainingSegment(first_step=100, first_second=7.0, steps=None, seconds=10.0)
    assert [segment.progress(0, second) for second in (7.0, 12.0, 17.0, 18.0)] == [0.0, 0.5, 1.0, 1.0]


def test_a_segment_of_seconds_ends_when_the_text_was_read_often_enough() -> None:
    settings = resolve({"minutes": 1, "max_epochs": 2})
    segment = TrainingSegment.of(settings, steps_per_epoch=50, step=100, second=7.0)
    assert segment.progress(150, 8.0) == 0.5
    assert segment.progress(150, 52.0) == 0.75
    assert segment.progress(200, 52.0) == segment.progress(120, 67.0) == 1.0


@pytest.mark.usefixtures("ticking_clock")
def test_training_time_goes_on_from_what_an_earlier_clock_had_reached() -> None:
    clock = Clock(seconds_before=7.0)  # reads the time twice
    assert [clock.seconds(), clock.seconds()] == pytest.approx([7.004, 7.006])


@pytest.mark.usefixtures("ticking_clock")
def test_an_interval_elapses_once_each_time() -> None:
    clock = Clock()
    elapsed = [clock.has_elapsed(0.019) for _ in range(40)]
    assert [number for number, has_elapsed in enumerate(elapsed, start=1) if has_elapsed] == [10, 20, 30, 40]
