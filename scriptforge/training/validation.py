"""Validation in a training run: how often, how much of the split, and at what cost.

A run limited by epochs reads the whole split each time; so does a trial of `tune`, since trials are compared.
A run limited by minutes pays for its validations, and for the final evaluation of the best weights, out of
the minutes: `plan_validations` gives them a tenth. So on a slow machine, or in a short run, there are fewer
validations, or they read only a part of the split:

    1 minute; the split takes 0.4 s, or 9 s exactly    7 validations of all; a third of it at the end
    10 minutes; the same                               10 validations of all; all of it at the end
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scriptforge.dataset import Dataset
from scriptforge.evaluation import Evaluation, LossMetrics, evaluate_split, extent, part_of_split, stream_loss
from scriptforge.generation.generate import Generation
from scriptforge.models import TrainableModel
from scriptforge.options import GenerateOptions
from scriptforge.text_statistics import TextStatistics
from scriptforge.training.schedule import TrainingSegment
from scriptforge.training.stepper import Stepper

SHARE_OF_TIME = 0.1
"""Share of a run's minutes that its validations and its final evaluation may take together."""

SAMPLE_TOKENS = 200

_MAX_ROWS = 16
_MIN_ROW_TOKENS = 2048
"""Maximum number of rows in which the split is read in parallel, and minimum length of a row in tokens."""

_MIN_VALIDATIONS = 4
"""Number of validations below which each reads a smaller part of the split instead."""

_START_AND_EXIT = 1.5
"""Seconds that the process takes to start and to exit on a slow machine, which it cannot measure itself."""

_MIN_PART_TOKENS = 4096
_PROBE_TOKENS = 512
"""Tokens in the smallest part that is read, and in the text that is read to measure the speed."""


@dataclass(frozen=True)
class Costs:
    """Costs of validation on the whole split, in seconds.

    Attributes:
        sample: time to generate a sample.
        saving: time to save the best weights and a checkpoint.
        fast: time to read the split in the precision of the training, many rows at once.
        exact: time to evaluate the split exactly, under both protocols.
        tokens: length of the split.
    """

    sample: float
    saving: float
    fast: float
    exact: float
    tokens: int

    def validation(self, share: float) -> float:
        """Return the seconds of a validation on a share of the split, including what is saved after it."""
        return self.sample + self.saving + share * self.fast

    @property
    def smallest_share(self) -> float:
        """Return the smallest share of the split that is worth reading."""
        return min(1.0, _MIN_PART_TOKENS / self.tokens)


@dataclass(frozen=True)
class ValidationPlan:
    """The use of the time of a segment, by the names that `TrainingSegment` has for it.

    Attributes:
        seconds: time for steps and validations.
        seconds_at_end: further time for the validation and the evaluation at the end.
        validations: number of validations.
        validation_share: share of the split that each validation reads.
    """

    seconds: float
    seconds_at_end: float
    validations: int
    validation_share: float


def plan_validations(
    seconds: float, max_validations: int, costs: Costs, *, spent: float = 0.0, share: float | None = None
) -> ValidationPlan:
    """Return the validations that a tenth of the time of a segment can pay for.

    The evaluation at the end gets up to half of that, and at least what its smallest part takes. The time
    spent before the first step, and that of the work after the last one, is subtracted from the time; at
    least a quarter of it is left for steps.

    Args:
        seconds: the whole time, by the end of which everything must be finished.
        max_validations: the maximum number of validations.
        costs: the costs of validation on the whole split.
        spent: the seconds spent before the first step.
        share: the share of the split that each validation reads, if earlier ones have fixed it.
    """
    usable = max(seconds - spent, seconds / 2)
    budget = SHARE_OF_TIME * usable
    evaluation = min(costs.exact, max(budget / 2, costs.smallest_share * costs.exact))
    for_validations = max(0.0, budget - evaluation)
    if share is None:
        share = _affordable_share(for_validations, max_validations, costs)
    validation = costs.validation(share)
    seconds_at_end = min(validation + evaluation, usable / 2)
    return ValidationPlan(
        seconds=usable - seconds_at_end,
        seconds_at_end=seconds_at_end,
        validations=max(1, min(max_validations, int(for_validations / validation))),
        validation_share=share,
    )


def _affordable_share(budget: float, max_validations: int, costs: Costs) -> float:
    """Return the share of the split that each validation can read, so that there are not too few of them.

    Args:
        budget: the seconds of all validations.
        max_validations: the maximum number of validations.
        costs: the costs of validation on the whole split.
    """
    number = min(max_validations, max(_MIN_VALIDATIONS, int(budget / costs.validation(1.0))))
    share = (budget / number - costs.validation(0.0)) / costs.fast
    return min(1.0, max(costs.smallest_share, share))


class Validator:
    """Validation of the model of a training run.

    Args:
        stepper: has the model and its precision.
        dataset: the dataset, whose validation split is read.
        seed: seed of the samples.
        statistics: those of the training text, which samples are held to as other generated text is.

    Attributes:
        seconds: the time of each validation, including all that was saved after it.
        checkpoint_seconds: the time that the latest checkpoint took to save.
    """

    def __init__(self, stepper: Stepper, dataset: Dataset, seed: int, statistics: TextStatistics) -> None:
        self._stepper = stepper
        self._dataset = dataset
        self._seed = seed
        self._statistics = statistics
        self.seconds: list[float] = []
        self.checkpoint_seconds = 0.0

    def loss(self, share: float) -> LossMetrics:
        """Return the loss on a share of the split, in the precision of the training.

        This is fast but slightly inexact.
        """
        ids = np.concatenate([*part_of_split(self._dataset, "validation", share).values()])
        self._stepper.model.eval()
        with self._stepper.autocast():
            return stream_loss(
                self._stepper.model,
                ids,
                extent(self._dataset, "validation").share(share),
                self._dataset.vocabulary.end,
                rows=max(1, min(_MAX_ROWS, len(ids) // _MIN_ROW_TOKENS)),
            )

    def sample(self) -> str:
        """Return a short text generated by the current model."""
        options = GenerateOptions(length=SAMPLE_TOKENS, seed=self._seed)
        model, vocabulary = self._stepper.model.whole(), self._dataset.vocabulary
        return Generation(model, vocabulary, options, statistics=self._statistics).write()[0].text

    def evaluation(self, model: TrainableModel, share: float) -> Evaluation:
        """Return the exact loss of a model on a share of the split."""
        return evaluate_split(model.eval(), self._dataset, "validation", share)

    @cached_property
    def costs(self) -> Costs:
        """Return the costs of validation with this model on this machine, measured with short ones.

        A checkpoint holds the weights and at least as much of the optimizer, so saving the weights alone
        takes half as long at most.
        """
        tokens = len(self._dataset.ids("validation"))
        share = min(1.0, _PROBE_TOKENS / tokens)
        sample = _seconds(self.sample)
        fast = _seconds(lambda: self.loss(share))
        exact = _seconds(lambda: self.evaluation(self._stepper.model.whole(), share))
        return Costs(sample, 1.5 * self.checkpoint_seconds, fast / share, exact / share, tokens)

    def plan(
        self, seconds: float, max_validations: int, *, began: float, share: float | None
    ) -> ValidationPlan:
        """Return the validations that a segment can pay for on this machine.

        Args:
            seconds: the whole time of the segment.
            max_validations: the maximum number of validations.
            began: when that time began to count, on the clock of `time.perf_counter`.
            share: the share of the split that each validation reads, if it is fixed.
        """
        costs = self.costs  # first, since measuring them takes time
        spent = time.perf_counter() - began + _START_AND_EXIT
        return plan_validations(seconds, max_validations, costs, spent=spent, share=share)

    def is_due(self, segment: TrainingSegment, before: float, reached: float) -> bool:
        """Return whether a validation is due after a step.

        With limited time, a validation is skipped if the machine has become too slow to pay for it, but never
        the last one.

        Args:
            segment: the current segment.
            before: its progress before the step.
            reached: its progress now.
        """
        if segment.validations_due(reached) <= segment.validations_due(before):
            return False
        if segment.last_second is None or segment.seconds is None or reached >= 1 or not self.seconds:
            return True
        expected = sum(self.seconds) + self.seconds[-1]
        return expected <= SHARE_OF_TIME * reached * segment.seconds

    def share_at_end(self, segment: TrainingSegment, second: float) -> float:
        """Return the share of the split that can be evaluated exactly in the remaining time.

        Args:
            segment: the current segment.
            second: the training time so far.
        """
        if segment.last_second is None:
            return 1.0
        planned = self.costs.validation(segment.validation_share)
        slower = max(1.0, self.seconds[-1] / planned) if self.seconds else 1.0
        share = (segment.last_second - second) / (slower * self.costs.exact)
        return min(1.0, max(self.costs.smallest_share, share))


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
