"""Nothing longer than the limit is copied, at any level, however much a model would like to copy."""

import random
from collections.abc import Iterator, Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scriptforge.generation.copying import CopyLimit
from scriptforge.generation.grammar import build_grammar
from scriptforge.generation.transcript import new_transcript
from scriptforge.originality import Index, examine, lines_of_script, lines_of_text
from scriptforge.screenplay.script import Element
from scriptforge.vocabulary import LEVELS, Level, Vocabulary

CPU = torch.device("cpu")

PLAY = (
    Element("heading", "INT. FERRY - NIGHT"),
    Element("action", "The café's lamp goes out… and in/out again, at 8:30 or 9:45."),
    Element("dialogue", "Who's there? I said: who’s there, and don't say “nobody” again!", "Ida"),
    Element("dialogue", "Nobody. It is nobody — nobody at all, and/or the goose.", "Walt"),
    Element("dialogue", "The goose, the goose, the goose!\nIs it the goose?", "Ida"),
    Element("transition", "CUT TO:"),
    Element("dialogue", "It is the goose, and it is the goose that I said it is.", "Uncle Ünal"),
    Element("dialogue", "Who said it is? I don't say it is. Straße, straße, naïveté, é.", "Walt"),
    Element("dialogue", "Who's there, and don't say it is nobody at all.", "Ida"),
)
TEXT = "".join(f"{element.speaker}: {element.text}\n\n" for element in PLAY)
INDEX = Index(lines_of_script(PLAY))
PLAIN_INDEX = Index(lines_of_text(TEXT))
LANES = 2
STEPS = 80


def train(level: Level, *, plain: bool) -> Vocabulary:
    texts = [TEXT] if plain else [part for element in PLAY for part in (element.text, element.speaker)]
    return Vocabulary.train(
        texts * 3,
        level,
        size=330 if level == "bpe" else None,
        min_count=4 if level == "char" else 1,  # rare characters are spelled in bytes
        speakers=() if plain else ["Ida"],
        plain=plain,
    )


VOCABULARIES = {(level, plain): train(level, plain=plain) for level in LEVELS for plain in (False, True)}


class Copycat:
    """Goes on with the training text for as long as it may, and after a stumble from another such place.

    Args:
        ids: the training text.
        eagerness: how often it copies where it may, 0 … 1; else it takes anything.
        seed: decides everything.
    """

    def __init__(self, ids: Sequence[int], eagerness: float, seed: int) -> None:
        self._ids = [*ids, *ids[:1]]
        self._places: dict[int, list[int]] = {}
        for place, id_ in enumerate(ids):
            self._places.setdefault(id_, []).append(place)
        self._eagerness = eagerness
        self._random = random.Random(seed)
        self._place = 0

    def draw(self, forbidden_V: torch.Tensor) -> int:
        wanted = self._ids[self._place]
        if forbidden_V[wanted] or self._random.random() > self._eagerness:
            wanted = self._random.choice((~forbidden_V).nonzero().flatten().tolist())
        places = self._places.get(wanted) or [0]
        self._place = (self._place if self._place in places else self._random.choice(places)) + 1
        return wanted


def write(
    vocabulary: Vocabulary, limit: CopyLimit | None, eagerness: float, seed: int, steps: int = STEPS
) -> Iterator[str | tuple[Element, ...]]:
    """What copycats write on all lanes: elements of scripts, or plain texts."""
    training = vocabulary.encode(TEXT) if vocabulary.plain else vocabulary.encode_elements(PLAY).ids.tolist()
    copycats = [Copycat(training, eagerness, seed * LANES + lane) for lane in range(LANES)]
    grammar = build_grammar(vocabulary, CPU)
    transcripts = [new_transcript(vocabulary) for _ in range(LANES)]
    texts = [""] * LANES
    position = grammar.advance(grammar.start(LANES), torch.full((LANES,), vocabulary.end))
    for _ in range(steps):
        forbidden_BV = grammar.forbidden(position)
        if limit:
            forbidden_BV = limit.forbid(forbidden_BV)
            assert not forbidden_BV.all(-1).any()
        ids = [copycat.draw(forbidden_V) for copycat, forbidden_V in zip(copycats, forbidden_BV, strict=True)]
        position = grammar.advance(position, torch.tensor(ids))
        if limit:
            limit.advance(ids)
        for lane, id_ in enumerate(ids):
            texts[lane] += transcripts[lane].push(id_)
    for text, transcript in zip(texts, transcripts, strict=True):
        yield text if vocabulary.plain else transcript.elements


def longest_copy(written: str | tuple[Element, ...]) -> int:
    if isinstance(written, str):
        report = examine(lines_of_text(written), PLAIN_INDEX)
    else:
        report = examine(lines_of_script(written), INDEX)
    return report.longest_copy.words if report.longest_copy else 0


@pytest.mark.parametrize("plain", [False, True], ids=["script", "plain"])
@pytest.mark.parametrize("level", LEVELS)
@given(
    words=st.integers(1, 6), eagerness=st.sampled_from([0.0, 0.8, 0.98, 1.0]), seed=st.integers(0, 1_000_000)
)
def test_no_copy_is_longer_than_the_limit(
    level: Level, plain: bool, words: int, eagerness: float, seed: int
) -> None:
    vocabulary = VOCABULARIES[level, plain]
    limit = CopyLimit(PLAIN_INDEX if plain else INDEX, vocabulary, words, LANES)
    longest = max(map(longest_copy, write(vocabulary, limit, eagerness, seed)))
    assert longest <= words or limit.relaxed
