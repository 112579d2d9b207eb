"""A model shared by several threads, whose simultaneous calls are computed as one batch.

Each writer is a thread with its own decoding loop, and uses the model like any other. Its call waits until
every other active writer has called, too; then one of the threads computes the batch for all.

The result of a row must not depend on the other rows, or a seed would give another text whenever others write
at the same time. Matrix products do not guarantee that: the number of rows decides the order in which terms
are summed. So rows are always computed in blocks of one size, the last one padded. The size is the largest
for which tests show that the position of a row in its block makes no difference (`batch_invariant_size`).

Shape letters: B sequences of one writer, R rows of all writers, T steps, H features, V vocabulary.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from scriptforge.inference import FloatArray, Ids, InferenceModel, State

_BLOCK_SIZES = (16, 8, 4, 2)
_TRIALS = 12
_STEPS_BEFORE_TRIALS = 3


@dataclass(eq=False)
class _Call:
    """A pending call of one writer: to read one token after a state, or to score features."""

    ids_B1: Ids | None = None
    state: State = ()
    features_BTH: FloatArray | None = None
    result: tuple[FloatArray, State] | None = None
    error: BaseException | None = None


class BatchingModel(InferenceModel):
    """A model that several threads may use at once.

    Args:
        model: the model that computes the batches.
    """

    def __init__(self, model: InferenceModel) -> None:
        self.config = model.config
        self._model = model
        self._block = batch_invariant_size(model)
        self._condition = threading.Condition()
        self._writers = 0
        self._calls: list[_Call] = []

    @contextmanager
    def active_writer(self) -> Iterator[None]:
        """Count this thread as an active writer during the block: the others wait for its calls."""
        with self._condition:
            self._writers += 1
        try:
            yield
        finally:
            with self._condition:
                self._writers -= 1
                self._compute_if_all_wait()

    def initial_state(self, sequences: int) -> State:
        """See `InferenceModel.initial_state`."""
        return self._model.initial_state(sequences)

    def features(self, ids_BT: Ids, state: State) -> tuple[FloatArray, State]:
        """Read one token in a batch with other writers, or several alone; see `InferenceModel.features`."""
        if ids_BT.shape[1] > 1:
            return self._read(ids_BT, state)
        return self._wait_for(_Call(ids_B1=ids_BT, state=state))

    def score(self, features_BTH: FloatArray) -> FloatArray:
        """See `InferenceModel.score`."""
        return self._wait_for(_Call(features_BTH=features_BTH))[0]

    def margins(self, features_BH: FloatArray, others_BH: FloatArray, rows_N: Ids, ids_N: Ids) -> FloatArray:
        """See `InferenceModel.margins`."""
        size = self._block
        missing = -len(features_BH) % size
        features_BH, others_BH = (
            np.pad(each_BH, ((0, missing), (0, 0))) for each_BH in (features_BH, others_BH)
        )
        margins_N = np.empty(len(rows_N), np.float32)
        for start in range(0, len(features_BH), size):
            block = slice(start, start + size)
            is_here_N = rows_N // size == start // size
            margins_N[is_here_N] = self._model.margins(
                features_BH[block], others_BH[block], rows_N[is_here_N] - start, ids_N[is_here_N]
            )
        return margins_N

    def _wait_for(self, call: _Call) -> tuple[FloatArray, State]:
        with self._condition:
            self._calls.append(call)
            self._compute_if_all_wait()
            while call.result is None and call.error is None:
                self._condition.wait()
        if call.error is not None:
            raise call.error
        assert call.result is not None
        return call.result

    def _compute_if_all_wait(self) -> None:
        """Compute the pending calls once every active writer has made one.

        Scores come first, so that a writer that has just begun is soon in step with the others and reads
        with them.
        """
        if not self._calls or len(self._calls) < self._writers:
            return
        scoring = [call for call in self._calls if call.features_BTH is not None]
        chosen = scoring or self._calls
        self._calls = [call for call in self._calls if call not in chosen]
        try:
            (self._score_all if scoring else self._read_all)(chosen)
        except BaseException as error:  # even a panic in a library: the others wait for a result
            for call in chosen:
                call.error = error
        self._condition.notify_all()

    def _read_all(self, calls: Sequence[_Call]) -> None:
        ids_R1 = np.concatenate([call.ids_B1 for call in calls if call.ids_B1 is not None])
        together = zip(*(call.state for call in calls), strict=True)
        features_R1H, after = self._read(ids_R1, tuple(np.concatenate(each, axis=1) for each in together))
        start = 0
        for call in calls:
            assert call.ids_B1 is not None
            stop = start + len(call.ids_B1)
            call.result = features_R1H[start:stop], tuple(each[:, start:stop] for each in after)
            start = stop

    def _score_all(self, calls: Sequence[_Call]) -> None:
        given = [call.features_BTH for call in calls if call.features_BTH is not None]
        rows_RH = np.concatenate([each.reshape(-1, each.shape[-1]) for each in given])
        scores_RV = self._score(rows_RH)
        start = 0
        for call, each in zip(calls, given, strict=True):
            stop = start + each.size // each.shape[-1]
            call.result = scores_RV[start:stop].reshape(*each.shape[:-1], -1), ()
            start = stop

    def _read(self, ids_RT: Ids, state: State) -> tuple[FloatArray, State]:
        """Read rows in blocks of one size, the last one padded."""
        count, size = len(ids_RT), self._block
        missing = -count % size
        ids_RT = np.pad(ids_RT, ((0, missing), (0, 0)))
        state = tuple(np.pad(each, ((0, 0), (0, missing), (0, 0))) for each in state)
        parts = [
            self._model.features(
                ids_RT[start : start + size], tuple(each[:, start : start + size] for each in state)
            )
            for start in range(0, len(ids_RT), size)
        ]
        features_RTH = np.concatenate([features for features, _ in parts])[:count]
        together = zip(*(after for _, after in parts), strict=True)
        return features_RTH, tuple(np.concatenate(each, axis=1)[:, :count] for each in together)

    def _score(self, features_RH: FloatArray) -> FloatArray:
        count, size = len(features_RH), self._block
        features_RH = np.pad(features_RH, ((0, -count % size), (0, 0)))
        parts = [
            self._model.score(features_RH[start : start + size]) for start in range(0, len(features_RH), size)
        ]
        return np.concatenate(parts)[:count]


def batch_invariant_size(model: InferenceModel) -> int:
    """Return the largest block size with which no row depends on its position or on the other rows.

    Sample rows are read and scored in random blocks, and the results are compared bit by bit. Every token is
    read once beforehand, so that nothing that the model caches per token is computed later, in another batch.
    """
    size = model.config.vocabulary_size
    model.features(np.arange(size)[None], model.initial_state(1))
    rng = np.random.RandomState(0)
    count = 3 * max(_BLOCK_SIZES)
    ids_RT = rng.randint(0, size, (count, _STEPS_BEFORE_TRIALS))
    _, state = model.features(ids_RT, model.initial_state(count))
    next_R1 = rng.randint(0, size, (count, 1))
    for block in _BLOCK_SIZES:
        seen: dict[int, bytes] = {}
        places = [rng.permutation(count)[:block] for _ in range(_TRIALS)]
        if all(_gives_same_bits(model, next_R1, state, place, seen) for place in places):
            return block
    return 1


def _gives_same_bits(
    model: InferenceModel, ids_R1: Ids, state: State, place: Ids, seen: dict[int, bytes]
) -> bool:
    """Return whether some rows give the same bits as before; record in `seen` those that are new."""
    features, after = model.features(ids_R1[place], tuple(each[:, place] for each in state))
    scores = model.score(features[:, -1])
    for number, row in enumerate(place.tolist()):
        own = b"".join([scores[number].tobytes(), *(each[:, number].tobytes() for each in after)])
        if seen.setdefault(row, own) != own:
            return False
    return True
