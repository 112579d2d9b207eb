"""Scripts from a model of a mix: whatever it would like to write, each is of one source."""

from collections.abc import Callable

import pytest
import torch
from support.generation import generate

from scriptforge.models.recurrent import Recurrent
from scriptforge.options import GenerateOptions
from scriptforge.screenplay.formats import read
from scriptforge.vocabulary import LEVELS, Level, Vocabulary

TEXTS = ["what now?\n", "hello, newman.\n", "(softly) no!"]
SOURCES = {"diner": ["Jerry", "Elaine"], "bridge": ["JERRY", "Walt"]}


@pytest.mark.parametrize("level", LEVELS)
def test_a_script_has_the_speakers_of_one_source(
    level: Level, untrained_model: Callable[[Vocabulary], Recurrent]
) -> None:
    vocabulary = Vocabulary.train(TEXTS, level, speakers=["Dee"], sources=SOURCES)
    model = untrained_model(vocabulary)
    cues = [token.id for token in vocabulary.speaker_tokens]
    with torch.no_grad():  # speakers with a token, and scripts that end soon
        model.head.bias[[*cues, vocabulary.end]] += 4
    texts = generate(model, vocabulary, GenerateOptions(lines=12, count=60, seed=1, temperature=1, min_p=0))
    seen = set()
    for text in texts:
        assert len(text.elements) == 12
        assert tuple(read(text.text.splitlines(), "name-line")) == text.elements
        speakers = {element.speaker for element in text.elements}
        of = [source for source, names in SOURCES.items() if speakers & set(names)]
        assert len(of) <= 1
        seen |= speakers
    assert seen >= {"Dee", *SOURCES["diner"], *SOURCES["bridge"]}
