"""Texts that the kernel computes, beside the same in NumPy."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from support.kernels import all_kernels, computing_with

from scriptforge.generation.generate import Generation
from scriptforge.inference.configs import RecurrentConfig
from scriptforge.models.recurrent import Recurrent
from scriptforge.options import GenerateOptions
from scriptforge.text_statistics import TextStatistics
from scriptforge.text_statistics.brackets import BracketStatistics
from scriptforge.text_statistics.repetition import RepetitionStatistics
from scriptforge.text_statistics.turns import TurnStatistics
from scriptforge.vocabulary import Level, Vocabulary

STATISTICS = TextStatistics(
    turns=TurnStatistics(same_again=0.03, busiest=0.3),
    repetition=RepetitionStatistics(runs=[[0.01] * 5] * 3, lines=[0.01] * 5),
    brackets=BracketStatistics(closed=["()"], turning=["to"]),
)
ASKED = GenerateOptions(seed=1, length=120, voice=0.5)
WAYS = {
    "by default": ASKED,
    "three at once": replace(ASKED, count=3),
    "cold": replace(ASKED, temperature=0),
    "the best of three": replace(ASKED, best_of=3),
    "by other filters": replace(ASKED, top_k=5, top_p=0.9, repetition_penalty=1.2),
    "with a cache": replace(ASKED, cache=0.1),
}


def told_model(vocabulary: Vocabulary) -> Recurrent:
    """A model that is told who speaks, in two layers, with weights as large as those of a trained one."""
    torch.manual_seed(1)
    speakers = len(vocabulary.speaker_tokens)
    sizes = RecurrentConfig(
        vocabulary_size=vocabulary.size,
        embedding_size=8,
        hidden_size=24,
        layers=2,
        layout_size=vocabulary.layout_size,
        speakers=speakers,
    )
    model = Recurrent(sizes).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3)
    return model


@pytest.mark.parametrize("level", ["word", "char"])
@pytest.mark.parametrize("asked", WAYS.values(), ids=WAYS)
def test_a_seed_gives_the_same_text(
    vocabulary_of: Callable[[Level], Vocabulary], level: Level, asked: GenerateOptions
) -> None:
    vocabulary = vocabulary_of(level)
    model = told_model(vocabulary)

    def texts() -> list[str]:
        return [text.text for text in Generation(model, vocabulary, asked, statistics=STATISTICS).write()]

    with computing_with(None):
        expected = texts()
    for loaded in all_kernels():
        with computing_with(loaded):
            assert texts() == expected
