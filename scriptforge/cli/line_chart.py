"""Line charts for the terminal, drawn with letters and Braille dots.

Each curve has a letter of its own that marks its points, so that curves can be told apart without colour. The
lines between the points are made of Braille dots, two by four in a cell. This module does not depend on what
the curves mean.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, pairwise
from typing import TYPE_CHECKING, TypeAlias

from scriptforge.characters import safe

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

WIDEST = 88
ROWS = 13

_ACROSS, _DOWN = 2, 4  # dots in a cell
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # bits of a Braille cell, by column and row
_BRAILLE = 0x2800
_COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "red")
_MIN_COLUMNS = 10
_BETWEEN_LETTERS = 6
_ROWS_A_TICK = 3
_COLUMNS_A_TICK = 12
_MAX_TICKS = 5

Point: TypeAlias = tuple[float, float]
_Dot: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class Curve:
    """A named series of points.

    Args:
        letter: the letter that marks its points.
        name: its name, which may be untrusted text.
        points: at least one, by ascending x, which is 0 or more.
    """

    letter: str
    name: str
    points: Sequence[Point]


@dataclass(frozen=True)
class LineChart:
    """A renderable for rich: a legend, the curves and two axes, the horizontal one from 0.

    Args:
        curves: at least one.
        label_x: formats a value of x.
        label_y: formats a value of y.
    """

    curves: Sequence[Curve]
    label_x: Callable[[float], str]
    label_y: Callable[[float], str]

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        from rich.text import Text

        heights = [y for curve in self.curves for _, y in curve.points]
        low, high = min(heights), max(heights)
        ticks = {
            row: self.label_y(high - (high - low) * (row / (ROWS - 1)))
            for row in range(0, ROWS, _ROWS_A_TICK)
        }
        margin = max(map(len, ticks.values()))
        columns = max(min(options.max_width, WIDEST) - margin - 2, _MIN_COLUMNS)
        right = max(x for curve in self.curves for x, _ in curve.points)
        canvas = _Canvas(columns, right, low, high)
        coloured = list(zip(self.curves, cycle(_COLOURS), strict=False))
        for curve, colour in coloured:
            canvas.draw(curve.points, curve.letter, colour)
        names = (Text(f"{curve.letter} {safe(curve.name)}", style=colour) for curve, colour in coloured)
        yield Text("   ").join(names)
        for row in range(ROWS):
            axis = f"{ticks.get(row, ''):>{margin}} {'┤' if row in ticks else '│'}"
            yield Text(axis) + canvas.line(row)
        yield Text(f"{'':{margin}} └{'─' * columns}")
        yield Text(f"{'':{margin}}  {self._lower_labels(right, columns)}")

    def _lower_labels(self, right: float, columns: int) -> str:
        """Return the labels of the horizontal axis, each centred below its tick, none beyond the ends."""
        count = min(max(columns // _COLUMNS_A_TICK, 2), _MAX_TICKS)
        line = ""
        for tick in range(count):
            label = self.label_x(right * (tick / (count - 1)))
            place = round((columns - 1) * tick / (count - 1)) - len(label) // 2
            line = line.ljust(min(max(place, 0), columns - len(label))) + label
        return line


class _Canvas:
    """A grid of cells; where curves meet, their dots are merged, and the later letter and colour are kept."""

    def __init__(self, columns: int, right: float, low: float, high: float) -> None:
        self._columns = columns
        self._right, self._low, self._high = right, low, high
        self._dots: dict[tuple[int, int], tuple[int, str]] = {}
        self._letters: dict[tuple[int, int], tuple[str, str]] = {}

    def draw(self, points: Sequence[Point], letter: str, style: str) -> None:
        """Draw one curve: its line, and its letter at the last point and at others far enough apart."""
        dots = [self._dot(point) for point in points]
        for start, end in pairwise(dots):
            for across, down in _line(start, end):
                cell = down // _DOWN, across // _ACROSS
                bits, _ = self._dots.get(cell, (0, style))
                self._dots[cell] = bits | _DOTS[across % _ACROSS][down % _DOWN], style
        nearest = self._columns + _BETWEEN_LETTERS
        for across, down in reversed(dots):
            column = across // _ACROSS
            if nearest - column >= _BETWEEN_LETTERS:
                self._letters[down // _DOWN, column] = letter, style
                nearest = column

    def line(self, row: int) -> "Text":
        """Return one row of cells."""
        from rich.text import Text

        line = Text()
        for column in range(self._columns):
            if letter := self._letters.get((row, column)):
                line.append(*letter)
            elif dots := self._dots.get((row, column)):
                line.append(chr(_BRAILLE + dots[0]), dots[1])
            else:
                line.append(" ")
        return line

    def _dot(self, point: Point) -> _Dot:
        x, y = point
        across = x / self._right if self._right else 0.0
        down = (self._high - y) / (self._high - self._low) if self._high > self._low else 0.5
        return round(across * (self._columns * _ACROSS - 1)), round(down * (ROWS * _DOWN - 1))


def _line(start: _Dot, end: _Dot) -> Iterator[_Dot]:
    """Yield every dot on the straight line from one dot to another."""
    (x, y), (to_x, to_y) = start, end
    steps = max(abs(to_x - x), abs(to_y - y), 1)
    for step in range(steps + 1):
        yield round(x + (to_x - x) * step / steps), round(y + (to_y - y) * step / steps)
