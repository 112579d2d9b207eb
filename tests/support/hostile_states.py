"""Saved states with numbers that no text leads to, and what continuing them comes to.

As a program, with a run's folder, a folder for files and a number of attempts, since what it looks for is a
crash: it prints what comes to neither a text nor an error that says what is wrong.
"""

import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from scriptforge.generation.generate import Session
from scriptforge.options import GenerateOptions
from scriptforge.run.run import Run
from scriptforge.workspace import RunFolder
from support.verdict import problem_of

OPTIONS = {
    "plain": GenerateOptions(lines=2),
    "best of 4": GenerateOptions(lines=2, best_of=4),
    "cast": GenerateOptions(lines=2, cast=("Bo", "ELAINE"), stage_directions=False),
    "cache and voices": GenerateOptions(lines=2, cache=0.2, voice=1.5),
    "repetition": GenerateOptions(lines=2, repetition_penalty=1.3, no_repeat_ngram=3),
    "best of 2, with all": GenerateOptions(lines=2, best_of=2, cache=0.2, voice=1.5, cast=("Bo", "ELAINE")),
    "anew": GenerateOptions(lines=2, seed=5),
}
"""Options that keep different states; the last ones read a text anew."""

EXTREMES = (
    *(0, 1, 7, 100, -1, -2, 2**31, -(2**31), 2**32, 2**62, 2**63 - 1, -(2**63), 2**64 - 1),
    *(np.nan, np.inf, -3e38),
)
TYPES = tuple(map(np.dtype, ("int64", "uint64", "float32", "float64", "bool")))

Arrays = dict[str, NDArray[Any]]


def contents(path: Path) -> tuple[Arrays, dict[str, str]]:
    """Return the arrays of a saved state, and its metadata."""
    with safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118


def hostile(arrays: Arrays, draw: random.Random) -> Iterator[tuple[str, Arrays]]:
    """Yield the arrays with an extreme number, at one place or everywhere, in each of them in turn."""
    with np.errstate(all="ignore"):
        for name, array in arrays.items():
            places: list[int | slice] = [0, -1, slice(None), *(draw.randrange(array.size) for _ in range(6))]
            for place in places:
                for extreme in EXTREMES:
                    kind = draw.choice([array.dtype, array.dtype, *TYPES])
                    changed = array.astype(kind).reshape(-1)
                    changed[place] = np.array(extreme).astype(kind)
                    yield (
                        f"{name}[{place}] = {extreme} as {changed.dtype}",
                        arrays | {name: changed.reshape(array.shape)},
                    )
            yield f"{name} twice as long", arrays | {name: np.concatenate([array.reshape(-1)] * 2)}
            if array.ndim:
                yield f"{name} ten times", arrays | {name: np.concatenate([array] * 10)}
            yield f"no {name}", {other: each for other, each in arrays.items() if other != name}


def main(folder: str, scratch: str, attempts: str) -> None:
    """Continue so many states of each kind; print what was wrong."""
    run, path = Run(RunFolder(Path(folder))), Path(scratch, "state")
    for kind, options in OPTIONS.items():
        path.unlink(missing_ok=True)
        Session(run, replace(options, seed=3, save_state=str(path))).write()
        arrays, metadata = contents(path)
        draw = random.Random(kind)
        states = list(hostile(arrays, draw))
        for what, damaged in draw.sample(states, min(len(states), int(attempts))):
            save_file(damaged, path, metadata)
            sys.stderr.write(f"{kind}: {what}\n")
            again = replace(options, continue_from=str(path))
            if problem := problem_of(partial(_go_on, run, again)):
                sys.stdout.write(f"{kind}: {what}: {problem}\n")


def _go_on(run: Run, options: GenerateOptions) -> None:
    Session(run, options).write()


if __name__ == "__main__":
    main(*sys.argv[1:])
