"""Inference models, which read token by token in NumPy alone.

    inference = run.inference("fp32")
    features_BTH, state = inference.features(ids_BT, inference.initial_state(B))
    logits_BTV = inference.score(features_BTH)

Generation uses these models instead of PyTorch's modules, which are made for texts of many tokens and take
many times as long for a single one.
"""

from scriptforge.inference.base import (
    HINT_WITHOUT_INT8,
    Ids,
    InferenceModel,
    State,
    SupportsInference,
    Weights,
    check_arithmetic,
    new_inference,
)
from scriptforge.inference.configs import (
    ModelConfig,
    check_settings_of_arch,
    config_from_json,
    config_from_settings,
    foreign_settings,
)
from scriptforge.kernel import Arithmetic, FloatArray

__all__ = [
    "HINT_WITHOUT_INT8",
    "Arithmetic",
    "FloatArray",
    "Ids",
    "InferenceModel",
    "ModelConfig",
    "State",
    "SupportsInference",
    "Weights",
    "check_arithmetic",
    "check_settings_of_arch",
    "config_from_json",
    "config_from_settings",
    "foreign_settings",
    "new_inference",
]
