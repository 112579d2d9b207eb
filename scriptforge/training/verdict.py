"""What a training's curves say, in a sentence, and what to try next."""

from collections.abc import Sequence

_WORTH_MENTIONING = 0.01
_MEMORISED_GAP = 0.25


def verdict(training: Sequence[float], validation: Sequence[float]) -> str:
    """Judges a training by its losses.

    Args:
        training: training loss before each validation, nats per token.
        validation: validation loss at each, nats per token; at least one.
    """
    best = min(validation)
    gap = (best - training[-1]) / best
    if validation[-1] > best * (1 + _WORTH_MENTIONING):
        return (
            "Memorising: validation grew worse again after its best, which was kept. "
            "Try fewer epochs, more dropout (--set dropout_output=0.5), or more text."
        )
    if gap > _MEMORISED_GAP:
        return (
            "Close to memorising: the model knows its training text far better than new text. "
            "Try more dropout (--set dropout_output=0.5) or more text; more epochs will not help."
        )
    middle = validation[len(validation) // 2]
    if len(validation) > 1 and (middle - best) / best > _WORTH_MENTIONING and gap < _MEMORISED_GAP / 2:
        return "Still improving: validation was falling to the end. Try twice the time."
    return "Good: validation has settled. For more, try --preset best, or more text."
