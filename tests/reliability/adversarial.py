"""Lines made to take long, read by every parser and tried with every expression.

Time is that of the processor, and only compared: eight times the line may take three times eight times as
long, and four times that one twice four times; what takes next to no time is not compared at all.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from importlib import import_module
from pkgutil import iter_modules
from random import Random
from typing import Any

from support.campaign import Part, share

from reliability.mutants import Fixture, fixtures
from scriptforge import corpus, documents, screenplay
from scriptforge.screenplay.format import BrokenScript
from scriptforge.screenplay.formats import FORMATS, read

PIECES = (
    " ",
    "\t",
    "\xa0",
    " \t",
    "(",
    ")",
    "()",
    "( ",
    "[",
    "]",
    "[[",
    "[ ",
    "{",
    "<",
    ">",
    "<<",
    "><",
    "<b>",
    "<b ",
    "</",
    "<v ",
    "<!--",
    "<!---->",
    ":",
    ": ",
    "a:",
    "A: ",
    "a: a ",
    "-",
    "- ",
    "--",
    "-->",
    "—",
    "*",
    "**",
    "* ",
    "*a",
    "_",
    "_a_",
    "'",
    "''",
    "'''",
    "#",
    "# ",
    "=",
    "= ",
    "==",
    "^",
    " ^",
    "~",
    ".",
    ". ",
    "...",
    "!",
    "\\",
    "/*",
    "*/",
    "/* */",
    "@",
    "@@",
    "|",
    "| ",
    ",",
    ", ",
    "1",
    "1 ",
    "12:00 ",
    "00:00:01,000 ",
    "1. ",
    "A",
    "A ",
    "AB. ",
    "I",
    "to ",
    " to A",
    "at ",
    "V.O. ",
    " (V.O.)",
    "(a) ",
    "(cont'd) ",
    "(a",
    "“",
    "「",
    "\u0301",
    "\u202e",
    "\u200e",
    "é",
    "語",
    "\U0001f600",
    "&",
    "&amp;",
    "&a;",
    "\0",
    "\x1b",
    "a",
    "a ",
    "word ",
    "Nora ",
    "NORA ",
    "{\\a",
)
BEFORE = (
    "",
    "x",
    "NORA",
    "NORA: ",
    "NORA (",
    "NORA.",
    "NORA\t",
    "Nora — ",
    "[",
    "(",
    "<",
    "<v",
    "{",
    "**",
    "**NORA",
    "'''",
    "# ",
    "== ",
    "1 ",
    "1x",
    "12. ",
    "12:00 ",
    "[12:00] ",
    "(00:01) ",
    "12:00 From",
    "12:00 From A to",
    "12:00 * x (",
    "12:00 <",
    "12/03/2021, 09:14 - ",
    "00:00:01,000",
    "00:00:01,000 --> 00:00:02,000 ",
    "Dialogue: ",
    "INT. ",
    "ACT I",
    "[setting:",
    ">> ",
    "> ",
    "- ",
    "Q. ",
    "/*",
    "[[",
    "@",
    "!",
    ".",
    "Title: ",
    "---",
    "<!--",
    "<p>",
)
BEHIND = ("", "y", "1x", "y*", "(y", "b\tc", ":", ")", "]", ">", "^", " x: y", "/")
_LENGTH = 2000
_NEXT_TO_NOTHING = 0.004
_MAX_SLOWDOWN = 24


def line(draw: Random) -> Callable[[int], str]:
    """Return what makes a line of some length: something, a piece again and again, something else."""
    before, piece, behind = draw.choice(BEFORE), draw.choice(PIECES), draw.choice(BEHIND)
    return lambda length: f"{before}{piece * (length // len(piece))}{behind}"


def growth(call: Callable[[int], object], length: int = _LENGTH) -> str | None:
    """Return how much longer a call takes with eight times as much, if that is more than is linear."""
    if _seconds(call, length) < _NEXT_TO_NOTHING and _seconds(call, 4 * length) < 4 * _NEXT_TO_NOTHING:
        return None
    short = min(_seconds(call, length) for _ in range(3))
    long = _seconds(call, 8 * length)
    times = long / max(short, _NEXT_TO_NOTHING / 8)
    if times <= _MAX_SLOWDOWN or _seconds(call, 32 * length) <= 8 * long:
        return None  # the second is for what is done with long lines alone
    return f"{short:.4f} s become {long:.2f} s"


def _seconds(call: Callable[[int], object], length: int) -> float:
    began = time.process_time()
    call(length)
    return time.process_time() - began


@cache
def expressions() -> dict[str, re.Pattern[Any]]:
    """Return the regular expressions of all modules that read, by the names that they have there."""
    found = {}
    for room in (screenplay, documents, corpus):
        for module in iter_modules(room.__path__, f"{room.__name__}."):
            for name, value in vars(import_module(module.name)).items():
                if isinstance(value, re.Pattern):
                    found[f"{module.name.removeprefix('scriptforge.')}.{name}"] = value
    return found


def attack_expressions(times: int, seed: int = 0) -> list[Part]:
    """Match every expression with so many lines, from their beginnings."""
    part = Part("expressions")
    for name, expression in expressions().items():
        for number in share(range(seed, seed + times)):
            make = line(Random(f"{name} {number}"))
            for match in (expression.match, expression.fullmatch):
                problem = growth(partial(_match, match, make))
                part.count(problem and f"{name}.{match.__name__} {make(20)!r}: {problem}")
    return [part]


def _match(match: Callable[[str | bytes], object], make: Callable[[int], str], length: int) -> None:
    try:
        match(make(length))
    except TypeError:
        match(make(length).encode())


def attack_parsers(times: int, seed: int = 0) -> list[Part]:
    """Have every parser read so many texts of its format with such lines in them."""
    parts = []
    texts = [each for each in fixtures() if each.format in _TEXTS]
    for each in FORMATS:
        part = Part(f"the parser of {each.name}")
        parts.append(part)
        own = [text for text in texts if _format(text) == each.name] or texts
        for number in share(range(seed, seed + times)):
            draw = Random(f"{each.name} {number}")
            whole, make = draw.choice(own), line(draw)
            around = _lines(whole)
            places = draw.sample(range(len(around) + 1), min(2, len(around) + 1))
            inserted = partial(_inserted, around, places, make, draw.random() < 0.3)
            problem = growth(partial(_read, inserted, draw.choice((None, each.name))))
            where = f"number {number}, {whole.name} with {make(20)!r}"
            part.count(problem and f"{where}: {problem}")
    return parts


_TEXTS = frozenset({"txt", "md", "log", "fountain", "srt", "vtt", "sbv", "ssa", "fdx", "xml", "weechatlog"})


def _inserted(
    around: Sequence[str], places: Sequence[int], make: Callable[[int], str], many: bool, length: int
) -> Iterator[str]:
    """Yield a text with one long line at each place, or many short ones that are as long together."""
    for place, text in enumerate([*around, ""]):
        if place in places:
            yield from [make(10)] * (length // 10) if many else [make(length)]
        yield text


def _read(inserted: Callable[[int], Iterator[str]], format: str | None, length: int) -> None:
    try:
        reading = read(inserted(length), format)
        for _ in reading:
            pass
        _ = reading.missed_speakers
    except BrokenScript:
        pass


@cache
def _format(text: Fixture) -> str:
    return read(_lines(text)).format


def _lines(text: Fixture) -> list[str]:
    return text.content.decode(errors="replace").splitlines()
