"""A stop is heard at once while a search tokenises, or waits for another process."""

import tomllib
from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest
from support import postgresql, skips

from scriptforge.dataset import Dataset
from scriptforge.tuning.results import TrialPrepared, TuningEvent, records_of
from scriptforge.tuning.search import search
from scriptforge.tuning.space import Space
from scriptforge.tuning.study import Plan, Study, open_study
from scriptforge.workspace import StudyFolder

pytestmark = pytest.mark.usefixtures("ticking_clock")


@pytest.fixture
def letters(plan: Plan) -> Plan:
    """A plan whose trials, but for the first, are at the level of characters."""
    entries = {**plan.space.entries, **Space.parsed(tomllib.loads('level = {choices = ["char"]}')).entries}
    return replace(plan, space=Space(entries))


def after(calls: int) -> Callable[[], bool]:
    """Return what asks to stop once it was called so many times."""
    answers = iter([False] * calls)
    return lambda: next(answers, True)


def stop_at_second_trial(study: Study) -> None:
    """Search, and ask to stop as soon as the second trial has chosen its settings."""
    begun: list[int] = []

    def hear(event: TuningEvent) -> None:
        if isinstance(event, TrialPrepared):
            begun.append(event.number)

    search(study, hear, lambda: len(begun) == 2)


def states(study: Study) -> list[str]:
    return sorted(record.state for record in records_of(study.backend))


def test_while_another_process_has_the_turn(folder: StudyFolder, tiny_dataset: Dataset, plan: Plan) -> None:
    with open_study(folder, None, tiny_dataset, plan) as study:
        with folder.turn("turn"):
            search(study, print, after(5))
        assert states(study) == []


def test_while_text_is_tokenised(folder: StudyFolder, tiny_dataset: Dataset, letters: Plan) -> None:
    with open_study(folder, None, tiny_dataset, letters) as study:
        stop_at_second_trial(study)
        assert states(study) == ["complete", "repeated"]
        assert not list(folder.datasets.rglob("dataset.json"))
        assert not [path for path in folder.datasets.rglob("*") if path.is_file()]
        search(study, lambda event: None)
        assert states(study) == ["complete", "complete", "complete", "repeated"]


def test_while_another_process_tokenises(folder: StudyFolder, tiny_dataset: Dataset, letters: Plan) -> None:
    with open_study(folder, None, tiny_dataset, letters) as study:
        with folder.turn("harbour-char"):
            stop_at_second_trial(study)
        assert states(study) == ["complete", "repeated"]


@pytest.mark.slow
@pytest.mark.skipif(not postgresql.program("initdb"), reason=skips.NO_POSTGRESQL)
def test_while_another_machine_has_the_turn(folder: StudyFolder, tiny_dataset: Dataset, plan: Plan) -> None:
    with postgresql.server() as server, open_study(folder, server.address, tiny_dataset, plan) as study:
        with psycopg.connect(server.address) as other:
            other.execute("SELECT pg_advisory_xact_lock(hashtextextended('scriptforge harbour', 0))")
            search(study, print, after(5))
        assert states(study) == []
        search(study, lambda event: None)
        assert states(study) == ["complete"] * 3
