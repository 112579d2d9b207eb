"""The two ends of a network over tokens: an embedding where they come in, a linear head that scores the next.

Architectures differ in what lies between, which is theirs to say.

Shape letters: B streams, T steps, V vocabulary, E embedding, H features.
"""

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor, nn

from scriptforge.models.cross_entropy import linear_cross_entropy
from scriptforge.models.protocol import State, TrainableModel

CrossEntropy: TypeAlias = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""The mean loss from features_NH, the head's weight_VH and bias_V, and targets_N."""


def head_shapes(
    vocabulary_size: int, embedding_size: int, feature_size: int, *, tied: bool
) -> dict[str, tuple[int, ...]]:
    """The name and shape of every weight of a `HeadedModel` but those of its network, a shared one once.

    Args:
        vocabulary_size: V.
        embedding_size: E.
        feature_size: H.
        tied: whether the head's weight is the embedding.
    """
    shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (vocabulary_size, embedding_size)}
    if tied and embedding_size != feature_size:
        shapes["projection.weight"] = (embedding_size, feature_size)
    if not tied:
        shapes["head.weight"] = (vocabulary_size, feature_size)
    return {**shapes, "head.bias": (vocabulary_size,)}


class HeadedModel(TrainableModel):
    """A model whose scores are a linear function of its features.

    Whoever inherits makes an `embedding` and a network, calls `add_head`, and says what the features are.

    Attributes:
        cross_entropy: how the loss of the head is computed; all tokens are scored unless it is replaced.
    """

    cross_entropy: CrossEntropy
    embedding: nn.Embedding
    projection: nn.Module
    head: nn.Linear

    def add_head(self, *, tied: bool) -> None:
        """Puts a small uniform head on the features.

        A tied head's weight is the embedding (Press and Wolf 2017, arXiv:1608.05859), which becomes as small;
        where E and H differ, a projection stands between. An embedding of its own keeps the unit normal
        values of `nn.Embedding`; smaller ones learn slower.

        Args:
            tied: whether the head's weight is the embedding.
        """
        embedding_size, feature_size = self.embedding.embedding_dim, self.config.feature_size
        head_size = embedding_size if tied else feature_size
        is_projected = head_size != feature_size
        self.projection = nn.Linear(feature_size, head_size, bias=False) if is_projected else nn.Identity()
        self.head = nn.Linear(head_size, self.config.vocabulary_size)
        if tied:
            self.head.weight = self.embedding.weight
        nn.init.uniform_(self.head.weight, -0.1, 0.1)
        nn.init.zeros_(self.head.bias)
        self.cross_entropy = linear_cross_entropy

    def forward(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """See `LanguageModel.__call__`."""
        features_BTH, state = self.features(ids_BT, state)
        return self.score(features_BTH), state

    def score(self, features_BTH: Tensor) -> Tensor:
        """See `LanguageModel.score`."""
        logits_BTV: Tensor = self.head(self.projection(features_BTH))
        return logits_BTV

    def loss(self, ids_BT: Tensor, targets_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """See `LanguageModel.loss`."""
        features_BTH, state = self.features(ids_BT, state)
        features_NH = self.projection(features_BTH).flatten(0, 1)
        return self.cross_entropy(features_NH, self.head.weight, self.head.bias, targets_BT.flatten()), state
