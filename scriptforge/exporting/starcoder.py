"""A `transformer` as a Starcoder2, the class of transformers that computes the same: weights and config.

Both normalise before each part of a layer, rotate queries and keys in the same way, attend within a window,
and have a feed-forward network with one activation. Starcoder2 lacks the bias of the head. One more unit, u,
beside the H of the model makes up for it.

Unit u always holds the mean of the others. The weights see to that: whatever adds to the residual stream adds
to u the mean of what it adds to the rest. Then a norm over H + 1 units finds the same mean, and a variance
that is smaller by the factor H / (H + 1), for which its weights and its epsilon compensate; u itself becomes
0. The last norm has a bias of 1 there, so the head's column for u is added to all scores: it is the bias.

Shape letters: V vocabulary, H hidden, N heads, D numbers of a head.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from scriptforge.inference import FloatArray, Weights
from scriptforge.inference.attention import NORM_EPSILON, ROTATION_BASE
from scriptforge.inference.configs import UP_FACTOR, TransformerConfig

LONGEST = 32_768
"""Number of tokens up to which the angles of rotations are exact enough; texts may be longer."""


def starcoder_config(config: TransformerConfig, end: int) -> dict[str, Any]:
    """Return the `config.json` of a model for transformers."""
    size, heads = config.hidden_size, config.head_count
    return {
        "architectures": ["Starcoder2ForCausalLM"],
        "model_type": "starcoder2",
        "vocab_size": config.vocabulary_size,
        "hidden_size": size + 1,
        "head_dim": size // heads,
        "intermediate_size": UP_FACTOR * size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "hidden_act": "gelu",
        "norm_epsilon": NORM_EPSILON * size / (size + 1),
        "rope_theta": ROTATION_BASE,
        "rope_parameters": {"rope_type": "default", "rope_theta": ROTATION_BASE},
        "sliding_window": config.memory + 1,  # a step sees itself, too
        "max_position_embeddings": LONGEST,
        "use_bias": False,
        "tie_word_embeddings": False,
        "bos_token_id": end,
        "eos_token_id": end,
        "dtype": "float32",
    }


def starcoder_weights(config: TransformerConfig, weights: Weights) -> dict[str, FloatArray]:
    """Return the weights with the names and shapes of transformers."""
    head_VH = weights["embedding.weight" if config.tied else "head.weight"]
    found = {
        "model.embed_tokens.weight": _writes(weights["embedding.weight"].T).T,
        "lm_head.weight": np.column_stack([head_VH, weights["head.bias"]]),
        **_norm("model.norm", weights["norm.weight"], last=1.0),
    }
    for layer in range(config.layers):
        found |= dict(_layer(f"model.layers.{layer}", f"layers.{layer}", weights))
    return {name: np.ascontiguousarray(each, dtype=np.float32) for name, each in found.items()}


def _layer(name: str, own: str, weights: Weights) -> Iterator[tuple[str, FloatArray]]:
    parts = np.split(weights[f"{own}.qkv_proj.weight"], 3)
    for part, matrix_HH in zip("qkv", parts, strict=True):
        yield f"{name}.self_attn.{part}_proj.weight", _reads(matrix_HH)
    yield f"{name}.self_attn.o_proj.weight", _writes(weights[f"{own}.out_proj.weight"])
    yield f"{name}.mlp.c_fc.weight", _reads(weights[f"{own}.up_proj.weight"])
    yield f"{name}.mlp.c_proj.weight", _writes(weights[f"{own}.down_proj.weight"])
    yield from _norm(f"{name}.input_layernorm", weights[f"{own}.attention_norm.weight"]).items()
    yield from _norm(f"{name}.post_attention_layernorm", weights[f"{own}.wide_norm.weight"]).items()


def _reads(matrix: FloatArray) -> FloatArray:
    """Return a matrix with a column for u that ignores it; after a norm, u is 0 anyway."""
    return np.pad(matrix, ((0, 0), (0, 1)))


def _writes(matrix: FloatArray) -> FloatArray:
    """Return a matrix that writes to the residual stream with a row for u, the mean of the others."""
    mean = matrix.mean(axis=0, keepdims=True, dtype=np.float64)
    written: FloatArray = np.concatenate([matrix, mean.astype(np.float32)])
    return written


def _norm(name: str, weight_H: FloatArray, last: float = 0.0) -> dict[str, FloatArray]:
    size = len(weight_H)
    scaled_H = weight_H * np.float32(np.sqrt(size / (size + 1)))
    bias = np.zeros(size + 1, np.float32)
    bias[-1] = last
    return {f"{name}.weight": np.pad(scaled_H, (0, 1)), f"{name}.bias": bias}
