"""Characters per second that an RNN in NumPy learns from: the usual exercise, and ours.

The exercise is a typical first RNN from scratch: one stream, a loop over the steps of a sequence, a one-hot
vector for each character, double precision, and Adagrad over five arrays. Ours computes the same, in NumPy
too, and is measured with all that a training puts around it. On one stream both make the same number of steps
for a text. On several, a step learns from the characters of all, and there are fewer steps: the ratio then
says how fast a text is read, not how soon it is learnt.

Shape letters: B streams, T steps, V vocabulary, H hidden.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.harness import compare, rate_of
from benchmarks.results import Comparison
from scriptforge.inference.configs import NumPyRNNConfig
from scriptforge.models.numpy_bridge import NumPyRNN
from scriptforge.models.numpy_rnn import GRADIENT_CLIP
from scriptforge.training.optimizers import Adagrad
from scriptforge.training.process_state import keep_freed_memory
from scriptforge.training.streams import Streams

VOCABULARY_SIZE, HIDDEN_SIZE, SEQUENCE_LENGTH = 65, 100, 25
"""The characters of tiny Shakespeare, and the sizes of the exercise."""
RATE = 0.1
MAX_NORM = 1.0
ROUNDS = 15
CHARACTERS = {1: 10_000, 32: 80_000, 64: 80_000}
"""Number of characters learnt from in a turn, by number of streams."""
EXERCISE = "one stream, step by step, one-hot vectors"
OURS = {1: "ours, one stream", 32: "ours, 32 streams", 64: "ours, 64 streams"}


def run() -> list[Comparison]:
    """Measure the characters learnt from per second."""
    keep_freed_memory()  # as every training does; the exercise gains from it, too
    exercise = Exercise()
    contenders = {EXERCISE: rate_of(lambda: exercise.learn(CHARACTERS[1]), CHARACTERS[1])}
    for streams, name in OURS.items():
        contenders[name] = rate_of(Ours(streams).steps, CHARACTERS[streams])
    return [
        compare(
            f"training an RNN of {HIDDEN_SIZE} units in NumPy",
            "characters/s",
            contenders,
            rounds=ROUNDS,
            baseline=EXERCISE,
            answers={OURS[32]: "N1"},
        )
    ]


class Exercise:
    """The exercise: a network of five arrays of doubles, with vectors as columns."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        self.weights = {
            "input": 0.01 * rng.standard_normal((HIDDEN_SIZE, VOCABULARY_SIZE)),
            "recurrent": 0.01 * rng.standard_normal((HIDDEN_SIZE, HIDDEN_SIZE)),
            "output": 0.01 * rng.standard_normal((VOCABULARY_SIZE, HIDDEN_SIZE)),
            "hidden_bias": np.zeros((HIDDEN_SIZE, 1)),
            "output_bias": np.zeros((VOCABULARY_SIZE, 1)),
        }
        self.memories = {name: np.zeros_like(weight) for name, weight in self.weights.items()}
        self.text = text().tolist()
        self.hidden = np.zeros((HIDDEN_SIZE, 1))

    def learn(self, characters: int) -> None:
        """Learn from a number of characters at the beginning of the text."""
        for first in range(0, characters, SEQUENCE_LENGTH):
            gradients = self.gradients(self.text[first : first + SEQUENCE_LENGTH + 1])
            for name, gradient in gradients.items():
                np.clip(gradient, -GRADIENT_CLIP, GRADIENT_CLIP, out=gradient)
                self.memories[name] += gradient * gradient
                self.weights[name] -= RATE * gradient / (np.sqrt(self.memories[name]) + 1e-8)

    def gradients(self, ids: list[int]) -> dict[str, NDArray[np.float64]]:
        """Return the gradients of a sequence, from a forward and a backward pass, step by step."""
        weights = self.weights
        one_hot, hidden, chances = [], [self.hidden], []
        for id_ in ids[:-1]:
            vector = np.zeros((VOCABULARY_SIZE, 1))
            vector[id_] = 1
            one_hot.append(vector)
            heard = weights["input"] @ vector + weights["recurrent"] @ hidden[-1] + weights["hidden_bias"]
            hidden.append(np.tanh(heard))
            powers = np.exp(weights["output"] @ hidden[-1] + weights["output_bias"])
            chances.append(powers / powers.sum())
        self.loss = -sum(np.log(each[id_, 0]) for each, id_ in zip(chances, ids[1:], strict=True))
        self.hidden = hidden[-1]
        gradients = {name: np.zeros_like(weight) for name, weight in weights.items()}
        later = np.zeros_like(self.hidden)
        for step in reversed(range(len(chances))):
            error = chances[step].copy()
            error[ids[step + 1]] -= 1
            gradients["output"] += error @ hidden[step + 1].T
            gradients["output_bias"] += error
            blame = (1 - hidden[step + 1] ** 2) * (weights["output"].T @ error + later)
            gradients["hidden_bias"] += blame
            gradients["input"] += blame @ one_hot[step].T
            gradients["recurrent"] += blame @ hidden[step].T
            later = weights["recurrent"].T @ blame
        return gradients


class Ours:
    """Model, optimizer, streams and step of a training with `--arch numpy-rnn`.

    Args:
        streams: B.
    """

    def __init__(self, streams: int) -> None:
        self.count = CHARACTERS[streams] // (streams * SEQUENCE_LENGTH)
        self.model = NumPyRNN(NumPyRNNConfig(VOCABULARY_SIZE, HIDDEN_SIZE))
        largest = GRADIENT_CLIP / SEQUENCE_LENGTH
        self.optimizer = Adagrad(self.model.parameters(), rate=RATE, largest=largest)
        self.batches = batches(streams)
        self.state = self.model.initial_state(streams)

    def steps(self) -> None:
        """Run the steps of one turn."""
        for _, (ids_BT, targets_BT) in zip(range(self.count), self.batches, strict=False):
            loss, self.state = self.model.loss(ids_BT, targets_BT, self.state)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(self.model.parameters(), MAX_NORM)
            self.optimizer.step()
            self.optimizer.zero_grad()


def batches(streams: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches of the text's streams, without end."""
    reading = Streams(text(), streams, SEQUENCE_LENGTH)
    step = 0
    while True:
        yield reading.batch(step)
        step += 1


def text() -> NDArray[np.uint8]:
    """Return a made-up text of characters in Zipf's proportions; a step costs the same for any text."""
    weights_V = 1 / np.arange(1, VOCABULARY_SIZE + 1)
    drawn = np.random.default_rng(1).choice(VOCABULARY_SIZE, 100_000, p=weights_V / weights_V.sum())
    return drawn.astype(np.uint8)
