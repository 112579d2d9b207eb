"""What a training's curves say, in a sentence, and what to try next."""

from collections.abc import Sequence

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
