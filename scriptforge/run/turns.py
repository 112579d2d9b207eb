"""Turn-taking in a corpus: how often a speaker goes on, and the busiest speaker's share of the lines."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from scriptforge.validation import ClosedModel, Share
from scriptforge.vocabulary import Vocabulary

WINDOW = 50
"""Number of lines of dialogue over which the busiest speaker's share is measured."""


class TurnHabits(ClosedModel):
    """How turns are taken in the training text.

    Attributes:
        same_again: of the lines of dialogue directly after another one, the share with the same speaker.
        busiest: mean share of the busiest speaker among `WINDOW` lines of dialogue.
    """

    same_again: Share
    busiest: Share


def measure_turns(ids: NDArray[np.unsignedinteger], vocabulary: Vocabulary) -> TurnHabits | None:
    """Measure the turn-taking in a text; None if it has too little dialogue, or no speaker has a cue.

    Args:
        ids: the ids of the training split, in order; may be memory-mapped.
        vocabulary: the vocabulary that it was encoded with.
    """
    if vocabulary.plain or not vocabulary.speaker_tokens:
        return None
    first = vocabulary.layout_size - len(vocabulary.speaker_tokens)
    layout = np.asarray(ids[ids < vocabulary.layout_size]).astype(np.int64)
    openings = layout[layout != vocabulary.says]
    is_cue = (openings >= first) | (openings == vocabulary.cue)
    cues = openings[is_cue]
    windows = [cues[start : start + WINDOW] for start in range(0, len(cues) - WINDOW + 1, WINDOW)]
    follows = is_cue[1:] & is_cue[:-1] & (openings[:-1] >= first)
    if not (windows and follows.any()):
        return None
    again = (openings[1:] == openings[:-1])[follows]
    busiest = [max(Counter(window[window >= first].tolist()).values(), default=0) for window in windows]
    return TurnHabits(same_again=float(again.mean()), busiest=float(np.mean(busiest)) / WINDOW)
