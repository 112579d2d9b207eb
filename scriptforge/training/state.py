"""State of a training run apart from its tensors: steps, time, losses, and early stopping."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from scriptforge.run.history import Validation
from scriptforge.run.records import MachineSpeed
from scriptforge.training.diagnosis import diagnose, keeps_rising
from scriptforge.training.schedule import TrainingSegment
from scriptforge.validation import Amount, Count


@dataclass(frozen=True)
class StartContext:
    """The context in which a training run starts.

    Attributes:
        began: when its minutes began to count, on the clock of `time.perf_counter`; None counts only the time
            of steps and validations.
        measured: the measurement of the machine that its settings were chosen for.
    """

    began: float | None = None
    measured: MachineSpeed | None = None


@dataclass
class TrainingState:
    """Progress of a training run, apart from its tensors; only the trainer changes it.

    Attributes:
        segment: the current segment.
        step: optimizer steps so far, which is also the position in the text; see `Streams`.
        seconds: training time so far.
        step_seconds: time spent in steps alone.
        history: all validations.
        loss_sum: sum of the training losses since the last validation.
        loss_count: number of losses in the sum.
        last_loss: mean training loss before the last validation.
    """

    segment: TrainingSegment
    step: Count = 0
    seconds: Amount = 0.0
    step_seconds: Amount = 0.0
    history: list[Validation] = field(default_factory=list)
    loss_sum: float = 0.0
    loss_count: Count = 0
    last_loss: float = 0.0

    @property
    def progress(self) -> float:
        """Return the share of the segment that is done, 0 … 1."""
        return self.segment.progress(self.step, self.seconds)

    @property
    def recent_loss(self) -> float:
        """Return the mean training loss since the last validation, or before it if there is none since."""
        return self.loss_sum / self.loss_count if self.loss_count else self.last_loss

    @property
    def best_step(self) -> int:
        """Return the step of the best validation; there must be one."""
        return min(self.history, key=lambda each: each.nats_per_token).step

    def add_losses(self, losses: Sequence[float]) -> None:
        """Add the training losses of some steps, in nats per token."""
        if losses:
            self.loss_sum += math.fsum(losses)
            self.loss_count += len(losses)

    def add_validation(self, validation: Validation) -> None:
        """Add a validation, and start a new mean of training losses."""
        self.history.append(validation)
        self.last_loss, self.loss_sum, self.loss_count = validation.training_nats_per_token, 0.0, 0

    def no_longer_improves(self, patience: int | None) -> bool:
        """Return whether to end the segment early.

        With patience, that is after so many validations without a new best. Without it, a segment that pays
        for its validations out of its time ends once its validation loss only rises.
        """
        own = [each for each in self.history if each.step > self.segment.first_step]
        if patience is not None:
            return len(own) > patience and not any(each.is_best for each in own[-patience:])
        return self.segment.last_second is not None and keeps_rising([each.nats_per_token for each in own])

    def diagnosis(self, run: str) -> str:
        """Return what the losses mean and what to try next; see `diagnose`."""
        return diagnose(
            [each.training_nats_per_token for each in self.history],
            [each.nats_per_token for each in self.history],
            run=run,
            ended_early=self.progress < 1,
        )
