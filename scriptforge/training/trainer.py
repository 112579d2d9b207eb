"""The training loop, as a generator of events.

`start` begins a new run and `resume` continues one. Both compute, save and yield events; the caller displays
them and decides when to stop. Between steps the trainer does what is due: at equal parts of the segment a
validation (which saves the weights if they are the best so far), every minute a checkpoint, and a few times a
second an event. With several processes, all make steps, and only the first validates, writes and reports.
"""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace

from scriptforge.config import DeviceType, Settings
from scriptforge.dataset import Dataset
from scriptforge.errors import RunError
from scriptforge.inference import config_from_json, config_from_settings
from scriptforge.run.history import Validation
from scriptforge.run.records import Result, RunDescription
from scriptforge.run.run import Run
from scriptforge.training.checkpoint import (
    identity_differences,
    load_weights,
    newest_checkpoint,
    read_state,
    save_checkpoint,
)
from scriptforge.training.devices import hardware, translate_memory_errors
from scriptforge.training.events import (
    Finished,
    Interrupted,
    Started,
    StepsDone,
    TrainingEvent,
    Validated,
)
from scriptforge.training.process_state import with_own_state
from scriptforge.training.processes import broadcast_from_first, translate_lost_processes
from scriptforge.training.run_files import RunWriter, describe_run, lock_run
from scriptforge.training.schedule import Clock, TrainingSegment, share_of_peak
from scriptforge.training.state import StartContext, TrainingState
from scriptforge.training.stepper import Stepper, new_model
from scriptforge.training.transfer import describe_init_from, transfer_weights
from scriptforge.training.validation import Validator
from scriptforge.workspace import RunFolder

_SECONDS_BETWEEN_CHECKPOINTS = 60.0
_SECONDS_BETWEEN_EVENTS = 0.25


def start(
    dataset: Dataset,
    settings: Settings,
    folder: RunFolder,
    device: DeviceType,
    should_stop: Callable[[], bool] = lambda: False,
    init_from: Run | None = None,
    context: StartContext | None = None,
) -> Generator[TrainingEvent, None, None]:
    """Train a new model.

    Args:
        dataset: the dataset to train on.
        settings: resolved settings.
        folder: the run's folder; an existing run in it is kept until the new model has weights.
        device: the type of device to train on.
        should_stop: called after every step; if true, a checkpoint is saved and training ends.
        init_from: the run whose weights to start from; it needs the settings of `transferred_settings`.
        context: when the minutes of the settings began to count; everything is finished within them. Without
            that, only steps and validations count, and each validation reads the whole split.

    Raises:
        TrainingError: the text is too short, memory ran out, or the loss became infinite.
        RunError: another process is training this run.
    """

    def made() -> Trainer:
        return Trainer.new(dataset, settings, folder, device, init_from, context or StartContext())

    return with_own_state(_run(folder, made, should_stop))


def resume(
    dataset: Dataset,
    folder: RunFolder,
    device: DeviceType,
    epochs: float | None = None,
    minutes: float | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Generator[TrainingEvent, None, None]:
    """Continue a run from its newest checkpoint that verifies.

    Args:
        dataset: the dataset that it was trained on.
        folder: the run's folder.
        device: the type of device to train on.
        epochs: number of epochs to add; with neither epochs nor minutes, the run continues to its planned
            end.
        minutes: number of minutes to add.
        should_stop: as in `start`.

    Raises:
        RunError: no checkpoint verifies, the dataset changed, the run has finished, or another process is
            training it.
        UsageError: the number of processes changed.
        TrainingError: as in `start`.
    """

    def restored() -> Trainer:
        trainer = Trainer.resume(dataset, folder, device)
        if epochs is not None or minutes is not None:
            trainer.begin_segment(epochs, minutes)
        else:
            trainer.refuse_finished()
        return trainer

    return with_own_state(_run(folder, restored, should_stop))


def _run(
    folder: RunFolder, make: Callable[[], "Trainer"], should_stop: Callable[[], bool]
) -> Generator[TrainingEvent, None, None]:
    """Make a trainer and run it, holding the lock of its folder."""
    with lock_run(folder), translate_memory_errors(), translate_lost_processes():
        yield from make().run(should_stop)


class Trainer:
    """One training run in this process; make it with `Trainer.new` or `Trainer.resume`, then `run` it once.

    Args:
        dataset: the dataset to train on.
        writer: writes the files of the run.
        stepper: makes the steps.
        state: the progress of the training.
        notes: warnings for the first event.
    """

    def __init__(
        self,
        dataset: Dataset,
        writer: RunWriter,
        stepper: Stepper,
        state: TrainingState,
        notes: Sequence[str] = (),
    ) -> None:
        self._dataset = dataset
        self._writer = writer
        self._settings = writer.description.settings
        self._stepper = stepper
        self._state = state
        self._notes = tuple(notes)
        statistics = writer.description.dataset.statistics
        self._validator = Validator(stepper, dataset, self._settings.seed, statistics)
        self._saved_second = state.seconds
        self._no_longer_improves = state.no_longer_improves(self._settings.patience)

    @classmethod
    def new(
        cls,
        dataset: Dataset,
        settings: Settings,
        folder: RunFolder,
        device: DeviceType,
        init_from: Run | None,
        context: StartContext,
    ) -> "Trainer":
        """Return the trainer of a new run; see `start`."""
        origin = describe_init_from(init_from) if init_from else None
        config = config_from_settings(settings, **dataset.vocabulary.sizes)
        stepper = Stepper(dataset, new_model(config, settings), settings, device)
        threads = stepper.threads.identity if device == "cpu" else None
        description = describe_run(dataset, settings, config, folder, origin, context.measured, threads)
        writer = RunWriter(folder, description)
        if init_from is not None:
            transfer_weights(stepper.model, dataset.vocabulary, init_from)
        segment = TrainingSegment.of(settings, stepper.streams.steps_per_epoch)
        trainer = cls(dataset, writer, stepper, TrainingState(segment))
        trainer._create_run_folder()
        if context.began is not None:
            trainer._plan_validations(context.began)
        return trainer

    @classmethod
    def resume(cls, dataset: Dataset, folder: RunFolder, device: DeviceType) -> "Trainer":
        """Return the trainer of a run, restored from its newest checkpoint that verifies; see `resume`."""
        description = RunDescription.load(folder.latest)
        description.refuse_other_dataset(dataset)
        checkpoint, skipped = newest_checkpoint(folder.latest)
        state, identity = read_state(checkpoint)
        settings = description.settings
        model = new_model(config_from_json(description.model), settings)
        stepper = Stepper(dataset, model, settings, device)
        stepper.processes.refuse_disagreement({"the step to continue from": state.step})
        is_exact = settings.epochs is not None
        notes = [*skipped, *identity_differences(identity, stepper.identity(), is_exact)]
        stepper.restore(checkpoint)
        return cls(dataset, RunWriter(folder, description), stepper, state, notes)

    def begin_segment(self, epochs: float | None, minutes: float | None) -> None:
        """Plan a new end, some epochs or minutes from here; `max_epochs` limited only the first segment."""
        began = time.perf_counter()
        state, steps_per_epoch = self._state, self._stepper.streams.steps_per_epoch
        length = {"epochs": epochs, "minutes": minutes, "max_epochs": None}
        share = state.segment.validation_share
        settings = self._settings.model_copy(update=length)
        segment = TrainingSegment.of(settings, steps_per_epoch, state.step, state.seconds)
        state.segment = replace(segment, validation_share=share)
        self._no_longer_improves = False
        self._save()  # first, so that the request survives a kill at any later moment
        if self._stepper.processes.is_first:
            self._writer.save_result(None)
        self._plan_validations(began)

    def refuse_finished(self) -> None:
        """Raise an error if the run has a result, and has reached its planned end or ended early.

        Raises:
            RunError: it has.
        """
        if not self._is_over() or self._writer.description.result is None:
            return
        folder, unit = self._writer.folder, "--epochs" if self._settings.minutes is None else "--minutes"
        why = ": its validation loss no longer improved" if self._state.progress < 1 else ""
        raise RunError(
            f"Run “{folder.name}” has finished{why}.",
            f"Train it for longer: {folder.command_to_resume(unit, 5)}",
        )

    def run(self, should_stop: Callable[[], bool]) -> Iterator[TrainingEvent]:
        """Train to the end of the segment, or until `should_stop`, called after every step, returns true.

        All processes make the steps, agree on what comes next, and take part in saving. Only the first one
        validates and yields events; what it does alone must not wait for another process.
        """
        is_first, state = self._stepper.processes.is_first, self._state
        if is_first:
            yield self._started()
        clock = Clock(state.seconds)
        while not self._is_over():
            before = state.progress
            self._step(before)
            is_stopping = self._agree(clock.seconds(), should_stop())
            reached = state.progress
            if self._validator.is_due(state.segment, before, reached):
                if is_first:
                    yield self._validate(clock)
                self._close_validation(clock)
            elif state.seconds - self._saved_second > _SECONDS_BETWEEN_CHECKPOINTS:
                self._save()
            if is_first and clock.has_elapsed(_SECONDS_BETWEEN_EVENTS):
                yield self._steps_done(reached)
            if is_stopping:
                self._save()
                if is_first:
                    yield Interrupted(self._writer.folder.name, state.step)
                return
        if is_first:
            yield self._finish(clock)

    # The following methods are for all processes.

    def _is_over(self) -> bool:
        return self._state.progress >= 1 or self._no_longer_improves

    def _agree(self, seconds: float, should_stop: bool) -> bool:
        """Set the training time to that of the first process; return whether any process should stop."""
        self._state.seconds, any_should_stop = self._stepper.processes.agree(seconds, should_stop)
        return any_should_stop

    def _step(self, progress: float) -> None:
        state = self._state
        began = time.perf_counter()
        state.add_losses(self._stepper.step(state.step, share_of_peak(progress, self._settings)))
        state.step += 1
        seconds = time.perf_counter() - began
        state.step_seconds += seconds
        self._stepper.threads.after_step(seconds)

    def _close_validation(self, clock: Clock) -> None:
        """Find out whether to end early, save a checkpoint, and record what the validation took."""
        began = self._state.seconds
        # Only the first process has the history that tells.
        no_longer_improves = self._state.no_longer_improves(self._settings.patience)
        self._no_longer_improves = self._agree(clock.seconds(), no_longer_improves)
        self._save()
        seconds = self._state.seconds - began + self._validator.checkpoint_seconds
        self._validator.seconds.append(seconds)

    def _create_run_folder(self) -> None:
        """Create a run that can already be resumed, before its first step."""
        is_first = self._stepper.processes.is_first
        with self._writer.creating(self._dataset) if is_first else nullcontext():
            self._save()

    def _save(self) -> None:
        """Save a checkpoint, with the streams and the random generators of every process."""
        stepper, state = self._stepper, self._state
        self._read_losses()
        stepper.check_numbers(state.step)
        began = time.perf_counter()
        step_tensors = stepper.step_tensors()
        if stepper.processes.is_first:
            save_checkpoint(self._writer.folder, step_tensors, state, stepper.identity())
        self._saved_second = state.seconds
        seconds, _ = stepper.processes.agree(time.perf_counter() - began, False)
        self._validator.checkpoint_seconds = seconds

    def _plan_validations(self, began: float) -> None:
        """Subtract the cost of validations, and the time since `began`, from the time of the segment.

        Must be called after the first checkpoint, whose saving is timed for this.
        """
        state, segment = self._state, self._state.segment
        if segment.seconds is None:
            return
        if self._stepper.processes.is_first:
            share = segment.validation_share if state.history else None
            plan = self._validator.plan(segment.seconds, segment.validations, began=began, share=share)
            segment = replace(segment, **asdict(plan))
        state.segment = broadcast_from_first(segment, self._stepper.device_type)

    def _read_losses(self) -> None:
        self._state.add_losses(self._stepper.read_losses(self._state.step))

    # The following methods are for the first process alone.

    def _started(self) -> Started:
        return Started(
            run=self._writer.folder.name,
            parameters=self._writer.description.parameters,
            device=self._stepper.device.type,
            step=self._state.step,
            notes=self._notes,
            description=self._writer.description,
        )

    def _steps_done(self, progress: float) -> StepsDone:
        self._read_losses()
        return StepsDone(
            progress=progress,
            step=self._state.step,
            epochs=self._epochs,
            nats_per_token=self._state.recent_loss,
            tokens_per_second=self._tokens_per_second,
            seconds=self._state.seconds,
            threads=self._stepper.threads.number,
        )

    def _validate(self, clock: Clock) -> Validated:
        """Read the validation split, save the weights if they are the best, and generate a sample."""
        self._read_losses()
        self._stepper.threads.settle()
        state = self._state
        loss = self._validator.loss(state.segment.validation_share)
        self._stepper.check_numbers(state.step, loss.nats_per_token)
        is_best = all(loss.nats_per_token < each.nats_per_token for each in state.history)
        if is_best:
            self._writer.save_best(self._stepper.model.whole())
        validation = Validation(
            step=state.step,
            epochs=self._epochs,
            seconds=clock.seconds(),
            training_nats_per_token=state.loss_sum / state.loss_count,
            **asdict(loss),
            is_best=is_best,
        )
        state.add_validation(validation)
        sample = self._validator.sample()
        self._writer.save_validations(state.history, sample)
        return Validated(validation, sample)

    def _finish(self, clock: Clock) -> Finished:
        """Evaluate the best weights exactly, and write the result into the run's config."""
        stepper, state = self._stepper, self._state
        stepper.threads.settle()
        best = stepper.model.whole()
        load_weights(best, self._writer.folder.weights)
        share = self._validator.share_at_end(state.segment, clock.seconds())
        evaluation = self._validator.evaluation(best, share)
        result = Result(
            best=evaluation,
            share=share,
            step=state.best_step,
            seconds=state.seconds,
            tokens_per_second=self._tokens_per_second,
            diagnosis=state.diagnosis(run=self._writer.folder.name),
            hardware=hardware(stepper.device, stepper.threads.used),
        )
        self._writer.save_result(result)
        return Finished(
            run=self._writer.folder.name,
            best=evaluation,
            share=share,
            step=result.step,
            seconds=result.seconds,
            tokens_per_second=result.tokens_per_second,
            training_nats_per_token=state.last_loss,
            diagnosis=result.diagnosis,
        )

    @property
    def _epochs(self) -> float:
        return self._state.step / self._stepper.streams.steps_per_epoch

    @property
    def _tokens_per_second(self) -> float:
        """Return the mean speed of all steps, without the work between them."""
        state = self._state
        return state.step * self._stepper.streams.tokens_per_step / max(state.step_seconds, 1e-9)
