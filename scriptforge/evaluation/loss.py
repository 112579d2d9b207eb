"""Loss on a split in nats per token and per character, under two protocols.

`stream` reads the split in order and carries the hidden state through it. `cold_256` reads independent
windows of 256 tokens, each from a zero state. Every token of the split is predicted: the input before the
first token of a window is the last token of the window before, and the input before the first token of the
split is `<end>`.

Losses per character can be compared between levels: the total loss is divided by the number of characters of
the text. An unknown word costs the loss of its `<unk>` plus (length + 1) · ln(alphabet size), the cost of
spelling it with all characters equally likely.

In a mix, each source is read by itself: from a zero state, after an `<end>`. No state is carried from one
source to the next, so the loss of the split is exactly that of its sources combined.

Shape letters: B streams, T steps, N tokens, V vocabulary.
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
from scriptforge.run.records import Evaluation, LossMetrics

COLD_WINDOW = 256
_COLD_BATCH = 64
_MAX_LOGITS = 2**24  # limit on the logits of one chunk, 64 MB: a large V makes the chunks shorter
_IGNORED = -100
_BLOCKS = 16
"""Number of blocks that a part of a split consists of."""
_MAX_EXPONENT = 700  # `math.exp` overflows above 709


@dataclass(frozen=True)
class Extent:
    """Size of the text that a sequence of tokens encodes.

    Attributes:
        characters: number of characters of the text.
        unknown: number of tokens that are `<unk>`.
        unknown_characters: number of characters of the words that became `<unk>`.
        alphabet: number of distinct characters in the training split.
    """

    characters: int
    unknown: int
    unknown_characters: int
    alphabet: int

    def share(self, share: float) -> "Extent":
        """Return the estimated extent of a share of the text, as if the text were uniform."""
        counts = (self.characters, self.unknown, self.unknown_characters)
        characters, unknown, unknown_characters = (round(count * share) for count in counts)
        return Extent(characters, unknown, unknown_characters, self.alphabet)

    @property
    def spelling_nats(self) -> float:
        """Return the cost of the unknown words, in nats, spelled with all characters equally likely."""
        return (self.unknown_characters + self.unknown) * math.log(max(self.alphabet, 1))

    def metrics(self, nats: float, tokens: int) -> LossMetrics:
        """Return the metrics for a total negative log-likelihood, in nats, of one or more tokens."""
        per_token = nats / tokens
        per_character = (nats + self.spelling_nats) / max(self.characters, 1)
        return LossMetrics(
            nats_per_token=per_token,
            perplexity=math.exp(min(per_token, _MAX_EXPONENT)),
            nats_per_character=per_character,
            bits_per_character=per_character / math.log(2),
        )


def extent(dataset: Dataset, split: str) -> Extent:
    """Return the extent of a split."""
    return _extent(dataset.description.splits[split], dataset)


def extents(dataset: Dataset, split: str) -> dict[str, Extent]:
    """Return the extent of each source of a split; a single corpus is one source, named as the dataset."""
    about = dataset.description
    splits = {source.name: source.splits for source in about.sources} or {dataset.name: about.splits}
    return {source: _extent(held[split], dataset) for source, held in splits.items()}


def _extent(held: SplitDescription, dataset: Dataset) -> Extent:
    return Extent(held.characters, held.unknown, held.unknown_characters, dataset.description.alphabet)


def check_not_empty(dataset: Dataset, split: str) -> None:
    """Check that a split has any tokens.

    Raises:
        DatasetError: the split is empty.
    """
    if not len(dataset.ids(split)):
        raise DatasetError(
            f"The {split} split of dataset “{dataset.name}” is empty.",
            f"Prepare it with --{split} 0.05, or evaluate another split.",
        )


def evaluate_split(model: LanguageModel, dataset: Dataset, split: str, share: float = 1.0) -> Evaluation:
    """Evaluate a model on a split under both protocols; arguments and errors as in `evaluate_sources`."""
    evaluations = evaluate_sources(model, dataset, split, share)
    return combine(evaluations.values(), extent(dataset, split).share(share))


def part_of_split(dataset: Dataset, split: str, share: float) -> dict[str, NDArray[np.unsignedinteger]]:
    """Return a share of the tokens of each source of a split, at least one if the source has any.

    They are taken in blocks spread evenly over the source, since its end may be harder than its beginning.
    """
    return {source: _spread(ids, share) for source, ids in dataset.ids_by_source(split).items()}


def _spread(ids: NDArray[np.unsignedinteger], share: float) -> NDArray[np.unsignedinteger]:
    count = max(1, math.ceil(len(ids) * share))
    if count >= len(ids):
        return ids
    size = math.ceil(count / _BLOCKS)
    starts = np.arange(_BLOCKS) * len(ids) // _BLOCKS
    return np.concatenate([ids[start : start + size] for start in starts])[:count]


def evaluate_sources(
    model: LanguageModel, dataset: Dataset, split: str, share: float = 1.0
) -> dict[str, Evaluation]:
    """Evaluate a model on each source of a split; a single corpus is one source, named as the dataset.

    Args:
        model: the model, in evaluation mode, with the dataset's vocabulary.
        dataset: the dataset that it was trained on.
        split: `validation` or `test`.
        share: share of each source to read, above 0 and up to 1; see `part_of_split`. The number of
            characters in a part is estimated from the whole source.

    Raises:
        DatasetError: the split is empty.
    """
    check_not_empty(dataset, split)
    parts = extents(dataset, split)
    return {
        source: evaluate_ids(model, ids, parts[source].share(share), dataset.vocabulary.end)
        for source, ids in part_of_split(dataset, split, share).items()
        if len(ids)
    }


def combine(evaluations: Iterable[Evaluation], whole: Extent) -> Evaluation:
    """Combine the evaluations of the sources of a split, one or more, into that of the whole split."""
    parts = list(evaluations)
    if len(parts) == 1:
        return parts[0]
    tokens = sum(part.tokens for part in parts)
    stream = sum(part.stream.nats_per_token * part.tokens for part in parts)
    cold = sum(part.cold_256.nats_per_token * part.tokens for part in parts)
    return Evaluation(
        tokens=tokens,
        characters=whole.characters,
        stream=whole.metrics(stream, tokens),
        cold_256=whole.metrics(cold, tokens),
    )


def evaluate_ids(
    model: LanguageModel, ids_N: NDArray[np.unsignedinteger], extent: Extent, first: int
) -> Evaluation:
    """Evaluate a model on tokens under both protocols.

    Args:
        model: the model, in evaluation mode.
        ids_N: the tokens, at least one.
        extent: the size of their text.
        first: the id that the first of them is predicted from, normally the vocabulary's `end`.
    """
    inputs_BT, targets_BT = _rows(ids_N, first, math.ceil(len(ids_N) / COLD_WINDOW), COLD_WINDOW)
    cold_nats = 0.0
    for row in range(0, len(inputs_BT), _COLD_BATCH):
        rows = slice(row, row + _COLD_BATCH)
        cold_nats += _total_nats(model, inputs_BT[rows], targets_BT[rows])
    return Evaluation(
        tokens=len(ids_N),
        characters=extent.characters,
        stream=stream_loss(model, ids_N, extent, first),
        cold_256=extent.metrics(cold_nats, len(ids_N)),
    )


def stream_loss(
    model: LanguageModel, ids_N: NDArray[np.unsignedinteger], extent: Extent, first: int, rows: int = 1
) -> LossMetrics:
    """Return the `stream` loss alone, with the arguments of `evaluate_ids`; exact with one row.

    With more rows, the tokens are cut into that many and read as one batch. This is faster and gives a
    slightly higher loss, since each row starts from a zero state.
    """
    rows = min(rows, len(ids_N))
    nats = _total_nats(model, *_rows(ids_N, first, rows, math.ceil(len(ids_N) / rows)))
    return extent.metrics(nats, len(ids_N))


def _rows(
    ids_N: NDArray[np.unsignedinteger], first: int, rows: int, length: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return inputs and targets as rows of one length; the last row is padded with ignored targets."""
    targets = np.full(rows * length, _IGNORED, dtype=np.int64)
    targets[: len(ids_N)] = ids_N
    inputs = np.full(rows * length, first, dtype=np.int64)
    inputs[1 : len(ids_N)] = ids_N[:-1]
    return inputs.reshape(rows, length), targets.reshape(rows, length)


@torch.inference_mode()
def _total_nats(model: LanguageModel, inputs_BT: NDArray[np.int64], targets_BT: NDArray[np.int64]) -> float:
    """Return the total negative log-likelihood of the targets, in nats; each row carries its state."""
    rows, length = inputs_BT.shape
    state = model.initial_state(rows)
    device = state[0].device
    chunk = max(1, min(length, _MAX_LOGITS // (rows * model.config.vocabulary_size)))
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
