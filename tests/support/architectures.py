"""A small model of every architecture, for the tests that all of them must pass."""

from typing import Any

from scriptforge.inference import ModelConfig
from scriptforge.inference.configs import (
    LSTMAttentionConfig,
    NumPyRNNConfig,
    RecurrentConfig,
    TransformerConfig,
)

V = 11
_SIZES: dict[str, Any] = {"vocabulary_size": V, "embedding_size": 5, "hidden_size": 8}
CONFIGS: dict[str, ModelConfig] = {
    "lstm": RecurrentConfig(**_SIZES),
    "lstm, three layers": RecurrentConfig(**_SIZES, layers=3),
    "lstm, tied": RecurrentConfig(V, 8, 8, tied=True),
    "lstm, tied with a projection": RecurrentConfig(**_SIZES, tied=True),
    "gru": RecurrentConfig(**_SIZES, arch="gru", layers=2),
    "rnn": RecurrentConfig(**_SIZES, arch="rnn", layers=2),
    "lstm-attention": LSTMAttentionConfig(**_SIZES, memory=4),
    "lstm-attention, tied": LSTMAttentionConfig(**_SIZES, memory=1, layers=2, tied=True),
    "transformer": TransformerConfig(V, 8, memory=4, layers=2),
    "transformer, tied": TransformerConfig(V, 8, memory=1, layers=3, heads=2, tied=True),
    "numpy-rnn": NumPyRNNConfig(V, 8),
}
