"""Suggested settings for a corpus, a machine and the available time.

How much the machine can compute in the time decides the size of the model; how often the model then reads the
text decides its dropout. So the machine is measured first (`scriptforge.training.machine`). Differences
between architectures are in `scriptforge.architectures`.

Shape letters: V vocabulary, E embedding, H hidden, B streams, T steps.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from scriptforge.architectures import ARCHITECTURES, Suggestion
from scriptforge.config import Settings
from scriptforge.training.machine import Machine, operations_per_token

_LARGE_VOCABULARY = 600
_CHARACTER_EMBEDDING = 64
_FEW_TOKENS = 150_000
"""Tokens of training text below which the text counts as little."""
_TOKENS_PER_WEIGHT = 2.0
_MAX_WEIGHTS_PER_TOKEN = 1.5
_SHARE_OF_STEPS = 0.7
"""Share of the training time that is not spent on validations and samples."""

_MEMBERS = 2
_EPOCHS_OF_ONE = 8.0
"""Epochs of one network in the time above which two members, with half as many epochs each, are better."""

_EPOCHS_TO_ADAPT = 8.0
"""Maximum epochs for a model that starts from trained weights; more would memorise the text."""

_MIN_SEQUENCES = 16
"""Minimum number of sequences into which the text is divided."""

_GPU_MULTIPLE = 2
"""B and T on a GPU, as a multiple of those on a CPU."""


class _Dropout(NamedTuple):
    """Dropout of units, and of recurrent connections, for a text that is read up to so many epochs."""

    max_epochs: float
    units: float
    recurrent: float


_DROPOUTS = (
    _Dropout(3, 0.1, 0.0),
    _Dropout(16, 0.25, 0.0),
    _Dropout(40, 0.35, 0.1),
    _Dropout(math.inf, 0.5, 0.4),
)
_DROPOUTS_OF_MEMBERS = (_Dropout(3, 0.1, 0.0), _Dropout(8, 0.15, 0.0), *_DROPOUTS[1:])
"""The same for several members, whose mean overfits less than each of them."""


class _Pace(NamedTuple):
    """How fast a model learns from a text of some length.

    Attributes:
        batch_size: B on a CPU.
        learning_rate: the rate of the weights outside matrices, for a large vocabulary.
        matrix_learning_rate: the rate of the matrices of an LSTM.
    """

    batch_size: int
    learning_rate: float
    matrix_learning_rate: float


_LITTLE_TEXT = _Pace(batch_size=16, learning_rate=0.01, matrix_learning_rate=0.01)
_MUCH_TEXT = _Pace(batch_size=32, learning_rate=0.02, matrix_learning_rate=0.03)
_CHARACTER_LEARNING_RATE = 0.005
_PRETRAINED_MULTIPLE = 0.5
"""Learning rate of pretrained matrices on little text, as a multiple of that of new ones."""

_EPOCHS_REMEMBERED = 6.0
"""Epochs in which matrices that take orthogonal steps decay to 1/e, at their mean learning rate."""

_EPOCHS_REMEMBERED_PRETRAINED = 16.0
"""The same for pretrained matrices on little text, which should forget little."""


@dataclass(frozen=True)
class _Training:
    """The training run to suggest settings for; its attributes are the arguments of `suggest_settings`."""

    tokens: int
    vocabulary_size: int
    machine: Machine
    requested: Settings
    is_pretrained: bool

    @property
    def suggestion(self) -> Suggestion:
        return ARCHITECTURES[self.requested.arch].suggestion

    @property
    def has_little_text(self) -> bool:
        return self.tokens < _FEW_TOKENS

    @property
    def has_large_vocabulary(self) -> bool:
        return self.vocabulary_size > _LARGE_VOCABULARY

    @property
    def pace(self) -> _Pace:
        return _LITTLE_TEXT if self.has_little_text else _MUCH_TEXT

    def embedding_size(self, hidden_size: int) -> int:
        """Return E: H for a large vocabulary, so that the head can share the embedding; else a small one."""
        return hidden_size if self.has_large_vocabulary else _CHARACTER_EMBEDDING

    def tokens_read(self, hidden_size: int, members: int) -> float:
        """Return how many tokens each of the members, of this H, can read in the time."""
        if self.requested.minutes is None:
            assert self.requested.epochs is not None
            return self.requested.epochs * self.tokens
        seconds = self.requested.minutes * 60 * _SHARE_OF_STEPS * self.suggestion.relative_speed / members
        embedding_size = self.embedding_size(hidden_size)
        operations = operations_per_token(self.suggestion, self.vocabulary_size, embedding_size, hidden_size)
        return seconds * self.machine.operations_per_second / operations


def suggest_settings(
    tokens: int, vocabulary_size: int, machine: Machine, requested: Settings, *, is_pretrained: bool = False
) -> dict[str, Any]:
    """Return suggested settings for a corpus, a machine, an architecture and the available time.

    Args:
        tokens: number of tokens in the training split.
        vocabulary_size: V.
        machine: the machine to train on.
        requested: the requested settings, of which the architecture, the training length, `max_epochs`, and
            explicit members or sizes are used.
        is_pretrained: whether the model starts from trained weights.
    """
    training = _Training(tokens, vocabulary_size, machine, requested, is_pretrained)
    network = _suggest_network(training)
    max_epochs = _suggest_max_epochs(training)
    batch_size, sequence_length = _suggest_batch(training)
    steps_per_epoch = max(1.0, tokens / (batch_size * sequence_length))
    return {
        "members": network.members,
        "hidden_size": network.members * network.hidden_size,
        "embedding_size": network.members * training.embedding_size(network.hidden_size),
        "tied": training.has_large_vocabulary,
        **_suggest_dropout(training, network, max_epochs),
        "batch_size": batch_size,
        "sequence_length": sequence_length,
        **_suggest_rates(training, steps_per_epoch),
        "precision": machine.precision,
        **({"max_epochs": max_epochs} if max_epochs else {}),
        **training.suggestion.settings,
    }


class _Network(NamedTuple):
    """A number of members, the H of each, and how many tokens each can read in the time."""

    members: int
    hidden_size: int
    tokens_read: float


def _suggest_network(training: _Training) -> _Network:
    """Return the network to train.

    A single network gains nothing from reading a text very many times; several members, each reading it less
    often, do.
    """
    requested = training.requested
    if requested.model_fields_set & {"members", "hidden_size", "embedding_size"}:
        return _fit_network(training, requested.members)
    alone = _fit_network(training, 1)
    is_read_often = requested.minutes is not None and alone.tokens_read > _EPOCHS_OF_ONE * training.tokens
    if is_read_often and training.suggestion.has_members:
        return _fit_network(training, _MEMBERS)
    return alone


def _fit_network(training: _Training, members: int) -> _Network:
    """Return a network of so many members, with the largest suitable H.

    With little text, or without a time, the architecture has a fixed size.
    """
    suggestion = training.suggestion
    if training.has_little_text:
        size = suggestion.little_text_size
    elif training.requested.minutes is None:
        size = suggestion.unknown_time_size
    else:
        suitable = [size for size in suggestion.hidden_sizes if _is_suitable(training, size, members)]
        size = suitable[-1] if suitable else suggestion.hidden_sizes[0]
    return _Network(members, size, training.tokens_read(size, members))


def _is_suitable(training: _Training, size: int, members: int) -> bool:
    """Return whether the weights before the head can be trained in the time, and cannot memorise the text."""
    weights = training.suggestion.count_weights(training.embedding_size(size), size)
    trainable = training.tokens_read(size, members) / _TOKENS_PER_WEIGHT
    return weights <= min(trainable, _MAX_WEIGHTS_PER_TOKEN * training.tokens)


def _suggest_max_epochs(training: _Training) -> float | None:
    """Return the requested maximum of epochs; a pretrained model has one if time would decide."""
    would_memorise = training.is_pretrained and training.requested.minutes is not None
    return training.requested.max_epochs or (_EPOCHS_TO_ADAPT if would_memorise else None)


def _suggest_dropout(training: _Training, network: _Network, max_epochs: float | None) -> dict[str, float]:
    """Return the shares to drop: the more epochs, the more is dropped."""
    is_unlimited = training.has_little_text and training.requested.epochs is None
    epochs = math.inf if is_unlimited else network.tokens_read / training.tokens
    epochs = min(epochs, max_epochs or math.inf)
    if training.is_pretrained:  # needs little dropout, however many epochs it trains
        epochs = min(epochs, _EPOCHS_TO_ADAPT)
    dropouts = _DROPOUTS if network.members == 1 else _DROPOUTS_OF_MEMBERS
    dropout = next(each for each in dropouts if epochs <= each.max_epochs)
    return {
        "dropout_input": dropout.units if training.has_large_vocabulary else 0.0,
        "dropout_between": training.suggestion.dropout_between * dropout.units,
        "dropout_recurrent": dropout.recurrent,
        "dropout_output": dropout.units,
    }


def _suggest_batch(training: _Training) -> tuple[int, int]:
    """Return B and T."""
    multiple = 1 if training.machine.accelerator == "cpu" else _GPU_MULTIPLE
    batch_size = training.pace.batch_size * multiple
    sequence_length = training.suggestion.sequence_length * multiple
    return batch_size, max(1, min(sequence_length, training.tokens // _MIN_SEQUENCES))


def _suggest_rates(training: _Training, steps_per_epoch: float) -> dict[str, float]:
    """Return the peak learning rates, and the weight decay of the matrices."""
    matrix_rate = training.suggestion.learning_rate_multiplier * training.pace.matrix_learning_rate
    epochs_remembered = _EPOCHS_REMEMBERED
    if training.is_pretrained and training.has_little_text:
        matrix_rate *= _PRETRAINED_MULTIPLE
        epochs_remembered = _EPOCHS_REMEMBERED_PRETRAINED
    is_large = training.has_large_vocabulary
    return {
        "learning_rate": training.pace.learning_rate if is_large else _CHARACTER_LEARNING_RATE,
        "matrix_learning_rate": matrix_rate,
        "matrix_weight_decay": _suggest_decay(matrix_rate, epochs_remembered * steps_per_epoch),
    }


def _suggest_decay(rate: float, steps: float) -> float:
    """Return the weight decay at which a step decays to 1/e after `steps` others.

    A weight is then a running mean over the steps of the last epochs. The best number of epochs depends
    neither on the training length nor on the size of the text. The rate averages half its peak.

    Source: Wang and Aitchison 2024, arXiv:2405.13698.
    """
    return float(f"{min(1.0, 2 / (rate * steps)):.2g}")
