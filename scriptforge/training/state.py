"""Where training starts and where it is, apart from its tensors: steps, time, losses, and its early end."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from scriptforge.run.history import Validation
from scriptforge.run.records import Measured
from scriptforge.training.events import diagnose
from scriptforge.training.schedule import TrainingSegment
from scriptforge.validation import Amount, Count

_RISES = 3
_NOTICEABLE = 1.01
"""How often in a row validation must rise, and how far above its best, for a training run to be hopeless."""


@dataclass(frozen=True)
class StartContext:
    """What was before training.

    Attributes:
        began: when its minutes began to count, on the clock of `time.perf_counter`; None counts the time of
            steps and validations alone.
        measured: what was measured of the machine that its settings were chosen for.
    """

    began: float | None = None
    measured: Measured | None = None


@dataclass
class TrainingState:
    """Where a training run is, apart from its tensors. The trainer owns it; nothing else changes it.

    Attributes:
        segment: what the present request asked for.
        step: optimizer steps made; with `Streams` this is the position in the text, too.
        seconds: training time.
        step_seconds: time spent in steps alone.
        history: every validation.
        loss_sum: training losses added up since the last validation.
        loss_count: how many were added.
        last_loss: their mean before the last validation.
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
        """Count the training losses of some steps, in nats per token."""
        if losses:
            self.loss_sum += math.fsum(losses)
            self.loss_count += len(losses)

    def add_validation(self, validation: Validation) -> None:
        """Note a validation; training losses are counted anew from here."""
        self.history.append(validation)
        self.last_loss, self.loss_sum, self.loss_count = validation.training_nats_per_token, 0.0, 0

    def has_lost(self, patience: int | None) -> bool:
        """Return whether the last `patience` validations of this segment were all without a better one."""
        were_best = [each.is_best for each in self.history if each.step > self.segment.first_step]
        return patience is not None and len(were_best) > patience and not any(were_best[-patience:])

    def only_gets_worse(self) -> bool:
        """Return whether validation has risen three times in a row, and is clearly above its best."""
        losses = [each.nats_per_token for each in self.history if each.step > self.segment.first_step]
        last = losses[-_RISES - 1 :]
        is_rising = len(last) > _RISES and all(before < after for before, after in pairwise(last))
        return is_rising and last[-1] > _NOTICEABLE * min(losses)

    def no_longer_improves(self, patience: int | None) -> bool:
        """Return whether to end early: as asked for, or because training by time only gets worse."""
        if patience is None and self.segment.last_second is not None:
            return self.only_gets_worse()
        return self.has_lost(patience)

    def diagnosis(self, run: str) -> str:
        """Return what the losses mean and what to try next; see `diagnose`."""
        return diagnose(
            [each.training_nats_per_token for each in self.history],
            [each.nats_per_token for each in self.history],
            run=run,
            ended_early=self.progress < 1,
        )
