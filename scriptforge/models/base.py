"""The protocol of all models: sizes, reading, scoring, and a state passed from call to call.

Shape letters: B streams, T steps, V vocabulary, H hidden.
"""

from abc import abstractmethod
from typing import Any, Protocol, TypeAlias

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from scriptforge.inference import (
    Arithmetic,
    FloatArray,
    Ids,
    InferenceModel,
    ModelConfig,
    Weights,
    new_inference,
)
from scriptforge.inference import State as ArrayState

State: TypeAlias = tuple[Tensor, ...]
"""All that a model remembers of earlier text: tensors of three dimensions, the second of which is B.

Zeros, and only zeros, mean that nothing was read; so multiplying by a mask resets streams.
"""


class LanguageModel(Protocol):
    """A model that reads tokens in order and scores, after each, all possible next tokens."""

    config: ModelConfig
    """The sizes of the model."""

    def __call__(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Read T tokens on each of B streams, and score the next token after each.

        Args:
            ids_BT: token ids, int64, in 0 … V-1.
            state: as returned by `initial_state` or the previous call.

        Returns:
            `logits_BTV`, whose row t scores the token after `ids_BT[:, t]`, and the state after step T.
        """
        ...

    @abstractmethod
    def features(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Read T tokens on each of B streams, as `__call__` does, without scoring.

        Returns:
            `features_BTH`, whose row t summarises the text up to `ids_BT[:, t]`, and the state after step T.
        """
        ...

    @abstractmethod
    def score(self, features_BTH: Tensor) -> Tensor:
        """Return `logits_BTV` for features, which may have any dimensions before H."""
        ...

    @abstractmethod
    def initial_state(self, streams: int) -> State:
        """Return the state of `streams` streams that have read nothing, on the model's device."""
        ...

    @abstractmethod
    def loss(self, ids_BT: Tensor, targets_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the mean cross-entropy in nats per token, and the state after step T."""
        ...


class TrainableModel(nn.Module, LanguageModel):
    """A `LanguageModel` as a PyTorch module, which can be trained, saved, and moved to another device."""

    def forward(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Read and score; see `LanguageModel.__call__`."""
        features_BTH, state = self.features(ids_BT, state)
        return self.score(features_BTH), state

    def orthogonal_blocks(self) -> dict[str, int]:
        """Return the weights that map one space to another, and so may take orthogonal steps (`muon`).

        Returns:
            By the name of each such weight, the number of equally large matrices that are stacked in it: one
            per gate, or query, key and value. A model may have none.
        """
        return {}

    def whole(self) -> "TrainableModel":
        """Return the model to save and use, with its current weights: itself, unless a subclass differs."""
        return self

    def inference(self, arithmetic: Arithmetic = "fp32") -> InferenceModel:
        """Return an inference model of these weights, on the CPU; see `SupportsInference.inference`.

        Weights in fp32 on the CPU are not copied. A model of an architecture that needs PyTorch is wrapped as
        it is, on its device, and must be in evaluation mode.
        """
        weights = {name: _array(weight) for name, weight in self.named_parameters()}
        return new_inference(self.config, weights, arithmetic) or _ArrayAdapter(self)

    def take_weights(self, weights: Weights) -> None:
        """Set the weights to arrays of the right shapes, which are not copied."""
        for name, parameter in self.named_parameters():
            parameter.data = torch.from_numpy(weights[name])


class TensorAdapter(LanguageModel):
    """An inference model as a `LanguageModel`, for evaluation."""

    def __init__(self, inference: InferenceModel) -> None:
        self.config = inference.config
        self._inference = inference

    def __call__(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Read and score; see `LanguageModel.__call__`."""
        features_BTH, state = self.features(ids_BT, state)
        return self.score(features_BTH), state

    def features(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """See `LanguageModel.features`."""
        features_BTH, after = self._inference.features(ids_BT.numpy(), tuple(map(_array, state)))
        return torch.from_numpy(features_BTH), tuple(map(torch.from_numpy, after))

    def score(self, features_BTH: Tensor) -> Tensor:
        """See `LanguageModel.score`."""
        return torch.from_numpy(self._inference.score(features_BTH.numpy()))

    def initial_state(self, streams: int) -> State:
        """See `LanguageModel.initial_state`."""
        return tuple(map(torch.from_numpy, self._inference.initial_state(streams)))

    def loss(self, ids_BT: Tensor, targets_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the mean loss, which has no gradient; see `LanguageModel.loss`."""
        logits_BTV, state = self(ids_BT, state)
        return F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten()), state


class _ArrayAdapter(InferenceModel):
    """A PyTorch model, on any device, as an inference model."""

    def __init__(self, model: TrainableModel) -> None:
        self.config = model.config
        self._model = model
        self._device = model.initial_state(1)[0].device

    @torch.inference_mode()
    def initial_state(self, sequences: int) -> ArrayState:
        """See `InferenceModel.initial_state`."""
        return tuple(map(_array, self._model.initial_state(sequences)))

    @torch.inference_mode()
    def features(self, ids_BT: Ids, state: ArrayState) -> tuple[FloatArray, ArrayState]:
        """See `InferenceModel.features`."""
        features_BTH, after = self._model.features(self._tensor(ids_BT), tuple(map(self._tensor, state)))
        return _array(features_BTH), tuple(map(_array, after))

    @torch.inference_mode()
    def score(self, features_BTH: FloatArray) -> FloatArray:
        """See `InferenceModel.score`."""
        return _array(self._model.score(self._tensor(features_BTH)))

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._device)


def _array(tensor: Tensor) -> FloatArray:
    array: FloatArray = tensor.detach().float().cpu().numpy()
    return array


def detach(state: State) -> State:
    """Return the state detached from its computation graph, so that back-propagation ends there."""
    return tuple(tensor.detach() for tensor in state)


def reset_state(
    ids_BT: Tensor, state: State, resets_B: Tensor, opens_B: Tensor, first: int
) -> tuple[Tensor, State]:
    """Reset some streams, so that they read their next tokens as if they had read nothing before.

    A model that always continues a text never learns to begin one: it may come to rely on a state that is
    never zero, and write nonsense from a zero state. Yet every prompt starts from a zero state.

    Args:
        ids_BT: the tokens to read next.
        state: the state of the streams.
        resets_B: which streams to reset, as booleans.
        opens_B: which streams read `first` in place of their first token, as at the start of a text; the
            other reset streams begin in the middle of one.
        first: the token with which a text begins.

    Returns:
        Changed copies of the tokens and the state.
    """
    keeps_1B1 = ~resets_B[None, :, None]
    ids_BT = ids_BT.clone()
    ids_BT[opens_B, 0] = first
    return ids_BT, tuple(tensor * keeps_1B1 for tensor in state)
