"""Events of a training run.

    Started  (StepsDone | Validated | Notice) …  Finished, or Interrupted

The caller receives them one by one, in this order: the command line displays them, a tracker logs them, a
search prunes trials by them.
"""

from dataclasses import dataclass
from typing import TypeAlias

from scriptforge.evaluation import Evaluation
from scriptforge.run.history import Validation
from scriptforge.run.records import RunDescription


@dataclass(frozen=True)
class Started:
    """Training begins, or continues from a checkpoint.

    Attributes:
        run: the run's name.
        parameters: number of trainable parameters.
        device: type of the device: `cpu`, `cuda` or `mps`.
        step: 0, or the step of the checkpoint.
        notes: warnings for the user, such as a damaged checkpoint that was skipped.
        description: contents of the run's `config.json`.
    """

    run: str
    parameters: int
    device: str
    step: int
    notes: tuple[str, ...]
    description: RunDescription


@dataclass(frozen=True)
class StepsDone:
    """Some steps were made since the previous event.

    Attributes:
        progress: share of the training segment that is done, 0 … 1.
        step: optimizer steps so far.
        epochs: how many times the text has been read so far, as a fraction.
        nats_per_token: mean training loss since the last validation.
        tokens_per_second: mean speed of all steps so far.
        seconds: training time so far.
        threads: number of CPU threads at present; None on a GPU.
    """

    progress: float
    step: int
    epochs: float
    nats_per_token: float
    tokens_per_second: float
    seconds: float
    threads: int | None = None


@dataclass(frozen=True)
class Validated:
    """The validation split was read.

    Attributes:
        validation: the losses.
        sample: a short text generated at this step.
    """

    validation: Validation
    sample: str


@dataclass(frozen=True)
class Notice:
    """A message for the user.

    Attributes:
        message: one sentence.
        is_warning: whether something went wrong, such as the writing of a log.
    """

    message: str
    is_warning: bool = False


@dataclass(frozen=True)
class Interrupted:
    """Training stopped on request, after saving a checkpoint.

    Attributes:
        run: the run's name.
        step: optimizer steps so far.
    """

    run: str
    step: int


@dataclass(frozen=True)
class Finished:
    """Training is over.

    Attributes:
        run: the run's name.
        best: exact evaluation of the best weights, which were saved, on the validation split.
        share: share of that split that was evaluated; less than 1 if the minutes did not suffice.
        step: the step of the best weights.
        seconds: training time.
        tokens_per_second: mean speed of the steps alone.
        training_nats_per_token: training loss before the last validation.
        diagnosis: how the training went and what to try next, in a few sentences.
    """

    run: str
    best: Evaluation
    share: float
    step: int
    seconds: float
    tokens_per_second: float
    training_nats_per_token: float
    diagnosis: str


TrainingEvent: TypeAlias = Started | StepsDone | Validated | Notice | Interrupted | Finished
