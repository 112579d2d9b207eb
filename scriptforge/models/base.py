"""What the sizes of a model may be, whether a setting or a stranger's `config.json` says them.

What every model offers.

Shape letters: B streams, T steps, V vocabulary, H hidden.

Dropout that draws sixteen bits a unit.

PyTorch's draws a number for each on the CPU, which takes several times as long as all the rest of it, and a
tenth of the time of a training.
"""

from abc import ABC, abstractmethod
from dataclasses import Field as DataclassField
from typing import Annotated, Any, ClassVar, Protocol, TypeAlias

import torch
import torch.nn.functional as F
from pydantic import ConfigDict, Field
from torch import Tensor, nn

CLOSED = ConfigDict(extra="forbid", strict=True)
"""Of a config: no key but its own, and no value of another type."""

VocabularySize = Annotated[int, Field(ge=2, le=4_194_304)]
Size = Annotated[int, Field(ge=1, le=65_536)]
Layers = Annotated[int, Field(ge=1, le=8)]
Memory = Annotated[int, Field(ge=1, le=4096)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]

State: TypeAlias = tuple[Tensor, ...]
"""All that a model remembers of the text before: tensors of three dimensions, of which the second is B.

Zeros, and only they, mean that nothing was read; so a mask lets streams forget.
"""


class ModelConfig(Protocol):
    """The sizes of a model: a frozen dataclass that round-trips through JSON."""

    __dataclass_fields__: ClassVar[dict[str, DataclassField[Any]]]

    @property
    def arch(self) -> str:
        """The architecture's name, a key of `scriptforge.models.ARCHITECTURES`."""
        ...

    @property
    def vocabulary_size(self) -> int:
        """V."""
        ...

    @property
    def feature_size(self) -> int:
        """H, how many numbers `LanguageModel.features` gives for a token."""
        ...

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """The name and shape of every weight, a shared one once: known before anything is built."""
        ...


class LanguageModel(Protocol):
    """A model that reads tokens in order and says, after each, what may come next."""

    @property
    def config(self) -> ModelConfig:
        """The sizes it was built from."""
        ...

    def __call__(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Reads T tokens on each of B streams: `score` of what `features` gives.

        Args:
            ids_BT: token ids, int64, in 0 … V-1.
            state: as `initial_state` or the previous call returned it.

        Returns:
            `logits_BTV`, whose row t scores the token after `ids_BT[:, t]`, and the state after step T.
        """
        ...

    def features(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Reads T tokens on each of B streams, and shows what it makes of them before it scores.

        Args:
            ids_BT: as in `__call__`.
            state: as in `__call__`.

        Returns:
            `features_BTH`, whose row t sums up the text up to `ids_BT[:, t]`, and the state after step T.
        """
        ...

    def score(self, features_BTH: Tensor) -> Tensor:
        """What may come next, `logits_BTV`, told from features alone; of any of those given, in any shape."""
        ...

    def initial_state(self, streams: int) -> State:
        """The state of `streams` streams that have read nothing, on the model's device."""
        ...

    def loss(self, ids_BT: Tensor, targets_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """The mean cross-entropy in nats per token, and the state after step T."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Named weights."""
        ...


class TrainableModel(nn.Module, ABC):
    """A `LanguageModel` that is a module: its weights can be learnt, saved, and moved to another device."""

    config: ModelConfig

    @abstractmethod
    def features(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """See `LanguageModel.features`."""

    @abstractmethod
    def score(self, features_BTH: Tensor) -> Tensor:
        """See `LanguageModel.score`."""

    @abstractmethod
    def initial_state(self, streams: int) -> State:
        """See `LanguageModel.initial_state`."""

    @abstractmethod
    def loss(self, ids_BT: Tensor, targets_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """See `LanguageModel.loss`."""

    def orthogonal_blocks(self) -> dict[str, int]:
        """The matrices that map one space to another, and so may take orthogonal steps (`muon`).

        Returns:
            By the name of each weight, how many matrices of as many rows lie in it one below the other: a
            gate each, or query, key and value. A model may have none.
        """
        return {}


def detach(state: State) -> State:
    """The same numbers, cut off from the graph that made them: where back-propagation through time ends."""
    return tuple(tensor.detach() for tensor in state)


def reset_state(
    ids_BT: Tensor, state: State, resets_B: Tensor, opens_B: Tensor, first: int
) -> tuple[Tensor, State]:
    """Lets some streams read their next tokens as if they had read nothing before.

    A model that always goes on from somewhere never learns to begin: it may come to rely on a state that it
    never leaves, and write nonsense from a zero one. Yet that is where every prompt finds it.

    Args:
        ids_BT: the tokens about to be read.
        state: what the streams remember.
        resets_B: which streams begin anew, as booleans.
        opens_B: which streams read `first` in place of their first token, as at the start of a text; the
            others begin in the middle of one.
        first: the token with which a text begins.
    """
    keeps_1B1 = ~resets_B[None, :, None]
    ids_BT = ids_BT.clone()
    ids_BT[opens_B, 0] = first
    return ids_BT, tuple(tensor * keeps_1B1 for tensor in state)


_VALUES = 1 << 16
_NUMBERS_IN_WORD = 4


def dropout(units: Tensor, share: float, is_training: bool) -> Tensor:
    """The units, of which in training some are zero and the others so much larger that the mean stays.

    Args:
        units: in any shape.
        share: how many are dropped, 0 … 1, in 65536ths on a CPU.
        is_training: otherwise they stay as they are.

    Source: Srivastava et al. 2014, jmlr.org/papers/v15/srivastava14a.html.
    """
    if not (is_training and share):
        return units
    if units.device.type != "cpu":
        return F.dropout(units, share)
    dropped = min(round(share * _VALUES), _VALUES - 1)
    is_kept = _random_numbers(units.numel()).view(units.shape) >= dropped - _VALUES // 2
    return units * is_kept.to(units.dtype).mul_(_VALUES / (_VALUES - dropped))


def _random_numbers(count: int) -> Tensor:
    """Numbers of 16 bits with a sign, each as likely as every other, from PyTorch's generator."""
    words = torch.empty(-(-count // _NUMBERS_IN_WORD), dtype=torch.int64)
    words.random_(-(2**63), None)  # PyTorch's bound for all that 64 bits can hold
    return words.view(torch.int16)[:count]
