"""The training loop, as a generator of reports.

It computes, saves and yields; whoever drives it draws, prints and decides when to stop.

Shape letters: B streams, T steps.
"""

import json
import math
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator as Accelerate
from accelerate.state import AcceleratorState
from torch import Tensor

from scriptforge.config import Accelerator, Settings
from scriptforge.dataset import Dataset
from scriptforge.errors import RunError, TrainingError, UsageError
from scriptforge.evaluation import evaluate_split, extent, stream_figures
from scriptforge.generation import Request, generate
from scriptforge.models import build, config_from_json
from scriptforge.models.protocol import begin_anew, detach
from scriptforge.run import Run, load_weights, save_weights
from scriptforge.run_description import Result, RunDescription
from scriptforge.training.checkpoint import (
    Moment,
    TrainingState,
    newest_checkpoint,
    read_progress,
    restore,
    save_checkpoint,
)
from scriptforge.training.clock import Clock
from scriptforge.training.devices import hardware, is_asynchronous
from scriptforge.training.inheritance import describe_parent, inherit
from scriptforge.training.memory import keep_freed_memory, memory_explained
from scriptforge.training.optimizers import optimizer_of
from scriptforge.training.processes import Processes, is_first_process
from scriptforge.training.reports import Finished, Interrupted, Progress, Report, Started, Validated
from scriptforge.training.schedule import Leg, share_of_peak
from scriptforge.training.setup import LossOfStep, describe_run, sample_head, streams_of
from scriptforge.training.verdict import verdict
from scriptforge.workspace import RunFolder, atomic_write

VALIDATION_LANES = 16
SHORTEST_LANE = 2048
SAMPLE_TOKENS = 200
_SECONDS_BETWEEN_CHECKPOINTS = 60.0
_SECONDS_BETWEEN_REPORTS = 0.25
_UNREAD_AT_MOST = 128


def start(
    dataset: Dataset,
    settings: Settings,
    folder: RunFolder,
    device: Accelerator,
    should_stop: Callable[[], bool] = lambda: False,
    parent: Run | None = None,
) -> Iterator[Report]:
    """Trains a new model.

    Args:
        dataset: what to train on.
        settings: resolved settings.
        folder: the run's folder; what it held before is removed once the new model stands.
        device: what computes.
        should_stop: asked after every step; when true, a checkpoint is saved and the training ends.
        parent: the run whose weights it begins with; `inherited_settings` says what settings that takes.

    Raises:
        TrainingError: the text is too short, memory ran out, or the loss became infinite.
        RunError: another process is training this run.
    """
    keep_freed_memory()
    with _writing(folder), memory_explained():
        description = describe_run(dataset, settings, folder, describe_parent(parent) if parent else None)
        training = _Training(dataset, description, settings, folder, device, should_stop)
        if parent is not None:
            inherit(training.model, dataset.vocabulary, parent)
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
    with _writing(folder), memory_explained():
        description = RunDescription.load(folder)
        description.refuse_other_dataset(dataset)
        checkpoint, skipped = newest_checkpoint(folder)
        state, identity = read_progress(checkpoint)
        training = _Training(dataset, description, description.settings, folder, device, should_stop)
        training.state = state
        differences = _differences(identity, training.identity())
        training.restore(checkpoint)
        if epochs is not None or minutes is not None:
            training.begin_leg(epochs, minutes)
        elif training.is_over() and description.result is not None:
            raise RunError(
                f"Run “{folder.name}” has finished.",
                f"Go on for more: scriptforge train --resume {folder.name} --epochs 5",
            )
        notes = [*skipped, *differences]
        yield from training.run(tuple(notes))


class _Training:
    """Model, optimizer, streams and state of one training in this process."""

    state: TrainingState

    def __init__(
        self,
        dataset: Dataset,
        description: RunDescription,
        settings: Settings,
        folder: RunFolder,
        device: Accelerator,
        should_stop: Callable[[], bool],
    ) -> None:
        self.dataset = dataset
        self.description = description
        self.settings = settings
        self.folder = folder
        self.should_stop = should_stop
        AcceleratorState._reset_state(reset_partial_state=True)  # else the first training decides for all
        self.accelerate = Accelerate(
            cpu=device == "cpu", mixed_precision="no" if settings.precision == "fp32" else settings.precision
        )
        self.processes = Processes(self.accelerate)
        self.streams = streams_of(dataset, settings, self.processes.index, self.processes.count)
        self._is_asynchronous = is_asynchronous(self.accelerate.device)
        if self._is_asynchronous:
            self.streams = self.streams.to(self.accelerate.device)
        torch.manual_seed(settings.seed)
        self.model = build(config_from_json(description.model))
        if settings.head_samples:
            sample_head(self.model, dataset, settings.head_samples)
        self.model.to(self.accelerate.device)
        optimizer = optimizer_of(self.model, settings)
        self.loss_of_step, self.optimizer = self.accelerate.prepare(LossOfStep(self.model), optimizer)
        self.recurrent = self.model.initial_state(settings.batch_size)
        torch.manual_seed(settings.seed + self.processes.index)
        self.clock = Clock()
        self._saved_second = 0.0
        self._is_impatient = False
        self._unread: list[Tensor] = []  # loss and gradient norm of steps that nobody has looked at

    def begin(self) -> None:
        """Sets out on a new run, whose folder is emptied."""
        self.state = TrainingState(leg=self._leg(self.settings.epochs, self.settings.minutes))
        if self.processes.is_first:
            _clear(self.folder)
            atomic_write(self.folder.tokenizer, self.dataset.folder.tokenizer.read_bytes())
        self._write_beginning()

    def begin_leg(self, epochs: float | None, minutes: float | None) -> None:
        """Sets out for a new end, from where the training stands."""
        self.state.leg = self._leg(epochs, minutes, self.state.step, self.state.seconds)
        self._is_impatient = False
        self._write_beginning()

    def _leg(self, epochs: float | None, minutes: float | None, step: int = 0, second: float = 0.0) -> Leg:
        if epochs is not None:
            return Leg(step, second, max(1, round(epochs * self.streams.steps_per_epoch)), None)
        assert minutes is not None
        return Leg(step, second, None, minutes * 60)

    def _write_beginning(self) -> None:
        """Writes down that there is something to do, so that a kill at any later moment loses no request."""
        if self.processes.is_first:
            self.description.model_copy(update={"result": None}).save(self.folder)
        self._save()

    def identity(self) -> dict[str, Any]:
        """What must be the same for a resumed training to be the same."""
        return {
            "threads": torch.get_num_threads(),
            "device": self.accelerate.device.type,
            "processes": self.processes.count,
            "torch": torch.__version__,
        }

    def restore(self, checkpoint: Path) -> None:
        """Takes everything that a step changes from a checkpoint."""
        moment = restore(checkpoint, self._moment())
        self.recurrent = self.processes.own_state(moment.recurrent)
        self.processes.set_generator(moment.generators)
        if self.accelerate.scaler is not None:
            self.accelerate.scaler.load_state_dict(moment.scaler)
        self._saved_second = self.state.seconds
        self._is_impatient = self._has_lost_patience()

    def run(self, notes: tuple[str, ...]) -> Iterator[Report]:
        """Trains to the end of the leg; only the first process yields anything."""
        state, leg = self.state, self.state.leg
        parameters, device = self.description.parameters, self.accelerate.device.type
        if self.processes.is_first:
            yield Started(self.folder.name, parameters, device, state.step, notes)
        self.clock = Clock(state.seconds)
        while not self.is_over():
            progress = leg.progress(state.step, state.seconds)
            self._step(share_of_peak(progress, self.settings))
            state.seconds, should_stop = self.processes.agree(self.clock.seconds(), self.should_stop())
            reached = leg.progress(state.step, state.seconds)
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

    def _step(self, share: float) -> None:
        """One optimizer step on the batch that the step's number says, at a share of the peak rates."""
        began = time.perf_counter()
        ids_BT, targets_BT = self.streams.batch(self.state.step)
        device = self.accelerate.device
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * share
        self.model.train()
        forgetting = self.settings.forgetting if self.state.step else 1
        drawn_B = torch.rand(len(ids_BT), device=device)
        ids_BT, before = begin_anew(
            ids_BT.to(device),
            self.recurrent,
            begins_B=drawn_B < forgetting,
            opens_B=drawn_B < forgetting / 2,
            first=self.dataset.vocabulary.end,
        )
        loss, recurrent = self.loss_of_step(ids_BT, targets_BT.to(device), before)
        self.accelerate.backward(loss)
        norm = self.accelerate.clip_grad_norm_(self.model.parameters(), self.settings.gradient_clip)
        self._unread += [loss.detach(), norm.detach()]
        if not self._is_asynchronous or len(self._unread) >= _UNREAD_AT_MOST:
            self._read_losses()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.recurrent = detach(recurrent)
        self.state.step += 1
        self.state.step_seconds += time.perf_counter() - began

    def _read_losses(self) -> None:
        """Brings the losses since the last time to the host, for which a GPU has to be waited for.

        Raises:
            TrainingError: one of them, or a gradient, is not a finite number.
        """
        if not self._unread:
            return
        numbers = torch.stack(self._unread).tolist()
        self._unread.clear()
        losses, norms = numbers[::2], numbers[1::2]
        if not all(map(math.isfinite, losses if self.accelerate.scaler is not None else losses + norms)):
            raise self._divergence()
        self.state.loss_sum += math.fsum(losses)
        self.state.loss_count += len(losses)

    def _progress(self, progress: float) -> Progress:
        self._read_losses()
        state = self.state
        return Progress(
            progress=progress,
            step=state.step,
            epochs=state.step / self.streams.steps_per_epoch,
            nats_per_token=state.loss_sum / state.loss_count if state.loss_count else state.last_loss,
            tokens_per_second=self._tokens_per_second(),
            seconds=state.seconds,
        )

    def _tokens_per_second(self) -> float:
        return self.state.step * self.streams.tokens_per_step / max(self.state.step_seconds, 1e-9)

    def _validate(self) -> Validated:
        """Reads the validation split, keeps the weights if they are the best, and writes a sample.

        It is read in the arithmetic of the training, which is as fast and a little less exact; what is
        said of the kept weights in the end is exact.
        """
        self._read_losses()
        state = self.state
        self.model.eval()
        validation = self.dataset.ids("validation")
        with self.accelerate.autocast():
            figures = stream_figures(
                self.model,
                validation,
                extent(self.dataset, "validation"),
                self.dataset.vocabulary.end,
                lanes=max(1, min(VALIDATION_LANES, len(validation) // SHORTEST_LANE)),
            )
        self._check_numbers(figures.nats_per_token)
        is_best = all(figures.nats_per_token < row["nats_per_token"] for row in state.history)
        if is_best:
            save_weights(self.model, self.folder.weights)
        validated = Validated(
            step=state.step,
            epochs=state.step / self.streams.steps_per_epoch,
            seconds=self.clock.seconds(),
            training_nats_per_token=state.loss_sum / state.loss_count,
            figures=figures,
            is_best=is_best,
            sample=self._sample(),
        )
        state.history.append(
            {
                "step": validated.step,
                "epochs": validated.epochs,
                "seconds": validated.seconds,
                "training_nats_per_token": validated.training_nats_per_token,
                **asdict(figures),
                "is_best": is_best,
            }
        )
        state.last_loss, state.loss_sum, state.loss_count = validated.training_nats_per_token, 0.0, 0
        rows = "".join(json.dumps(row) + "\n" for row in state.history)
        atomic_write(self.folder.metrics, rows)
        atomic_write(self.folder.samples / f"step-{state.step:08d}.txt", validated.sample)
        return validated

    def _sample(self) -> str:
        request = Request(length=SAMPLE_TOKENS, seed=self.settings.seed)
        return generate(self.model, self.dataset.vocabulary, request)[0].text

    def is_over(self) -> bool:
        """Whether the leg is done, or patience with it."""
        state = self.state
        return state.leg.progress(state.step, state.seconds) >= 1 or self._is_impatient

    def _has_lost_patience(self) -> bool:
        """Whether the last `patience` validations of this leg were all without a better one."""
        patience = self.settings.patience
        rows = [row["is_best"] for row in self.state.history if row["step"] > self.state.leg.first_step]
        return patience is not None and len(rows) > patience and not any(rows[-patience:])

    def _moment(self) -> Moment:
        scaler = self.accelerate.scaler
        return Moment(
            model=self.model,
            optimizer=self.optimizer.optimizer,
            recurrent=self.processes.gather_state(self.recurrent),
            generators=self.processes.gather_generators(),
            progress=self.state,
            scaler=scaler.state_dict() if scaler is not None else {},
        )

    def _check_numbers(self, nats: float = 0.0) -> None:
        """Refuses to keep weights, or a loss, that are not finite numbers."""
        are_finite = all(bool(each.isfinite().all()) for each in self.model.parameters())
        if not (are_finite and math.isfinite(nats)):
            raise self._divergence()

    def _divergence(self) -> TrainingError:
        return TrainingError(
            f"The loss became infinite or undefined after step {self.state.step}.",
            f"Try a lower rate: --set learning_rate={self.settings.learning_rate / 3:.1g}; "
            "the checkpoints from before stay.",
        )

    def _save(self) -> None:
        self._read_losses()
        self._check_numbers()
        moment = self._moment()
        if self.processes.is_first:
            save_checkpoint(self.folder, moment, self.identity())
        self._saved_second = self.state.seconds

    def _finish(self) -> Finished:
        """Evaluates the best weights exactly and writes the result into the run's config."""
        state = self.state
        load_weights(self.model, self.folder.weights)
        self.model.eval()
        best = min(state.history, key=lambda row: row["nats_per_token"])
        evaluation = evaluate_split(self.model, self.dataset, "validation")
        words = verdict(
            [row["training_nats_per_token"] for row in state.history],
            [row["nats_per_token"] for row in state.history],
        )
        result = Result(
            best=asdict(evaluation),
            step=best["step"],
            seconds=state.seconds,
            tokens_per_second=self._tokens_per_second(),
            verdict=words,
            hardware=hardware(self.accelerate.device),
        )
        self.description.model_copy(update={"result": result}).save(self.folder)
        return Finished(
            run=self.folder.name,
            best=evaluation,
            step=result.step,
            seconds=result.seconds,
            tokens_per_second=result.tokens_per_second,
            training_nats_per_token=state.last_loss,
            verdict=words,
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
