"""Random numbers: seeds, and a generator for each text, so that a text does not depend on the others.

The generator is the Mersenne Twister (Matsumoto and Nishimura 1998), seeded and read as in PyTorch, so that a
seed keeps giving the same text.

Shape letters: B sequences of the batch, R numbers drawn ahead.
"""

import secrets
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scriptforge.generation.decoder import Saved, integers_in

_DRAWN_AHEAD = 256
_FRESH_SEEDS = 1_000_000
_24_BITS, _32_BITS = (1 << 24) - 1, (1 << 32) - 1
_WORDS = 624  # of a generator's state, which is followed by its position: the words already used


def fresh_seed() -> int:
    """Return an unpredictable seed that is easy to type: 1 to 999,999.

    It comes from the operating system, so that the random state of the process stays as it is.
    """
    return 1 + secrets.randbelow(_FRESH_SEEDS - 1)


def candidate_seeds(seeds: Sequence[int], candidates: int) -> list[int]:
    """Return the seeds of all candidates of each text: the text's own, and others derived from it."""
    return [
        int(np.random.SeedSequence([seed, each]).generate_state(1)[0]) if each else seed
        for seed in seeds
        for each in range(candidates)
    ]


class BatchRNG:
    """Random number generators for B sequences; the numbers of each depend on its seed alone."""

    def __init__(self, seeds: Sequence[int]) -> None:
        # A `RandomState` takes a seed of 32 bits; PyTorch, too, ignores the others.
        self._generators = [np.random.RandomState(seed & _32_BITS) for seed in seeds]
        self._draw_ahead()

    def uniform(self) -> NDArray[np.float64]:
        """Return the next two numbers of each sequence, `(2, B)`, in 0 ≤ x < 1."""
        if self._next == _DRAWN_AHEAD:
            self._draw_ahead()
        self._next += 1
        numbers_2B: NDArray[np.float64] = self._numbers_R2B[self._next - 1]
        return numbers_2B

    def rollback(self) -> None:
        """Undo the last `uniform`, whose numbers then come again; at most once after each."""
        self._next -= 1

    def state(self) -> Saved:
        """Return what `restore` needs to continue with the same numbers."""
        return {"generators": self._before, "next": np.array(self._next)}

    def restore(self, state: Saved) -> None:
        """Continue from a state of the same batch size.

        Raises:
            ValueError or KeyError: the state is not one of as many generators.
        """
        shape = len(self._generators), _WORDS + 1
        words_BW = integers_in(state, "generators", shape, 0, _32_BITS)
        used = int(integers_in(state, "next", (), 0, _DRAWN_AHEAD))
        if words_BW[:, -1].max() > _WORDS:  # NumPy reads there unchecked
            raise ValueError("a generator's position is out of range")
        for generator, words in zip(self._generators, words_BW, strict=True):
            generator.set_state(("MT19937", words[:-1].astype(np.uint32), int(words[-1]), 0, 0.0))
        self._draw_ahead()
        self._next = used

    def _draw_ahead(self) -> None:
        """Draw numbers ahead; those of one sequence never depend on the size of the batch."""
        states = [generator.get_state(legacy=True) for generator in self._generators]
        self._before = np.array([[*key, place] for _, key, place, *_ in states], np.uint32)
        drawn_B2R = np.stack(
            [each.randint(0, 1 << 32, (2, _DRAWN_AHEAD), np.uint32) for each in self._generators]
        )
        # PyTorch makes a float32 of the 24 lower bits of each word.
        self._numbers_R2B = np.ascontiguousarray((drawn_B2R & _24_BITS).transpose(2, 1, 0)) * 2.0**-24
        self._next = 0
