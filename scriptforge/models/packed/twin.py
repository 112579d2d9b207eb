"""What every twin has of its model: its head, and all that a step does not change.

Shape letters: B streams, T steps, V vocabulary, E embedding, H hidden, N tokens.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scriptforge.models.head import HeadedModel
from scriptforge.models.packed.products import Arithmetic, Product, product_of
from scriptforge.models.protocol import ModelConfig, State


class Twin(ABC):
    """A model with its weights laid out for reading token by token.

    Args:
        model: in evaluation mode, on the CPU.
        arithmetic: how to multiply.

    Raises:
        UsageError: this machine has no `int8`.
    """

    def __init__(self, model: HeadedModel, arithmetic: Arithmetic) -> None:
        self.config: ModelConfig = model.config
        self._model = model
        head_VE = model.head.weight.detach()
        self._projection: Product | None = None
        if isinstance(model.projection, nn.Linear):
            projection_EH = model.projection.weight.detach()
            if arithmetic == "int8":
                head_VE = head_VE @ projection_EH  # what is projected may be of any size, and is not rounded
            else:
                self._projection = product_of(projection_EH, torch.zeros(len(projection_EH)), arithmetic)
        self._head = product_of(head_VE, model.head.bias.detach(), arithmetic)

    def initial_state(self, streams: int) -> State:
        """See `LanguageModel.initial_state`."""
        return self._model.initial_state(streams)

    def __call__(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """See `LanguageModel.__call__`."""
        features_BTH, state = self.features(ids_BT, state)
        return self.score(features_BTH), state

    @abstractmethod
    def features(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """See `LanguageModel.features`."""

    def score(self, features_BTH: Tensor) -> Tensor:
        """See `LanguageModel.score`."""
        features_NH = features_BTH.flatten(0, -2)
        if self._projection:
            features_NH = self._projection(features_NH)
        return self._head(features_NH).view(*features_BTH.shape[:-1], -1)

    def loss(self, ids_BT: Tensor, targets_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """See `LanguageModel.loss`; nothing can be learnt from it."""
        logits_BTV, state = self(ids_BT, state)
        return F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten()), state

    def state_dict(self) -> dict[str, Any]:
        """See `LanguageModel.state_dict`: the weights of the model itself."""
        return self._model.state_dict()
