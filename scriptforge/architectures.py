"""The architectures that a model may have: one entry each, and all that is known of one before it is built.

A new architecture is a module in `scriptforge/models/` and an entry in `ARCHITECTURES`; settings, model card
and Hub read everything else from here. Classes are named, not imported, so that no torch is needed to list
or check architectures, and a module is only loaded when one of its models is wanted.
"""

from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """What `scriptforge.training.settings` needs to know to suggest settings for an architecture.

    The numbers come from trials on characters and BPE tokens, with texts of 60 KB to 3.5 MB and training runs
    of one to twenty minutes; those of architectures other than `lstm` from a few short ones on the characters
    of tiny Shakespeare.

    Attributes:
        input_matrices: how many matrices of (E + H, H) a token is multiplied with before the head: the gates.
        square_matrices: how many matrices of (H, H), in all layers, it is multiplied with beside those.
        relative_speed: operations that it makes in the time that an LSTM takes for one.
        learning_rate_multiplier: how many times as long as those of an LSTM its orthogonal steps are.
        dropout_between: the share of units dropped between layers, as a part of that before the head.
        has_members: whether it can be trained in several members.
        hidden_sizes: what H may be, smallest first.
        little_text_size: H where there is little text.
        unknown_time_size: H where the time is not known.
        sequence_length: T on a CPU; on a GPU it is twice that.
        settings: what else it needs, by name.
    """

    input_matrices: int = 0
    square_matrices: int = 0
    relative_speed: float = 1.0
    learning_rate_multiplier: float = 1.0
    dropout_between: float = 0.0
    has_members: bool = False
    hidden_sizes: tuple[int, ...] = (128, 192, 256, 384, 512, 640, 768, 896, 1024)
    little_text_size: int = 256
    unknown_time_size: int = 512
    sequence_length: int = 64
    settings: dict[str, Any] = field(default_factory=dict)

    def count_weights(self, embedding_size: int, hidden_size: int) -> int:
        """Return how many weights a token is multiplied with before the head."""
        inputs = self.input_matrices * (embedding_size + hidden_size)
        return hidden_size * (inputs + self.square_matrices * hidden_size)


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """One kind of model; its classes are named as `module:Class`.

    Attributes:
        label: its name in a sentence for people: "A small LABEL language model".
        config: the class of its sizes, a `scriptforge.inference.ModelConfig`. Settings that have the name of
            one of its fields are the architecture's own.
        model: the class of its models, a `scriptforge.models.TrainableModel`.
        inference: the class of its inference models, a `scriptforge.inference.InferenceModel` that is made of
            a config, weights and an arithmetic; None where a model generates as it is, with PyTorch.
        has_int8: whether its inference model can compute in 8-bit integers.
        runs_in_browser: whether the page of a Space can run it.
        suggestion: what to suggest for it.
    """

    label: str
    config: str
    model: str
    inference: str | None = None
    has_int8: bool = False
    runs_in_browser: bool = False
    suggestion: Suggestion

    def config_class(self) -> type[Any]:
        """Return the class that `config` names."""
        return _class_named(self.config)

    def model_class(self) -> type[Any]:
        """Return the class that `model` names."""
        return _class_named(self.model)

    def inference_class(self) -> type[Any] | None:
        """Return the class that `inference` names, if there is one."""
        return _class_named(self.inference) if self.inference else None


def _class_named(name: str) -> type[Any]:
    found: type[Any] = resolve_name(name)
    return found


_RECURRENT: dict[str, Any] = {
    "config": "scriptforge.inference.configs:RecurrentConfig",
    "model": "scriptforge.models.recurrent:Recurrent",
    "inference": "scriptforge.inference.recurrent:InferenceRecurrent",
    "has_int8": True,
}
_TRANSFORMER_LAYERS = 4

ARCHITECTURES: dict[str, Architecture] = {
    "lstm": Architecture(
        label="LSTM",
        **_RECURRENT,
        runs_in_browser=True,
        suggestion=Suggestion(input_matrices=4, has_members=True),
    ),
    "gru": Architecture(
        label="GRU",
        **_RECURRENT,
        suggestion=Suggestion(input_matrices=3, relative_speed=0.5, has_members=True),
    ),
    "rnn": Architecture(
        label="RNN",
        **_RECURRENT,
        suggestion=Suggestion(input_matrices=1, relative_speed=0.3, has_members=True),
    ),
    "lstm-attention": Architecture(
        label="LSTM-with-attention",
        config="scriptforge.inference.configs:LSTMAttentionConfig",
        model="scriptforge.models.attention:LSTMAttention",
        inference="scriptforge.inference.attention:InferenceLSTMAttention",
        suggestion=Suggestion(
            input_matrices=4, square_matrices=2, relative_speed=0.8, settings={"memory": 128}
        ),
    ),
    "transformer": Architecture(
        label="transformer",
        config="scriptforge.inference.configs:TransformerConfig",
        model="scriptforge.models.transformer:Transformer",
        inference="scriptforge.inference.attention:InferenceTransformer",
        suggestion=Suggestion(
            square_matrices=12 * _TRANSFORMER_LAYERS,
            relative_speed=0.6,
            learning_rate_multiplier=2.0,
            dropout_between=0.4,
            hidden_sizes=(64, 96, 128, 192, 256, 320, 384, 512),
            little_text_size=128,
            unknown_time_size=192,
            settings={"layers": _TRANSFORMER_LAYERS, "memory": 64},
        ),
    ),
    "numpy-rnn": Architecture(
        label="RNN",
        config="scriptforge.inference.configs:NumPyRNNConfig",
        model="scriptforge.models.numpy_bridge:NumPyRNN",
        inference="scriptforge.inference.recurrent:InferenceNumPyRNN",
        suggestion=Suggestion(
            input_matrices=1,
            hidden_sizes=(100,),
            little_text_size=100,
            unknown_time_size=100,
            sequence_length=25,
            settings={"optimizer": "adagrad", "learning_rate": 0.1, "batch_size": 16, "precision": "fp32"},
        ),
    ),
}
"""Every architecture by the name that `Settings.arch` and a model's config have for it."""
