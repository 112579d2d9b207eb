"""The training loop, as a generator of reports.

It computes, saves and yields; whoever drives it draws, prints and decides when to stop.

Shape letters: B streams, T steps.
"""

import json
import math
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator as Accelerate
from torch import Tensor, nn

from scriptforge.config import Accelerator, Settings
from scriptforge.dataset import Dataset
from scriptforge.errors import RunError, TrainingError
from scriptforge.evaluation import evaluate_split, extent, stream_figures
from scriptforge.generation import Request, generate
from scriptforge.models import State, build, config_from_json
from scriptforge.models.protocol import detach
from scriptforge.run import Result, RunDescription, TrainedOn, load_weights, save_weights
from scriptforge.streams import Streams
from scriptforge.training.checkpoint import (
    Moment,
    TrainingState,
    newest_checkpoint,
    read_progress,
    restore,
    save_checkpoint,
)
from scriptforge.training.reports import Finished, Interrupted, Progress, Report, Started, Validated
from scriptforge.training.schedule import Leg, learning_rate
from scriptforge.training.verdict import verdict
from scriptforge.workspace import RunFolder, atomic_write

VALIDATION_LANES = 16
SAMPLE_TOKENS = 200
_SECONDS_BETWEEN_CHECKPOINTS = 60.0
_SECONDS_BETWEEN_REPORTS = 0.25
_MEMORY_WORDS = re.compile(r"out of memory|can't allocate|not enough memory", re.IGNORECASE)


class _LossOfStep(nn.Module):
    """A model's loss as a `forward`, so that Accelerate can wrap it for mixed precision and processes."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids_BT: Tensor, targets_BT: Tensor, state: State) -> tuple[Tensor, State]:
        loss: tuple[Tensor, State] = self.model.loss(ids_BT, targets_BT, state)  # type: ignore[operator]
        return loss


def start(
    dataset: Dataset,
    settings: Settings,
    folder: RunFolder,
    device: Accelerator,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Report]:
    """Trains a new model.

    Args:
        dataset: what to train on.
        settings: resolved settings.
        folder: the run's folder; what it held before is removed.
        device: what computes.
        should_stop: asked after every step; when true, a checkpoint is saved and the training ends.

    Raises:
        TrainingError: the text is too short, memory ran out, or the loss became infinite.
        RunError: another process is training this run.
    """
    with folder.lock():
        _clear(folder)
        description = _describe(dataset, settings, folder)
        training = _Training(dataset, description, settings, folder, device, should_stop)
        training.state = TrainingState(leg=training.new_leg(settings.epochs, settings.minutes))
        description.save(folder)
        shutil.copyfile(dataset.folder.tokenizer, folder.tokenizer)
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
    with folder.lock():
        description = RunDescription.load(folder)
        description.refuse_other_dataset(dataset)
        checkpoint, skipped = newest_checkpoint(folder)
        state, identity = read_progress(checkpoint)
        settings = Settings.model_validate(description.settings)
        training = _Training(dataset, description, settings, folder, device, should_stop)
        training.state = state
        training.restore(checkpoint)
        if epochs is not None or minutes is not None:
            state.leg = training.new_leg(epochs, minutes)
        elif training.is_over() and description.result is not None:
            raise RunError(
                f"Run “{folder.name}” has finished.",
                f"Go on for more: scriptforge train --resume {folder.name} --epochs 5",
            )
        notes = [*skipped, *_differences(identity, training.identity())]
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
        self.streams = _streams(dataset, settings)
        self.accelerate = Accelerate(
            cpu=device == "cpu", mixed_precision="no" if settings.precision == "fp32" else settings.precision
        )
        torch.manual_seed(settings.seed)
        with _memory_explained():
            self.model = build(config_from_json(description.model)).to(self.accelerate.device)
            optimizer = _optimizer(self.model, settings)
            self.loss_of_step, self.optimizer = self.accelerate.prepare(_LossOfStep(self.model), optimizer)
            self.recurrent = self.model.initial_state(settings.batch_size)

    def new_leg(self, epochs: float | None, minutes: float | None) -> Leg:
        """A leg from where the training stands."""
        state = getattr(self, "state", None)
        step, second = (state.step, state.seconds) if state else (0, 0.0)
        if epochs is not None:
            return Leg(step, second, max(1, round(epochs * self.streams.steps_per_epoch)), None)
        assert minutes is not None
        return Leg(step, second, None, minutes * 60)

    def identity(self) -> dict[str, Any]:
        """What must be the same for a resumed training to be the same."""
        return {
            "threads": torch.get_num_threads(),
            "device": self.accelerate.device.type,
            "torch": torch.__version__,
        }

    def restore(self, checkpoint: Path) -> None:
        """Takes everything that a step changes from a checkpoint."""
        self.recurrent, scaler = restore(checkpoint, self._moment())
        if self.accelerate.scaler is not None:
            self.accelerate.scaler.load_state_dict(scaler)

    def run(self, notes: tuple[str, ...]) -> Iterator[Report]:
        """Trains to the end of the leg."""
        state, leg = self.state, self.state.leg
        yield Started(
            self.folder.name, self.description.parameters, self.accelerate.device.type, state.step, notes
        )
        self._clock = _Clock(state.seconds)
        while not self.is_over():
            progress = leg.progress(state.step, state.seconds)
            self._step(learning_rate(progress, self.settings))
            state.seconds = self._clock.seconds()
            reached = leg.progress(state.step, state.seconds)
            if int(reached * self.settings.validations) > int(progress * self.settings.validations):
                yield self._validate()
                state.seconds = self._clock.seconds()
                self._save()
            elif self._clock.is_due("checkpoint", _SECONDS_BETWEEN_CHECKPOINTS):
                self._save()
            if self._clock.is_due("report", _SECONDS_BETWEEN_REPORTS):
                yield self._progress(reached)
            if self.should_stop():
                self._save()
                yield Interrupted(state.step)
                return
        yield self._finish()

    def _step(self, rate: float) -> None:
        """One optimizer step on the batch that the step's number says."""
        began = time.perf_counter()
        ids_BT, targets_BT = self.streams.batch(self.state.step)
        device = self.accelerate.device
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.model.train()
        with _memory_explained():
            loss, recurrent = self.loss_of_step(ids_BT.to(device), targets_BT.to(device), self.recurrent)
            self.accelerate.backward(loss)
            norm = self.accelerate.clip_grad_norm_(self.model.parameters(), self.settings.gradient_clip)
        nats = loss.item()
        if not math.isfinite(nats) or (self.accelerate.scaler is None and not math.isfinite(norm)):
            raise TrainingError(
                f"The loss became infinite or undefined at step {self.state.step + 1}.",
                f"Try a lower rate, such as --set learning_rate={rate / 3:.1g}; the checkpoints stay.",
            )
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.recurrent = detach(recurrent)
        self.state.step += 1
        self.state.step_seconds += time.perf_counter() - began
        self.state.loss_sum += nats
        self.state.loss_count += 1

    def _progress(self, progress: float) -> Progress:
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
        """Reads the validation split, keeps the weights if they are the best, and writes a sample."""
        state = self.state
        self.model.eval()
        figures = stream_figures(
            self.model,
            self.dataset.ids("validation"),
            extent(self.dataset, "validation"),
            self.dataset.vocabulary.end,
            lanes=VALIDATION_LANES,
        )
        is_best = all(figures.nats_per_token < row["nats_per_token"] for row in state.history)
        if is_best:
            save_weights(self.model, self.folder.weights)
        validated = Validated(
            step=state.step,
            epochs=state.step / self.streams.steps_per_epoch,
            seconds=self._clock.seconds(),
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
        return state.leg.progress(state.step, state.seconds) >= 1 or self._is_out_of_patience()

    def _is_out_of_patience(self) -> bool:
        """Whether the last `patience` validations of this leg were all without a better one."""
        patience = self.settings.patience
        rows = [row["is_best"] for row in self.state.history if row["step"] > self.state.leg.first_step]
        return patience is not None and len(rows) > patience and not any(rows[-patience:])

    def _moment(self) -> Moment:
        scaler = self.accelerate.scaler
        return Moment(
            model=self.model,
            optimizer=self.optimizer.optimizer,
            recurrent=self.recurrent,
            progress=self.state,
            scaler=scaler.state_dict() if scaler is not None else {},
        )

    def _save(self) -> None:
        save_checkpoint(self.folder, self._moment(), self.identity())

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


class _Clock:
    """Training time, which goes on across interruptions, and what is due by it."""

    def __init__(self, seconds_before: float) -> None:
        self._began = time.perf_counter() - seconds_before
        self._last: dict[str, float] = {}

    def seconds(self) -> float:
        return time.perf_counter() - self._began

    def is_due(self, what: str, interval: float) -> bool:
        """Whether `interval` seconds passed since this was last true (or first asked) of `what`."""
        now = time.perf_counter()
        if now - self._last.setdefault(what, now) < interval:
            return False
        self._last[what] = now
        return True


def _clear(folder: RunFolder) -> None:
    """Removes what an earlier run of this name left, keeping the lock."""
    for path in folder.path.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif not path.name.startswith("."):
            path.unlink()


def _describe(dataset: Dataset, settings: Settings, folder: RunFolder) -> RunDescription:
    about = dataset.description
    model = {
        "arch": settings.arch,
        "vocabulary_size": dataset.vocabulary.size,
        "embedding_size": settings.embedding_size,
        "hidden_size": settings.hidden_size,
        "layers": settings.layers,
        "dropout_input": settings.dropout_input,
        "dropout_between": settings.dropout_between,
        "dropout_output": settings.dropout_output,
        "tied": settings.tied,
    }
    with torch.device("meta"):
        parameters = sum(tensor.numel() for tensor in build(config_from_json(model)).parameters())
    return RunDescription(
        name=folder.name,
        created=datetime.now(UTC).isoformat(timespec="microseconds"),
        dataset=TrainedOn(
            name=dataset.name,
            origin=about.origin,
            level=about.level,
            plain=about.plain,
            lower=about.lower,
            alphabet=about.alphabet,
            fingerprint=about.fingerprint,
        ),
        model=model,
        settings=settings.model_dump(),
        parameters=parameters,
        versions={"scriptforge": version("scriptforge-lm"), "torch": torch.__version__},
    )


def _streams(dataset: Dataset, settings: Settings) -> Streams:
    ids = dataset.ids("train")
    if len(ids) <= settings.sequence_length or not len(dataset.ids("validation")):
        raise TrainingError(
            f"Dataset “{dataset.name}” is too small: {len(ids)} tokens to train on, "
            f"{len(dataset.ids('validation'))} to validate on.",
            "Give it more text, or shorter sequences: --set sequence_length=8",
        )
    return Streams(ids, settings.batch_size, settings.sequence_length)


def _optimizer(model: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    kinds: dict[str, type[torch.optim.Adam]] = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
    return kinds[settings.optimizer](
        model.parameters(),
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        weight_decay=settings.weight_decay,
        fused=True,
    )


@contextmanager
def _memory_explained() -> Iterator[None]:
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _MEMORY_WORDS.search(str(error)):
            raise
        raise TrainingError(
            "There is not enough memory for this model and batch.",
            "Try smaller ones: --set batch_size=8 or --set hidden_size=256; the checkpoints stay.",
        ) from error


def _differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """A line for whatever may make the resumed training differ in the last bits."""
    return [
        f"{name} was {before.get(name)} and is {now[name]}: the result may differ in the last bits."
        for name in now
        if before.get(name) != now[name]
    ]
