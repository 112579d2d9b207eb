"""Turn-taking in a corpus: how often a speaker goes on, how often one is new, and the busiest one's share."""

from collections import Counter
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scriptforge.text_statistics.repetition import since_the_last
from scriptforge.validation import ClosedModel, Share
from scriptforge.vocabulary import Vocabulary

WINDOW = 50
"""Number of recent lines of dialogue that count."""

PLACE_BOUNDS = (2, 6, 15, WINDOW)
"""After how many lines each place in a text but the first begins: later on, fewer speakers are new."""

_PLACES = len(PLACE_BOUNDS) + 1


class TurnStatistics(ClosedModel):
    """How turns are taken in the training text.

    Attributes:
        same_again: of the lines of dialogue directly after another one, the share with the same speaker.
        busiest: mean share of the busiest speaker among `WINDOW` lines of dialogue.
        newcomers: share of the lines whose speaker has none of the latest `WINDOW` lines, by the number of
            lines before (`PLACE_BOUNDS`); speakers without a token always count. None if unknown.
        companions: for each speaker with a token, in the order of tokens, the numbers of those after them who
            have a line within `WINDOW` lines of theirs. None if unknown.
    """

    same_again: Share
    busiest: Share
    newcomers: Annotated[list[Share], Field(min_length=_PLACES, max_length=_PLACES)] | None = None
    companions: list[list[Annotated[int, Field(ge=0)]]] | None = None


def measure_turns(ids: NDArray[np.unsignedinteger], vocabulary: Vocabulary) -> TurnStatistics | None:
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
    return TurnStatistics(
        same_again=float(again.mean()),
        busiest=float(np.mean(busiest)) / WINDOW,
        newcomers=_newcomers(cues, cues >= first),
        companions=_companions(openings, is_cue, vocabulary),
    )


def _newcomers(cues_N: NDArray[np.int64], has_token_N: NDArray[np.bool_]) -> list[float] | None:
    """Return `TurnStatistics.newcomers`, measured on pages of two windows; None if there is no whole page."""
    size = 2 * WINDOW
    count = len(cues_N) // size * size
    if not count:
        return None
    numbers_N = np.arange(count)
    before_N = numbers_N % size
    since_N = since_the_last(cues_N[:count].astype(np.uint64), numbers_N)
    is_new_N = (since_N > np.minimum(before_N, WINDOW)) | ~has_token_N[:count]
    place_N = np.searchsorted(PLACE_BOUNDS, before_N, side="right")
    shares_P = np.bincount(place_N[is_new_N], minlength=_PLACES) / np.bincount(place_N, minlength=_PLACES)
    return [float(share) for share in shares_P]


def _companions(
    openings_N: NDArray[np.int64], is_cue_N: NDArray[np.bool_], vocabulary: Vocabulary
) -> list[list[int]]:
    """Return `TurnStatistics.companions`.

    Args:
        openings_N: the tokens that open elements.
        is_cue_N: whether they open dialogue.
        vocabulary: the vocabulary that they are from.
    """
    speakers = len(vocabulary.speaker_tokens)
    scripts_M = np.cumsum(openings_N == vocabulary.end)[is_cue_N]
    numbers_M = openings_N[is_cue_N] - (vocabulary.layout_size - speakers)
    are_companions_SS = np.zeros((speakers, speakers), np.bool_)
    for lines in range(1, min(WINDOW, len(numbers_M) - 1) + 1):
        one_L, other_L = numbers_M[:-lines], numbers_M[lines:]
        are_together_L = (scripts_M[:-lines] == scripts_M[lines:]) & (one_L >= 0) & (other_L >= 0)
        are_companions_SS[one_L[are_together_L], other_L[are_together_L]] = True
    are_companions_SS |= are_companions_SS.T
    return [np.flatnonzero(row_S).tolist() for row_S in np.triu(are_companions_SS, 1)]
