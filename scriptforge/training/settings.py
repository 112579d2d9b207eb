"""Suggested settings for a corpus, a machine and the available time.

How much the machine can compute in the time decides the size of the model; how often the model then reads the
text decides its dropout. So the machine is measured first (`scriptforge.training.machine`). Differences
between architectures are in `scriptforge.architectures`.

Shape letters: V vocabulary, E embedding, H hidden.
"""

import math
from typing import Any

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
_DROPOUTS = ((3, 0.1, 0.0), (16, 0.25, 0.0), (40, 0.35, 0.1), (math.inf, 0.5, 0.4))
"""Dropout by the number of epochs: (maximum epochs, share of units, share of recurrent connections)."""
_DROPOUTS_OF_MEMBERS = ((3, 0.1, 0.0), (8, 0.15, 0.0), *_DROPOUTS[1:])
"""The same for several members, whose mean overfits less than each of them."""

_MEMBERS = 2
_EPOCHS_OF_ONE = 8.0
"""Epochs of one network in the time above which two members, with half as many epochs each, are better."""

_EPOCHS_TO_ADAPT = 8.0
"""Maximum epochs over little text for a model that starts from trained weights; more would memorise it."""

_EPOCHS_REMEMBERED = 6.0
"""Epochs in which matrices that take orthogonal steps decay to 1/e, at their mean learning rate."""

_EPOCHS_REMEMBERED_OF_ANOTHER = 16.0
"""The same for a model that starts from trained weights, which should forget little."""


def suggest_settings(
    tokens: int, vocabulary_size: int, machine: Machine, known: Settings, *, is_pretrained: bool = False
) -> dict[str, Any]:
    """Return suggested settings for a corpus, a machine, an architecture and the available time.

    Args:
        tokens: number of tokens in the training split.
        vocabulary_size: V.
        machine: the machine to train on.
        known: the requested settings, of which the architecture, the training length, `max_epochs`, and
            explicit members or sizes are used.
        is_pretrained: whether the model starts from trained weights.
    """
    is_large = vocabulary_size > _LARGE_VOCABULARY
    is_little = tokens < _FEW_TOKENS
    on_cpu = machine.accelerator == "cpu"
    suggestion = ARCHITECTURES[known.arch].suggestion
    members, hidden_size, tokens_read = _suggest_network(suggestion, tokens, vocabulary_size, known, machine)
    is_soon_known = is_pretrained and is_little and known.minutes is not None
    max_epochs = known.max_epochs or (_EPOCHS_TO_ADAPT if is_soon_known else None)
    epochs = math.inf if is_little and known.epochs is None else tokens_read / tokens
    # A model that starts from trained weights needs little dropout, however many epochs it trains.
    epochs = min(epochs, max_epochs or math.inf, _EPOCHS_TO_ADAPT if is_pretrained else math.inf)
    dropouts = _DROPOUTS if members == 1 else _DROPOUTS_OF_MEMBERS
    dropout, dropout_recurrent = next(shares for most, *shares in dropouts if epochs <= most)
    batch_size = (16 if is_little else 32) * (1 if on_cpu else 2)
    sequence_length = suggestion.sequence_length * (1 if on_cpu else 2)
    sequence_length = max(1, min(sequence_length, tokens // 16))
    matrix_rate = suggestion.learning_rate_multiplier * (0.01 if is_little else 0.03)
    remembered = _EPOCHS_REMEMBERED
    if is_pretrained and is_little:
        matrix_rate, remembered = matrix_rate / 2, _EPOCHS_REMEMBERED_OF_ANOTHER
    return {
        "members": members,
        "hidden_size": members * hidden_size,
        "embedding_size": members * _embedding_size(vocabulary_size, hidden_size),
        "tied": is_large,
        "dropout_input": dropout if is_large else 0.0,
        "dropout_between": suggestion.dropout_between * dropout,
        "dropout_recurrent": dropout_recurrent,
        "dropout_output": dropout,
        "batch_size": batch_size,
        "sequence_length": sequence_length,
        "learning_rate": (0.01 if is_little else 0.02) if is_large else 0.005,
        "matrix_learning_rate": matrix_rate,
        "matrix_weight_decay": _suggest_decay(
            matrix_rate, remembered * max(1.0, tokens / (batch_size * sequence_length))
        ),
        "precision": machine.precision,
        **({"max_epochs": max_epochs} if max_epochs else {}),
        **suggestion.settings,
    }


def _suggest_network(
    suggestion: Suggestion, tokens: int, vocabulary_size: int, known: Settings, machine: Machine
) -> tuple[int, int, float]:
    """Return the number of members, the H of each, and how many tokens each can read in the time.

    A single network gains nothing from reading a text very many times; several members, each reading it less
    often, do.
    """

    def network(members: int) -> tuple[int, int, float]:
        size, tokens_read = _suggest_size(suggestion, tokens, vocabulary_size, known, machine, members)
        return members, size, tokens_read

    if known.model_fields_set & {"members", "hidden_size", "embedding_size"}:
        return network(known.members)
    alone = network(1)
    is_read_often = known.minutes is not None and alone[-1] > _EPOCHS_OF_ONE * tokens
    return network(_MEMBERS) if is_read_often and suggestion.has_members else alone


def _suggest_size(
    suggestion: Suggestion,
    tokens: int,
    vocabulary_size: int,
    known: Settings,
    machine: Machine,
    members: int,
) -> tuple[int, float]:
    """Return the H of each member, and how many tokens each can read in the time.

    H is the largest size whose weights before the head are few enough to be trained on the tokens read in the
    time, and too few to memorise the text. With little text, or without a time, the architecture has a fixed
    size.
    """

    def tokens_read(size: int) -> float:
        if known.minutes is None:
            assert known.epochs is not None
            return known.epochs * tokens
        seconds = known.minutes * 60 * _SHARE_OF_STEPS * suggestion.relative_speed / members
        embedding_size = _embedding_size(vocabulary_size, size)
        operations = operations_per_token(suggestion, vocabulary_size, embedding_size, size)
        return seconds * machine.operations_per_second / operations

    def is_suitable(size: int) -> bool:
        weights = suggestion.count_weights(_embedding_size(vocabulary_size, size), size)
        most = min(tokens_read(size) / _TOKENS_PER_WEIGHT, _MAX_WEIGHTS_PER_TOKEN * tokens)
        return weights <= most

    if tokens < _FEW_TOKENS:
        size = suggestion.little_text_size
    elif known.minutes is None:
        size = suggestion.unknown_time_size
    else:
        suitable = [size for size in suggestion.hidden_sizes if is_suitable(size)]
        size = suitable[-1] if suitable else suggestion.hidden_sizes[0]
    return size, tokens_read(size)


def _suggest_decay(rate: float, steps: float) -> float:
    """Return the weight decay at which a step decays to 1/e after `steps` others.

    A weight is then a running mean over the steps of the last epochs. The best number of epochs depends
    neither on the training length nor on the size of the text. The rate averages half its peak.

    Source: Wang and Aitchison 2024, arXiv:2405.13698.
    """
    return float(f"{min(1.0, 2 / (rate * steps)):.2g}")


def _embedding_size(vocabulary_size: int, hidden_size: int) -> int:
    """Return E: H for a large vocabulary, so that the head can share the embedding; small for characters."""
    return hidden_size if vocabulary_size > _LARGE_VOCABULARY else _CHARACTER_EMBEDDING
