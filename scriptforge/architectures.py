"""The registry of model architectures.

A new architecture is a module in `scriptforge/models/` and an entry in `ARCHITECTURES`, from which settings,
model cards and the Hub code read everything else. Entries name their classes instead of importing them, so
that listing or checking architectures needs no torch, and a module is loaded only when it is used.
"""

from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """The facts from which `scriptforge.training.settings` suggests settings for an architecture.

    The numbers were tuned in training runs of one to twenty minutes on texts of 60 KB to 3.5 MB, at character
    and BPE level; those of architectures other than `lstm` in a few short runs on the characters of tiny
    Shakespeare. E is the size of an embedding, H that of a hidden layer, T the sequence length.

    Attributes:
        input_matrices: number of (E + H, H) matrices that a token is multiplied with before the head, one for
            each gate.
        square_matrices: number of further (H, H) matrices that it is multiplied with, in all layers together.
        relative_speed: operations per second, as a multiple of an LSTM's.
        learning_rate_multiplier: learning rate of the matrices that Muon trains, as a multiple of an LSTM's.
        dropout_between: dropout between layers, as a multiple of the dropout before the head.
        has_members: whether it can be trained as several members; see `Settings.members`.
        hidden_sizes: the values of H to choose from, smallest first.
        little_text_size: H for little text.
        unknown_time_size: H if the training time is not known.
        sequence_length: T on a CPU; a GPU uses twice that.
        settings: further settings to suggest, by name.
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
        """Return the number of weights that a token is multiplied with before the head."""
        inputs = self.input_matrices * (embedding_size + hidden_size)
        return hidden_size * (inputs + self.square_matrices * hidden_size)


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """One kind of model; classes are named as `module:Class`.

    Attributes:
        label: its name in a sentence: "A small LABEL language model".
        config: the class of its config, a `scriptforge.inference.ModelConfig`. A setting with the name of one
            of its fields belongs to the architecture.
        model: the class for training, a `scriptforge.models.TrainableModel`.
        inference: the class for inference, a `scriptforge.inference.InferenceModel` made from a config,
            weights and an arithmetic; None if the class for training also generates, with PyTorch.
        has_int8: whether its inference model can compute in 8-bit integers.
        runs_in_browser: whether the web page of a Space can run it.
        suggestion: the facts from which its settings are suggested.
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
"""Every architecture, by its name in `Settings.arch` and in a model's config."""
