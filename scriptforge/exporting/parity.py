"""Comparison of an exported model with the original, step by step."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from scriptforge.errors import ExportError
from scriptforge.run.run import Run

STEPS = 1000
"""Number of tokens that both read."""
TOLERANCE = 1e-4
"""Largest difference of a score of an exact copy, as a share of the largest score, or of 1 if that is more.

transformers rotates by the position in the text, which loses some digits in a long one.
"""

_MAX_LAYOUT = 200

Reader: TypeAlias = Callable[[int], NDArray[np.float32]]
"""Reads the next token of a text, and returns the scores of the token after it, (V,)."""


@dataclass(frozen=True)
class Parity:
    """How far an exported model is from the original.

    Attributes:
        steps: number of tokens that both read.
        largest: the largest difference of two scores.
        size: the model's largest score, or 1 if that is more.
        nats: how much higher the copy's loss is on tokens drawn from the model, in nats per token.
    """

    steps: int
    largest: float
    size: float
    nats: float


def compare(run: Run, read: Reader, *, is_exact: bool) -> Parity:
    """Compare a model and its copy on a text that the model draws as it goes.

    The text begins with all layout tokens, or the first `_MAX_LAYOUT` of many, so that speakers are tried.

    Args:
        run: the run of the model.
        read: reads with the copy.
        is_exact: whether the copy computes in fp32.

    Raises:
        ExportError: the copy should be exact, and differs by more than `TOLERANCE`.
    """
    rng = np.random.default_rng(0)
    model = run.inference()
    state = model.initial_state(1)
    given = range(min(run.vocabulary.layout_size, _MAX_LAYOUT))
    id_, size, largest, nats = run.vocabulary.end, 1.0, 0.0, 0.0
    for step in range(STEPS):
        logits_11V, state = model(np.array([[id_]]), state)
        own_V, other_V = logits_11V[0, 0].astype(np.float64), read(id_).astype(np.float64)
        size = max(size, float(np.abs(own_V).max()))
        largest = max(largest, float(np.abs(own_V - other_V).max()))
        own_V, other_V = _log_probabilities(own_V), _log_probabilities(other_V)
        drawn = int((own_V + rng.gumbel(size=len(own_V))).argmax())
        id_ = given[step] if step < len(given) else drawn
        nats += (own_V[drawn] - other_V[drawn]) / STEPS
    if is_exact and not largest <= TOLERANCE * size:
        raise ExportError(
            f"The exported model differs from run “{run.folder.name}” by {largest:.1e} after {STEPS} tokens.",
            "Nothing was written. Update what computes it (onnxruntime, transformers), and report it if that"
            " does not help.",
        )
    return Parity(STEPS, largest, size, float(nats))


def _log_probabilities(scores_V: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted_V = scores_V - scores_V.max()
    logs_V: NDArray[np.float64] = shifted_V - np.log(np.exp(shifted_V).sum())
    return logs_V
