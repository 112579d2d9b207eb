"""Batches of streams: contiguous lanes of the training text, each of which goes on where it stopped.

Every lane reads the whole text in order and starts at its own, evenly spaced place; at the end a lane goes
on from the beginning. A batch is therefore a function of the step number alone: that is all a checkpoint
needs to say about the position, and no text is left over.

Shape letters: B streams, T steps.

What a training begins with: the run's description, its streams and its optimizer.

One step of a training after the other: the model, its optimizer, and the streams that they read.

Shape letters: B streams, T steps.
"""

import math
import time
from contextlib import AbstractContextManager
from copy import copy
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator as Accelerate
from accelerate.state import AcceleratorState
from numpy.typing import NDArray
from torch import Tensor, nn

from scriptforge.config import Accelerator, Settings
from scriptforge.dataset import Dataset
from scriptforge.errors import TrainingError, UsageError
from scriptforge.models import ModelConfig, State, TrainableModel, build, config_from_settings
from scriptforge.models.base import detach, reset_state
from scriptforge.models.layers import HeadedModel, SampledCrossEntropy, token_counts
from scriptforge.run.records import InitFrom, RunDescription, TrainedOn, TrainedOnSource
from scriptforge.training.checkpoint import Moment, TrainingState, restore
from scriptforge.training.devices import Processes, is_asynchronous
from scriptforge.training.optimizers import optimizer_of
from scriptforge.workspace import RunFolder


class Streams:
    """The training text seen as B streams that advance T tokens a step.

    Args:
        ids: every token of the split, in order; may be memory-mapped.
        batch_size: B.
        sequence_length: T.
        share: which of how many processes this one is; each takes B lanes of its own.
    """

    def __init__(
        self,
        ids: NDArray[np.unsignedinteger],
        batch_size: int,
        sequence_length: int,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        rank, processes = share
        lanes = np.arange(rank * batch_size, (rank + 1) * batch_size)
        self._ids: NDArray[np.unsignedinteger] | Tensor = ids
        starts_B1 = (lanes * len(ids) // (batch_size * processes))[:, None]
        self._places_BT1: NDArray[np.int64] | Tensor = starts_B1 + np.arange(sequence_length + 1)
        self._sequence_length = sequence_length
        self.tokens_per_step = batch_size * processes * sequence_length

    @property
    def steps_per_epoch(self) -> float:
        """Steps after which the lanes together have read as many tokens as there are."""
        return len(self._ids) / self.tokens_per_step

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """`ids_BT` and, one token later, `targets_BT`, both int64, of one step, counted from 0."""
        advance = step * self._sequence_length
        window_BT1 = self._ids[(self._places_BT1 + advance) % len(self._ids)]
        window = torch.as_tensor(window_BT1).to(torch.int64)
        return window[:, :-1].contiguous(), window[:, 1:].contiguous()

    def to(self, device: torch.device) -> "Streams":
        """The same streams with all ids in the memory of a device, where batches are then cut out, too."""
        moved = copy(self)
        moved._ids = torch.from_numpy(np.asarray(self._ids).astype(np.int32)).to(device)
        moved._places_BT1 = torch.as_tensor(self._places_BT1).to(device)
        return moved


class LossOfStep(nn.Module):
    """A model's loss as a `forward`, so that Accelerate can wrap it for mixed precision and processes."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids_BT: Tensor, targets_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """See `LanguageModel.loss`."""
        loss: tuple[Tensor, State] = self.model.loss(ids_BT, targets_BT, state)  # type: ignore[operator]
        return loss


def describe_run(
    dataset: Dataset, settings: Settings, folder: RunFolder, init_from: InitFrom | None
) -> RunDescription:
    """What `config.json` says of a run that begins.

    Raises:
        UsageError: the settings of its model do not fit together.
    """
    about = dataset.description
    config = config_from_settings(settings, dataset.vocabulary.size)
    return RunDescription(
        name=folder.name,
        created=datetime.now(UTC).isoformat(timespec="microseconds"),
        dataset=TrainedOn(
            name=dataset.name,
            origin=about.origin,
            sources=[
                TrainedOnSource(name=source.name, weight=source.weight, origin=source.origin)
                for source in about.sources
            ],
            level=about.level,
            plain=about.plain,
            lower=about.lower,
            alphabet=about.alphabet,
            cast=list(dict.fromkeys(member.speaker for member in about.cast)),
            fingerprint=about.fingerprint,
        ),
        model={"arch": config.arch, **asdict(config)},
        settings=settings,
        parameters=sum(math.prod(shape) for shape in config.weight_shapes().values()),
        versions={"scriptforge": version("scriptforge-lm"), "torch": torch.__version__},
        init_from=init_from,
    )


def streams_of(dataset: Dataset, settings: Settings, index: int, count: int) -> Streams:
    """The streams that process `index` of `count` reads.

    Raises:
        TrainingError: there is too little text for one sequence, or none to validate on.
    """
    ids = dataset.ids("train")
    held_out = len(dataset.ids("validation"))
    if len(ids) <= settings.sequence_length or not held_out:
        raise TrainingError(
            f"Dataset “{dataset.name}” is too small: {len(ids)} tokens to train on, {held_out} held out.",
            "Give it more text, or shorter sequences: --set sequence_length=8",
        )
    return Streams(ids, settings.batch_size, settings.sequence_length, (index, count))


def sample_head(model: TrainableModel, dataset: Dataset, samples: int) -> None:
    """Lets a model score a sample of the tokens in training.

    Raises:
        UsageError: it has no head of which some rows could be left out.
    """
    if not isinstance(model, HeadedModel):
        raise UsageError(f"A {model.config.arch} scores every token.", "Leave sampled_softmax out.")
    counts_V = token_counts(dataset.ids("train"), dataset.vocabulary.size)
    model.cross_entropy = SampledCrossEntropy(counts_V, samples)


_UNREAD_AT_MOST = 128


class Stepper:
    """Model, optimizer, streams, and the state that is carried from batch to batch, in this process.

    Args:
        dataset: what is read.
        config: the model, whose weights are drawn from the settings' seed.
        settings: resolved settings.
        device: what computes.

    Attributes:
        model: the model.
        streams: what it reads.
        device: where it stands.
        processes: this process among those that train together.
    """

    def __init__(
        self, dataset: Dataset, config: ModelConfig, settings: Settings, device: Accelerator
    ) -> None:
        AcceleratorState._reset_state(reset_partial_state=True)  # else the first training decides for all
        self._accelerate = Accelerate(
            cpu=device == "cpu", mixed_precision="no" if settings.precision == "fp32" else settings.precision
        )
        self._settings = settings
        self._opening_token = dataset.vocabulary.end
        self.device: torch.device = self._accelerate.device
        self.processes = Processes(self._accelerate)
        self.streams = streams_of(dataset, settings, self.processes.index, self.processes.count)
        self._is_asynchronous = is_asynchronous(self.device)
        if self._is_asynchronous:
            self.streams = self.streams.to(self.device)
        torch.manual_seed(settings.seed)
        self.model = build(config)
        if settings.sampled_softmax:
            sample_head(self.model, dataset, settings.sampled_softmax)
        self.model.to(self.device)
        self._loss_of_step, self._optimizer = self._accelerate.prepare(
            LossOfStep(self.model), optimizer_of(self.model, settings)
        )
        self._recurrent = self.model.initial_state(settings.batch_size)
        torch.manual_seed(settings.seed + self.processes.index)
        self._unread: list[Tensor] = []  # loss and gradient norm of steps that nobody has looked at

    def step(self, state: TrainingState, share: float) -> None:
        """One optimizer step on the batch that the step's number says, at a share of the peak rates.

        Raises:
            TrainingError: the loss or a gradient is not a finite number.
        """
        began = time.perf_counter()
        ids_BT, targets_BT = self.streams.batch(state.step)
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * share
        self.model.train()
        reset_probability = self._settings.reset_probability if state.step else 1
        drawn_B = torch.rand(len(ids_BT), device=self.device)
        ids_BT, before = reset_state(
            ids_BT.to(self.device),
            self._recurrent,
            resets_B=drawn_B < reset_probability,
            opens_B=drawn_B < reset_probability / 2,
            first=self._opening_token,
        )
        loss, recurrent = self._loss_of_step(ids_BT, targets_BT.to(self.device), before)
        self._accelerate.backward(loss)
        norm = self._accelerate.clip_grad_norm_(self.model.parameters(), self._settings.gradient_clip)
        self._unread += [loss.detach(), norm.detach()]
        if not self._is_asynchronous or len(self._unread) >= _UNREAD_AT_MOST:
            self.read_losses(state)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._recurrent = detach(recurrent)
        state.step += 1
        state.step_seconds += time.perf_counter() - began

    def read_losses(self, state: TrainingState) -> None:
        """Brings the losses since the last time to the host, for which a GPU has to be waited for.

        Raises:
            TrainingError: one of them, or a gradient, is not a finite number.
        """
        if not self._unread:
            return
        numbers = torch.stack(self._unread).tolist()
        self._unread.clear()
        losses, norms = numbers[::2], numbers[1::2]
        if not all(map(math.isfinite, losses if self._accelerate.scaler is not None else losses + norms)):
            raise self._divergence(state)
        state.loss_sum += math.fsum(losses)
        state.loss_count += len(losses)

    def check_numbers(self, state: TrainingState, nats: float = 0.0) -> None:
        """Refuses to keep weights, or a loss, that are not finite numbers.

        Raises:
            TrainingError: one of them is not.
        """
        are_finite = all(bool(each.isfinite().all()) for each in self.model.parameters())
        if not (are_finite and math.isfinite(nats)):
            raise self._divergence(state)

    def _divergence(self, state: TrainingState) -> TrainingError:
        return TrainingError(
            f"The loss became infinite or undefined after step {state.step}.",
            f"Try a lower rate: --set learning_rate={self._settings.learning_rate / 3:.1g}; "
            "the checkpoints from before stay.",
        )

    def tokens_per_second(self, state: TrainingState) -> float:
        """How fast the steps were, without all that is done between them."""
        return state.step * self.streams.tokens_per_step / max(state.step_seconds, 1e-9)

    def epochs(self, state: TrainingState) -> float:
        """How many times the text was read."""
        return state.step / self.streams.steps_per_epoch

    def autocast(self) -> AbstractContextManager[None]:
        """The arithmetic of the training, for reading with the model between two steps."""
        context: AbstractContextManager[None] = self._accelerate.autocast()
        return context

    def identity(self) -> dict[str, Any]:
        """What must be the same for a resumed training to be the same."""
        return {
            "threads": torch.get_num_threads(),
            "device": self.device.type,
            "processes": self.processes.count,
            "torch": torch.__version__,
        }

    def moment(self, state: TrainingState) -> Moment:
        """Everything that a step changes, as it stands."""
        scaler = self._accelerate.scaler
        return Moment(
            model=self.model,
            optimizer=self._optimizer.optimizer,
            recurrent=self.processes.gather_state(self._recurrent),
            generators=self.processes.gather_generators(),
            progress=state,
            scaler=scaler.state_dict() if scaler is not None else {},
        )

    def restore(self, checkpoint: Path, state: TrainingState) -> None:
        """Takes everything that a step changes from a checkpoint.

        Raises:
            RunError: it belongs to another model.
        """
        moment = restore(checkpoint, self.moment(state))
        self._recurrent = self.processes.own_state(moment.recurrent)
        self.processes.set_generator(moment.generators)
        if self._accelerate.scaler is not None:
            self._accelerate.scaler.load_state_dict(moment.scaler)
