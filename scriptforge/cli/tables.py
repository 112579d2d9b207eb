"""Tables that fit the terminal: rows under headings, and facts beside their names.

A table that is too wide is wrapped between words, never inside one; then optional columns are left out,
which a last line says; and if even that is too wide, its rows are stacked, a line for each cell. In a pipe a
table is always whole. This module does not depend on what a table shows, and imports rich only when there is
something to draw.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from scriptforge.characters import safe

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

_GAP = 2
_INDENT = 2
_NARROWEST = 16
"""The width, in columns of the terminal, below which text is never wrapped."""


def table(
    headings: Iterable[str],
    rows: Iterable[Sequence[str]],
    right: Collection[str] = (),
    optional: Sequence[str] = (),
) -> "RenderableType":
    """Return rows under headings, for rich to draw.

    Args:
        headings: one for each column.
        rows: the cells, which may contain untrusted text.
        right: headings of the right-aligned columns, such as those of numbers.
        optional: headings of the columns that may be left out if there is too little room, in this order.
    """
    safe_rows = tuple(tuple(map(safe, row)) for row in rows)
    return _Table(tuple(map(safe, headings)), safe_rows, frozenset(map(safe, right)), tuple(optional))


def facts(pairs: Iterable[tuple[str, str]]) -> "RenderableType":
    """Return lines of a name and a fact each, which may contain untrusted text."""
    return _Facts(tuple((safe(name), safe(fact)) for name, fact in pairs))


@dataclass(frozen=True)
class _Table:
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[str]
    optional: tuple[str, ...]

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        from rich.text import Text

        for count in range(len(self.optional) + 1):
            left_out = self.optional[:count]
            kept = [number for number, heading in enumerate(self.headings) if heading not in left_out]
            widths = self._widths(kept, options.max_width)
            if widths:
                yield self._drawn(kept, widths)
                if left_out:
                    yield Text(f"Left out for lack of room: {', '.join(left_out)}.", style="dim")
                return
        yield from self._stacked()

    def _widths(self, columns: Sequence[int], room: int) -> list[int]:
        """Return column widths that fit into `room`; an empty list if the columns do not fit even wrapped."""
        cells = [[self.headings[column], *(row[column] for row in self.rows)] for column in columns]
        widths = [max(map(_width, column)) for column in cells]
        least = [
            min(width, max(_NARROWEST, *map(_longest_word, column)))
            for width, column in zip(widths, cells, strict=True)
        ]
        room -= _GAP * (len(columns) - 1)
        if sum(least) > room:
            return []
        while sum(widths) > room:
            foldable = [number for number, width in enumerate(widths) if width > least[number]]
            widths[max(foldable, key=widths.__getitem__)] -= 1
        return widths

    def _drawn(self, columns: Sequence[int], widths: Sequence[int]) -> "Table":
        drawn = _grid(is_headed=True)
        for column, width in zip(columns, widths, strict=True):
            heading = self.headings[column]
            justify: Literal["left", "right"] = "right" if heading in self.right else "left"
            drawn.add_column(heading, justify=justify, overflow="fold", width=width)
        for row in self.rows:
            drawn.add_row(*(row[column] for column in columns))
        return drawn

    def _stacked(self) -> "RenderResult":
        """Yield each row as a title, its first cell, and below it the other cells beside their headings."""
        from rich.padding import Padding
        from rich.text import Text

        for number, (title, *cells) in enumerate(self.rows):
            if number:
                yield ""
            heading = self.headings[0]
            yield Text(f"{heading} {title}" if heading in self.right else title, style="bold")
            others = zip(self.headings[1:], cells, strict=True)
            pairs = tuple((name, cell) for name, cell in others if cell)
            yield Padding(_Facts(pairs, style=""), (0, 0, 0, _INDENT))


@dataclass(frozen=True)
class _Facts:
    pairs: tuple[tuple[str, str], ...]
    style: str = "bold"

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        from rich.padding import Padding
        from rich.text import Text

        names = max((_width(name) for name, _ in self.pairs), default=0)
        longest = max((_longest_word(fact) for _, fact in self.pairs), default=0)
        if names + _GAP + longest > options.max_width >= longest + _INDENT:
            for name, fact in self.pairs:
                yield Text(name, style=self.style)
                yield Padding(Text(fact, overflow="fold"), (0, 0, 0, _INDENT))
            return
        drawn = _grid(is_headed=False)
        drawn.add_column(style=self.style, no_wrap=True)
        drawn.add_column(overflow="fold")
        for pair in self.pairs:
            drawn.add_row(*pair)
        yield drawn


def _grid(is_headed: bool) -> "Table":
    from rich.table import Table

    return Table(
        box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold", show_header=is_headed
    )


def _width(text: str) -> int:
    """Return the width of a text in columns of the terminal."""
    from rich.cells import cell_len

    return max(map(cell_len, text.split("\n")))


def _longest_word(text: str) -> int:
    return max(map(_width, text.split()), default=0)
