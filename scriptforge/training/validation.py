"""Validation in a training run: how often, how much of the split, and what that costs.

A training run of so many epochs reads the whole split each time; so does a trial of `tune`, since trials are
compared. A training run of so many minutes pays for its validations, and for the evaluation of the kept
weights at its end, out of the minutes: `plan` gives them a tenth. So on a slow machine, or in a short
training, there are fewer of them, or they read a part of the split:

    minutes 1, the whole split takes 0.4 s, exactly 9 s    7 validations of all; a third of it at the end
    minutes 10, the same                                   10 validations of all; all of it at the end
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from scriptforge.dataset import Dataset
from scriptforge.evaluation import Evaluation, Figures, evaluate_split, extent, part_of_split, stream_figures
from scriptforge.generation.generate import generate
from scriptforge.models import TrainableModel
from scriptforge.options import GenerateOptions
from scriptforge.training.devices import of_first_process
from scriptforge.training.schedule import TrainingSegment
from scriptforge.training.stepper import Stepper

SHARE_OF_TIME = 0.1
"""Of the minutes of a training run, what its validations and its last evaluation may take together."""

SAMPLE_TOKENS = 200

_ROWS = 16
_SHORTEST_ROW = 2048
"""The split is read in up to so many rows side by side, none shorter than this, in tokens."""

_FEWEST = 4
"""Validations before a smaller part of the split is read each time."""

_START_AND_END = 1.5
"""Seconds that a process takes to begin and to end on a slow machine, which it cannot measure itself."""

_SMALLEST_PART = 4096
_PROBE = 512
"""Tokens of the smallest part that is read, and of the text that is read to measure the speed."""


@dataclass(frozen=True)
class Costs:
    """What it takes to read the whole validation split, in seconds.

    Attributes:
        sample: to write a sample.
        saving: to save the weights if they are the best, and a checkpoint.
        fast: to read it in the arithmetic of the training, many rows at once.
        exact: to evaluate it under both protocols.
        tokens: how long it is.
    """

    sample: float
    saving: float
    fast: float
    exact: float
    tokens: int

    def validation(self, share: float) -> float:
        """Return what a validation of a share of the split takes, with all that is saved after it."""
        return self.sample + self.saving + share * self.fast

    @property
    def smallest_share(self) -> float:
        """Return the smallest share of the split that is worth reading."""
        return min(1.0, _SMALLEST_PART / self.tokens)


class Validator:
    """Reads the validation split of a dataset with the model of a training run.

    Args:
        stepper: has the model and its arithmetic.
        dataset: whose split is read.
        seed: of the samples.

    Attributes:
        seconds: what each validation took, with all that was saved after it.
        checkpoint_seconds: what the latest checkpoint took to save.
    """

    def __init__(self, stepper: Stepper, dataset: Dataset, seed: int) -> None:
        self._stepper = stepper
        self._dataset = dataset
        self._seed = seed
        self.seconds: list[float] = []
        self.checkpoint_seconds = 0.0

    def figures(self, share: float) -> Figures:
        """Return the loss on a share of the split, in the arithmetic of the training.

        That is as fast as training and slightly inexact.
        """
        ids = np.concatenate([*part_of_split(self._dataset, "validation", share).values()])
        self._stepper.model.eval()
        with self._stepper.autocast():
            return stream_figures(
                self._stepper.model,
                ids,
                extent(self._dataset, "validation").share(share),
                self._dataset.vocabulary.end,
                rows=max(1, min(_ROWS, len(ids) // _SHORTEST_ROW)),
            )

    def sample(self) -> str:
        """Return a short text that the model writes now."""
        options = GenerateOptions(length=SAMPLE_TOKENS, seed=self._seed)
        return generate(self._stepper.model.whole(), self._dataset.vocabulary, options)[0].text

    def evaluation(self, model: TrainableModel, share: float) -> Evaluation:
        """Return the exact figures of a model on a share of the split."""
        return evaluate_split(model.eval(), self._dataset, "validation", share)

    @cached_property
    def costs(self) -> Costs:
        """Return what validations cost with this model on this machine, measured with short ones.

        A checkpoint holds the weights and at least as much of the optimizer's: the weights take half as long.
        """
        tokens = len(self._dataset.ids("validation"))
        share = min(1.0, _PROBE / tokens)
        sample = _seconds(self.sample)
        fast = _seconds(lambda: self.figures(share))
        exact = _seconds(lambda: self.evaluation(self._stepper.model.whole(), share))
        return Costs(sample, 1.5 * self.checkpoint_seconds, fast / share, exact / share, tokens)

    def plan(self, segment: TrainingSegment, *, began: float, share: float | None) -> TrainingSegment:
        """Return a segment with the validations that it can pay for, the same one in every process.

        Args:
            segment: has seconds.
            began: since when they count, on the clock of `time.perf_counter`.
            share: how much of the split each validation reads, where that is settled.
        """
        planned = segment
        if self._stepper.processes.is_first:
            costs = self.costs
            spent = time.perf_counter() - began + _START_AND_END
            planned = plan(segment, costs, spent=spent, share=share)
        return of_first_process(planned, self._stepper.device_type)

    def is_due(self, segment: TrainingSegment, before: float, reached: float) -> bool:
        """Return whether to validate between two shares of a segment.

        Where time is short, one is left out if the machine has become too slow to pay for it; never the last.

        Args:
            segment: the present one.
            before: share that was done before the last step.
            reached: share that is done now.
        """
        if segment.validations_due(reached) <= segment.validations_due(before):
            return False
        if segment.last_second is None or segment.seconds is None or reached >= 1 or not self.seconds:
            return True
        return sum(self.seconds) + self.seconds[-1] <= SHARE_OF_TIME * reached * segment.seconds

    def share_at_end(self, segment: TrainingSegment, second: float) -> float:
        """Return how much of the split can be evaluated exactly in the time that is left.

        Args:
            segment: the present one.
            second: the training time.
        """
        if segment.last_second is None:
            return 1.0
        planned = self.costs.validation(segment.validation_share)
        slower = max(1.0, self.seconds[-1] / planned) if self.seconds else 1.0
        share = (segment.last_second - second) / (slower * self.costs.exact)
        return min(1.0, max(self.costs.smallest_share, share))


def plan(
    segment: TrainingSegment, costs: Costs, *, spent: float = 0.0, share: float | None = None
) -> TrainingSegment:
    """Return a segment of so many seconds with the validations that a tenth of them pay for.

    What was spent before its first step, and what follows its last one, is taken from its seconds; at least a
    quarter of them is left for steps.

    Args:
        segment: has seconds; its `validations` are the most.
        costs: of a validation of the whole split.
        spent: seconds before the first step.
        share: how much of the split each validation reads, where that is settled by earlier ones.
    """
    assert segment.seconds is not None
    seconds = max(segment.seconds - spent, segment.seconds / 2)
    budget = SHARE_OF_TIME * seconds
    at_end = min(costs.exact, max(budget / 2, costs.smallest_share * costs.exact))
    left = max(0.0, budget - at_end)
    if share is None:
        wanted = min(segment.validations, max(_FEWEST, int(left / costs.validation(1.0))))
        share = min(1.0, max(costs.smallest_share, (left / wanted - costs.validation(0.0)) / costs.fast))
    one = costs.validation(share)
    seconds_at_end = min(one + at_end, seconds / 2)
    return replace(
        segment,
        seconds=seconds - seconds_at_end,
        validations=max(1, min(segment.validations, int(left / one))),
        validation_share=share,
        seconds_at_end=seconds_at_end,
    )


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
