"""Decoders, which read the ids of a text and score the next token, and keep a state between.

Shape letters: B sequences of the batch, R rows of the state, B or more, T steps, V vocabulary, H features.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scriptforge.generation.grammar import Mask
from scriptforge.inference import FloatArray, Ids, InferenceModel, State

Copies: TypeAlias = Mapping[int, int]
"""Maps sequences to the sequences that they become copies of, which stay as they are."""

Saved: TypeAlias = Mapping[str, NDArray[Any]]
"""The arrays of a state, by name."""

MAX_TOKENS = 1 << 32
"""Largest number of tokens that a saved state may count."""


class Decoder(Protocol):
    """A reader of B sequences that scores the next token of each."""

    def read(self, ids_BT: Ids, waits_B: Mask | None = None) -> FloatArray:
        """Read T more tokens in each sequence; return the scores of the next token: `logits_BV`.

        Args:
            ids_BT: the tokens.
            waits_B: only with T = 1, the sequences that do not take part; their state stays as it is, their
                token, which must be a text token, is ignored, and their scores are meaningless.
        """
        ...

    def copy_sequences(self, copies: Copies) -> None:
        """Copy the state of some sequences to others."""
        ...

    def state(self) -> Saved:
        """Return the state after all that was read."""
        ...

    def restore(self, state: Saved) -> None:
        """Continue from the state of another decoder of the same kind and batch size.

        Raises:
            ValueError or KeyError: the state is of another kind of decoder or model.
        """
        ...


class ModelDecoder:
    """A `Decoder` that returns a model's scores unchanged.

    Args:
        model: the inference model.
        batch_size: B.

    Attributes:
        model: the inference model.
        batch_size: B.
        features_BH: features from which the next tokens are predicted, once something was read.
    """

    features_BH: FloatArray

    def __init__(self, model: InferenceModel, batch_size: int) -> None:
        self.model = model
        self.batch_size = batch_size
        self._state = model.initial_state(batch_size)

    def read(self, ids_BT: Ids, waits_B: Mask | None = None) -> FloatArray:
        """See `Decoder.read`."""
        return self.read_features(ids_BT, waits_B)[1]

    def read_features(self, ids_BT: Ids, waits_B: Mask | None = None) -> tuple[FloatArray, FloatArray]:
        """Read as `read` does; return `features_BTH` of every token, and `logits_BV` after the last."""
        features_BTH = self._advance(ids_BT, waits_B)
        self.features_BH = features_BTH[:, -1]
        return features_BTH, self.model.score(self.features_BH)

    def copy_sequences(self, copies: Copies) -> None:
        """See `Decoder.copy_sequences`."""
        self._select([copies.get(row, row) for row in range(self.batch_size)])

    def sequence_state(self, row: int) -> State:
        """Return the state of the model for one sequence."""
        return tuple(array[:, row : row + 1] for array in self._state)

    def state(self) -> Saved:
        """See `Decoder.state`."""
        return {f"state.{number}": array for number, array in enumerate(self._state)}

    def restore(self, state: Saved) -> None:
        """See `Decoder.restore`."""
        self._state = restore_state(state, "state", self.model, self.batch_size)

    def _advance(self, ids_RT: Ids, waits_R: Mask | None) -> FloatArray:
        """Read tokens, leaving the state of rows that wait as it is; return `features_RTH`."""
        features_RTH, state = self.model.features(ids_RT, self._state)
        if waits_R is not None:
            waits_1R1 = waits_R[None, :, None]
            state = tuple(np.where(waits_1R1, old, new) for old, new in zip(self._state, state, strict=True))
        self._state = state
        return features_RTH

    def _copy_rows(self, sources: Sequence[int], rows: Sequence[int]) -> None:
        """Copy some rows of the state to others."""
        before = self._state
        self._state = tuple(array.copy() for array in before)
        for old, new in zip(before, self._state, strict=True):
            new[:, rows] = old[:, sources]

    def _select(self, rows: Sequence[int]) -> None:
        """Replace the state by its given rows, which may repeat."""
        self._state = tuple(array.take(rows, 1) for array in self._state)


def restore_state(saved: Saved, name: str, model: InferenceModel, sequences: int) -> State:
    """Return the state of a model that was saved under a name.

    Args:
        saved: arrays by name: `NAME.0`, `NAME.1` and so on.
        name: name of the state.
        model: the model.
        sequences: number of sequences.

    Raises:
        ValueError or KeyError: an array is missing, or is not one of this model.
    """
    like = model.initial_state(sequences)
    state = tuple(floats_in(saved, f"{name}.{number}", each.shape) for number, each in enumerate(like))
    model.check_state(state)
    return state


def floats_in(saved: Saved, name: str, shape: tuple[int, ...]) -> FloatArray:
    """Return saved numbers in single precision, of any value: a diverged model's are infinite or NaN.

    Raises:
        ValueError or KeyError: they are missing, or have another shape or type.
    """
    if saved[name].shape != shape or saved[name].dtype != np.float32:
        raise ValueError(f"{name} has another shape or type")
    return saved[name]


def integers_in(saved: Saved, name: str, shape: tuple[int, ...], least: int, most: int) -> Ids:
    """Return saved whole numbers, which a stranger may have written and which index arrays.

    Raises:
        ValueError or KeyError: they are missing, have another shape or type, or one is out of range.
    """
    numbers = saved[name]
    if numbers.shape != shape or numbers.dtype.kind not in "iu":
        raise ValueError(f"{name} has another shape or type")
    if ((numbers < least) | (numbers > most)).any():
        raise ValueError(f"{name} is out of range")
    return numbers.astype(np.int64)
