"""Small things to test with: a comedy without end, datasets made of it, settings of a model of 16 units."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from scriptforge.config import Settings, resolve
from scriptforge.corpus.cards import load_cards
from scriptforge.corpus.fetch import fetch
from scriptforge.corpus.prepare import prepare_corpora
from scriptforge.corpus.sources import find_source, find_sources
from scriptforge.dataset import Dataset
from scriptforge.options import PrepareOptions
from scriptforge.training.events import Finished, TrainingEvent
from scriptforge.workspace import DatasetFolder

SPEAKERS = ("ELAINE", "Bo", "Mrs Ash")
_WHO = ("the ferryman", "my aunt", "that goose", "nobody", "the mayor")
_DOES = ("lost", "hid", "painted", "returned", "ate")
_WHAT = ("a bell", "the last ticket", "two umbrellas", "my hat", "the harbour light")
_WHEN = ("again", "before lunch", "in the rain", "without asking", "for a bet")


def comedy(lines: int, seed: int = 0) -> str:
    """A play of so many lines, each `name: text`, a blank line between them; the same seed, the same play."""
    draw = random.Random(seed)

    def line() -> str:
        words = " ".join(draw.choice(choices) for choices in (_WHO, _DOES, _WHAT, _WHEN))
        return f"{draw.choice(SPEAKERS)}: {words.capitalize()}{draw.choice('.!?')}\n\n"

    return "".join(line() for _ in range(lines))


def prepared(source: Path | str, folder: Path, **options: Any) -> Dataset:
    """A dataset of a corpus, at the word level unless the options say otherwise."""
    found = find_source(str(source), load_cards())
    chosen = PrepareOptions(**{"level": "word", "min_count": 1, **options})
    prepare_corpora([fetch(found)], chosen, DatasetFolder(folder))
    return Dataset(DatasetFolder(folder))


def mixed(corpora: Sequence[str], folder: Path, **options: Any) -> Dataset:
    """A dataset of files or folders, each perhaps with a weight; at the char level unless told otherwise."""
    sources = find_sources(corpora, load_cards())
    chosen = PrepareOptions(**{"level": "char", "min_count": 1, **options})
    prepare_corpora([fetch(source) for source in sources], chosen, DatasetFolder(folder))
    return Dataset(DatasetFolder(folder))


def small(**changes: Any) -> Settings:
    """Settings of a training that takes a second or two, with all the dropout there is."""
    suited = {
        "hidden_size": 16,
        "embedding_size": 8,
        "dropout_input": 0.1,
        "dropout_output": 0.2,
        "batch_size": 4,
        "sequence_length": 16,
        "epochs": 2,
        "validations": 5,
    }
    return resolve(suited, changes)


def finish(reports: Iterator[TrainingEvent]) -> Finished:
    """Lets a training go on to its end."""
    *_, last = reports
    assert isinstance(last, Finished)
    return last


def naive_nats(model: Any, ids: list[int], first: int) -> float:
    """The negative log-likelihood of ids in nats, read one by one, each predicted from those before."""
    state = model.initial_state(1)
    nats = 0.0
    with torch.no_grad():
        for before, id_ in zip([first, *ids[:-1]], ids, strict=True):
            logits_BTV, state = model(torch.tensor([[before]]), state)
            nats -= float(logits_BTV[0, 0].double().log_softmax(-1)[id_])
    return nats
