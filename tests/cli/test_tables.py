"""Tables on terminals of all widths: no word is broken, and no line is wider than the terminal."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, RenderableType
from support.terminal import received, without_styles

from scriptforge.cli.tables import facts, table

WORDS = st.text("abcäöü東", min_size=1, max_size=9)
CELLS = st.lists(WORDS, max_size=12).map(" ".join)


def drawn(renderable: RenderableType, width: int) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width, markup=False, highlight=False).print(renderable)
    return [line.rstrip() for line in file.getvalue().splitlines()]


@given(
    st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), max_size=4)),
    st.integers(24, 120),
)
def test_no_word_of_a_table_is_broken_or_lost(rows: list[list[str]], width: int) -> None:
    headings = [f"h{number}" for number in range(len(rows[0]) if rows else 1)]
    lines = drawn(table(headings, rows, right=headings[1:2]), width)
    words = " ".join(lines).split()
    for row in rows:
        for word in " ".join(row).split():
            assert words.count(word) >= " ".join(row).split().count(word)
    assert all(cell_len(line) <= width for line in lines)


@given(st.lists(st.tuples(WORDS, CELLS), min_size=1, max_size=6), st.integers(24, 120))
def test_no_word_of_a_fact_is_broken_or_lost(pairs: list[tuple[str, str]], width: int) -> None:
    words = " ".join(drawn(facts(pairs), width)).split()
    for name, fact in pairs:
        assert name in words and set(fact.split()) <= set(words)


RUNS = [
    ["sitcom", "seinfeld", "word", "1,234,567", "1.250", "2024-05-01 10:00"],
    ["a-rather-long-name", "harbour", "char", "98,765", "1.333", "2024-05-02 10:00"],
]
HEADINGS = ("run", "corpus", "level", "parameters", "bits/char", "created")


def runs(width: int, optional: tuple[str, ...] = ("parameters", "created")) -> list[str]:
    return drawn(table(HEADINGS, RUNS, right=("parameters", "bits/char"), optional=optional), width)


def test_a_wide_terminal_sees_all() -> None:
    assert runs(80) == [
        "run                 corpus    level  parameters  bits/char  created",
        "sitcom              seinfeld  word    1,234,567      1.250  2024-05-01 10:00",
        "a-rather-long-name  harbour   char       98,765      1.333  2024-05-02 10:00",
    ]


def test_columns_that_can_be_missed_are_left_out() -> None:
    assert runs(60) == [
        "run                 corpus    level  bits/char",
        "sitcom              seinfeld  word       1.250",
        "a-rather-long-name  harbour   char       1.333",
        "Left out for lack of room: parameters, created.",
    ]


def test_rows_are_stacked_where_nothing_else_helps() -> None:
    assert runs(40) == [
        "sitcom",
        "  corpus      seinfeld",
        "  level       word",
        "  parameters  1,234,567",
        "  bits/char   1.250",
        "  created     2024-05-01 10:00",
        "",
        "a-rather-long-name",
        "  corpus      harbour",
        "  level       char",
        "  parameters  98,765",
        "  bits/char   1.333",
        "  created     2024-05-02 10:00",
    ]


@pytest.mark.parametrize("columns", ["40", "60"])
def test_the_list_of_corpora_on_a_narrow_terminal(columns: str) -> None:
    code = "from scriptforge.cli.app import run; run(['corpora'])"
    shown = without_styles(received("-c", code, COLUMNS=columns))
    assert max(map(len, shown.splitlines())) <= int(columns)
    for word in ("tiny-shakespeare-hub", "Shakespeare,", "transcript", "CC-BY-SA-3.0"):
        assert word in shown.split()


@pytest.mark.parametrize("columns", ["40", "60"])
def test_a_comparison_of_runs_on_a_narrow_terminal(tmp_path: Path, columns: str) -> None:
    figures = {
        "bits_per_character": 1.8,
        "nats_per_character": 1.2,
        "nats_per_token": 3.5,
        "perplexity": 33.1,
    }
    best = {"stream": figures, "cold_256": figures}
    for name in ("an-evening-of-training", "a-morning-of-training", "sitcom"):
        config = {
            "created": "2024-05-01T10:00:00+00:00",
            "dataset": {"name": "seinfeld", "level": "word", "plain": False},
            "settings": {"arch": "lstm", "hidden_size": 384 + len(name)},
            "parameters": 1234567,
            "result": {
                "best": best,
                "step": 1520,
                "seconds": 61.7,
                "tokens_per_second": 9e4,
                "diagnosis": "Good.",
            },
        }
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "config.json").write_text(json.dumps(config), encoding="utf-8")
    code = f"from scriptforge.cli.app import run; run(['runs', '--workspace', {str(tmp_path)!r}])"
    shown = without_styles(received("-c", code, COLUMNS=columns))
    assert max(map(len, shown.splitlines())) <= int(columns)
    assert {"an-evening-of-training", "a-morning-of-training", "sitcom"} <= set(shown.split())
