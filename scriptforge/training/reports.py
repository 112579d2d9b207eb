"""What a training tells whoever drives it."""

from dataclasses import dataclass
from typing import TypeAlias

from scriptforge.evaluation import Evaluation
from scriptforge.run.records import Validation


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
