"""Searches in this process, with trials of two or three steps: their seconds are those of a ticking clock."""

import math
import sqlite3
import tomllib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial
from support.tiny import prepared

from scriptforge.config import Settings
from scriptforge.dataset import Dataset
from scriptforge.errors import TrainingError, UsageError
from scriptforge.options import TrainOptions, TuneOptions
from scriptforge.run.run import Run
from scriptforge.training.base_model import base_model_for
from scriptforge.training_runs.train import choose_settings
from scriptforge.tuning.results import (
    TrialEnded,
    TrialPrepared,
    TrialTrained,
    TuningEvent,
    counts_of,
    draw_plots,
    notes_of,
    records_of,
)
from scriptforge.tuning.search import outcome_of, search
from scriptforge.tuning.space import Space
from scriptforge.tuning.study import Plan, Study, copied_into_workspace, default_space, open_study
from scriptforge.workspace import StudyFolder, Workspace

pytestmark = pytest.mark.usefixtures("ticking_clock")


def with_space(plan: Plan, more: str, **changes: Any) -> Plan:
    entries = {**plan.space.entries, **Space.parsed(tomllib.loads(more)).entries}
    return replace(plan, space=Space(entries), **changes)


def heard(study: Study, should_stop: Callable[[], bool] = lambda: False) -> list[TuningEvent]:
    reports: list[TuningEvent] = []
    search(study, reports.append, should_stop)
    return reports


def trained_with(study: Study, number: int) -> Settings:
    return Settings.model_validate(notes_of(study.backend.get_trials()[number])["settings"])


def as_train_does(study: Study, init_from: Run | None = None, **asked: float) -> Settings:
    """Return the settings that `train` chooses for the time of a trial, but for the number of validations."""
    options = TrainOptions(minutes=study.plan.seconds / 60, settings={"validations": 5, **asked})
    return choose_settings(study.dataset, options, "cpu", init_from, study.machine).settings


def set_heartbeat(folder: StudyFolder, trial: FrozenTrial, moment: str) -> None:
    with closing(sqlite3.connect(folder.database)) as database, database:
        change = "UPDATE trial_heartbeats SET heartbeat = ? WHERE trial_id = ?"
        database.execute(change, (moment, trial._trial_id))


def test_a_search_has_a_trial() -> None:
    with pytest.raises(UsageError, match="trials must be 1 or more"):
        TuneOptions(trials=0)


class TestTrials:
    def test_the_first_is_what_train_does_and_the_best_wins(
        self, folder: StudyFolder, tiny_dataset: Dataset, plan: Plan
    ) -> None:
        with open_study(folder, None, tiny_dataset, plan) as study:
            reports = heard(study)
            outcome = outcome_of(study)
            first = trained_with(study, 0)
        assert [type(report) for report in reports if not isinstance(report, TrialTrained)] == [
            TrialPrepared,
            TrialEnded,
        ] * 3
        assert [record.is_default for record in outcome.records] == [True, False, False]
        assert first.hidden_size == outcome.records[0].settings["hidden_size"] == 256, "though not offered"
        assert first.embedding_size == 8, "what is fixed holds for it, too"
        figures = [record.bits_per_character for record in outcome.records]
        assert outcome.best.bits_per_character == min(figure for figure in figures if figure is not None)
        assert outcome.default == figures[0]
        assert not list(folder.trials.iterdir()), "no training is kept"

    @pytest.mark.slow
    def test_the_same_seed_tries_the_same(self, tmp_path: Path, tiny_dataset: Dataset, plan: Plan) -> None:
        chosen = []
        for name in ("one", "two"):
            with open_study(StudyFolder(tmp_path / name), None, tiny_dataset, plan) as study:
                heard(study)
                chosen.append([record.settings for record in records_of(study.backend)])
        assert chosen[0] == chosen[1]

    def test_a_level_that_is_drawn_becomes_a_dataset_of_the_same_split(
        self, folder: StudyFolder, tiny_dataset: Dataset, plan: Plan, tmp_path: Path
    ) -> None:
        fixed = with_space(plan, 'level = "char"\nlayers = {choices = [1]}')
        with open_study(folder, None, tiny_dataset, fixed) as study:
            heard(study)
            outcome = outcome_of(study)
        assert outcome.dataset.name == "harbour-char"
        assert outcome.dataset.description.division == tiny_dataset.description.division
        workspace = Workspace(tmp_path)
        assert copied_into_workspace(outcome.dataset, workspace).folder == workspace.dataset("harbour-char")
        assert copied_into_workspace(outcome.dataset, workspace).name == "harbour-char", "it is there already"

    def test_the_name_of_another_dataset_is_not_taken(self, tiny_dataset: Dataset, tmp_path: Path) -> None:
        (tmp_path / "other.txt").write_text("A: hello\n\nB: hello\n\n" * 200)
        prepared(tmp_path / "other.txt", tmp_path / "data" / "harbour")
        with pytest.raises(UsageError, match="another dataset named “harbour”"):
            copied_into_workspace(tiny_dataset, Workspace(tmp_path))

    @pytest.mark.slow
    def test_trials_that_fail_do_not_end_the_search(
        self, folder: StudyFolder, tiny_dataset: Dataset, plan: Plan
    ) -> None:
        wild = with_space(
            plan, "sequence_length = {choices = [60000, 16]}\nlayers = {choices = [1]}", trials=6
        )
        with open_study(folder, None, tiny_dataset, wild) as study:
            heard(study)
            records = records_of(study.backend)
        states = {record.settings["sequence_length"]: record.state for record in records[1:]}
        assert states == {60000: "failed", 16: "complete"}
        failed = next(record for record in records if record.state == "failed")
        assert failed.bits_per_character is None and "too small" in str(failed.reason)

    def test_all_fail(self, folder: StudyFolder, tiny_dataset: Dataset, plan: Plan) -> None:
        hopeless = with_space(plan, "sequence_length = 60000\nlayers = {choices = [1]}")
        with open_study(folder, None, tiny_dataset, hopeless) as study:
            heard(study)
            with pytest.raises(TrainingError, match=r"No trial of study “harbour” finished: .*too small"):
                outcome_of(study)

    def test_divergence_is_a_failure_with_a_reason(
        self, folder: StudyFolder, tiny_dataset: Dataset, plan: Plan
    ) -> None:
        hostile = (
            "learning_rate = 10\nweight_decay = 1\nwarmup = 0\nfinal_learning_rate = 1\n"
            "sequence_length = 4\nhidden_size = 16\nlayers = {choices = [1]}"
        )
        with open_study(
            folder, None, tiny_dataset, with_space(plan, hostile, seconds=2.0, trials=1)
        ) as study:
            heard(study)
            [record] = records_of(study.backend)
        assert record.state == "failed" and "infinite or undefined" in str(record.reason)

    @pytest.mark.parametrize(("pruner", "trials"), [("median", 9), ("hyperband", 8)])
    @pytest.mark.slow
    def test_trials_without_prospects_are_pruned(
        self, folder: StudyFolder, tiny_dataset: Dataset, plan: Plan, pruner: Any, trials: int
    ) -> None:
        many = with_space(
            plan, "learning_rate = {choices = [1e-9, 0.01]}\nmatrix_learning_rate = 1e-9\nhidden_size = 16",
            trials=trials, pruner=pruner, seconds=0.6,
        )  # fmt: skip
        with open_study(folder, None, tiny_dataset, many) as study:
            heard(study)
            outcome = outcome_of(study)
        pruned = [record for record in outcome.records if record.state == "pruned"]
        assert pruned and all(math.isfinite(record.bits_per_character or math.nan) for record in pruned)
        assert outcome.best.settings["learning_rate"] == 0.01
        plots = draw_plots(folder, outcome.records, {"learning_rate": 0.75, "hidden_size": 0.25})
        assert [path.name for path in plots] == [
            "history.svg", "history.png", "importance.svg", "importance.png"
        ]  # fmt: skip
        assert all(path.stat().st_size > 1000 for path in plots)


class TestLikeTrain:
    @pytest.fixture
    def english(self, tmp_path: Path) -> Dataset:
        """A text from whose amount and language on `train` starts from the base model."""
        lines = (
            "ANNA: I told you that we could not go there, because my sister is coming.\n\n"
            "BEN: Then we must stay at home and wait for her. What else can we do?\n\n"
        )
        (tmp_path / "play.txt").write_text(lines * 60)
        return prepared(tmp_path / "play.txt", tmp_path / "data" / "play", level="bpe")

    def test_trials_start_from_the_base_model_where_train_does(
        self, folder: StudyFolder, english: Dataset, plan: Plan
    ) -> None:
        slow = {"learning_rate": 1e-6, "matrix_learning_rate": 1e-6}
        space = Space.parsed({**slow, "dropout_output": {"choices": [0.2, 0.3]}})
        with open_study(folder, None, english, replace(plan, space=space, trials=2)) as study:
            assert study.default_starts_from_base
            heard(study)
            settings = [trained_with(study, number) for number in range(2)]
            figures = [record.bits_per_character for record in records_of(study.backend)]
            expected = as_train_does(study, base_model_for(english, {}), **slow)
        assert settings[0] == expected and expected.max_epochs == 8
        assert settings[1] == expected.model_copy(update={"dropout_output": settings[1].dropout_output})
        assert all(figure is not None and figure < 2.3 for figure in figures), "though they learnt nothing"

    def test_trials_of_another_size_start_from_scratch(
        self, folder: StudyFolder, english: Dataset, plan: Plan
    ) -> None:
        slow = with_space(plan, "learning_rate = 1e-6\nmatrix_learning_rate = 1e-6\nlayers = {choices = [1]}")
        with open_study(folder, None, english, replace(slow, trials=1)) as study:
            assert not study.default_starts_from_base
            heard(study)
            [record] = records_of(study.backend)
        assert record.bits_per_character is not None and record.bits_per_character > 2.5

    def test_what_the_base_model_decides_is_not_searched_by_default(
        self, english: Dataset, tiny_dataset: Dataset
    ) -> None:
        assert default_space(tiny_dataset) == Space.default()
        assert list(default_space(english).entries) == [
            "batch_size", "sequence_length", "learning_rate", "matrix_learning_rate",
            "dropout_input", "dropout_recurrent", "dropout_output",
        ]  # fmt: skip

    @pytest.mark.filterwarnings("ignore:Heartbeat of storage")
    def test_trials_have_as_many_members_as_train_would(
        self, folder: StudyFolder, tiny_dataset: Dataset, plan: Plan
    ) -> None:
        space = Space.parsed({"hidden_size": {"choices": [64, 128]}})
        with open_study(folder, None, tiny_dataset, replace(plan, space=space, seconds=1e6)) as study:
            expected = as_train_does(study)
            first, second = (study.choose(study.backend.ask()) for _ in range(2))
            settings = [study.settings(tiny_dataset, chosen, None) for chosen in (first, second)]
        assert settings[0] == expected and expected.members == 2
        assert first == {"hidden_size": expected.hidden_size, "members": 2}
        assert second == {"hidden_size": settings[1].hidden_size, "members": 2}
        assert settings[1].hidden_size in (64, 128) and settings[1].members == 2

    def test_the_trial_to_compare_with_is_never_pruned(
        self, folder: StudyFolder, tiny_dataset: Dataset, plan: Plan
    ) -> None:
        found = replace(plan, trials=6, pruner="median", seconds=0.1)
        with open_study(folder, None, tiny_dataset, found) as study:
            better = create_trial(value=0.1, intermediate_values=dict.fromkeys(range(1, 6), 0.1))
            study.backend.add_trials([better] * 5)
            heard(study)
            [first] = [record for record in records_of(study.backend) if record.is_default]
        assert first.state == "complete"

    def test_the_best_trial_is_trained_again_with_its_choices(
        self, folder: StudyFolder, tiny_dataset: Dataset, plan: Plan
    ) -> None:
        limited = with_space(plan, "max_epochs = 3\nlayers = {choices = [1]}", trials=2)
        with open_study(folder, None, tiny_dataset, limited) as study:
            heard(study)
            outcome = outcome_of(study)
        drawn = [] if outcome.best.is_default else ["hidden_size", "learning_rate", "layers"]
        fixed = ["embedding_size", "tied", "batch_size", "sequence_length", "precision", "max_epochs"]
        assert outcome.settings == {name: outcome.best.settings[name] for name in (*drawn, *fixed)}
        again = outcome.options_for(TrainOptions(epochs=2, settings={"seed": 5}))
        assert again.settings["seed"] == 5 and again.settings["batch_size"] == 4
        assert "max_epochs" not in again.settings, "which is for minutes"
        assert outcome.options_for(TrainOptions()).settings["max_epochs"] == 3


class TestGoingOn:
    @pytest.mark.slow
    def test_to_more_trials(self, folder: StudyFolder, tiny_dataset: Dataset, plan: Plan) -> None:
        for trials in (2, 2, 4):
            with open_study(folder, None, tiny_dataset, replace(plan, trials=trials)) as study:
                heard(study)
                assert len(records_of(study.backend)) == trials

    def test_an_interrupted_trial_is_repeated_and_does_not_count(
        self, folder: StudyFolder, tiny_dataset: Dataset, plan: Plan
    ) -> None:
        with open_study(folder, None, tiny_dataset, plan) as study:
            reports: list[TuningEvent] = []
            search(study, reports.append, lambda: bool(reports))
            assert counts_of(records_of(study.backend)) == (0, 0)
            heard(study)
            records = records_of(study.backend)
        assert sorted(record.state for record in records) == [*["complete"] * 3, "repeated"]
        repeated = next(record for record in records if record.state == "repeated")
        others = [record for record in records if record.is_default and record is not repeated]
        assert repeated.is_default and repeated.reason == "interrupted"
        assert [other.settings for other in others] == [repeated.settings]

    @pytest.mark.parametrize(("deaths", "state"), [(0, "repeated"), (1, "failed")])
    def test_a_trial_whose_process_died_at_once(
        self,
        folder: StudyFolder,
        tiny_dataset: Dataset,
        plan: Plan,
        deaths: int,
        state: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """It is repeated, unless another process died at it before; its machine's clock does not matter."""
        with open_study(folder, None, tiny_dataset, plan) as study:
            dead = create_trial(state=TrialState.RUNNING, user_attrs={"deaths": deaths})
            dead.datetime_start = datetime.now() - timedelta(hours=1)
            study.backend.add_trial(dead)
            study.fail_stale_trials()
            assert counts_of(records_of(study.backend)) == (0, 1)
            monkeypatch.setattr("scriptforge.tuning.study._SECONDS_UNTIL_FIRST_HEARTBEAT", 0)
            study.fail_stale_trials()
            [record] = records_of(study.backend)
        assert (record.state, record.reason) == (state, "its process died")

    def test_a_trial_whose_process_died_before_the_clock_was_set_back(
        self, folder: StudyFolder, tiny_dataset: Dataset, plan: Plan, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its heartbeat is in the future, and stays the same; that of one that lives does not."""
        running = create_trial(state=TrialState.RUNNING, user_attrs={"chosen": {}})
        with open_study(folder, None, tiny_dataset, plan) as study:
            for _ in range(2):
                study.backend.add_trial(running)
                *_, trial = study.backend.get_trials()
                study.storage.backend.record_heartbeat(trial._trial_id)
                set_heartbeat(folder, trial, "2999-01-01 00:00:00")
            study.fail_stale_trials()
            assert counts_of(records_of(study.backend)) == (0, 2)
            monkeypatch.setattr("scriptforge.tuning.storage._SECONDS_UNTIL_DEAD", 0)
            set_heartbeat(folder, trial, "2999-01-01 00:00:02")
            study.fail_stale_trials()
            assert [record.state for record in records_of(study.backend)] == ["repeated", "running"]

    def test_a_trial_that_another_process_has_taken_over_is_left_to_it(
        self, folder: StudyFolder, tiny_dataset: Dataset, plan: Plan, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As after this process was suspended for long; whatever it still does with the trial is refused."""
        reports: list[TuningEvent] = []

        def take_over_the_first(event: TuningEvent) -> None:
            reports.append(event)
            if isinstance(event, TrialPrepared) and event.number == 0:
                [trial] = study.backend.get_trials()
                study.storage.backend.record_heartbeat(trial._trial_id)
                with monkeypatch.context() as later:
                    later.setattr("scriptforge.tuning.storage._SECONDS_UNTIL_DEAD", -1)
                    study.fail_stale_trials()

        with open_study(folder, None, tiny_dataset, replace(plan, trials=1)) as study:
            search(study, take_over_the_first)
            records = records_of(study.backend)
        assert [record.state for record in records] == ["repeated", "complete"]
        assert records[0].reason == "its process died" and records[1].is_default
        ended = [report.record for report in reports if isinstance(report, TrialEnded)]
        assert ended == records
        assert not list(folder.trials.iterdir())

    @pytest.mark.parametrize("odd", ["what? really", "a {brace}", "50 % #1 'it' \"is\"", "zwei\nZeilen"])
    def test_a_study_may_lie_anywhere(
        self, tmp_path: Path, tiny_dataset: Dataset, plan: Plan, odd: str
    ) -> None:
        folder = StudyFolder(tmp_path / odd / "studies" / "harbour")
        with open_study(folder, None, tiny_dataset, plan) as study:
            assert study.backend.study_name == "harbour"
        assert folder.database.is_file()
        assert [path.name for path in tmp_path.iterdir()] == [odd]

    def test_the_seconds_of_a_trial_are_those_of_its_training(
        self, folder: StudyFolder, tiny_dataset: Dataset, plan: Plan
    ) -> None:
        """Optuna has when it began and ended on a clock that may be set meanwhile."""
        with open_study(folder, None, tiny_dataset, replace(plan, trials=1)) as study:
            search(study, lambda _: None)
            [record] = records_of(study.backend)
        assert record.seconds is not None and record.seconds > 0
        with closing(sqlite3.connect(folder.database)) as database, database:
            database.execute("UPDATE trials SET datetime_complete = '2001-01-01 00:00:00'")
        with open_study(folder, None, tiny_dataset, replace(plan, trials=1)) as study:
            assert [each.seconds for each in records_of(study.backend)] == [record.seconds]

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({"seconds": 0.2}, "trials of 0.01 seconds, not of 0.2"),
            ({"space": Space.default()}, "another search space"),
        ],
    )
    def test_only_with_the_same(
        self, folder: StudyFolder, tiny_dataset: Dataset, plan: Plan, change: dict[str, Any], problem: str
    ) -> None:
        with open_study(folder, None, tiny_dataset, plan):
            pass
        with (
            pytest.raises(UsageError, match=problem) as caught,
            open_study(folder, None, tiny_dataset, replace(plan, **change)),
        ):
            pass
        assert "--study NAME" in caught.value.hint

    def test_only_with_the_same_version(self, folder: StudyFolder, tiny_dataset: Dataset, plan: Plan) -> None:
        with open_study(folder, None, tiny_dataset, plan) as study:
            study.backend.set_user_attr("version", "0.0.1")
        with (
            pytest.raises(UsageError, match=r"by scriptforge 0\.0\.1, not by \d"),
            open_study(folder, None, tiny_dataset, plan),
        ):
            pass

    def test_only_with_the_same_dataset(
        self, folder: StudyFolder, tiny_dataset: Dataset, tiny_text: Path, tmp_path: Path, plan: Plan
    ) -> None:
        with open_study(folder, None, tiny_dataset, plan):
            pass
        other = prepared(tiny_text, tmp_path / "harbour", level="char")
        with pytest.raises(UsageError, match="another dataset"), open_study(folder, None, other, plan):
            pass
