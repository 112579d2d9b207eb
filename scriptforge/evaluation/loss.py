"""Loss of a split in nats per token and per character, under two protocols.

`stream` carries the recurrent state through the split in order. `cold_256` reads independent windows of
256 tokens from a zero state. Every token is predicted from the one before it: the first of a window from
the last of the window before, the first of the split from the token that ends a script.

Per character, so that levels compare: the total is divided by the characters of the text that the tokens
stand for, and an unknown word costs its `<unk>` plus (length + 1) · ln(size of the alphabet), which is
what spelling it blindly would.

Shape letters: B streams, T steps, N tokens, V vocabulary.

Evaluating a split of a dataset, as a whole and source by source.

In a mix each source has its documents in a row, and is read as if it were a split by itself: from a zero
state, after an `<end>`. No state is carried from one source to the next, so what is said of the split
is exactly what is said of its sources, taken together.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from scriptforge.dataset import Dataset, SplitDescription
from scriptforge.errors import DatasetError
from scriptforge.models import LanguageModel

COLD_WINDOW = 256
_COLD_BATCH = 64
_LARGEST_LOGITS = 2**24
_IGNORED = -100
_LARGEST_EXPONENT = 700  # a perplexity is a number, also in JSON, whatever the loss


@dataclass(frozen=True)
class Extent:
    """How much text a split's tokens stand for.

    Attributes:
        characters: characters of the text.
        unknown: tokens that are `<unk>`.
        unknown_characters: characters of the words that these stand for.
        alphabet: different characters in the training split.
    """

    characters: int
    unknown: int
    unknown_characters: int
    alphabet: int

    @property
    def spelling_nats(self) -> float:
        """What spelling the unknown words blindly costs, in nats."""
        return (self.unknown_characters + self.unknown) * math.log(max(self.alphabet, 1))


@dataclass(frozen=True)
class Figures:
    """One loss in four units."""

    nats_per_token: float
    perplexity: float
    nats_per_character: float
    bits_per_character: float

    @classmethod
    def of(cls, nats: float, tokens: int, extent: Extent) -> "Figures":
        """Figures from the total negative log-likelihood of `tokens` tokens, in nats."""
        per_token = nats / tokens
        per_character = (nats + extent.spelling_nats) / max(extent.characters, 1)
        perplexity = math.exp(min(per_token, _LARGEST_EXPONENT))
        return cls(per_token, perplexity, per_character, per_character / math.log(2))


@dataclass(frozen=True)
class Evaluation:
    """A split's figures under both protocols."""

    tokens: int
    characters: int
    stream: Figures
    cold_256: Figures


def evaluate(
    model: LanguageModel, ids_N: NDArray[np.unsignedinteger], extent: Extent, first: int
) -> Evaluation:
    """Evaluates a split under both protocols, in one stream and in cold windows.

    Args:
        model: in evaluation mode.
        ids_N: the split's tokens, at least one.
        extent: the text that they stand for.
        first: the token before the split, normally the vocabulary's `end`.
    """
    cold_nats = 0.0
    windows = _lanes(ids_N, first, math.ceil(len(ids_N) / COLD_WINDOW), COLD_WINDOW)
    inputs_BT, targets_BT = windows
    for row in range(0, len(inputs_BT), _COLD_BATCH):
        rows = slice(row, row + _COLD_BATCH)
        cold_nats += _total_nats(model, inputs_BT[rows], targets_BT[rows])
    return Evaluation(
        tokens=len(ids_N),
        characters=extent.characters,
        stream=stream_figures(model, ids_N, extent, first),
        cold_256=Figures.of(cold_nats, len(ids_N), extent),
    )


def stream_figures(
    model: LanguageModel, ids_N: NDArray[np.unsignedinteger], extent: Extent, first: int, lanes: int = 1
) -> Figures:
    """The `stream` figures alone.

    Args:
        model: in evaluation mode.
        ids_N: the split's tokens, at least one.
        extent: the text that they stand for.
        first: the token before the split.
        lanes: 1 for the exact figure. With more, the split is cut into so many lanes read side by side:
            faster, and slightly pessimistic, since each lane begins cold.
    """
    lanes = min(lanes, len(ids_N))
    nats = _total_nats(model, *_lanes(ids_N, first, lanes, math.ceil(len(ids_N) / lanes)))
    return Figures.of(nats, len(ids_N), extent)


def _lanes(
    ids_N: NDArray[np.unsignedinteger], first: int, lanes: int, length: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Inputs and targets as `lanes` rows of `length`, the tail filled with ignored targets."""
    targets = np.full(lanes * length, _IGNORED, dtype=np.int64)
    targets[: len(ids_N)] = ids_N
    inputs = np.full(lanes * length, first, dtype=np.int64)
    inputs[1 : len(ids_N)] = ids_N[:-1]
    return inputs.reshape(lanes, length), targets.reshape(lanes, length)


@torch.inference_mode()
def _total_nats(model: LanguageModel, inputs_BT: NDArray[np.int64], targets_BT: NDArray[np.int64]) -> float:
    """Negative log-likelihood of all targets, in nats, the state carried along T."""
    lanes, length = inputs_BT.shape
    state = model.initial_state(lanes)
    device = state[0].device
    chunk = max(1, min(length, _LARGEST_LOGITS // (lanes * model.config.vocabulary_size)))
    nats = 0.0
    for start in range(0, length, chunk):
        ids = torch.from_numpy(inputs_BT[:, start : start + chunk]).to(device)
        targets = torch.from_numpy(targets_BT[:, start : start + chunk]).to(device)
        logits_BTV, state = model(ids, state)
        losses = F.cross_entropy(
            logits_BTV.flatten(0, 1).float(), targets.flatten(), ignore_index=_IGNORED, reduction="none"
        )
        nats += float(losses.double().sum())
    return nats


def extent(dataset: Dataset, split: str) -> Extent:
    """How much text a split's tokens stand for."""
    return _extent(dataset.description.splits[split], dataset)


def _extent(held: SplitDescription, dataset: Dataset) -> Extent:
    alphabet = dataset.description.alphabet
    return Extent(held.characters, held.unknown, held.unknown_characters, alphabet)


def evaluate_split(model: LanguageModel, dataset: Dataset, split: str) -> Evaluation:
    """Evaluates a model on a whole split, under both protocols.

    Args:
        model: in evaluation mode, with the dataset's vocabulary.
        dataset: the one it was trained on.
        split: `validation` or `test`.

    Raises:
        DatasetError: the split is empty.
    """
    return together(evaluate_sources(model, dataset, split).values(), extent(dataset, split))


def evaluate_sources(model: LanguageModel, dataset: Dataset, split: str) -> dict[str, Evaluation]:
    """Evaluates a model on each source of a split; a corpus alone is one source, of the dataset's name.

    Args:
        model: as of `evaluate_split`.
        dataset: as of `evaluate_split`.
        split: as of `evaluate_split`.

    Raises:
        DatasetError: the split is empty.
    """
    if not len(dataset.ids(split)):
        raise DatasetError(
            f"The {split} split of dataset “{dataset.name}” is empty.",
            f"Prepare it with --{split} 0.05, or evaluate another split.",
        )
    about = dataset.description
    held = {source.name: source.splits[split] for source in about.sources}
    held = held or {dataset.name: about.splits[split]}
    return {
        source: evaluate(model, ids, _extent(held[source], dataset), dataset.vocabulary.end)
        for source, ids in dataset.ids_by_source(split).items()
        if len(ids)
    }


def together(evaluations: Iterable[Evaluation], whole: Extent) -> Evaluation:
    """The evaluations of the sources of a split as one of the split.

    Args:
        evaluations: of each of them.
        whole: the text that all their tokens stand for.
    """
    parts = list(evaluations)
    if len(parts) == 1:
        return parts[0]
    tokens = sum(part.tokens for part in parts)
    stream = sum(part.stream.nats_per_token * part.tokens for part in parts)
    cold = sum(part.cold_256.nats_per_token * part.tokens for part in parts)
    return Evaluation(
        tokens=tokens,
        characters=whole.characters,
        stream=Figures.of(stream, tokens, whole),
        cold_256=Figures.of(cold, tokens, whole),
    )
