"""The LSTM language model: embedding, one to four layers, a linear head that may share the embedding.

Shape letters: B streams, T steps, V vocabulary, E embedding, H hidden, L layers.
"""

from collections.abc import Callable
from typing import Annotated, Literal, TypeAlias

import torch
import torch.nn.functional as F
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.func import functional_call

from scriptforge.models.cross_entropy import linear_cross_entropy
from scriptforge.models.protocol import State

Size = Annotated[int, Field(ge=1, le=65_536)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]

CrossEntropy: TypeAlias = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""The mean loss from features_NH, the head's weight_VH and bias_V, and targets_N."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class LSTMConfig:
    """Sizes and dropout of an `LSTM`.

    Attributes:
        vocabulary_size: V.
        embedding_size: E.
        hidden_size: H.
        layers: L.
        dropout_input: share of embedding units dropped before the first layer.
        dropout_between: share of units dropped between layers.
        dropout_recurrent: share of a layer's connections from unit to unit that are dropped for all steps of
            a call, in all four gates (DropConnect; Merity et al. 2018, arXiv:1708.02182).
        dropout_output: share of units dropped before the head.
        tied: whether the head's weight is the embedding (Press and Wolf 2017, arXiv:1608.05859). Where
            E and H differ, a projection stands between.
    """

    vocabulary_size: Annotated[int, Field(ge=2, le=4_194_304)]
    embedding_size: Size
    hidden_size: Size
    layers: Annotated[int, Field(ge=1, le=4)] = 1
    dropout_input: Share = 0.0
    dropout_between: Share = 0.0
    dropout_recurrent: Share = 0.0
    dropout_output: Share = 0.0
    tied: bool = False
    arch: Literal["lstm"] = "lstm"

    @property
    def is_projected(self) -> bool:
        """Whether a projection stands between the last layer and a tied head."""
        return self.tied and self.embedding_size != self.hidden_size

    @property
    def feature_size(self) -> int:
        """See `ModelConfig.feature_size`: the size of the last layer."""
        return self.hidden_size

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """The name and shape of every weight that such a model has, a shared one once."""
        vocabulary, embedding, hidden = self.vocabulary_size, self.embedding_size, self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (vocabulary, embedding)}
        for layer in range(self.layers):
            shapes[f"recurrent.weight_ih_l{layer}"] = (4 * hidden, hidden if layer else embedding)
            shapes[f"recurrent.weight_hh_l{layer}"] = (4 * hidden, hidden)
            shapes[f"recurrent.bias_ih_l{layer}"] = (4 * hidden,)
            shapes[f"recurrent.bias_hh_l{layer}"] = (4 * hidden,)
        if self.is_projected:
            shapes["projection.weight"] = (embedding, hidden)
        if not self.tied:
            shapes["head.weight"] = (vocabulary, hidden)
        return {**shapes, "head.bias": (vocabulary,)}


class LSTM(nn.Module):
    """An LSTM over token ids (Hochreiter and Schmidhuber 1997), `nn.LSTM` underneath.

    Attributes:
        cross_entropy: how the loss of the head is computed; all tokens are scored unless it is replaced.
    """

    cross_entropy: CrossEntropy

    def __init__(self, config: LSTMConfig) -> None:
        super().__init__()
        self.config = config
        head_size = config.embedding_size if config.tied else config.hidden_size
        self.embedding = nn.Embedding(config.vocabulary_size, config.embedding_size)
        self.recurrent = nn.LSTM(
            config.embedding_size,
            config.hidden_size,
            config.layers,
            batch_first=True,
            dropout=config.dropout_between if config.layers > 1 else 0.0,
        )
        self.projection = (
            nn.Linear(config.hidden_size, head_size, bias=False) if config.is_projected else nn.Identity()
        )
        self.head = nn.Linear(head_size, config.vocabulary_size)
        if config.tied:
            self.head.weight = self.embedding.weight
        self.cross_entropy = linear_cross_entropy
        self._initialise()

    def _initialise(self) -> None:
        """Small uniform head, which a tied embedding shares; forget gates open (Jozefowicz et al. 2015).

        An embedding of its own keeps the unit normal values of `nn.Embedding`; smaller ones learn slower.
        """
        nn.init.uniform_(self.head.weight, -0.1, 0.1)
        nn.init.zeros_(self.head.bias)
        hidden = self.config.hidden_size
        for layer in range(self.config.layers):
            with torch.no_grad():
                getattr(self.recurrent, f"bias_ih_l{layer}")[hidden : 2 * hidden].fill_(1.0)
                getattr(self.recurrent, f"bias_hh_l{layer}")[hidden : 2 * hidden].zero_()

    def initial_state(self, streams: int) -> State:
        """Zero hidden and cell states, each (L, streams, H)."""
        shape = (self.config.layers, streams, self.config.hidden_size)
        zeros_LBH = self.head.bias.new_zeros(shape)
        return zeros_LBH, zeros_LBH.clone()

    def forward(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """See `LanguageModel.__call__`."""
        features_BTH, state = self.features(ids_BT, state)
        return self.score(features_BTH), state

    def features(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """See `LanguageModel.features`: the output of the last layer."""
        config = self.config
        input_BTE = F.dropout(self.embedding(ids_BT), config.dropout_input, self.training)
        output_BTH, (hidden_LBH, cell_LBH) = functional_call(
            self.recurrent, self._thinned(), (input_BTE, (state[0], state[1]))
        )
        features_BTH = F.dropout(output_BTH, config.dropout_output, self.training)
        return features_BTH, (hidden_LBH, cell_LBH)

    def _thinned(self) -> dict[str, Tensor]:
        """The recurrent weights, of which some are dropped while training."""
        share = self.config.dropout_recurrent
        if not (self.training and share):
            return {}
        all_HH = self.head.bias.new_ones(self.config.hidden_size, self.config.hidden_size)
        return {
            name: weight * F.dropout(all_HH, share).repeat(4, 1)
            for name, weight in self.recurrent.named_parameters()
            if "weight_hh" in name
        }

    def score(self, features_BTH: Tensor) -> Tensor:
        """See `LanguageModel.score`."""
        logits_BTV: Tensor = self.head(self.projection(features_BTH))
        return logits_BTV

    def loss(self, ids_BT: Tensor, targets_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """See `LanguageModel.loss`."""
        features_BTH, state = self.features(ids_BT, state)
        features_NH = self.projection(features_BTH).flatten(0, 1)
        return self.cross_entropy(features_NH, self.head.weight, self.head.bias, targets_BT.flatten()), state
