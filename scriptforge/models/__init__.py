"""Language models in PyTorch, behind one protocol.

    logits_BTV, state = model(ids_BT, state)
    state = model.initial_state(B)
    loss, state = model.loss(ids_BT, targets_BT, state)

Trainer and evaluation use only this protocol and know nothing of LSTMs. Models know nothing of files or text.
`scriptforge.architectures` lists the architectures, and `scriptforge.inference` runs models without PyTorch.
"""

from torch.random import fork_rng

from scriptforge.architectures import ARCHITECTURES
from scriptforge.inference import ModelConfig, Weights
from scriptforge.models.base import LanguageModel, State, TensorAdapter, TrainableModel
from scriptforge.models.members import Members

__all__ = [
    "LanguageModel",
    "Members",
    "State",
    "TensorAdapter",
    "TrainableModel",
    "build",
    "build_with",
]


def build(config: ModelConfig, members: int = 1) -> TrainableModel:
    """Build the untrained model that a config describes, divided into `Members` if there are several.

    Raises:
        UsageError: it cannot be divided into that many.
    """
    if members > 1:
        return Members(config, members)
    model: TrainableModel = ARCHITECTURES[config.arch].model_class()(config)
    return model


def build_with(config: ModelConfig, weights: Weights) -> TrainableModel:
    """Build a model with given weights, which are not copied, in evaluation mode."""
    with fork_rng(devices=()):  # a new model draws random weights, but not from the caller's generator
        model = build(config)
    model.take_weights(weights)
    return model.eval()
