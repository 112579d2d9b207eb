"""The interface of a format: a way to lay out a script in lines, which can be recognised and parsed.

This module knows no particular format.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import NamedTuple

from scriptforge.errors import CorpusError
from scriptforge.screenplay.script import Element

HEAD_LINES = 2000
"""How many lines a format is recognised by: an episode or two, read in a few milliseconds."""


class BrokenScript(CorpusError):  # noqa: N818 (it names the script)
    """A text that is not what its format promises. Formats do not know files: `named` adds the file's name.

    Args:
        what: continues the name of the file, without a full stop: "breaks off in line 12".
        hint: one line that says what to do about it.
    """

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"The script {what}.", hint)
        self.what = what

    def named(self, name: str) -> CorpusError:
        """Return the same error, with the name of the file."""
        return CorpusError(f"“{name}” {self.what}.", self.hint)


class Parsed(NamedTuple):
    """An element and whether the format knew what it was.

    Attributes:
        element: the element as printed; it need not be in normal form.
        understood: False where the format has no rule for the text and kept it as action.
    """

    element: Element
    understood: bool = True


@dataclass(frozen=True, slots=True)
class Evidence:
    """How certain it is that a text is laid out in a format.

    Attributes:
        score: from 0, certainly not, to 1, certainly.
        reason: why, as a clause for people: "96 % of 2,000 lines are `name: text`".
    """

    score: float
    reason: str


def _no_title(head: Sequence[str]) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Format:
    """One way to lay out a script.

    Attributes:
        name: its name on the command line.
        description: one line that shows what it looks like.
        recognise: scores the first lines of a text.
        parse: turns lines, without their line ends, into elements as they come. A format that can be broken
            raises `BrokenScript` at the break; any other keeps what it does not know as action.
        title: finds the script's title in the first lines; empty where the format has no place for one.
        title_within: how many first lines `title` is given; they are held in memory.
        suffix: the suffix of its files, if every file with it must be in this format.
    """

    name: str
    description: str
    recognise: Callable[[Sequence[str]], Evidence]
    parse: Callable[[Iterable[str]], Iterator[Parsed]]
    title: Callable[[Sequence[str]], str] = _no_title
    title_within: int = HEAD_LINES
    suffix: str = ""


def peek(lines: Iterable[str], count: int = HEAD_LINES) -> tuple[list[str], Iterator[str]]:
    """Return the first `count` lines, and an iterator over all lines, the first ones included."""
    rest = iter(lines)
    head = list(islice(rest, count))
    return head, chain(head, rest)


def percentage(part: int, whole: int) -> str:
    """Return a share as people read it: `96 %`; the whole may be 0."""
    return f"{100 * part / max(whole, 1):.0f} %"
