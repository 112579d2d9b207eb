"""Between two vocabularies: which tokens of an old one say what a token of a new one says.

Knows nothing of models; what is done with the rows of such tokens is not settled here.

A model that begins where another one ended, though its vocabulary is another.

What a model knows of single tokens is taken over row by row; everything else as it is.

Shape letters: V tokens of the new vocabulary, U tokens of the old one, N counterparts of all, D numbers of a
row.
"""

from dataclasses import asdict, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from scriptforge.dataset import Dataset
from scriptforge.errors import UsageError
from scriptforge.models import ModelConfig, TrainableModel, config_from_json
from scriptforge.run.records import InitFrom, RunDescription
from scriptforge.run.run import Run
from scriptforge.vocabulary import Vocabulary
from scriptforge.workspace import read_json


def counterparts(new: Vocabulary, old: Vocabulary) -> list[list[int]]:
    """For each token of a vocabulary, the ids of those of another that together come closest to it.

    A token that both have is its own counterpart. Another one's are what the old vocabulary makes of its
    text; of a speaker or source that only the new one has, all speakers or sources of the old one. A token
    with which nothing compares has none.

    Source: Gee et al. 2022, arXiv:2402.09977, for the text.
    """
    ids = {token: id_ for id_, token in enumerate(old.tokens)}
    speakers = {voice.id for voice in new.speaker_tokens}
    sources = set(new.sources.values())

    def of(id_: int, token: str) -> list[int]:
        if token in ids:
            return [ids[token]]
        if id_ in speakers:
            return [voice.id for voice in old.speaker_tokens]
        if id_ in sources:
            return list(old.sources.values())
        return [known for known in old.encode(new.token_texts[id_]) if known != old.unknown]

    return [of(id_, token) for id_, token in enumerate(new.tokens)]


_OWN = ("arch", "vocabulary_size")
_DROPOUT = "dropout"


def inherited_settings(init_from: RunDescription, dataset: Dataset, chosen: dict[str, Any]) -> dict[str, Any]:
    """The settings that a run must have to begin with another one's weights: its architecture and sizes.

    Args:
        init_from: the other run.
        dataset: what the new one is trained on.
        chosen: the settings that a person asks for.

    Raises:
        UsageError: the run reads tokens of another level, or what is chosen is not as it is there.
    """
    if init_from.dataset.level != dataset.description.level:
        raise UsageError(
            f"Run “{init_from.name}” is of the {init_from.dataset.level} level,"
            f" dataset “{dataset.name}” of the {dataset.description.level} level.",
            f"Prepare the dataset again with --level {init_from.dataset.level}.",
        )
    config = config_from_json(init_from.model)
    sizes = {key: value for key, value in asdict(config).items() if _is_fixed(key)}
    settings = {"arch": config.arch, **sizes}
    for key, value in settings.items():
        if chosen.get(key, value) != value:
            raise UsageError(
                f"Run “{init_from.name}” has {key} = {value}, not {chosen[key]}.",
                f"Leave {key} out to begin with its weights, or --from to begin without.",
            )
    return settings


def _is_fixed(key: str) -> bool:
    return key not in _OWN and not key.startswith(_DROPOUT)


def describe_init_from(init_from: Run) -> InitFrom:
    """What a run that begins with another one's weights keeps of it."""
    record = read_json(init_from.folder.hub) if init_from.folder.hub.is_file() else {}
    return InitFrom(
        name=init_from.folder.name,
        fingerprint=init_from.fingerprint,
        repository=record.get("repository"),
        revision=record.get("revision"),
    )


def inherit(model: TrainableModel, vocabulary: Vocabulary, init_from: Run) -> None:
    """Gives a new model the weights of a trained one of the same sizes.

    A token that both vocabularies have keeps its rows. Another one gets the mean of its `counterparts`', or
    of all rows where it has none.

    Args:
        model: the new one; its weights are replaced.
        vocabulary: the new model's.
        init_from: the trained one.
    """
    assert isinstance(init_from.model, TrainableModel)
    old_ids = counterparts(vocabulary, init_from.vocabulary)
    axes = _axes_of_tokens(model.config)
    weights = dict(init_from.model.named_parameters())
    with torch.no_grad():
        for name, weight in model.named_parameters():
            old = weights[name].detach()
            weight.copy_(_with_rows_of(old, old_ids, axes[name]) if name in axes else old)


def _axes_of_tokens(config: ModelConfig) -> dict[str, int]:
    """By the name of each weight that has a row for every token: along which of its dimensions they lie."""
    larger = replace(config, vocabulary_size=config.vocabulary_size + 1).weight_shapes()
    return {
        name: axis
        for name, shape in config.weight_shapes().items()
        for axis, (size, more) in enumerate(zip(shape, larger[name], strict=True))
        if size != more
    }


def _with_rows_of(old: Tensor, old_ids: list[list[int]], axis: int) -> Tensor:
    """A weight with rows for V new tokens, each the mean of some of the U rows that the old one has.

    Args:
        old: the old weight.
        old_ids: for each new token, the tokens whose rows count; all, where it has none.
        axis: along which dimension the rows lie.
    """
    rows_first = old.movedim(axis, 0)
    rows_UD = rows_first.reshape(len(rows_first), -1)
    counts_V = torch.tensor([len(ids) for ids in old_ids])
    ids_N = torch.tensor([id_ for ids in old_ids for id_ in ids])
    new_VD = F.embedding_bag(ids_N, rows_UD, counts_V.cumsum(0) - counts_V, mode="mean")
    new_VD[counts_V == 0] = rows_UD.mean(0)
    return new_VD.view(len(old_ids), *rows_first.shape[1:]).movedim(0, axis)
