import json
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support.checkpoints import stop_after
from support.clock import TickingClock
from support.tiny import comedy, finish, prepared, small

from scriptforge.config import Settings
from scriptforge.dataset import Dataset
from scriptforge.errors import RunError, TrainingError
from scriptforge.evaluation import evaluate_split
from scriptforge.generation.generate import Session
from scriptforge.options import GenerateOptions
from scriptforge.run.history import Validation
from scriptforge.run.records import RunDescription
from scriptforge.run.run import Run
from scriptforge.training.checkpoint import newest_checkpoint, read_state
from scriptforge.training.events import Finished, Interrupted, Started, StepsDone, TrainingEvent, Validated
from scriptforge.training.state import StartContext
from scriptforge.training.trainer import resume, start
from scriptforge.training.validation import SAMPLE_TOKENS
from scriptforge.workspace import RunFolder
from scriptforge.workspace.entries import remove, rename

BY_HEART = {
    "hidden_size": 64,
    "embedding_size": 32,
    "dropout_input": 0,
    "dropout_output": 0,
    "reset_probability": 0,
    "learning_rate": 0.03,
}
"""Settings that learn a short text by heart."""


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "runs" / "play")


def validations_of(dataset: Dataset, folder: RunFolder, settings: Settings) -> list[Validation]:
    return [each.validation for each in validated(start(dataset, settings, folder, "cpu"))]


def validated(reports: Iterable[TrainingEvent]) -> list[Validated]:
    return [report for report in reports if isinstance(report, Validated)]


class TestReplacing:
    """A new training under the name of a model that is there."""

    @pytest.fixture
    def good(self, tiny_run: RunFolder, folder: RunFolder) -> RunFolder:
        shutil.copytree(tiny_run.path, folder.path)
        return folder

    def test_the_model_stays_until_the_new_one_has_weights(
        self, tiny_dataset: Dataset, good: RunFolder
    ) -> None:
        before = Run(good).fingerprint
        seen = []
        for event in start(tiny_dataset, small(seed=2), good, "cpu"):
            seen.append((type(event), Run(good).fingerprint == before))
        first = seen.index((Validated, False))
        assert seen[0] == (Started, True) and all(is_old for _, is_old in seen[:first])
        assert not any(is_old for _, is_old in seen[first:])
        assert RunDescription.load(good).settings.seed == 2
        assert [path.name for path in good.path.parent.iterdir()] == [good.name]

    def test_stopped_before_it_goes_on_beside_the_model(self, tiny_dataset: Dataset, good: RunFolder) -> None:
        before = Run(good).fingerprint
        list(start(tiny_dataset, small(seed=2), good, "cpu", lambda: True))
        assert Run(good).fingerprint == before
        *_, last = resume(tiny_dataset, good, "cpu")
        assert isinstance(last, Finished) and last.run == good.name
        assert RunDescription.load(good).settings.seed == 2 and Run(good).fingerprint != before
        assert [path.name for path in good.path.parent.iterdir()] == [good.name]

    def test_renamed_and_removed_it_goes_along(self, tiny_dataset: Dataset, good: RunFolder) -> None:
        workspace = good.path.parent.parent
        list(start(tiny_dataset, small(seed=2), good, "cpu", lambda: True))
        rename("runs/play", "other", workspace=workspace)
        assert RunDescription.load(RunFolder(good.path.with_name("other")).latest).settings.seed == 2
        remove("runs/other", workspace=workspace)
        assert list(good.path.parent.iterdir()) == []


def test_a_text_can_be_learnt_by_heart(tmp_path: Path, folder: RunFolder) -> None:
    text = tmp_path / "play.txt"
    text.write_text(comedy(8))
    dataset = prepared(text, tmp_path / "data", validation=0.2, test=0)
    settings = small(**BY_HEART, epochs=200)
    finished = finish(start(dataset, settings, folder, "cpu"))
    assert finished.training_nats_per_token < 0.05
    assert finished.diagnosis.startswith("Overfitting")


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "adam"},
        {"layers": 2, "dropout_between": 0.3},
        {"tied": True},
        {"tied": True, "embedding_size": 16},
        {"precision": "bf16", "arch": "gru"},
        {"batch_size": 64, "sequence_length": 3},
        {"batch_size": 1, "sequence_length": 1, "epochs": 0.02},
        {"epochs": 1e-9},
    ],
    ids=str,
)
def test_every_kind_of_training_ends_well(
    tiny_dataset: Dataset, folder: RunFolder, changes: dict[str, object]
) -> None:
    finished = finish(start(tiny_dataset, small(**{"epochs": 0.5} | changes), folder, "cpu"))
    assert evaluate_split(Run(folder).model, tiny_dataset, "validation") == finished.best


@pytest.mark.usefixtures("ticking_clock")
def test_reports_come_in_order(tiny_dataset: Dataset, folder: RunFolder) -> None:
    reports = list(start(tiny_dataset, small(), folder, "cpu"))
    first, *middle, last = reports
    assert isinstance(first, Started) and isinstance(last, Finished)
    assert (first.step, first.device, first.notes) == (0, "cpu", ())
    validations = [report.validation for report in validated(middle)]
    assert len(validations) == 5
    tokens = tiny_dataset.description.splits["train"].tokens
    assert validations[-1].step == round(2 * tokens / (4 * 16))
    assert validations[-1].epochs == pytest.approx(2, abs=0.02)
    assert all(a.step < b.step and a.seconds < b.seconds for a, b in pairwise(validations))
    assert validations[-1].training_nats_per_token < validations[0].training_nats_per_token
    progress = [report.progress for report in middle if isinstance(report, StepsDone)]
    assert progress and progress[0] > 0 and progress[-1] <= 1
    assert progress == sorted(progress)


def test_the_best_weights_are_kept(tiny_dataset: Dataset, folder: RunFolder) -> None:
    validations = validations_of(tiny_dataset, folder, small(learning_rate=0.5, epochs=4, dropout_output=0))
    losses = [validation.nats_per_token for validation in validations]
    best = min(validations, key=lambda validation: validation.nats_per_token)
    assert [validation.is_best for validation in validations] == [
        loss < min(losses[:number], default=float("inf")) for number, loss in enumerate(losses)
    ]
    result = RunDescription.load(folder).result
    assert result is not None and result.step == best.step
    kept = evaluate_split(Run(folder).model, tiny_dataset, "validation")
    assert kept.stream.nats_per_token == pytest.approx(min(losses), rel=0.02)


def test_metrics_and_samples_are_written(tiny_dataset: Dataset, folder: RunFolder) -> None:
    reports = validated(start(tiny_dataset, small(), folder, "cpu"))
    rows = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    assert [(row["step"], row["nats_per_token"], row["is_best"]) for row in rows] == [
        (each.step, each.nats_per_token, each.is_best) for each in (report.validation for report in reports)
    ]
    samples = sorted(folder.samples.iterdir())
    assert [path.read_text(encoding="utf-8") for path in samples] == [report.sample for report in reports]


def test_a_sample_is_what_the_run_then_generates(tiny_dataset: Dataset, folder: RunFolder) -> None:
    reports = validated(start(tiny_dataset, small(learning_rate=0.02), folder, "cpu"))
    run = Run(folder)
    assert run.description.result and reports[-1].validation.step == run.description.result.step
    options = GenerateOptions(length=SAMPLE_TOKENS, seed=run.description.settings.seed)
    assert reports[-1].sample == Session(run, options).write()[0].text


def test_the_same_seed_gives_the_same_weights(tiny_dataset: Dataset, tmp_path: Path) -> None:
    weights = []
    for number, seed in enumerate((1, 1, 2)):
        folder = RunFolder(tmp_path / str(number))
        finish(start(tiny_dataset, small(seed=seed), folder, "cpu"))
        weights.append(folder.weights.read_bytes())
    assert weights[0] == weights[1] != weights[2]


class TestADeviceThatIsNotWaitedFor:
    """A GPU's way of training, taken by the CPU: only what says that the device is asynchronous differs."""

    @pytest.fixture(autouse=True)
    def asynchronous(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("scriptforge.training.stepper.is_asynchronous", lambda device: True)

    def test_it_learns_the_same(
        self, tiny_dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        results: list[object] = []
        for name in ("late", "at once"):
            folder = RunFolder(tmp_path / name)
            validations = validations_of(tiny_dataset, folder, small(validations=2))
            results.append(folder.weights.read_bytes())
            losses = [validation.training_nats_per_token for validation in validations]
            results.append(pytest.approx(losses) if name == "at once" else losses)
            monkeypatch.undo()
        assert results[:2] == results[2:]

    def test_a_divergence_is_noticed_before_anything_is_kept(
        self, tiny_dataset: Dataset, folder: RunFolder
    ) -> None:
        with pytest.raises(TrainingError, match="infinite or undefined"):
            list(start(tiny_dataset, TestDivergence.hostile, folder, "cpu"))
        checkpoint, _ = newest_checkpoint(folder)
        tensors = load_file(checkpoint / "model.safetensors")
        assert all(tensor.isfinite().all() for tensor in tensors.values())


@pytest.mark.usefixtures("ticking_clock")
def test_minutes_end_a_training(tiny_dataset: Dataset, folder: RunFolder) -> None:
    *middle, last = start(tiny_dataset, small(minutes=0.01), folder, "cpu")
    assert isinstance(last, Finished)
    assert last.seconds == pytest.approx(0.6, abs=0.02)
    seconds = [report.validation.seconds for report in validated(middle)]
    assert seconds == pytest.approx([0.12, 0.24, 0.36, 0.48, 0.6], abs=0.02)


def test_minutes_that_count_from_a_moment_pay_for_all_that_follows(
    tiny_dataset: Dataset, folder: RunFolder
) -> None:
    late = time.perf_counter() - 0.2
    *_, last = start(tiny_dataset, small(minutes=0.02), folder, "cpu", context=StartContext(late))
    assert isinstance(last, Finished)
    checkpoint, _ = newest_checkpoint(folder)
    state, _ = read_state(checkpoint)
    assert state.segment.last_second is not None
    assert 0.6 <= state.segment.last_second <= 1.0
    assert state.segment.seconds is not None and state.segment.seconds < state.segment.last_second


@pytest.mark.slow
def test_patience_ends_a_training_that_gets_no_better(tiny_dataset: Dataset, folder: RunFolder) -> None:
    hopeless = small(epochs=40, validations=40, patience=2, learning_rate=1.0, warmup=0)
    validations = validations_of(tiny_dataset, folder, hopeless)
    assert len(validations) < 40
    assert [validation.is_best for validation in validations[-2:]] == [False, False]
    with pytest.raises(RunError, match="finished: its validation loss no longer improved") as caught:
        list(resume(tiny_dataset, folder, "cpu"))
    assert "--resume play --epochs" in caught.value.hint
    more = list(resume(tiny_dataset, folder, "cpu", epochs=2))
    assert len(validated(more)) > 2


@pytest.mark.usefixtures("ticking_clock")
def test_minutes_end_early_where_validation_only_gets_worse(
    tmp_path: Path, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("trainer", "validation"):  # what a validation takes decides how many there are
        monkeypatch.setattr(f"scriptforge.training.{module}.time", TickingClock())
    (tmp_path / "play.txt").write_text(comedy(8))
    dataset = prepared(tmp_path / "play.txt", tmp_path / "data", validation=0.2, test=0)
    settings = small(**BY_HEART, minutes=0.5, validations=100)
    finished = finish(start(dataset, settings, folder, "cpu", context=StartContext(0.0)))
    assert finished.diagnosis.startswith("Ended early") and finished.seconds < 25
    with pytest.raises(RunError, match="finished: its validation loss no longer improved") as caught:
        list(resume(dataset, folder, "cpu"))
    assert "--resume play --minutes" in caught.value.hint
    first, *_ = resume(dataset, folder, "cpu", epochs=1)
    assert isinstance(first, Started) and first.step > finished.step


class TestDivergence:
    hostile = small(epochs=10, validations=100, learning_rate=10, weight_decay=1, warmup=0)

    def test_it_ends_with_an_error_and_healthy_checkpoints(
        self, tiny_dataset: Dataset, folder: RunFolder
    ) -> None:
        with pytest.raises(TrainingError, match="infinite or undefined after step") as caught:
            validations_of(tiny_dataset, folder, self.hostile)
        assert "learning_rate=3" in caught.value.hint
        checkpoint, skipped = newest_checkpoint(folder)
        assert not skipped
        for weights in (checkpoint / "model.safetensors", folder.weights):
            assert all(tensor.isfinite().all() for tensor in load_file(weights).values())
        assert "Infinity" not in folder.metrics.read_text()

    def test_nothing_that_is_no_number_is_saved_on_request(
        self, tiny_dataset: Dataset, folder: RunFolder
    ) -> None:
        """Whatever step a person stops at, the last one before the loss shows it included."""
        settings = self.hostile.model_copy(update={"validations": 1})
        asked = 0

        def at_step(stop: int) -> bool:
            nonlocal asked
            asked += 1
            return asked == stop

        with pytest.raises(TrainingError):
            list(start(tiny_dataset, settings, folder, "cpu", partial(at_step, -1)))
        last = asked
        for stop in range(last - 3, last + 1):
            asked = 0
            with suppress(TrainingError):
                list(start(tiny_dataset, settings, folder, "cpu", partial(at_step, stop)))
            checkpoint, _ = newest_checkpoint(folder)
            weights = load_file(checkpoint / "model.safetensors")
            assert all(tensor.isfinite().all() for tensor in weights.values())


class TestTooLittleText:
    def test_shorter_than_a_sequence(self, tmp_path: Path, folder: RunFolder) -> None:
        text = tmp_path / "play.txt"
        text.write_text(comedy(5))
        dataset = prepared(text, tmp_path / "data", validation=0.3, test=0)
        with pytest.raises(TrainingError, match=r"too small: \d+ tokens to train on") as caught:
            list(start(dataset, small(sequence_length=1000), folder, "cpu"))
        assert "sequence_length" in caught.value.hint

    def test_shorter_than_a_batch_is_enough(self, tmp_path: Path, folder: RunFolder) -> None:
        text = tmp_path / "play.txt"
        text.write_text(comedy(5))
        dataset = prepared(text, tmp_path / "data", validation=0.3, test=0)
        finished = finish(start(dataset, small(batch_size=500, sequence_length=8), folder, "cpu"))
        assert evaluate_split(Run(folder).model, dataset, "validation") == finished.best

    def test_nothing_of_the_run_before_is_lost(
        self, tiny_dataset: Dataset, tiny_text: Path, tmp_path: Path, folder: RunFolder
    ) -> None:
        finish(start(tiny_dataset, small(epochs=0.2), folder, "cpu"))
        with pytest.raises(TrainingError):
            list(start(tiny_dataset, small(sequence_length=60_000), folder, "cpu"))
        assert Run(folder).description.settings.sequence_length == 16
        assert newest_checkpoint(folder)


def test_what_a_run_of_this_name_held_is_removed(tiny_dataset: Dataset, folder: RunFolder) -> None:
    finish(start(tiny_dataset, small(), folder, "cpu"))
    before = {path.name for path in folder.samples.iterdir()}
    finish(start(tiny_dataset, small(epochs=0.3), folder, "cpu"))
    assert before.isdisjoint(path.name for path in folder.samples.iterdir())
    assert len(folder.metrics.read_text().splitlines()) == 5


def test_stopping_saves_where_it_is(tiny_dataset: Dataset, folder: RunFolder) -> None:
    *_, last = start(tiny_dataset, small(), folder, "cpu", stop_after(7))
    assert last == Interrupted(run="play", step=7)
    assert folder.checkpoint_steps()[0] == 7
    first, *_ = resume(tiny_dataset, folder, "cpu")
    assert isinstance(first, Started) and first.step == 7


def test_a_changed_dataset_is_refused(
    tiny_dataset: Dataset, tiny_text: Path, folder: RunFolder, tmp_path: Path
) -> None:
    finish(start(tiny_dataset, small(epochs=0.2), folder, "cpu"))
    other = prepared(tiny_text, tmp_path / "data", lower=True)
    with pytest.raises(RunError, match="not the one that run “play” was trained on"):
        list(resume(other, folder, "cpu"))


def test_two_trainings_cannot_write_to_one_run(tiny_dataset: Dataset, folder: RunFolder) -> None:
    first = start(tiny_dataset, small(), folder, "cpu")
    next(first)
    with pytest.raises(RunError, match="is being trained by process"):
        list(resume(tiny_dataset, folder, "cpu"))
    first.close()
    finish(resume(tiny_dataset, folder, "cpu"))


def test_other_threads_are_mentioned(tiny_dataset: Dataset, folder: RunFolder) -> None:
    finish(start(tiny_dataset, small(epochs=0.2), folder, "cpu"))
    state = newest_checkpoint(folder)[0] / "state.json"
    threads = json.loads(state.read_text())["identity"]["threads"]
    torch.set_num_threads(threads + 1)
    try:
        reports = resume(tiny_dataset, folder, "cpu", epochs=0.1)
        first = next(reports)
        reports.close()
    finally:
        torch.set_num_threads(threads)
    assert isinstance(first, Started)
    assert first.notes == (
        f"threads was {threads} and is {threads + 1}: the result may differ in the last bits.",
    )
