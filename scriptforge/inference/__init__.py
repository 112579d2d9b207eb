"""Reading token by token: inference models, in NumPy alone.

    inference = readable.inference("fp32")
    features_BTH, state = inference.features(ids_BT, inference.initial_state(B))
    logits_BTV = inference.score(features_BTH)

Whoever generates knows this and nothing of PyTorch, whose modules are made for texts of many tokens, and do
the same for a single one at many times the price.
"""

from scriptforge.inference.base import (
    HINT_WITHOUT_INT8,
    Arithmetic,
    Ids,
    InferenceModel,
    Numbers,
    Readable,
    State,
    Weights,
    check_arithmetic,
    new_inference,
)
from scriptforge.inference.configs import (
    ModelConfig,
    config_from_json,
    config_from_settings,
    refuse_foreign,
)

__all__ = [
    "HINT_WITHOUT_INT8",
    "Arithmetic",
    "Ids",
    "InferenceModel",
    "ModelConfig",
    "Numbers",
    "Readable",
    "State",
    "Weights",
    "check_arithmetic",
    "config_from_json",
    "config_from_settings",
    "new_inference",
    "refuse_foreign",
]
