"""Optimizer steps: the model, its optimizer and the streams that it reads, in this process.

The stepper holds tensors only. How far the training is, and what the losses were, is the trainer's: a step is
told its number and returns losses.

Shape letters: B streams, T steps.
"""

import math
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator as Accelerate
from torch import Tensor, nn

from scriptforge.config import DeviceType, Settings
from scriptforge.dataset import Dataset
from scriptforge.errors import TrainingError, UsageError
from scriptforge.inference import ModelConfig
from scriptforge.inference.kernel import kernel
from scriptforge.models import Members, State, TrainableModel, build
from scriptforge.models.base import detach, reset_state
from scriptforge.models.layers import HeadedModel, SampledSoftmax, count_tokens
from scriptforge.training.checkpoint import Moment, restore
from scriptforge.training.devices import Processes, is_asynchronous
from scriptforge.training.machine import check_precision
from scriptforge.training.optimizers import optimizer_of
from scriptforge.training.parity import check_parity
from scriptforge.training.streams import Streams
from scriptforge.training.threads import Threads

_MOST_UNREAD = 128
"""Numbers that may wait on a GPU, two a step, before the host reads them."""


class LossOfStep(nn.Module):
    """A model's loss as a `forward`, so that Accelerate can wrap it for mixed precision and processes."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids_BT: Tensor, targets_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the loss; see `LanguageModel.loss`."""
        loss: tuple[Tensor, State] = self.model.loss(ids_BT, targets_BT, state)  # type: ignore[operator]
        return loss


def _score_samples(model: TrainableModel, dataset: Dataset, samples: int) -> None:
    """Make a model score only a sample of the vocabulary in training (`sampled_softmax`).

    Raises:
        UsageError: it has no head of which some rows could be left out.
    """
    counts_V = count_tokens(dataset.ids("train"), dataset.vocabulary.size)
    for each in model.members if isinstance(model, Members) else [model]:
        if not isinstance(each, HeadedModel):
            raise UsageError(f"A {model.config.arch} scores every token.", "Leave sampled_softmax out.")
        each.cross_entropy = SampledSoftmax(counts_V, samples)


def new_model(config: ModelConfig, settings: Settings) -> TrainableModel:
    """Build a model whose weights are drawn from the seed of the settings: the same ones in every process."""
    torch.manual_seed(settings.seed)
    return build(config, settings.members)


class Stepper:
    """Model, optimizer, streams, and the state that is carried from batch to batch.

    Seeds PyTorch's generators; `scriptforge.training.devices` keeps that from the caller.

    Args:
        dataset: what is read.
        model: what is trained, on the CPU; equal in every process.
        settings: resolved settings.
        device: what computes.

    Raises:
        UsageError: the device cannot train such a model in the precision that the settings ask for.
        TrainingError: an Apple GPU computes otherwise than the CPU.

    Attributes:
        model: the model.
        streams: what it reads.
        device: where it stands.
        device_type: what kind of device that is.
        processes: this process among those that train together.
        threads: with how many it computes on a CPU.
    """

    def __init__(
        self, dataset: Dataset, model: TrainableModel, settings: Settings, device: DeviceType
    ) -> None:
        check_precision(settings.arch, settings.precision, device)
        self._accelerate = Accelerate(
            cpu=device == "cpu",
            mixed_precision="no" if settings.precision == "fp32" else settings.precision,
            device_placement=False,  # would import for a second; the model is moved below
        )
        self._settings = settings
        self._opening_token = dataset.vocabulary.end
        self.device: torch.device = self._accelerate.device
        self.device_type = device
        self.processes = Processes(self._accelerate)
        self.processes.refuse_disagreement(
            {
                "scriptforge": version("scriptforge-lm"),
                "torch": torch.__version__.partition("+")[0],
                "the fingerprint of the dataset": dataset.description.fingerprint[:12],
                **settings.model_dump(),
            }
        )
        self.threads = Threads(settings.threads, device)
        self.streams = Streams.of(dataset, settings, self.processes.index, self.processes.count)
        self._is_asynchronous = is_asynchronous(self.device)
        if self._is_asynchronous:
            self.streams = self.streams.to(self.device)
        self.model = model
        if device == "mps":
            check_parity(model, *self.streams.batch(0), self.device)
        if settings.sampled_softmax:
            _score_samples(self.model, dataset, settings.sampled_softmax)
        self.model.to(self.device)
        self._loss_of_step, self._optimizer = self._accelerate.prepare(
            LossOfStep(self.model), optimizer_of(self.model, settings)
        )
        self._recurrent = self.model.initial_state(settings.batch_size)
        torch.manual_seed(settings.seed + self.processes.index)  # dropout of its own in each process
        self._unread: list[Tensor] = []

    def step(self, number: int, share: float) -> list[float]:
        """Make one optimizer step.

        Args:
            number: of the step, from 0; decides the batch.
            share: the learning rates as a share of their peaks, 0 … 1.

        Returns:
            The losses that `read_losses` has read meanwhile, in nats per token: on the CPU that of this step;
            on a GPU mostly none, since reading a number waits for all that was queued before.

        Raises:
            TrainingError: a loss or a gradient is not a finite number.
        """
        ids_BT, targets_BT = self.streams.batch(number)
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * share
        self.model.train()
        ids_BT, before = self._forget(ids_BT.to(self.device), is_first=number == 0)
        loss, recurrent = self._loss_of_step(ids_BT, targets_BT.to(self.device), before)
        self._accelerate.backward(loss)
        self._accelerate.unscale_gradients()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self._settings.gradient_clip)
        self._unread += [loss.detach(), norm.detach()]
        is_due = not self._is_asynchronous or len(self._unread) >= _MOST_UNREAD
        losses = self.read_losses(number) if is_due else []
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._recurrent = detach(recurrent)
        return losses

    def _forget(self, ids_BT: Tensor, is_first: bool) -> tuple[Tensor, State]:
        """Reset the recurrent state of a few streams, drawn at random; half of them read the opening token.

        With a `reset_probability` of 0.04, a stream is reset in 4 of 100 steps: in 2 as at the start of a
        script, in 2 in the middle of a text. Nothing is carried into the first step, where all are reset.
        """
        probability = 1 if is_first else self._settings.reset_probability
        drawn_B = torch.rand(len(ids_BT), device=self.device)
        return reset_state(
            ids_BT,
            self._recurrent,
            resets_B=drawn_B < probability,
            opens_B=drawn_B < probability / 2,
            first=self._opening_token,
        )

    def read_losses(self, step: int) -> list[float]:
        """Return the losses of the steps since the last call, in nats per token; a GPU is waited for.

        Args:
            step: how many steps were made, for the error.

        Raises:
            TrainingError: one of them, or a gradient, is not a finite number.
        """
        if not self._unread:
            return []
        numbers = torch.stack(self._unread).tolist()
        self._unread.clear()
        losses, norms = numbers[::2], numbers[1::2]
        # fp16's scaler skips a step whose gradients overflow, and goes on with a smaller scale.
        if not all(map(math.isfinite, losses if self._accelerate.scaler is not None else losses + norms)):
            raise self._divergence(step)
        return losses

    def check_numbers(self, step: int, nats: float = 0.0) -> None:
        """Refuse to keep weights, or a loss, that are not finite numbers.

        Args:
            step: how many steps were made, for the error.
            nats: the loss.

        Raises:
            TrainingError: one of them is not finite.
        """
        are_finite = all(bool(each.isfinite().all()) for each in self.model.parameters())
        if not (are_finite and math.isfinite(nats)):
            raise self._divergence(step)

    def _divergence(self, step: int) -> TrainingError:
        return TrainingError(
            f"The loss became infinite or undefined after step {step}.",
            f"Try a lower rate: --set learning_rate={self._settings.learning_rate / 3:.1g}; "
            "the checkpoints from before are kept.",
        )

    def autocast(self) -> AbstractContextManager[None]:
        """Return a context with the training's arithmetic, for reading with the model between two steps."""
        context: AbstractContextManager[None] = self._accelerate.autocast()
        return context

    def identity(self) -> dict[str, Any]:
        """Return what must be the same for a resumed training to end in the same bits."""
        own = kernel() if self.device_type == "cpu" else None
        return {
            "threads": self.threads.identity,
            "device": self.device.type,
            "kernel": own.variant if own else "none",
            "processes": self.processes.count,
            "torch": torch.__version__,
        }

    def moment(self) -> Moment:
        """Return everything that a step changes, as it is now."""
        scaler = self._accelerate.scaler
        return Moment(
            model=self.model,
            optimizer=self._optimizer.optimizer,
            recurrent=self.processes.gather_state(self._recurrent),
            generators=self.processes.gather_generators(),
            scaler=scaler.state_dict() if scaler is not None else {},
        )

    def restore(self, checkpoint: Path) -> None:
        """Take everything that a step changes from a checkpoint that verifies.

        Raises:
            RunError: it belongs to another model.
        """
        moment = restore(checkpoint, self.moment())
        self._recurrent = self.processes.own_state(moment.recurrent)
        self.processes.set_generator(moment.generators)
        if self._accelerate.scaler is not None:
            self._accelerate.scaler.load_state_dict(moment.scaler)
