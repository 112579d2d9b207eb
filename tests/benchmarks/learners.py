"""Learners to compare: the course's recipe, variations of it, and ours, on the same network.

Each runs one training step at a time. The text is made up: ids in Zipf's proportions, from a vocabulary as
large as the course's. What is learnt from it does not matter here, only what a step costs.

Shape letters: B streams or windows, T steps, V vocabulary, E embedding, H hidden, L layers.
"""

import math
from collections.abc import Iterator
from contextlib import nullcontext
from functools import cache
from typing import Any, Protocol
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from scriptforge.classroom import RNN, Hidden, batch_data, forward_back_prop
from scriptforge.config import PRESETS, complete, resolve
from scriptforge.inference import config_from_settings
from scriptforge.inference.configs import RecurrentConfig
from scriptforge.models.base import detach, reset_state
from scriptforge.models.layers import SampledSoftmax, count_tokens
from scriptforge.models.recurrent import Recurrent
from scriptforge.training import optimizers
from scriptforge.training.machine import Machine
from scriptforge.training.optimizers import optimizer_of
from scriptforge.training.settings import suggest_settings
from scriptforge.training.stepper import LossOfStep
from scriptforge.training.streams import Streams

VOCABULARY_SIZE = 21_388
"""V: number of words of Seinfeld, as the course counts them."""

CHARACTERS = 257
"""V: number of bytes, and the end of a text."""

COURSE = resolve(PRESETS["classroom"], {"batch_size": 256})
"""The course's recipe, with batches of 256 windows."""
SIZES: dict[str, Any] = {
    "embedding_size": COURSE.embedding_size,
    "hidden_size": COURSE.hidden_size,
    "layers": COURSE.layers,
}
TEXT_LENGTH = 200_000


class Learner(Protocol):
    """A network in training, with all that a step needs."""

    @property
    def targets(self) -> int:
        """Return how many tokens a step learns to predict."""
        ...

    @property
    def embedding(self) -> nn.Embedding:
        """Return the embedding, the first module that reads a token."""
        ...

    @property
    def recurrent(self) -> nn.Module:
        """Return the LSTM."""
        ...

    @property
    def criterion(self) -> nn.Module:
        """Return the module that returns the loss."""
        ...

    def step(self) -> None:
        """Run one step, from taking a batch to changing the weights."""
        ...


class Recipe:
    """The course's recipe: overlapping windows, scores at all places, a loss at the last one only."""

    def __init__(self, network: type[RNN] = RNN) -> None:
        sizes = (COURSE.embedding_size, COURSE.hidden_size, COURSE.layers, COURSE.dropout_between)
        self.targets = COURSE.batch_size
        self.network = network(VOCABULARY_SIZE, VOCABULARY_SIZE, *sizes)
        self.embedding, self.recurrent = self.network.embedding, self.network.lstm
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=COURSE.learning_rate)
        self.hidden = self.network.init_hidden(COURSE.batch_size)
        self.batches = iter(batch_data(text().tolist(), COURSE.sequence_length, COURSE.batch_size))

    def step(self) -> None:
        """See `Learner.step`."""
        inp_BT, target_B = next(self.batches)
        _, self.hidden = forward_back_prop(
            self.network, self.optimizer, self.criterion, inp_BT, target_B, self.hidden
        )


class LastPlaceRNN(RNN):
    """The course's network, with scores at the last place only."""

    def forward(self, nn_input: Tensor, hidden: Hidden) -> tuple[Tensor, Hidden]:
        """See `RNN.forward`."""
        output_BTH, hidden = self.lstm(self.embedding(nn_input), hidden)
        scores_BV: Tensor = self.fc(output_BTH[:, -1])
        return scores_BV, hidden


class PlainStreams(nn.Module):
    """`nn.LSTM` with the state carried along and a loss at every token, as in most tutorials.

    Args:
        batch_size: B.
        sequence_length: T.
    """

    def __init__(self, batch_size: int, sequence_length: int) -> None:
        super().__init__()
        self.targets = batch_size * sequence_length
        self.embedding = nn.Embedding(VOCABULARY_SIZE, COURSE.embedding_size)
        self.recurrent = nn.LSTM(
            COURSE.embedding_size,
            COURSE.hidden_size,
            COURSE.layers,
            batch_first=True,
            dropout=COURSE.dropout_between,
        )
        self.head = nn.Linear(COURSE.hidden_size, VOCABULARY_SIZE)
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.Adam(self.parameters(), lr=COURSE.learning_rate)
        self.streams = steps_of(batch_size, sequence_length)
        zeros_LBH = torch.zeros(COURSE.layers, batch_size, COURSE.hidden_size)
        self.state: Hidden = (zeros_LBH, zeros_LBH)

    def step(self) -> None:
        """See `Learner.step`."""
        ids_BT, targets_BT = next(self.streams)
        self.optimizer.zero_grad()
        output_BTH, (hidden_LBH, cell_LBH) = self.recurrent(self.embedding(ids_BT), self.state)
        loss = self.criterion(self.head(output_BTH).flatten(0, 1), targets_BT.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters(), COURSE.gradient_clip)
        self.optimizer.step()
        self.state = (hidden_LBH.detach(), cell_LBH.detach())


class Ours:
    """Model, optimizer, streams and step of scriptforge's training.

    Args:
        precision: `fp32`; or `bf16`, with weights kept in fp32 and multiplied in bf16.
        samples: number of tokens scored beside a batch's targets; 0 for the whole vocabulary.
    """

    batch_size, sequence_length = 64, 64

    def __init__(self, precision: str = "fp32", samples: int = 0) -> None:
        lengths = {"batch_size": self.batch_size, "sequence_length": self.sequence_length}
        self.settings = resolve(PRESETS["classroom"], lengths)
        self.targets = self.batch_size * self.sequence_length
        self.is_bf16 = precision == "bf16"
        self.model = Recurrent(config())
        self.embedding, self.recurrent = self.model.embedding, self.model.recurrent
        self.criterion = LossOfStep(self.model)
        if samples:
            counts_V = count_tokens(text(), VOCABULARY_SIZE)
            self.model.cross_entropy = SampledSoftmax(counts_V, samples)
        self.optimizer = optimizer_of(self.model, self.settings)
        self.streams = steps_of(self.batch_size, self.sequence_length)
        self.state = self.model.initial_state(self.batch_size)

    def step(self) -> None:
        """See `Learner.step`."""
        ids_BT, targets_BT = next(self.streams)
        drawn_B = torch.rand(self.batch_size)
        resets_B, opens_B = (
            drawn_B < self.settings.reset_probability,
            drawn_B < self.settings.reset_probability / 2,
        )
        ids_BT, state = reset_state(ids_BT, self.state, resets_B, opens_B, first=0)
        with torch.autocast("cpu", torch.bfloat16) if self.is_bf16 else nullcontext():
            loss, state = self.criterion(ids_BT, targets_BT, state)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.gradient_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.state = detach(state)


class Default(Ours):
    """The default recipe, with the sizes that it has for six minutes of tiny Shakespeare on two cores.

    Args:
        has_kernel: whether the kernel computes the orthogonal steps, and not PyTorch.
    """

    def __init__(self, *, has_kernel: bool) -> None:
        asked = {"minutes": 6, "hidden_size": 384, "precision": "fp32"}
        machine, known = Machine("cpu", "fp32"), resolve(asked)
        self.settings = complete(suggest_settings(1_000_000, CHARACTERS, machine, known), asked)
        sizes = self.settings.batch_size, self.settings.sequence_length
        self.targets, self.is_bf16, self._has_kernel = math.prod(sizes), False, has_kernel
        own = config_from_settings(self.settings, CHARACTERS)
        assert isinstance(own, RecurrentConfig)
        self.model = Recurrent(own)
        self.embedding, self.recurrent = self.model.embedding, self.model.recurrent
        self.criterion = LossOfStep(self.model)
        self.optimizer = optimizer_of(self.model, self.settings)
        self.batch_size = self.settings.batch_size
        self.streams = steps_of(*sizes, vocabulary_size=CHARACTERS)
        self.state = self.model.initial_state(self.batch_size)

    def step(self) -> None:
        """See `Learner.step`."""
        with nullcontext() if self._has_kernel else patch.object(optimizers, "kernel", lambda: None):
            super().step()


def config() -> RecurrentConfig:
    """Return the course's network as one of our configs."""
    return RecurrentConfig(VOCABULARY_SIZE, dropout_between=COURSE.dropout_between, **SIZES)


@cache
def text() -> NDArray[np.uint16]:
    """Return a text of ids in Zipf's proportions."""
    weights_V = 1 / np.arange(1, VOCABULARY_SIZE + 1)
    drawn = np.random.default_rng(1).choice(VOCABULARY_SIZE, TEXT_LENGTH, p=weights_V / weights_V.sum())
    return drawn.astype(np.uint16)


def steps_of(
    batch_size: int, sequence_length: int, vocabulary_size: int = VOCABULARY_SIZE
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches of the text's streams, without end."""
    streams = Streams(text() % np.uint16(vocabulary_size), batch_size, sequence_length)
    step = 0
    while True:
        yield streams.batch(step)
        step += 1


def products_of_token(config: RecurrentConfig) -> dict[str, float]:
    """Return the FLOP of a token in training: a multiplication and an addition for each weight, three times.

    Once for the forward pass, once for the gradient of the inputs, and once for that of the weights.
    """
    sizes = {name: shape[0] * shape[1] for name, shape in config.weight_shapes().items() if len(shape) == 2}
    return {
        "recurrent": 6.0 * sum(size for name, size in sizes.items() if name.startswith("recurrent")),
        "head": 6.0 * config.vocabulary_size * config.hidden_size,
    }
