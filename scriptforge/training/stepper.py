"""Optimizer steps: the model, its optimizer and the streams that it reads, in this process.

The stepper holds tensors only. The trainer keeps progress and losses: it passes in the number of a step, and
gets losses back.

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
from scriptforge.kernel import kernel
from scriptforge.models import Members, State, TrainableModel, build
from scriptforge.models.base import detach, reset_state
from scriptforge.models.layers import HeadedModel, SampledSoftmax, count_tokens
from scriptforge.training.checkpoint import StepTensors, restore
from scriptforge.training.devices import is_asynchronous
from scriptforge.training.machine import check_precision
from scriptforge.training.optimizers import optimizer_of
from scriptforge.training.parity import check_parity
from scriptforge.training.processes import Processes
from scriptforge.training.streams import Streams
from scriptforge.training.threads import Threads

_MAX_UNREAD = 128
"""Maximum number of unread values on a GPU, two per step, before the host reads them."""


class LossOfStep(nn.Module):
    """A model's loss as `forward`, for Accelerate to wrap it for mixed precision and several processes."""

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
        UsageError: it has no linear head, of which rows could be left out.
    """
    counts_V = count_tokens(dataset.ids("train"), dataset.vocabulary.size)
    for each in model.members if isinstance(model, Members) else [model]:
        if not isinstance(each, HeadedModel):
            raise UsageError(
                f"The architecture {model.config.arch} scores every token.", "Leave sampled_softmax out."
            )
        each.cross_entropy = SampledSoftmax(counts_V, samples)


def new_model(config: ModelConfig, settings: Settings) -> TrainableModel:
    """Build a model with weights drawn from the seed in the settings, so the same in every process."""
    torch.manual_seed(settings.seed)
    return build(config, settings.members)


class Stepper:
    """Model, optimizer, streams, and the recurrent state that is carried from batch to batch.

    It seeds PyTorch's random generators; `scriptforge.training.process_state` hides that from the caller.

    Args:
        dataset: the dataset to train on.
        model: the model to train, on the CPU; the same in every process.
        settings: resolved settings.
        device: the type of device to train on.

    Raises:
        UsageError: the device cannot train the architecture in the requested precision, or the model cannot
            use `sampled_softmax`.
        TrainingError: an Apple GPU's results differ from the CPU's, processes disagree, or the text is too
            short.

    Attributes:
        model: the model.
        streams: the streams that it reads.
        device: the device of the model.
        device_type: the type of that device.
        processes: the processes that train together.
        threads: the threads of a CPU.
    """

    def __init__(
        self, dataset: Dataset, model: TrainableModel, settings: Settings, device: DeviceType
    ) -> None:
        check_precision(settings.arch, settings.precision, device)
        self._accelerate = Accelerate(
            cpu=device == "cpu",
            mixed_precision="no" if settings.precision == "fp32" else settings.precision,
            device_placement=False,  # its import takes a second; the model is moved below
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
        torch.manual_seed(settings.seed + self.processes.index)  # different dropout in each process
        self._unread: list[Tensor] = []

    def step(self, number: int, share: float) -> list[float]:
        """Make one optimizer step.

        Args:
            number: the number of the step, from 0, which decides the batch.
            share: the learning rates as a share of their peaks, 0 … 1.

        Returns:
            The losses that were read in this step, in nats per token: on the CPU, the loss of this step; on a
            CUDA GPU mostly none, since reading a number waits for all queued work.

        Raises:
            TrainingError: a loss or a gradient is not finite.
        """
        ids_BT, targets_BT = self.streams.batch(number)
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * share
        self.model.train()
        ids_BT, before = self._reset_streams(ids_BT.to(self.device), is_first=number == 0)
        loss, recurrent = self._loss_of_step(ids_BT, targets_BT.to(self.device), before)
        self._accelerate.backward(loss)
        self._accelerate.unscale_gradients()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self._settings.gradient_clip)
        self._unread += [loss.detach(), norm.detach()]
        is_due = not self._is_asynchronous or len(self._unread) >= _MAX_UNREAD
        losses = self.read_losses(number) if is_due else []
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._recurrent = detach(recurrent)
        return losses

    def _reset_streams(self, ids_BT: Tensor, is_first: bool) -> tuple[Tensor, State]:
        """Reset the recurrent state of a few streams at random; half of them also read the opening token.

        With a `reset_probability` of 0.04, a stream is reset in 4 of 100 steps: in 2 as at the start of a
        script, in 2 in the middle of a text. In the first step, all streams are reset.
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
        """Return the losses of the steps since the last call, in nats per token, waiting for a GPU.

        Args:
            step: number of steps so far, for the error message.

        Raises:
            TrainingError: a loss or a gradient is not finite.
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
        """Raise an error if a weight, or a loss, is not finite.

        Args:
            step: number of steps so far, for the error message.
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
            "earlier checkpoints are kept.",
        )

    def autocast(self) -> AbstractContextManager[None]:
        """Return a context with the precision of the training, for running the model between steps."""
        context: AbstractContextManager[None] = self._accelerate.autocast()
        return context

    def identity(self) -> dict[str, Any]:
        """Return what must stay the same for a resumed run to give bit-identical results."""
        own = kernel() if self.device_type == "cpu" else None
        return {
            "threads": self.threads.identity,
            "device": self.device.type,
            "kernel": own.variant if own else "none",
            "processes": self.processes.count,
            "torch": torch.__version__,
        }

    def step_tensors(self) -> StepTensors:
        """Return the current state of everything that a step changes."""
        scaler = self._accelerate.scaler
        return StepTensors(
            model=self.model,
            optimizer=self._optimizer.optimizer,
            recurrent=self.processes.gather_state(self._recurrent),
            generators=self.processes.gather_generators(),
            scaler=scaler.state_dict() if scaler is not None else {},
        )

    def restore(self, checkpoint: Path) -> None:
        """Restore everything that a step changes from a checkpoint that verifies.

        Raises:
            RunError: it belongs to another model.
        """
        step_tensors = restore(checkpoint, self.step_tensors())
        self._recurrent = self.processes.own_state(step_tensors.recurrent)
        self.processes.set_generator(step_tensors.generators)
        if self._accelerate.scaler is not None:
            self._accelerate.scaler.load_state_dict(step_tensors.scaler)
