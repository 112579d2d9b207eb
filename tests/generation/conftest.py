"""Small vocabularies of every level, and untrained models that fit them."""

from collections.abc import Callable

import pytest
import torch

from scriptforge.inference.configs import RecurrentConfig
from scriptforge.models.recurrent import Recurrent
from scriptforge.screenplay.script import Element
from scriptforge.vocabulary import LEVELS, Level, Vocabulary

CAST = ("Jerry", "ELAINE", "Uncle Leo", "Cop 2")

SCRIPT = (
    Element("heading", "INT. DINER - NIGHT"),
    Element("action", "(the door opens)"),
    Element("dialogue", 'what is the "deal" with this? GO TO: who are you, newman?', "Jerry"),
    Element("dialogue", "hello, newman. it's two-thirds... no!", "Jerry"),
    Element("dialogue", "(softly) verse one,\nverse two é.", "ELAINE"),
    Element("transition", "CUT TO:"),
    Element("dialogue", "10 four: FADE OUT", "Cop 2"),
)
TEXTS = [f"{element.text}\n" for element in SCRIPT] + ["newman", "setting INT."]

QUICK_LEVELS = [pytest.param(level, marks=pytest.mark.slow if level == "bpe" else ()) for level in LEVELS]
"""Every level, the one that takes longest marked so."""


def train_vocabulary(level: Level, *, plain: bool = False) -> Vocabulary:
    size = 400 if level == "bpe" else None
    return Vocabulary.train(TEXTS, level, size=size, speakers=() if plain else CAST, plain=plain)


@pytest.fixture(scope="session", params=QUICK_LEVELS)
def vocabulary(request: pytest.FixtureRequest) -> Vocabulary:
    """A vocabulary for scripts."""
    return train_vocabulary(request.param)


@pytest.fixture(scope="session", params=QUICK_LEVELS)
def plain_vocabulary(request: pytest.FixtureRequest) -> Vocabulary:
    """A vocabulary for plain text."""
    return train_vocabulary(request.param, plain=True)


@pytest.fixture(scope="session")
def vocabulary_of() -> Callable[[Level], Vocabulary]:
    """The vocabulary for scripts of a level that the test names."""
    return {level: train_vocabulary(level) for level in LEVELS}.__getitem__


@pytest.fixture(scope="session")
def untrained_model() -> Callable[[Vocabulary], Recurrent]:
    """Makes a tiny model that knows nothing; every call makes the same one."""

    def make(vocabulary: Vocabulary) -> Recurrent:
        torch.manual_seed(1)
        model = Recurrent(RecurrentConfig(vocabulary_size=vocabulary.size, embedding_size=8, hidden_size=16))
        return model.eval()

    return make


@pytest.fixture(scope="session")
def script_elements() -> tuple[Element, ...]:
    """A script of which the vocabularies know every word."""
    return SCRIPT
