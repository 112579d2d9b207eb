"""The table of faults: each test that it names exists. And the page says what the figures say."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from reliability.mended import FAULTS
from reliability.report import Figures, merged, page, wrong

_REPOSITORY = Path(__file__).resolve().parent.parent.parent


def named_in(module: ast.Module | ast.ClassDef, name: str) -> Iterator[str]:
    """Yield the tests of a module or class, as pytest names them."""
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            yield from named_in(node, f"{name}::{node.name}")
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield f"{name}::{node.name}"


@pytest.mark.parametrize("name", sorted({test.partition("::")[0] for each in FAULTS for test in each.tests}))
def test_every_test_that_is_named_exists(name: str) -> None:
    found = set(named_in(ast.parse((_REPOSITORY / name).read_text(encoding="utf-8")), name))
    named = {test for each in FAULTS for test in each.tests if test.startswith(f"{name}::")}
    assert named - found == set()


def test_every_fault_has_a_test_that_failed() -> None:
    assert [each.what for each in FAULTS if not each.tests] == []
    assert len({each.what for each in FAULTS}) == len(FAULTS)


def test_the_page_says_what_the_figures_say() -> None:
    measured = _REPOSITORY / "docs" / "measured"
    figures = json.loads((measured / "reliability.json").read_text(encoding="utf-8"))
    assert page(figures) == (measured / "reliability.md").read_text(encoding="utf-8")


def test_shares_are_put_together_and_one_that_is_missing_is_wrong() -> None:
    def made(number: int, tried: int, failures: list[str], calls: int) -> Figures:
        parts = [{"what": "`train`", "tried": tried, "failures": failures, "calls": calls}]
        return {"A": {"share": [number, 3], "seconds": 60, "most": None, "parts": parts}}

    figures = merged([made(1, 4, ["here"], 30), made(3, 5, [], 31)])
    train, shares = figures["A"]["parts"]
    assert train == {"what": "`train`", "tried": 9, "failures": ["here"], "calls": 31}
    assert shares["failures"] == ["share 2 of 3 did not"]
    assert (figures["A"]["seconds"], wrong(figures)) == (120, 2)
