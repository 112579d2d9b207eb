"""Scores of layout tokens: that constraints forbid some of these makes no line longer.

A line ends where a layout token comes. If only one of a hundred speakers may speak next, lines must not
become a hundred times as long: the model decides whether a line ends, the constraint who is next. So the
probability of layout tokens that constraints forbid goes to the cues that they allow. For example, with 0.2
for `<cue:JERRY>`, 0.3 for `<cue:ELAINE>` and 0.5 for words, and Jerry as the only one who may speak, Jerry's
cue gets 0.5.

Headings and the end of a script stay as likely as they were: without stage directions, of which a script may
be full, there are more lines, not more scenes. Only where no cue is allowed do the others gain.

Shape letters: B sequences of the batch, L layout tokens, V vocabulary.
"""

import numpy as np

from scriptforge.generation.grammar import Mask
from scriptforge.inference import FloatArray
from scriptforge.kernel import kernel
from scriptforge.kernel.scores import KernelLayout


def new_layout_scores(is_cue_L: Mask, batch_size: int) -> "LayoutScores | KernelLayout":
    """Return the scores of the layout tokens of B sequences, computed by the kernel if there is one.

    Args:
        is_cue_L: which layout tokens, the first ids, are cues.
        batch_size: B.
    """
    loaded = kernel()
    return LayoutScores(is_cue_L) if loaded is None else KernelLayout(loaded, is_cue_L, batch_size)


class LayoutScores:
    """The same as `KernelLayout`, in NumPy.

    Args:
        is_cue_L: which layout tokens, the first ids, are cues.
    """

    def __init__(self, is_cue_L: Mask) -> None:
        self._is_cue_L = is_cue_L

    def redistribute(self, logits_BV: FloatArray, before_BV: Mask, after_BV: Mask) -> FloatArray:
        """Return the scores of layout tokens after the probability of the forbidden ones went to cues.

        Args:
            logits_BV: the model's scores.
            before_BV: tokens forbidden without the constraints.
            after_BV: tokens forbidden with them.

        Returns:
            `layout_BL`, as it was where nothing was allowed before; only valid until the next call.
        """
        layout_size = len(self._is_cue_L)
        layout_BL = logits_BV[:, :layout_size]
        before_BL, after_BL = before_BV[:, :layout_size], after_BV[:, :layout_size]
        gains_BL = self._is_cue_L & ~after_BL
        gains_BL = np.where(gains_BL.any(-1, keepdims=True), gains_BL, ~after_BL)
        gives_BL = (gains_BL | after_BL) & ~before_BL
        with np.errstate(all="ignore"):  # nothing may gain, and a diverged model's scores are infinite
            given_B1, own_B1 = (
                np.logaddexp.reduce(layout_BL, -1, keepdims=True, where=each_BL, initial=-np.inf)
                for each_BL in (gives_BL, gains_BL)
            )
            shift_B1 = np.where(given_B1 == -np.inf, 0, given_B1 - own_B1)
            return np.where(gains_BL, layout_BL + shift_B1, layout_BL)
