"""E: mutants of files of every format, bombs, and lines made to take long.

What is read ends in a result or in an error that is named, in 5 seconds and 250 MB.
"""

import random
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

from support.campaign import DRAW, Part, share
from support.verdict import problem_of

from reliability import adversarial
from reliability.bombs import BOMBS
from reliability.bombs import attack as attack_with_bombs
from reliability.mutants import fixtures, mutant, read

_MUTANTS = 10_000
_LINES_AN_EXPRESSION, _TEXTS_A_PARSER = 400, 300


def attack_with_mutants(times: int, seed: int = 0) -> list[Part]:
    """Read so many mutants, the same number of each format's."""
    by_format = defaultdict(list)
    for fixture in fixtures():
        by_format[fixture.format].append(fixture)
    parts = {format: Part(f".{format}") for format in by_format}
    with TemporaryDirectory(prefix="mutants-") as folder:
        for fixture in fixtures()[:1]:  # what is imported once is no mutant's
            _read_as(Path(folder), fixture.name, fixture.content)
        formats = [*by_format]
        for number in share(range(seed, seed + times)):
            format = formats[number % len(formats)]
            draw = random.Random(f"mutant {number}")
            fixture = draw.choice(by_format[format])
            name, content = mutant(fixture, draw)
            problem = _read_as(Path(folder), name, content)
            parts[format].count(problem and f"number {number}, of {fixture.name} as {name}: {problem}")
    return [part for part in parts.values() if part.tried]


def _read_as(folder: Path, name: str, content: bytes) -> str | None:
    path = folder / name
    path.write_bytes(content)
    problem = problem_of(lambda: read(path))
    path.unlink()
    return problem


def attack_with_lines(expressions: int, texts: int, seed: int = 0) -> list[Part]:
    """Try so many adversarial lines with each expression, and texts with each parser."""
    return [
        *adversarial.attack_expressions(expressions, seed),
        *adversarial.attack_parsers(texts, seed),
    ]


def long_attack(most: int | None = None) -> list[Part]:
    """Make all three attacks; `most` is how many times at each thing."""
    names = [*BOMBS] if most is None else random.Random(DRAW).sample([*BOMBS], min(most, len(BOMBS)))
    mutants = attack_with_mutants(most or _MUTANTS, DRAW)  # first: what they import is no bomb's
    with TemporaryDirectory(prefix="bombs-") as folder:
        bombs = attack_with_bombs(Path(folder), 1.0, names)
    return [
        *mutants,
        *bombs,
        *attack_with_lines(most or _LINES_AN_EXPRESSION, most or _TEXTS_A_PARSER, DRAW),
    ]
