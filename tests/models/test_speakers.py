"""Who speaks and who spoke before, at every token of a text."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scriptforge.errors import RunError
from scriptforge.inference import config_from_json
from scriptforge.inference.speakers import Speakers
from scriptforge.models import State
from scriptforge.models.speakers import SpeakerEmbedding

END, ACTION, CUE, SAYS, JERRY, ELAINE, WORD = 0, 2, 4, 5, 6, 7, 8
EMBEDDING = SpeakerEmbedding(layout_size=8, speakers=2, embedding_size=3, feature_size=4)
texts = st.lists(st.integers(0, 12), min_size=1, max_size=30)


def followed(ids: list[int]) -> list[tuple[int, int]]:
    speakers_2BT = EMBEDDING.follow(torch.tensor([ids]), EMBEDDING.initial_state(1))
    return list(zip(*speakers_2BT[:, 0].tolist(), strict=True))


def test_every_token_comes_with_who_speaks_and_who_spoke_before() -> None:
    nobody, jerry, elaine = 0, 1, 2
    expected = [
        (END, nobody, nobody),
        (WORD, nobody, nobody),
        (JERRY, jerry, nobody),
        (WORD, jerry, nobody),
        (ELAINE, elaine, jerry),
        (WORD, elaine, jerry),
        (ELAINE, elaine, elaine),
        (ACTION, nobody, elaine),
        (WORD, nobody, elaine),
        (JERRY, jerry, elaine),
        (CUE, nobody, jerry),
        (WORD, nobody, jerry),
        (SAYS, nobody, jerry),
        (WORD, nobody, jerry),
        (ELAINE, elaine, jerry),
        (END, nobody, nobody),
        (JERRY, jerry, nobody),
    ]
    assert followed([id_ for id_, *_ in expected]) == [(now, before) for _, now, before in expected]


@given(texts, st.integers(0, 30))
def test_a_text_in_parts_one_token_at_a_time_or_at_once_tells_the_same(ids: list[int], cut: int) -> None:
    pairs = followed(ids)
    by_one: State = (EMBEDDING.initial_state(1),)
    by_table = by_one[0].numpy()
    weights = {f"speaker_embedding.{name}": weight.numpy() for name, weight in EMBEDDING.state_dict().items()}
    speakers = Speakers(8, 2, weights)
    for id_, pair in zip(ids, pairs, strict=True):
        by_one = EMBEDDING.embed(torch.tensor([[id_]]), torch.zeros(1, 1, 3), by_one).after
        by_table = speakers.look_up(np.array([[id_]]), by_table).after_2B1
        assert by_one[0][:, 0, 0].tolist() == by_table[:, 0, 0].tolist() == list(pair)
    state: State = (EMBEDDING.initial_state(1),)
    for part in filter(len, (ids[:cut], ids[cut:])):
        state = EMBEDDING.embed(torch.tensor([part]), torch.zeros(1, len(part), 3), state).after
    assert state[0][:, 0, 0].tolist() == list(pairs[-1])


@pytest.mark.parametrize(("layout_size", "speakers"), [(3, 3), (6, 2), (0, 1)])
def test_speakers_that_the_layout_or_vocabulary_cannot_hold_are_refused(
    layout_size: int, speakers: int
) -> None:
    sizes = {"vocabulary_size": 5, "embedding_size": 2, "hidden_size": 2, "arch": "lstm"}
    with pytest.raises(RunError):
        config_from_json({**sizes, "layout_size": layout_size, "speakers": speakers})
