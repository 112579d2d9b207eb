"""Events of a training run, and the diagnosis of its losses.

    Started  (StepsDone | Validated | Notice) …  Finished, or Interrupted

The caller receives them one by one, in this order: the command line displays them, a tracker logs them, a
search prunes trials by them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from scriptforge.characters import command
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

_NOTICEABLE = 0.01
"""Relative amount by which the last validation must exceed the best one to count as worse."""

_YOUNG_GAP, _OVERFIT_GAP = 0.05, 0.25
"""Gaps between training and best validation loss, as shares: less is undertrained, more is overfitting."""


def diagnose(
    training: Sequence[float], validation: Sequence[float], *, run: str, ended_early: bool = False
) -> str:
    """Return what the losses of a training run mean and what to try next, in a few sentences.

    Args:
        training: training loss before each validation, in nats per token.
        validation: loss at each validation, in nats per token; at least one.
        run: the run's name, for the commands that are suggested.
        ended_early: whether training stopped before its planned end.
    """
    diagnosis = _diagnosis(training, validation, run)
    return f"Ended early, since validation no longer improved. {diagnosis}" if ended_early else diagnosis


def _diagnosis(training: Sequence[float], validation: Sequence[float], run: str) -> str:
    best = min(validation)
    gap = (best - training[-1]) / best if best else _YOUNG_GAP  # a loss of 0: nothing is left to learn
    if validation[-1] > best * (1 + _NOTICEABLE):
        return (
            "Overfitting: the validation loss rose again after its minimum, whose weights were kept. "
            "Try fewer epochs, more dropout (--set dropout_output=0.5), or more text."
        )
    if gap > _OVERFIT_GAP:
        return (
            "Close to overfitting: the training loss is far below the validation loss. "
            "Try more dropout (--set dropout_output=0.5) or more text; more epochs will not help."
        )
    if gap < _YOUNG_GAP:
        return (
            "Still improving: the model does as well on new text as on its training text. "
            f"Train it further: {command('train', run, '--resume', '--minutes', 5)}"
        )
    return (
        "Converged: on new text it no longer improves. To judge how well it writes, read some pages: "
        f"{command('generate', run)}. More text of the same kind would help most."
    )
