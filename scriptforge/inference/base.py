"""The interface of inference models, which read token by token and score, in NumPy arrays.

An inference model has the weights of a model, prepared for a few sequences that advance one token at a time.
Nothing here needs PyTorch; the models that do are in `scriptforge.models`.

Shape letters: B sequences, T steps, V vocabulary, H features, E inputs of the head, N pairs of a sequence and
a token.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scriptforge.architectures import ARCHITECTURES
from scriptforge.errors import UsageError
from scriptforge.inference.configs import ModelConfig
from scriptforge.kernel import Arithmetic, FloatArray

Ids: TypeAlias = NDArray[np.int64]
"""Token ids, or other ids."""

State: TypeAlias = tuple[FloatArray, ...]
"""All that a model remembers of the text so far: arrays of three dimensions, the second of which is B.

A state of zeros means that nothing has been read; no other state does.
"""

Weights: TypeAlias = Mapping[str, FloatArray]
"""The weights of a model, by the names in `ModelConfig.weight_shapes`."""

HINT_WITHOUT_INT8 = "Leave --int8 out: without it, every machine computes in full precision."


class SupportsInference(Protocol):
    """Anything that has an inference model: a run, a model in training, or an inference model itself."""

    def inference(self, arithmetic: Arithmetic = "fp32") -> "InferenceModel":
        """Return an inference model with the current weights.

        Raises:
            UsageError: this model cannot compute in `int8`.
        """
        ...


class InferenceModel(ABC):
    """A model that reads tokens in order and scores, after each, every token as the next one.

    Attributes:
        config: the sizes of the model.
    """

    config: ModelConfig

    def inference(self, arithmetic: Arithmetic = "fp32") -> "InferenceModel":
        """Return the model itself, whatever its arithmetic; see `SupportsInference.inference`."""
        return self

    def __call__(self, ids_BT: Ids, state: State) -> tuple[FloatArray, State]:
        """Read T tokens in each of B sequences, and score the token after each: `logits_BTV`."""
        features_BTH, state = self.features(ids_BT, state)
        return self.score(features_BTH), state

    @abstractmethod
    def features(self, ids_BT: Ids, state: State) -> tuple[FloatArray, State]:
        """Read T tokens in each of B sequences, without scoring.

        Args:
            ids_BT: in 0 … V-1.
            state: as `initial_state` or the previous call returned it; not changed.

        Returns:
            `features_BTH`, whose row t sums up the text up to `ids_BT[:, t]`, and the state after step T.
        """

    @abstractmethod
    def score(self, features_BTH: FloatArray) -> FloatArray:
        """Score every token as the next one, for features with any dimensions before H: `logits_BTV`."""

    @abstractmethod
    def initial_state(self, sequences: int) -> State:
        """Return the state of a number of sequences that have read nothing."""

    def check_state(self, state: State) -> None:
        """Check a state of the right shapes that was read from a file.

        Raises:
            ValueError: it has speakers that the model does not know.
        """
        speakers = getattr(self.config, "speakers", 0)
        if speakers and not np.isin(state[-1], np.arange(speakers + 1)).all():
            raise ValueError("the state has speakers that the model does not know")

    @property
    def head(self) -> FloatArray | None:
        """Return the weight of the head, (V, E), if scores are linear in its inputs; None otherwise."""
        return None

    def difference(self, features_BH: FloatArray, others_BH: FloatArray) -> FloatArray:
        """Return the head's inputs for some features minus those for others: `differences_BE`."""
        return features_BH - others_BH

    def margins(self, features_BH: FloatArray, others_BH: FloatArray, rows_N: Ids, ids_N: Ids) -> FloatArray:
        """Return how much higher a sequence's features score a token than other features do: `margins_N`.

        Args:
            features_BH: the features of each sequence.
            others_BH: the features to compare them with, row by row.
            rows_N: the sequences.
            ids_N: the tokens.
        """
        if self.head is None:
            margins_BV = self.score(features_BH) - self.score(others_BH)
            return margins_BV[rows_N, ids_N]
        products_NE = self.head.take(ids_N, axis=0)
        products_NE *= self.difference(features_BH, others_BH).take(rows_N, axis=0)
        margins_N: FloatArray = products_NE.sum(-1)
        return margins_N


def new_inference(config: ModelConfig, weights: Weights, arithmetic: Arithmetic) -> InferenceModel | None:
    """Return an inference model that needs no PyTorch; None if the architecture has none.

    Args:
        config: the sizes.
        weights: float32, of these sizes; they are not copied and must not change.
        arithmetic: how to multiply.

    Raises:
        UsageError: the architecture cannot compute in `int8`.
    """
    check_arithmetic(config, arithmetic)
    inference_class: Any = ARCHITECTURES[config.arch].inference_class()
    if inference_class is None:
        return None
    inference: InferenceModel = inference_class(config, weights, arithmetic)
    return inference


def check_arithmetic(config: ModelConfig, arithmetic: Arithmetic) -> None:
    """Raise an error if the architecture cannot compute in an arithmetic.

    Raises:
        UsageError: it cannot.
    """
    if arithmetic == "int8" and not ARCHITECTURES[config.arch].has_int8:
        *most, last = (name for name, each in ARCHITECTURES.items() if each.has_int8)
        raise UsageError(
            f"Only {', '.join(most)} and {last} can be rounded to eight bits, not {config.arch}.",
            HINT_WITHOUT_INT8,
        )
