"""The diagnosis of a training run from its losses: whether it is hopeless, and what to try next."""

from collections.abc import Sequence
from itertools import pairwise

from scriptforge.characters import command

_NOTICEABLE = 0.01
"""Relative amount by which a validation loss must exceed the best one to count as worse."""

_RISES = 3
"""Rises of the validation loss in a row after which training is hopeless."""

_YOUNG_GAP, _OVERFIT_GAP = 0.05, 0.25
"""Gaps between training and best validation loss, as shares: less is undertrained, more is overfitting."""


def keeps_rising(validation: Sequence[float]) -> bool:
    """Return whether the last validation losses rose three times in a row, and are clearly above the best."""
    last = validation[-_RISES - 1 :]
    is_rising = len(last) > _RISES and all(before < after for before, after in pairwise(last))
    return is_rising and _is_worse(last[-1], min(validation))


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
    if _is_worse(validation[-1], best):
        return (
            "Overfitting: the validation loss rose again after its minimum, whose weights were kept. "
            "Try fewer epochs, more dropout (--set dropout_output=0.5), or more text."
        )
    if gap > _OVERFIT_GAP:
        return (
            "Close to overfitting: the training loss is far below the validation loss. "
            "Try more dropout (--set dropout_output=0.5) or more text; more epochs will not help."
        )
    if gap < _YOUNG_GAP and len(validation) == 1:
        return (
            "Too short to tell: a single validation has none before it to compare with. "
            f"Train it further: {command('train', run, '--resume', '--minutes', 5)}"
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


def _is_worse(loss: float, best: float) -> bool:
    return loss > best * (1 + _NOTICEABLE)
