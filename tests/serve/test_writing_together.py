"""Several who write at once: each gets what it would get alone, and whoever goes away holds up nobody."""

import asyncio
import contextlib
import json
import socket
import threading
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.room import ServedRoom

from scriptforge.generation.decoder import ModelDecoder
from scriptforge.inference import FloatArray, Ids, InferenceModel, State
from scriptforge.run.run import Run
from scriptforge.screenplay.script import Element
from scriptforge.serve.batching import BatchingModel
from scriptforge.serve.copies import TrainingTexts
from scriptforge.serve.engine import MAX_WAITING, MAX_WRITING, Engine
from scriptforge.serve.prefix_cache import PrefixCache
from scriptforge.serve.prompt import EncodedRequest, SuggestionRequest, encode_request, first_read
from scriptforge.serve.runs import OfferedRuns, Runs
from scriptforge.workspace import RunFolder, Workspace


@pytest.fixture(scope="module")
def run(tiny_run: RunFolder) -> Run:
    return Run(tiny_run)


def encoded(run: Run, *lines: str) -> EncodedRequest:
    elements = [{"kind": "action", "text": line} for line in lines]
    request = SuggestionRequest.model_validate({"run": "harbour", "elements": elements})
    return encode_request(request, run.vocabulary, seed=1)


class TestBatchingModel:
    def test_rows_come_to_the_same_in_any_company(self, run: Run) -> None:
        model = BatchingModel(run.inference())
        draw = np.random.RandomState(1)
        ids = [draw.randint(0, run.vocabulary.size, (rows, 3)) for rows in (1, 2, 5, 1, 10, 3)]
        alone = [self._read(model, each) for each in ids]
        found: dict[int, tuple[bytes, ...]] = {}

        def read(number: int) -> None:
            with model.active_writer():
                found[number] = self._read(model, ids[number])

        threads = [threading.Thread(target=read, args=(number,)) for number in range(len(ids))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert [found[number] for number in range(len(ids))] == alone

    def test_it_reads_as_the_model_does(self, run: Run) -> None:
        model, alone = BatchingModel(run.inference()), run.inference()
        ids = np.random.RandomState(2).randint(0, run.vocabulary.size, (3, 1))
        features, state = model.features(ids, model.initial_state(3))
        expected, after = alone.features(ids, alone.initial_state(3))
        np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(model.score(features), alone.score(expected), rtol=1e-4, atol=1e-4)
        for own, other in zip(state, after, strict=True):
            np.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-5)

    def test_margins_of_a_row_are_the_same_in_any_company(self, run: Run) -> None:
        model = BatchingModel(run.inference())
        ids = np.random.RandomState(3).randint(0, run.vocabulary.size, (21, 1))
        features_BTH, _ = model.features(ids, model.initial_state(21))
        features_BH, others_BH = features_BTH[:, 0], features_BTH[::-1, 0]
        rows_N = np.array([20, 0, 7, 7, 16])
        together_N = model.margins(features_BH, others_BH, rows_N, rows_N)
        for row, margin in zip(rows_N, together_N, strict=True):
            one = slice(row, row + 1)
            assert model.margins(features_BH[one], others_BH[one], np.array([0]), np.array([row])) == margin
        expected_N = run.inference().margins(features_BH, others_BH, rows_N, rows_N)
        np.testing.assert_allclose(together_N, expected_N, rtol=1e-4, atol=1e-4)

    def test_what_fails_for_one_is_told_to_it(self, run: Run) -> None:
        model = BatchingModel(run.inference())
        with pytest.raises(IndexError):
            model.features(np.array([[10**6]]), model.initial_state(1))
        assert model.score(model.features(np.array([[0]]), model.initial_state(1))[0]).shape[0] == 1

    @staticmethod
    def _read(model: BatchingModel, ids: Any) -> tuple[bytes, ...]:
        state, parts = model.initial_state(len(ids)), []
        for step in range(ids.shape[1]):
            features, state = model.features(ids[:, step : step + 1], state)
            parts.append(model.score(features[:, -1]).tobytes())
        return (*parts, *(each.tobytes() for each in state))


class TestPrefixCache:
    def test_it_remembers_what_reading_all_at_once_gives(self, run: Run) -> None:
        texts = PrefixCache(run.inference(), run.vocabulary, None)
        lines = [f"The ferryman lost {number} bells." for number in range(20)]
        for count in (20, 3, 12, 20):  # from nothing, from a part, from the middle, from all
            asked = encoded(run, *lines[:count])
            ids = [*asked.opening, *(id_ for part in asked.element_ids for id_ in part)]
            decoder = ModelDecoder(run.inference(), 1)
            decoder.read(np.array([ids[:-1]]))
            found = texts.state_after(asked, 2)
            for name, expected in decoder.state().items():
                for row in range(2):
                    np.testing.assert_allclose(found[name][:, row], expected[:, 0], rtol=1e-4, atol=1e-6)

    def test_a_text_of_which_a_line_was_changed_is_another(self, run: Run) -> None:
        texts = PrefixCache(run.inference(), run.vocabulary, None)
        one = texts.state_after(encoded(run, "A bell.", "Two umbrellas.", "My hat."), 1)
        other = texts.state_after(encoded(run, "A goose.", "Two umbrellas.", "My hat."), 1)
        assert any((one[name] != other[name]).any() for name in one)


@settings(max_examples=25)
@given(st.lists(st.integers(0, 3), min_size=120, max_size=160))
def test_what_is_read_of_a_long_script_seldom_begins_elsewhere(numbers: list[int]) -> None:
    lines = [Element("action", f"Line {place} says {number}.") for place, number in enumerate(numbers)]
    firsts = [first_read(lines[:count]) for count in range(60, len(lines) + 1)]
    assert firsts == sorted(firsts)
    assert all(24 <= count - first <= 56 for count, first in enumerate(firsts, start=60))
    assert len(set(firsts)) <= len(firsts) / 4


def test_of_a_long_script_only_the_end_is_read(run: Run) -> None:
    lines = [f"Line {number}." for number in range(400)]
    read = encoded(run, *lines).element_ids
    assert read == encoded(run, *lines[-60:]).element_ids
    assert 24 <= len(read) <= 56


class Panic(BaseException):
    """What a library in Rust raises when it has failed: no `Exception`."""


class Panicking(InferenceModel):
    """A model that fails like that once it is told to."""

    def __init__(self, model: InferenceModel) -> None:
        self.config = model.config
        self.is_broken = False
        self._model = model

    def features(self, ids_BT: Ids, state: State) -> tuple[FloatArray, State]:
        return self._model.features(ids_BT, state)

    def score(self, features_BTH: FloatArray) -> FloatArray:
        if self.is_broken:
            raise Panic("no entry found for key")
        return self._model.score(features_BTH)

    def initial_state(self, sequences: int) -> State:
        return self._model.initial_state(sequences)


def test_after_panics_in_all_threads_there_is_an_answer_and_the_room_writes_on(room_workspace: Path) -> None:
    runs = Runs(OfferedRuns(Workspace(room_workspace)))
    opened = runs.load("harbour")
    model = Panicking(opened.model)
    opened.model = BatchingModel(model)
    engine = Engine(runs, TrainingTexts(runs))

    async def write() -> list[Any]:
        job = await engine.submit(SuggestionRequest(run="harbour", seed=1))
        return [event async for events in job.events() for event in events]

    async def ask() -> None:
        model.is_broken = True
        async with asyncio.timeout(60):
            for _ in range(2):
                answers = await asyncio.gather(*[write() for _ in range(MAX_WRITING)], return_exceptions=True)
                assert [type(each) for each in answers] == [RuntimeError] * MAX_WRITING
            model.is_broken = False
            assert (await write())[-1]["done"]

    asyncio.run(ask())
    engine.close()


def test_who_goes_away_stops_the_writing(room: ServedRoom) -> None:
    body = json.dumps({"run": "harbour", "lines": 8, "count": 5, "temperature": 5}).encode()
    head = (
        f"POST /api/suggestions HTTP/1.1\r\nHost: 127.0.0.1:{room.port}\r\n"
        f"Authorization: Bearer {room.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    for _ in range(3 * MAX_WRITING):  # more than could be written at once
        with socket.create_connection(("127.0.0.1", room.port), timeout=30) as connection:
            connection.sendall(head.encode() + body)
            connection.recv(100)
    assert room.suggest(seed=1)[-1]["done"]


def test_when_too_many_wait_they_are_told_to_come_again(room: ServedRoom) -> None:
    statuses: list[int] = []
    asked = json.dumps({"run": "harbour", "lines": 8, "count": 5})

    def ask_at_once() -> None:
        with contextlib.closing(HTTPConnection("127.0.0.1", room.port, timeout=120)) as connection:
            connection.request("POST", "/api/suggestions", asked, {"Authorization": f"Bearer {room.token}"})
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
            assert answer.status == 200 or int(answer.headers["retry-after"]) >= 1

    threads = [threading.Thread(target=ask_at_once) for _ in range(3 * (MAX_WAITING + MAX_WRITING))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {200, 429} and statuses.count(200) >= MAX_WRITING
    assert len(statuses) == len(threads)


def test_a_room_that_is_gone_through_is_as_it_was(room: ServedRoom, room_workspace: Path) -> None:
    assert room.client.get("api/about").status_code == 200
    assert "Traceback" not in room.stderr.read_text(encoding="utf-8")
