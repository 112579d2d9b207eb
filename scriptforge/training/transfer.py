"""Transfer: a new model begins with the weights of a trained one, though its vocabulary may be another.

Weights that have a row for every token are taken over row by row, by what the tokens say; all others as they
are.

Shape letters: V tokens of the new vocabulary, U tokens of the old one, N old tokens that are mapped to, D
numbers of a row.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from scriptforge.dataset import Dataset
from scriptforge.errors import UsageError
from scriptforge.inference import ModelConfig, config_from_json
from scriptforge.models import TrainableModel
from scriptforge.run.records import HubRecord, InitFrom, RunDescription
from scriptforge.run.run import Run
from scriptforge.vocabulary import Vocabulary

_FREE = ("vocabulary_size", "layout_size", "speakers", "dropout")
"""Fields of a config that may differ from those of the run to begin with, by how they begin."""


def transferred_settings(
    init_from: RunDescription, dataset: Dataset, chosen: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings that a run needs to begin with another one's weights: its architecture and sizes.

    Raises:
        UsageError: the run reads tokens of another level, or what was asked for differs from it.
    """
    if init_from.dataset.level != dataset.description.level:
        raise UsageError(
            f"Run “{init_from.name}” is of the {init_from.dataset.level} level,"
            f" dataset “{dataset.name}” of the {dataset.description.level} level.",
            f"Prepare the dataset again with --level {init_from.dataset.level}.",
        )
    config = config_from_json(init_from.model)
    settings = {"arch": config.arch, "members": 1, **asdict(config)}
    settings = {key: value for key, value in settings.items() if not key.startswith(_FREE)}
    for key, value in settings.items():
        if chosen.get(key, value) != value:
            raise UsageError(
                f"Run “{init_from.name}” has {key} = {value}, not {chosen[key]}.",
                f"Leave {key} out to begin with its weights, or --from to begin without.",
            )
    return settings


def describe_init_from(init_from: Run) -> InitFrom:
    """Return what a run records of the one with whose weights it begins."""
    record = HubRecord.load(init_from.folder)
    return InitFrom(
        name=init_from.folder.name,
        fingerprint=init_from.fingerprint,
        repository=record.repository if record else None,
        revision=record.revision if record else None,
    )


def transfer_weights(model: TrainableModel, vocabulary: Vocabulary, init_from: Run) -> None:
    """Give a new model the weights of a trained one of the same sizes.

    Each token gets the mean of the rows of the tokens that `token_mapping` has for it, so that one that both
    vocabularies have keeps its own; or the mean of all rows, where it has none.
    """
    old_ids = token_mapping(vocabulary, init_from.vocabulary)
    old_speakers = _speaker_mapping(old_ids, vocabulary, init_from.vocabulary)
    axes = _token_axes(model.config)
    weights = dict(init_from.model.named_parameters())
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.startswith("speaker_embedding"):
                if name in weights:
                    weight.copy_(_map_rows(weights[name].detach(), old_speakers, axis=0))
                continue
            old = weights[name].detach()
            weight.copy_(_map_rows(old, old_ids, axes[name]) if name in axes else old)


def token_mapping(new: Vocabulary, old: Vocabulary) -> list[list[int]]:
    """Return, for each token of a vocabulary, the ids of those of another that together come closest to it.

    A token that both have is mapped to itself. Another one is mapped to the tokens that the old vocabulary
    encodes its text as; a speaker or source that only the new one has, to all speakers or sources of the old
    one; and a token that compares with none, such as a character that was never read, to none.

    Source: Gee et al. 2022, arXiv:2402.09977, for the text.
    """
    ids = {token: id_ for id_, token in enumerate(old.tokens)}
    speakers = {speaker.id for speaker in new.speaker_tokens}
    sources = set(new.sources.values())

    def map_token(id_: int, token: str) -> list[int]:
        if token in ids:
            return [ids[token]]
        if id_ in speakers:
            return [speaker.id for speaker in old.speaker_tokens]
        if id_ in sources:
            return list(old.sources.values())
        return [known for known in old.encode(new.token_texts[id_]) if known != old.unknown]

    return [map_token(id_, token) for id_, token in enumerate(new.tokens)]


def _speaker_mapping(old_ids: list[list[int]], new: Vocabulary, old: Vocabulary) -> list[list[int]]:
    """Return, for nobody and each speaker of a vocabulary, the rows of another one's speaker embeddings."""
    first = old.layout_size - len(old.speaker_tokens)
    speakers = [[id_ - first + 1 for id_ in old_ids[token.id]] for token in new.speaker_tokens]
    return [[0], *speakers]


def _token_axes(config: ModelConfig) -> dict[str, int]:
    """Return, by the name of each weight that has a row for every token, the dimension along which they lie.

    It is the one that grows with the vocabulary.
    """
    larger = replace(config, vocabulary_size=config.vocabulary_size + 1).weight_shapes()
    return {
        name: axis
        for name, shape in config.weight_shapes().items()
        for axis, (size, more) in enumerate(zip(shape, larger[name], strict=True))
        if size != more
    }


def _map_rows(old: Tensor, old_ids: list[list[int]], axis: int) -> Tensor:
    """Return a weight with rows for V new tokens, each the mean of some of the U rows of an old one.

    Those are the rows, along the axis, of the old ids that the new token has; all, where it has none.
    """
    rows_first = old.movedim(axis, 0)
    rows_UD = rows_first.reshape(len(rows_first), -1)
    counts_V = torch.tensor([len(ids) for ids in old_ids])
    ids_N = torch.tensor([id_ for ids in old_ids for id_ in ids])
    new_VD = F.embedding_bag(ids_N, rows_UD, counts_V.cumsum(0) - counts_V, mode="mean")
    new_VD[counts_V == 0] = rows_UD.mean(0)
    return new_VD.view(len(old_ids), *rows_first.shape[1:]).movedim(0, axis)
