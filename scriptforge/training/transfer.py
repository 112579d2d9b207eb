"""Transfer: a new model starts from the weights of a trained one, even if their vocabularies differ.

Weights that have a row for every token are copied row by row, matched by the tokens' texts; all others are
copied as they are.

Shape letters: V tokens of the new vocabulary, U tokens of the old one, N old tokens that new ones are mapped
to, D numbers of a row.
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
"""Prefixes of the config fields that may differ from those of the run to start from."""


def transferred_settings(
    init_from: RunDescription, dataset: Dataset, chosen: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings that a run needs to start from another run's weights: its architecture and sizes.

    Raises:
        UsageError: the other run has tokens of another level, or a chosen setting differs from it.
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
    """Return what a run records of the run that it starts from."""
    record = HubRecord.load(init_from.folder)
    return InitFrom(
        name=init_from.folder.name,
        fingerprint=init_from.fingerprint,
        repository=record.repository if record else None,
        revision=record.revision if record else None,
    )


def transfer_weights(model: TrainableModel, vocabulary: Vocabulary, init_from: Run) -> None:
    """Copy the weights of a trained model into a new one of the same sizes.

    Each token gets the mean of the rows of the old tokens that `token_mapping` maps it to, so a token of both
    vocabularies keeps its row; a token mapped to none gets the mean of all rows.
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
    """Return, for each token of the new vocabulary, the ids of the old tokens that together come closest.

    A token of both is mapped to itself. A new speaker or source is mapped to all old speakers or sources. Any
    other token is mapped to the tokens that the old vocabulary encodes its text as, which may be none, as for
    an unknown character.

    Source: Gee et al. 2022, arXiv:2402.09977, for tokens of text.
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
    """Return, for nobody and each new speaker, the rows of the old speaker embeddings that match."""
    first = old.layout_size - len(old.speaker_tokens)
    speakers = [[id_ - first + 1 for id_ in old_ids[token.id]] for token in new.speaker_tokens]
    return [[0], *speakers]


def _token_axes(config: ModelConfig) -> dict[str, int]:
    """Return the dimension of the tokens in each weight that has a row for every token, by the weight's name.

    It is the dimension that grows with the vocabulary.
    """
    larger = replace(config, vocabulary_size=config.vocabulary_size + 1).weight_shapes()
    return {
        name: axis
        for name, shape in config.weight_shapes().items()
        for axis, (size, more) in enumerate(zip(shape, larger[name], strict=True))
        if size != more
    }


def _map_rows(old: Tensor, old_ids: list[list[int]], axis: int) -> Tensor:
    """Return a weight with V rows along an axis, each the mean of those old rows that its token is mapped to.

    A token without old ids gets the mean of all U rows.
    """
    rows_first = old.movedim(axis, 0)
    rows_UD = rows_first.reshape(len(rows_first), -1)
    counts_V = torch.tensor([len(ids) for ids in old_ids])
    ids_N = torch.tensor([id_ for ids in old_ids for id_ in ids])
    new_VD = F.embedding_bag(ids_N, rows_UD, counts_V.cumsum(0) - counts_V, mode="mean")
    new_VD[counts_V == 0] = rows_UD.mean(0)
    return new_VD.view(len(old_ids), *rows_first.shape[1:]).movedim(0, axis)
