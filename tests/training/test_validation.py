"""Validations are paid for out of the minutes of a training."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptforge.run.history import Validation
from scriptforge.training.schedule import TrainingSegment
from scriptforge.training.state import TrainingState
from scriptforge.training.validation import Costs, ValidationPlan, plan_validations

seconds = st.floats(0.01, 100)


def plan_minute(costs: Costs, share: float | None = None) -> ValidationPlan:
    """Plan a minute with at most ten validations."""
    return plan_validations(60.0, 10, costs, share=share)


@given(
    costs=st.builds(Costs, seconds, seconds, seconds, seconds, st.integers(1, 10**6)),
    length=st.floats(1, 10_000),
    spent=st.floats(0, 100),
    validations=st.integers(1, 50),
)
def test_all_ends_with_the_minutes_and_steps_have_a_quarter_of_them(
    costs: Costs, length: float, spent: float, validations: int
) -> None:
    planned = plan_validations(length, validations, costs, spent=spent)
    assert planned.seconds + planned.seconds_at_end == pytest.approx(max(length - spent, length / 2))
    assert planned.seconds >= length / 4
    assert 1 <= planned.validations <= validations
    assert 0 < planned.validation_share <= 1


@given(fast=st.floats(0.01, 30), exact=st.floats(0.01, 600), length=st.floats(60, 3600))
def test_a_tenth_of_the_time_pays_for_all_but_the_smallest_parts(
    fast: float, exact: float, length: float
) -> None:
    costs = Costs(sample=0.05, saving=0.0, fast=fast, exact=exact, tokens=100_000)
    planned = plan_validations(length, 10, costs)
    validations = planned.validations * costs.validation(planned.validation_share)
    at_end = planned.seconds_at_end - costs.validation(planned.validation_share)
    least = costs.validation(costs.smallest_share) + costs.smallest_share * exact
    assert validations + at_end <= max(0.1 * length, least) + 1e-6


def test_cheap_validations_are_those_that_were_asked_for() -> None:
    planned = plan_minute(Costs(sample=0.01, saving=0.0, fast=0.05, exact=0.5, tokens=50_000))
    assert (planned.validations, planned.validation_share) == (10, 1.0)
    assert planned.seconds_at_end == pytest.approx(0.56)


def test_dear_validations_are_few_and_then_read_a_part() -> None:
    fewer = plan_minute(Costs(sample=0.0, saving=0.0, fast=0.5, exact=1.0, tokens=50_000))
    assert (fewer.validations, fewer.validation_share) == (10, 1.0)
    fewer = plan_minute(Costs(sample=0.0, saving=0.0, fast=0.7, exact=1.0, tokens=50_000))
    assert (fewer.validations, fewer.validation_share) == (7, 1.0)
    parts = plan_minute(Costs(sample=0.0, saving=0.0, fast=5.0, exact=3.0, tokens=50_000))
    assert (parts.validations, parts.validation_share) == (4, 0.15)


def test_what_is_saved_is_paid_for_too() -> None:
    cheap = Costs(sample=0.0, saving=0.0, fast=0.1, exact=1.0, tokens=50_000)
    planned = plan_minute(replace(cheap, saving=1.1))
    assert planned.validations == 4
    assert planned.seconds_at_end == pytest.approx(plan_minute(cheap).seconds_at_end + 1.1)


def test_a_share_that_is_settled_stays() -> None:
    planned = plan_minute(Costs(sample=0.0, saving=0.0, fast=0.1, exact=1.0, tokens=50_000), share=0.25)
    assert planned.validation_share == 0.25


def history(*losses: float) -> TrainingState:
    state = TrainingState(TrainingSegment(0, 0.0, None, 60.0, seconds_at_end=1.0))
    for step, loss in enumerate(losses, start=1):
        best = loss < min((each.nats_per_token for each in state.history), default=9.0)
        state.add_validation(Validation(step, 0.0, 0.0, 1.0, loss, 1.0, 1.0, 1.0, best))
    return state


@pytest.mark.parametrize(
    ("losses", "is_hopeless"),
    [
        ([3.0, 2.0, 2.1, 2.2, 2.3], True),
        ([3.0, 2.0, 2.1, 2.2], False),
        ([3.0, 2.0, 2.1, 2.05, 2.2], False),
        ([3.0, 2.0, 2.001, 2.002, 2.003], False),
        ([], False),
    ],
)
def test_three_rises_in_a_row_clearly_above_the_best_are_hopeless(
    losses: list[float], is_hopeless: bool
) -> None:
    assert history(*losses).no_longer_improves(None) == is_hopeless
