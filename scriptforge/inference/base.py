"""What every inference model offers: reading token by token and scoring, in arrays of NumPy's.

An inference model has the weights of a model, prepared for a few sequences that advance one token at a time.
Nothing here needs PyTorch; what does, has the same protocol in `scriptforge.models`.

Shape letters: B sequences, T steps, V vocabulary, H features, N tokens of some sequences.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scriptforge.architectures import ARCHITECTURES
from scriptforge.errors import UsageError
from scriptforge.inference.configs import ModelConfig

Numbers: TypeAlias = NDArray[np.float32]
Ids: TypeAlias = NDArray[np.int64]
"""Tokens, or other things by number."""

State: TypeAlias = tuple[Numbers, ...]
"""All that a model remembers of the text before: arrays of three dimensions, of which the second is B.

Zeros, and only they, mean that nothing was read.
"""

Weights: TypeAlias = Mapping[str, Numbers]
"""The weights of a model by name, as `ModelConfig.weight_shapes` names them."""

Arithmetic: TypeAlias = Literal["fp32", "int8"]
"""How to multiply: `fp32` as the model was trained, `int8` with weights and inputs rounded to eight bits."""

HINT_WITHOUT_INT8 = "Leave --int8 out: without it every machine computes as exactly as it trains."


class Readable(Protocol):
    """What can be read token by token: a run, a model in training, or an inference model itself."""

    def inference(self, arithmetic: Arithmetic = "fp32") -> "InferenceModel":
        """Return an inference model with the weights as they are now.

        Raises:
            UsageError: this model cannot compute in `int8`.
        """
        ...


class InferenceModel(ABC):
    """Reads tokens in order and says, after each, what may come next.

    Attributes:
        config: the sizes of the model.
    """

    config: ModelConfig

    def inference(self, arithmetic: Arithmetic = "fp32") -> "InferenceModel":
        """Return the model as it is, whatever its arithmetic; see `Readable.inference`."""
        return self

    def __call__(self, ids_BT: Ids, state: State) -> tuple[Numbers, State]:
        """Read T tokens in each of B sequences, and score what may come after each: `logits_BTV`."""
        features_BTH, state = self.features(ids_BT, state)
        return self.score(features_BTH), state

    @abstractmethod
    def features(self, ids_BT: Ids, state: State) -> tuple[Numbers, State]:
        """Read T tokens in each of B sequences, without scoring.

        Args:
            ids_BT: in 0 … V-1.
            state: as `initial_state` or the previous call returned it; it stays as it is.

        Returns:
            `features_BTH`, whose row t sums up the text up to `ids_BT[:, t]`, and the state after step T.
        """

    @abstractmethod
    def score(self, features_BTH: Numbers) -> Numbers:
        """Score every token as the next one: `logits_BTV`, of features with any dimensions before H."""

    @abstractmethod
    def initial_state(self, sequences: int) -> State:
        """Return the state of so many sequences that have read nothing."""

    @property
    def head(self) -> Numbers | None:
        """Return the matrix of which scores are products, if they are, and a bias beside."""
        return None

    def difference(self, features_BH: Numbers, others_BH: Numbers) -> Numbers:
        """Return between what the head multiplies for some features and for others: `differences_BE`."""
        return features_BH - others_BH

    def margins(self, features_BH: Numbers, others_BH: Numbers, rows_N: Ids, ids_N: Ids) -> Numbers:
        """Return by how much one sequence's features score a token higher than others: `margins_N`.

        Args:
            features_BH: of each sequence.
            others_BH: what they are compared with, in the same order.
            rows_N: which sequence.
            ids_N: which token.
        """
        if self.head is None:
            margins_BV = self.score(features_BH) - self.score(others_BH)
            return margins_BV[rows_N, ids_N]
        products_NE = self.head.take(ids_N, axis=0)
        products_NE *= self.difference(features_BH, others_BH).take(rows_N, axis=0)
        margins_N: Numbers = products_NE.sum(-1)
        return margins_N


def new_inference(config: ModelConfig, weights: Weights, arithmetic: Arithmetic) -> InferenceModel | None:
    """Return the inference model of an architecture that is read without PyTorch; None of any other.

    Args:
        config: the sizes.
        weights: float32, of just these sizes; they are not copied, and must stay as they are.
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
    """Raise an error unless models of an architecture can compute in an arithmetic.

    Raises:
        UsageError: they cannot.
    """
    if arithmetic == "int8" and not ARCHITECTURES[config.arch].has_int8:
        *most, last = (name for name, each in ARCHITECTURES.items() if each.has_int8)
        raise UsageError(
            f"Only {', '.join(most)} and {last} can be rounded to eight bits, not {config.arch}.",
            HINT_WITHOUT_INT8,
        )
