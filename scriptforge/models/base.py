"""What every model offers: its sizes, reading and scoring, and a state that goes from call to call.

Shape letters: B streams, T steps, V vocabulary, H hidden, N tokens of some streams.
"""

from abc import abstractmethod
from dataclasses import Field
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict
from torch import Tensor, nn

CLOSED = ConfigDict(extra="forbid", strict=True)
"""For a config, which a stranger may have written: no key but its own, and no value of another type."""

State: TypeAlias = tuple[Tensor, ...]
"""All that a model remembers of the text before: tensors of three dimensions, of which the second is B.

Zeros, and only they, mean that nothing was read; so multiplying by a mask resets streams.
"""

Places: TypeAlias = NDArray[np.int64]
"""Streams or tokens, by number."""

Margins: TypeAlias = NDArray[np.float32]
"""Differences of scores."""


class ModelConfig(Protocol):
    """The sizes of a model: a frozen dataclass that round-trips through JSON."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def arch(self) -> str:
        """Return the architecture's name, a key of `scriptforge.architectures.ARCHITECTURES`."""
        ...

    @property
    def vocabulary_size(self) -> int:
        """Return V."""
        ...

    @property
    def feature_size(self) -> int:
        """Return H, how many numbers `LanguageModel.features` gives for a token."""
        ...

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every weight by its name, a shared one once, without building anything."""
        ...


class LanguageModel(Protocol):
    """A model that reads tokens in order and says, after each, what may come next."""

    config: ModelConfig
    """The sizes it was built from."""

    def __call__(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Read T tokens on each of B streams, and score what may come next.

        Args:
            ids_BT: token ids, int64, in 0 … V-1.
            state: as `initial_state` or the previous call returned it.

        Returns:
            `logits_BTV`, `score` of what `features` gives, whose row t scores the token after `ids_BT[:, t]`;
            and the state after step T.
        """
        ...

    @abstractmethod
    def features(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Read T tokens on each of B streams, as `__call__` does, without scoring.

        Returns:
            `features_BTH`, whose row t sums up the text up to `ids_BT[:, t]`, and the state after step T.
        """
        ...

    @abstractmethod
    def score(self, features_BTH: Tensor) -> Tensor:
        """Return `logits_BTV` for features; B and T may be any dimensions."""
        ...

    def margins(self, features_BH: Tensor, others_BH: Tensor, rows_N: Places, ids_N: Places) -> Margins:
        """Return by how much one stream's features score a token higher than others, `margins_N`, N times.

        Args:
            features_BH: of each stream.
            others_BH: what they are compared with, in the same order.
            rows_N: which stream.
            ids_N: which token.
        """
        margins_BV = self.score(features_BH) - self.score(others_BH)
        margins_N: Margins = margins_BV[rows_N, ids_N].float().cpu().numpy()
        return margins_N

    @abstractmethod
    def initial_state(self, streams: int) -> State:
        """Return the state of `streams` streams that have read nothing, on the model's device."""
        ...

    @abstractmethod
    def loss(self, ids_BT: Tensor, targets_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the mean cross-entropy in nats per token, and the state after step T."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return the weights by name."""
        ...


class TrainableModel(nn.Module, LanguageModel):
    """A `LanguageModel` that is a module: its weights can be trained, saved, and moved to another device."""

    def forward(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Read and score; see `LanguageModel.__call__`."""
        features_BTH, state = self.features(ids_BT, state)
        return self.score(features_BTH), state

    def orthogonal_blocks(self) -> dict[str, int]:
        """Return which matrices map one space to another, and so may take orthogonal steps (`muon`).

        Returns:
            By the name of each such weight, how many matrices of as many rows lie in it one below the other:
            one for each gate, or query, key and value. A model may have none.
        """
        return {}

    def whole(self) -> "TrainableModel":
        """Return the model that is saved and used, with the weights as they are now: itself, in general."""
        return self


def detach(state: State) -> State:
    """Return the same numbers cut off from the graph that made them, where back-propagation ends."""
    return tuple(tensor.detach() for tensor in state)


def reset_state(
    ids_BT: Tensor, state: State, resets_B: Tensor, opens_B: Tensor, first: int
) -> tuple[Tensor, State]:
    """Let some streams read their next tokens as if they had read nothing before.

    A model that always continues a text never learns to begin one: it may come to rely on a state that it
    never leaves, and write nonsense from a zero one. Yet every prompt starts from a zero state.

    Args:
        ids_BT: the tokens about to be read.
        state: what the streams remember.
        resets_B: which streams are reset, as booleans.
        opens_B: which streams read `first` in place of their first token, as at the start of a text; others
            that are reset begin in the middle of one.
        first: the token with which a text begins.

    Returns:
        Copies of the tokens and of the state, with those changes.
    """
    keeps_1B1 = ~resets_B[None, :, None]
    ids_BT = ids_BT.clone()
    ids_BT[opens_B, 0] = first
    return ids_BT, tuple(tensor * keeps_1B1 for tensor in state)
