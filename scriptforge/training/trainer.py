"""The training loop, as a generator of reports.

It computes, saves and yields; whoever drives it draws, prints and decides when to stop.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scriptforge.config import Accelerator, Settings
from scriptforge.dataset import Dataset
from scriptforge.errors import RunError, UsageError
from scriptforge.evaluation import Figures, evaluate_split, extent, stream_figures
from scriptforge.generation import generate
from scriptforge.models import config_from_json
from scriptforge.options import GenerateOptions
from scriptforge.run.records import Result, RunDescription, Validation, write_history
from scriptforge.run.run import Run, load_weights, save_weights
from scriptforge.training.checkpoint import TrainingState, newest_checkpoint, read_progress, save_checkpoint
from scriptforge.training.devices import (
    hardware,
    is_first_process,
    keep_freed_memory,
    translate_memory_errors,
)
from scriptforge.training.reports import (
    Finished,
    Interrupted,
    Progress,
    Report,
    Started,
    Validated,
    diagnosis,
)
from scriptforge.training.schedule import Clock, TrainingSegment, share_of_peak
from scriptforge.training.stepper import Stepper, describe_run
from scriptforge.training.transfer import describe_init_from, inherit
from scriptforge.workspace import RunFolder, atomic_write

VALIDATION_LANES = 16
SHORTEST_LANE = 2048
SAMPLE_TOKENS = 200
_SECONDS_BETWEEN_CHECKPOINTS = 60.0
_SECONDS_BETWEEN_REPORTS = 0.25


def start(
    dataset: Dataset,
    settings: Settings,
    folder: RunFolder,
    device: Accelerator,
    should_stop: Callable[[], bool] = lambda: False,
    init_from: Run | None = None,
) -> Iterator[Report]:
    """Trains a new model.

    Args:
        dataset: what to train on.
        settings: resolved settings.
        folder: the run's folder; what it held before is removed once the new model stands.
        device: what computes.
        should_stop: asked after every step; when true, a checkpoint is saved and the training ends.
        init_from: the run whose weights it begins with; `inherited_settings` says what settings that takes.

    Raises:
        TrainingError: the text is too short, memory ran out, or the loss became infinite.
        RunError: another process is training this run.
    """
    keep_freed_memory()
    with _writing(folder), translate_memory_errors():
        description = describe_run(
            dataset, settings, folder, describe_init_from(init_from) if init_from else None
        )
        training = _Training(dataset, description, folder, device, should_stop)
        if init_from is not None:
            inherit(training.stepper.model, dataset.vocabulary, init_from)
        training.begin()
        yield from training.run(())


def resume(
    dataset: Dataset,
    folder: RunFolder,
    device: Accelerator,
    epochs: float | None = None,
    minutes: float | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Report]:
    """Goes on with a run from its newest checkpoint that verifies.

    Args:
        dataset: the one it was trained on.
        folder: the run's folder.
        device: what computes.
        epochs: go on for so many more from where the run stands; with neither this nor `minutes`, to the
            end that was planned.
        minutes: go on for so many more.
        should_stop: as in `start`.

    Raises:
        RunError: no checkpoint verifies, the dataset changed, or another process is training this run.
        TrainingError: as in `start`.
    """
    keep_freed_memory()
    with _writing(folder), translate_memory_errors():
        description = RunDescription.load(folder)
        description.refuse_other_dataset(dataset)
        checkpoint, skipped = newest_checkpoint(folder)
        state, identity = read_progress(checkpoint)
        training = _Training(dataset, description, folder, device, should_stop)
        differences = _differences(identity, training.stepper.identity())
        training.go_on(checkpoint, state)
        if epochs is not None or minutes is not None:
            training.begin_segment(epochs, minutes)
        elif training.is_over() and description.result is not None:
            raise RunError(
                f"Run “{folder.name}” has finished.",
                f"Go on for more: scriptforge train --resume {folder.name} --epochs 5",
            )
        notes = [*skipped, *differences]
        yield from training.run(tuple(notes))


class _Training:
    """One training in this process: its steps, and what is due between them."""

    state: TrainingState

    def __init__(
        self,
        dataset: Dataset,
        description: RunDescription,
        folder: RunFolder,
        device: Accelerator,
        should_stop: Callable[[], bool],
    ) -> None:
        self.dataset = dataset
        self.description = description
        self.settings = description.settings
        self.folder = folder
        self.should_stop = should_stop
        self.stepper = Stepper(dataset, config_from_json(description.model), self.settings, device)
        self.processes = self.stepper.processes
        self.clock = Clock()
        self._saved_second = 0.0
        self._is_impatient = False

    def begin(self) -> None:
        """Sets out on a new run, whose folder is emptied."""
        self.state = TrainingState(segment=self._segment(self.settings.epochs, self.settings.minutes))
        if self.processes.is_first:
            _clear(self.folder)
            atomic_write(self.folder.tokenizer, self.dataset.folder.tokenizer.read_bytes())
        self._write_beginning()

    def go_on(self, checkpoint: Path, state: TrainingState) -> None:
        """Stands where a checkpoint was taken."""
        self.state = state
        self.stepper.restore(checkpoint, state)
        self._saved_second = state.seconds
        self._is_impatient = self._has_lost_patience()

    def begin_segment(self, epochs: float | None, minutes: float | None) -> None:
        """Sets out for a new end, from where the training stands."""
        self.state.segment = self._segment(epochs, minutes, self.state.step, self.state.seconds)
        self._is_impatient = False
        self._write_beginning()

    def _segment(
        self, epochs: float | None, minutes: float | None, step: int = 0, second: float = 0.0
    ) -> TrainingSegment:
        if epochs is not None:
            return TrainingSegment(
                step, second, max(1, round(epochs * self.stepper.streams.steps_per_epoch)), None
            )
        assert minutes is not None
        return TrainingSegment(step, second, None, minutes * 60)

    def _write_beginning(self) -> None:
        """Writes down that there is something to do, so that a kill at any later moment loses no request."""
        if self.processes.is_first:
            self.description.model_copy(update={"result": None}).save(self.folder)
        self._save()

    def run(self, notes: tuple[str, ...]) -> Iterator[Report]:
        """Trains to the end of the segment; only the first process yields anything."""
        state, segment = self.state, self.state.segment
        if self.processes.is_first:
            device = self.stepper.device.type
            yield Started(self.folder.name, self.description.parameters, device, state.step, notes)
        self.clock = Clock(state.seconds)
        while not self.is_over():
            progress = segment.progress(state.step, state.seconds)
            self.stepper.step(state, share_of_peak(progress, self.settings))
            state.seconds, should_stop = self.processes.agree(self.clock.seconds(), self.should_stop())
            reached = segment.progress(state.step, state.seconds)
            if _marks(reached, self.settings) > _marks(progress, self.settings):
                if self.processes.is_first:
                    yield self._validate()
                state.seconds, self._is_impatient = self.processes.agree(
                    self.clock.seconds(), self._has_lost_patience()
                )
                self._save()
            elif state.seconds - self._saved_second > _SECONDS_BETWEEN_CHECKPOINTS:
                self._save()
            if self.processes.is_first and self.clock.rings(_SECONDS_BETWEEN_REPORTS):
                yield self._progress(reached)
            if should_stop:
                self._save()
                if self.processes.is_first:
                    yield Interrupted(state.step)
                return
        if self.processes.is_first:
            yield self._finish()

    def _progress(self, progress: float) -> Progress:
        self.stepper.read_losses(self.state)
        state = self.state
        return Progress(
            progress=progress,
            step=state.step,
            epochs=self.stepper.epochs(state),
            nats_per_token=state.loss_sum / state.loss_count if state.loss_count else state.last_loss,
            tokens_per_second=self.stepper.tokens_per_second(state),
            seconds=state.seconds,
        )

    def _validate(self) -> Validated:
        """Reads the validation split, keeps the weights if they are the best, and writes a sample."""
        self.stepper.read_losses(self.state)
        state = self.state
        figures = self._figures()
        is_best = all(figures.nats_per_token < each.nats_per_token for each in state.history)
        if is_best:
            save_weights(self.stepper.model, self.folder.weights)
        validation = Validation(
            step=state.step,
            epochs=self.stepper.epochs(state),
            seconds=self.clock.seconds(),
            training_nats_per_token=state.loss_sum / state.loss_count,
            **asdict(figures),
            is_best=is_best,
        )
        state.history.append(validation)
        state.last_loss, state.loss_sum, state.loss_count = validation.training_nats_per_token, 0.0, 0
        sample = self._sample()
        write_history(self.folder, state.history)
        atomic_write(self.folder.samples / f"step-{state.step:08d}.txt", sample)
        return Validated(validation, sample)

    def _figures(self) -> Figures:
        """The loss on the validation split, in the arithmetic of the training.

        That is as fast and a little less exact; what is said of the kept weights in the end is exact.
        """
        self.stepper.model.eval()
        validation = self.dataset.ids("validation")
        with self.stepper.autocast():
            figures = stream_figures(
                self.stepper.model,
                validation,
                extent(self.dataset, "validation"),
                self.dataset.vocabulary.end,
                rows=max(1, min(VALIDATION_LANES, len(validation) // SHORTEST_LANE)),
            )
        self.stepper.check_numbers(self.state, figures.nats_per_token)
        return figures

    def _sample(self) -> str:
        options = GenerateOptions(length=SAMPLE_TOKENS, seed=self.settings.seed)
        return generate(self.stepper.model, self.dataset.vocabulary, options)[0].text

    def is_over(self) -> bool:
        """Whether the segment is done, or patience with it."""
        state = self.state
        return state.segment.progress(state.step, state.seconds) >= 1 or self._is_impatient

    def _has_lost_patience(self) -> bool:
        """Whether the last `patience` validations of this segment were all without a better one."""
        patience = self.settings.patience
        were_best = [each.is_best for each in self.state.history if each.step > self.state.segment.first_step]
        return patience is not None and len(were_best) > patience and not any(were_best[-patience:])

    def _save(self) -> None:
        stepper, state = self.stepper, self.state
        stepper.read_losses(state)
        stepper.check_numbers(state)
        moment = stepper.moment(state)
        if self.processes.is_first:
            save_checkpoint(self.folder, moment, stepper.identity())
        self._saved_second = state.seconds

    def _finish(self) -> Finished:
        """Evaluates the best weights exactly and writes the result into the run's config."""
        stepper, state = self.stepper, self.state
        load_weights(stepper.model, self.folder.weights)
        stepper.model.eval()
        best = min(state.history, key=lambda each: each.nats_per_token)
        evaluation = evaluate_split(stepper.model, self.dataset, "validation")
        result = Result(
            best=evaluation,
            step=best.step,
            seconds=state.seconds,
            tokens_per_second=stepper.tokens_per_second(state),
            diagnosis=diagnosis(
                [each.training_nats_per_token for each in state.history],
                [each.nats_per_token for each in state.history],
            ),
            hardware=hardware(stepper.device),
        )
        self.description.model_copy(update={"result": result}).save(self.folder)
        return Finished(
            run=self.folder.name,
            best=evaluation,
            step=result.step,
            seconds=result.seconds,
            tokens_per_second=result.tokens_per_second,
            training_nats_per_token=state.last_loss,
            diagnosis=result.diagnosis,
        )


@contextmanager
def _writing(folder: RunFolder) -> Iterator[None]:
    """Holds the run, in the process that writes to it."""
    if not is_first_process():
        yield
        return
    with folder.lock():
        yield


def _marks(progress: float, settings: Settings) -> int:
    """How many validations are due at some progress."""
    return int(progress * settings.validations)


def _clear(folder: RunFolder) -> None:
    """Removes what an earlier run of this name left, keeping the lock."""
    for path in folder.path.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif not path.name.startswith("."):
            path.unlink()


def _differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """A line for whatever may make the resumed training differ in the last bits.

    Raises:
        UsageError: the number of processes is another one, so that the streams do not fit.
    """
    if before["processes"] != now["processes"]:
        raise UsageError(
            f"The run was trained by {before['processes']} process(es), not {now['processes']}.",
            "Go on with as many processes as before.",
        )
    return [
        f"{name} was {before[name]} and is {now[name]}: the result may differ in the last bits."
        for name in now
        if before[name] != now[name]
    ]
