import io

import pytest
from rich.console import Console
from syrupy.assertion import SnapshotAssertion

from scriptforge.cli.line_chart import WIDEST, Curve, LineChart

FALLING = [(float(x), 4 / (1 + x)) for x in range(10)]
RISING = [(float(x), 0.5 + x / 4) for x in range(1, 8)]


def drawn(*curves: Curve, width: int = 60, is_colourful: bool = False) -> list[str]:
    page = io.StringIO()
    console = Console(
        file=page, width=width, force_terminal=True, no_color=not is_colourful, color_system="standard"
    )
    console.print(LineChart(curves, label_x=lambda x: f"{x:.0f} s", label_y=lambda y: f"{y:.2f}"))
    return page.getvalue().splitlines()


def test_curves_have_letters_where_there_is_no_colour(snapshot: SnapshotAssertion) -> None:
    lines = drawn(Curve("a", "one", FALLING), Curve("b", "two", RISING))
    assert "\n".join(line.rstrip() for line in lines) == snapshot
    assert "\x1b" not in "".join(lines)


def test_colours_where_they_are_wanted() -> None:
    lines = drawn(Curve("a", "one", FALLING), Curve("b", "two", RISING), is_colourful=True)
    assert lines[0] == "\x1b[36ma one\x1b[0m   \x1b[35mb two\x1b[0m"


@pytest.mark.parametrize("width", [20, 21, 40, 80, 300])
def test_it_is_as_wide_as_it_may_be(width: int) -> None:
    lines = drawn(Curve("a", "one", FALLING), width=width)
    assert max(map(len, lines)) == min(width, WIDEST)
    assert all(len(line) <= min(width, WIDEST) for line in lines)


def test_one_point_is_a_letter() -> None:
    lines = drawn(Curve("a", "one", [(0.0, 1.0)]))
    assert sum(line.count("a") for line in lines[1:]) == 1


def test_the_last_point_always_has_its_letter() -> None:
    many = [(x / 100, 1 + x / 100) for x in range(1000)]
    assert drawn(Curve("a", "one", many))[1].endswith("a")


def test_a_foreign_name_is_harmless() -> None:
    assert drawn(Curve("a", "\x1b[31mred", FALLING))[0].rstrip() == "a ␛[31mred"
