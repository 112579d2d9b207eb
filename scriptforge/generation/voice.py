"""Voices: guidance that makes tokens likelier that a speaker would say rather than somebody else.

While a line is written, the model also reads it as if somebody else said it: from the same state, another
cue, and then the same words.

    … hello. <cue:KRAMER> giddy up    the text, its own row
    … hello. <cue:ELAINE> giddy up    beside it, the contrast

What KRAMER would say and ELAINE would not is his voice, and is strengthened:

    score(w) = own(w) + strength · (own(w) - contrast(w))

This changes only tokens that are plausible anyway. Their total probability stays the same, and so do the
probabilities of all other tokens, so that lines stay as long and speakers as frequent as they are. Each line
is contrasted with one speaker, the next of a few frequent ones. This takes one further row only, and makes
voices as distinct in the end as a contrast with all of them at once.

Sources: Ho and Salimans 2022, arXiv:2207.12598, and Sanchez et al. 2023, arXiv:2306.17806, on classifier-free
guidance; Li et al. 2023, arXiv:2210.15097, on the plausibility constraint.

Shape letters: B sequences of the batch, R rows: 2B with contrasts or B without, T steps, V vocabulary,
N plausible tokens of all sequences, H features, E inputs of the head.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scriptforge.errors import UsageError, unknown_name
from scriptforge.generation.cast import tidy_name
from scriptforge.generation.decoder import MAX_TOKENS, Copies, ModelDecoder, Saved, integers_in
from scriptforge.generation.grammar import Mask
from scriptforge.inference import FloatArray, Ids, InferenceModel, ModelConfig
from scriptforge.kernel import kernel
from scriptforge.kernel.scores import KernelGuidance
from scriptforge.options import DEFAULT_VOICE_WITHOUT_SPEAKER_EMBEDDING, GenerateOptions
from scriptforge.vocabulary import Vocabulary

MAX_OTHERS = 3
"""Maximum number of others, those with the most lines, with whom a speaker is contrasted in turn."""

PLAUSIBLE = 0.05
"""Probability, relative to the likeliest text token's, from which a token is plausible."""

_LEAST = np.float32(math.log(PLAUSIBLE))


@dataclass(frozen=True)
class Voices:
    """Whose voices are strengthened, how much, and in contrast with whom.

    Attributes:
        strengths: strength of each voice, above 0, by the speaker's cue token.
        others: cue tokens of those with whom a speaker is contrasted, by the speaker's cue token; at least
            one for each voice in `strengths`.
        layout_size: number of layout tokens, which are the first ids.
    """

    strengths: Mapping[int, float]
    others: Mapping[int, tuple[int, ...]]
    layout_size: int


def default_voice(config: ModelConfig) -> float:
    """Return the strength of voices that is used for a model by default."""
    return 0.0 if getattr(config, "speakers", 0) else DEFAULT_VOICE_WITHOUT_SPEAKER_EMBEDDING


def resolve_voices(options: GenerateOptions, vocabulary: Vocabulary, config: ModelConfig) -> Voices | None:
    """Look up whose voices are to be strengthened; None if nobody's.

    If there is nobody to contrast with, there are no voices by default, and to ask for them is an error.

    Args:
        options: generation options.
        vocabulary: the model's vocabulary.
        config: the model's config.

    Raises:
        UsageError: a name is not that of a speaker with a token, or there are too few such speakers.
    """
    others = contrasts(vocabulary)
    if (options.voice or options.voices) and not any(others.values()):
        raise UsageError(
            "This model knows fewer than two speakers well enough to tell their voices apart.",
            "Leave --voice out.",
        )
    strength = default_voice(config) if options.voice is None else options.voice
    strengths = dict.fromkeys(others, strength)
    for name, own_strength in options.voices.items():
        strengths |= dict.fromkeys(_cues_of(name, vocabulary), own_strength)
    guided = {id_: each for id_, each in strengths.items() if each and others[id_]}
    return Voices(guided, others, vocabulary.layout_size) if guided else None


def contrasts(vocabulary: Vocabulary) -> dict[int, tuple[int, ...]]:
    """Return with whom each speaker is contrasted, as cue tokens: frequent speakers of the same source."""
    frequent: dict[str | None, list[int]] = {}
    for token in vocabulary.speaker_tokens:
        frequent.setdefault(token.source, []).append(token.id)
    others = {
        token.id: [id_ for id_ in frequent[token.source][: MAX_OTHERS + 1] if id_ != token.id]
        for token in vocabulary.speaker_tokens
    }
    return {cue: tuple(found[:MAX_OTHERS]) for cue, found in others.items()}


def _cues_of(name: str, vocabulary: Vocabulary) -> Iterable[int]:
    cues = [token.id for token in vocabulary.speaker_tokens_named(tidy_name(name))]
    if not cues:
        raise unknown_name("speaker with a voice of their own", name, vocabulary.speakers)
    return cues


class GuidedDecoder(ModelDecoder):
    """A model decoder that reads B texts, and their contrasts while any voice is strengthened.

    The rows of its state are the B texts, and then their contrasts in the same order. The contrast of a text
    whose current speaker has no strengthened voice is a copy. A text is paused between lines, where there are
    no contrasts to save; the saved state is that of a `ModelDecoder`, and the number of lines opened so far.

    Args:
        model: the inference model.
        batch_size: B.
        voices: the voices to strengthen.
    """

    def __init__(self, model: InferenceModel, batch_size: int, voices: Voices) -> None:
        super().__init__(model, batch_size)
        self._voices = voices
        self._openings = [0] * batch_size
        self._strength_B = np.zeros(batch_size, np.float32)
        self._is_contrasted = False
        loaded, head_VE = kernel(), model.head
        self._guidance = (
            KernelGuidance(loaded, head_VE, voices.layout_size, -float(_LEAST))
            if loaded is not None and head_VE is not None
            else None
        )

    def read_features(self, ids_BT: Ids, waits_B: Mask | None = None) -> tuple[FloatArray, FloatArray]:
        """See `ModelDecoder.read_features`."""
        features_RTH = [self._read_part(part_BT, waits_B) for part_BT in self._parts(ids_BT)]
        own = [part_RTH[: self.batch_size] for part_RTH in features_RTH]
        features_BTH = np.concatenate(own, axis=1) if len(own) > 1 else own[0]
        self.features_BH = features_BTH[:, -1]
        logits_BV = self.model.score(self.features_BH)
        if self._is_contrasted:
            contrasts_BH = features_RTH[-1][self.batch_size :, -1]
            self._guide(logits_BV, self.features_BH, contrasts_BH)
        return features_BTH, logits_BV

    def state(self) -> Saved:
        """See `Decoder.state`."""
        own = {name: array[:, : self.batch_size] for name, array in super().state().items()}
        return {**own, "voice.openings": np.array(self._openings)}

    def restore(self, state: Saved) -> None:
        """See `Decoder.restore`; a state that was saved without voices is accepted, too."""
        super().restore(state)
        state = {"voice.openings": np.zeros(self.batch_size, np.int64), **state}
        openings_B = integers_in(state, "voice.openings", (self.batch_size,), 0, MAX_TOKENS)
        self._openings = openings_B.tolist()
        self._strength_B[:] = 0
        self._is_contrasted = False

    def _parts(self, ids_BT: Ids) -> Sequence[Ids]:
        """Split a text before each step at which a line is opened in any sequence."""
        if ids_BT.shape[1] == 1:
            return [ids_BT]
        places = np.flatnonzero((ids_BT < self._voices.layout_size).any(0)).tolist()
        return [part_BT for part_BT in np.split(ids_BT, places, axis=1) if part_BT.shape[1]]

    def copy_sequences(self, copies: Copies) -> None:
        """See `Decoder.copy_sequences`."""
        rows = [copies.get(row, row) for row in range(self.batch_size)]
        self._select([*rows, *(row + self.batch_size for row in rows)] if self._is_contrasted else rows)
        for row, source in copies.items():
            self._openings[row] = self._openings[source]
            self._strength_B[row] = self._strength_B[source]

    def _read_part(self, ids_BT: Ids, waits_B: Mask | None) -> FloatArray:
        """Read a part in which only the first step may open lines; return `features_RTH`."""
        first = ids_BT[:, 0].tolist()
        opening = [row for row, id_ in enumerate(first) if id_ < self._voices.layout_size]
        contrasts = self._open(opening, first) if opening else {}
        ids_RT, waits_R = ids_BT, waits_B
        if self._is_contrasted:
            ids_2BT = np.empty((2, *ids_BT.shape), np.int64)
            ids_2BT[:] = ids_BT
            ids_RT = ids_2BT.reshape(-1, ids_BT.shape[1])
            waits_R = None if waits_B is None else np.concatenate([waits_B, waits_B])
            for row, cue in contrasts.items():
                ids_RT[self.batch_size + row, 0] = cue
        return self._advance(ids_RT, waits_R)

    def _open(self, opening: Sequence[int], first: Sequence[int]) -> dict[int, int]:
        """Restart the contrasts of some sequences; return the cues that those with a voice read, by row."""
        cues = {}
        for row in opening:
            self._openings[row] += 1
            self._strength_B[row] = strength = self._voices.strengths.get(first[row], 0)
            if strength:
                others = self._voices.others[first[row]]
                cues[row] = others[self._openings[row] % len(others)]
        own = range(self.batch_size)
        was_contrasted, self._is_contrasted = self._is_contrasted, bool(self._strength_B.any())
        if was_contrasted and self._is_contrasted:
            self._copy_rows(opening, [row + self.batch_size for row in opening])
        elif was_contrasted or self._is_contrasted:
            self._select([*own, *own] if self._is_contrasted else own)
        return cues

    def _guide(self, logits_BV: FloatArray, features_BH: FloatArray, contrasts_BH: FloatArray) -> None:
        """Raise the scores, in place, of tokens that each text predicts and its contrast does not."""
        if self._guidance is not None:
            differences_BE = self.model.difference(features_BH, contrasts_BH)
            self._guidance.strengthen(logits_BV, differences_BE, self._strength_B)
            return
        text_BV = logits_BV[:, self._voices.layout_size :]
        is_plausible_BV = text_BV >= text_BV.max(-1, keepdims=True) + _LEAST
        rows_N, places_N = np.divmod(np.flatnonzero(is_plausible_BV), text_BV.shape[1])
        ids_N = places_N + self._voices.layout_size
        margins_N = self.model.margins(features_BH, contrasts_BH, rows_N, ids_N)
        margins_N *= self._strength_B.take(rows_N)
        text_BV[rows_N, places_N] = add_margins(text_BV[rows_N, places_N], margins_N, rows_N)


def add_margins(
    scores_N: NDArray[np.float32], margins_N: NDArray[np.float32], rows_N: NDArray[np.int64]
) -> NDArray[np.floating[Any]]:
    """Add margins to scores, so that the total probability in each row stays the same.

    Args:
        scores_N: scores of some tokens, at least one in each row.
        margins_N: terms added to the scores.
        rows_N: row of each score.
    """
    with np.errstate(all="ignore"):  # a diverged model gives infinite or NaN scores
        weights_N = np.exp(scores_N - scores_N.max(initial=-np.inf), dtype=np.float64)
        before_B = np.bincount(rows_N, weights_N)
        after_B = np.bincount(rows_N, weights_N * np.exp(margins_N, dtype=np.float64))
        shift_B = np.log(before_B / after_B)
    return scores_N + margins_N + shift_B.take(rows_N)
