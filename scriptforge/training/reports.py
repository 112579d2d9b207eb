"""What a training's curves say, in a sentence, and what to try next.

What a training tells whoever drives it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from scriptforge.evaluation import Evaluation
from scriptforge.run.records import Validation

_NOTICEABLE = 0.01
_YOUNG_GAP = 0.05
_MEMORISED_GAP = 0.25


def diagnosis(training: Sequence[float], validation: Sequence[float]) -> str:
    """Judges a training by its losses.

    Args:
        training: training loss before each validation, nats per token.
        validation: validation loss at each, nats per token; at least one.
    """
    best = min(validation)
    gap = (best - training[-1]) / best
    if validation[-1] > best * (1 + _NOTICEABLE):
        return (
            "Memorising: validation grew worse again after its best, which was kept. "
            "Try fewer epochs, more dropout (--set dropout_output=0.5), or more text."
        )
    if gap > _MEMORISED_GAP:
        return (
            "Close to memorising: the model knows its training text far better than new text. "
            "Try more dropout (--set dropout_output=0.5) or more text; more epochs will not help."
        )
    if gap < _YOUNG_GAP:
        return (
            "Still improving: the model does as well on new text as on its training text. "
            "Try twice the time: scriptforge train --resume goes on, with --minutes or --epochs."
        )
    return "Good: validation has settled. For more, try --preset best, or more text."


@dataclass(frozen=True)
class Started:
    """Training begins or goes on.

    Attributes:
        run: the run's name.
        parameters: trainable numbers in the model.
        device: what computes.
        step: 0, or the step of the checkpoint it goes on from.
        notes: lines a person should see, such as a checkpoint that was skipped.
    """

    run: str
    parameters: int
    device: str
    step: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Progress:
    """A few steps were made.

    Attributes:
        progress: share of the training that is done, 0 … 1.
        step: optimizer steps so far.
        epochs: how many times the text was read.
        nats_per_token: recent training loss.
        tokens_per_second: recent speed.
        seconds: training time so far.
    """

    progress: float
    step: int
    epochs: float
    nats_per_token: float
    tokens_per_second: float
    seconds: float


@dataclass(frozen=True)
class Validated:
    """The validation split was read.

    Attributes:
        validation: what came of it.
        sample: a short script written by the model as it stands.
    """

    validation: Validation
    sample: str


@dataclass(frozen=True)
class Interrupted:
    """Training was asked to stop, and has saved a checkpoint."""

    step: int


@dataclass(frozen=True)
class Finished:
    """Training is over.

    Attributes:
        run: the run's name.
        best: the kept weights on the validation split.
        step: the step at which they stood.
        seconds: training time.
        tokens_per_second: over the steps alone.
        training_nats_per_token: training loss at the end.
        diagnosis: how it went and what to try, in words.
    """

    run: str
    best: Evaluation
    step: int
    seconds: float
    tokens_per_second: float
    training_nats_per_token: float
    diagnosis: str


Report: TypeAlias = Started | Progress | Validated | Interrupted | Finished
