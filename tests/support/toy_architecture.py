"""An architecture as somebody would add it: a file with a config and a model, and one entry."""

from typing import Literal

from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from scriptforge.architectures import Architecture, Suggestion
from scriptforge.config import Size, VocabularySize
from scriptforge.inference.configs import CLOSED, head_shapes
from scriptforge.models.base import State
from scriptforge.models.layers import HeadedModel


@dataclass(frozen=True, config=CLOSED)
class ToyConfig:
    """Sizes of a `Toy`."""

    vocabulary_size: VocabularySize
    hidden_size: Size
    arch: Literal["toy"] = "toy"

    @property
    def feature_size(self) -> int:
        return self.hidden_size

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        return head_shapes(self.vocabulary_size, self.hidden_size, self.hidden_size, tied=False)


class Toy(HeadedModel):
    """A bigram model: what comes next depends on the last token alone."""

    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        self.config: ToyConfig = config
        self.embedding = nn.Embedding(config.vocabulary_size, config.hidden_size)
        self.add_head(tied=False)

    def initial_state(self, streams: int) -> State:
        return (self.head.bias.new_zeros((1, streams, 1)),)

    def features(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        return self.embedding(ids_BT), state


TOY = Architecture(
    label="bigram",
    config="support.toy_architecture:ToyConfig",
    model="support.toy_architecture:Toy",
    suggestion=Suggestion(input_matrices=1),
)
