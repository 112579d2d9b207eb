"""`prepare`, where only the whole can be tried: several tables, columns that must be said."""

import json
from pathlib import Path
from typing import Any

import pandas
import pytest
from support.command import scriptforge


def prepare(workspace: Path, *words: str | Path) -> dict[str, Any]:
    done = scriptforge("prepare", *words, "--json", "--level", "char", "--quiet", workspace=workspace)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.slow
def test_south_park_has_the_cast_that_its_tables_have(shared_corpora: Path, tmp_path: Path) -> None:
    description = prepare(tmp_path, shared_corpora / "southpark")
    tables = [
        pandas.read_csv(path, dtype=str, keep_default_na=False)
        for path in sorted((shared_corpora / "southpark").glob("Season-*.csv"))
    ]
    rows = pandas.concat(tables)
    rows = rows[rows["Line"].str.strip() != ""]
    names = rows["Character"].str.replace(r"\s*\(.*\)$", "", regex=True).str.replace("_", " ")
    expected = names.str.split().str.join(" ").str.casefold().value_counts().to_dict()
    found = {member["speaker"].casefold(): member["lines"] for member in description["cast"]}
    assert len(tables) == 4
    assert found == expected
    assert description["documents"] == len(rows[["Season", "Episode"]].drop_duplicates())


@pytest.fixture
def unnamed(tmp_path: Path) -> Path:
    """A table whose columns say nothing by their names."""
    rows = "".join(f"ANNA,Tea number {number}?,1,{number // 50}\n" for number in range(300))
    (tmp_path / "tea.csv").write_text("Who,What,Season,Part\n" + rows)
    return tmp_path


@pytest.mark.slow
def test_columns_may_be_said(unnamed: Path) -> None:
    description = prepare(unnamed, "tea.csv", "--columns", "speaker=who,line=What,document=Season+Part")
    assert [(member["speaker"], member["lines"]) for member in description["cast"]] == [("ANNA", 300)]
    assert description["documents"] == 6


@pytest.mark.parametrize(
    ("words", "code", "error", "hint"),
    [
        ((), 1, "“tea.csv” has no column that is known", "--columns speaker=COLUMN"),
        (("--columns", "speaker=Who,line=Wat"), 1, "“tea.csv” has no column “Wat”", "Who, What, Season"),
        (("--columns", "speker=Who"), 2, "“speker”", "speaker, line, kind, scene, document"),
    ],
)
@pytest.mark.slow
def test_columns_that_are_not_known_are_named(
    unnamed: Path, words: tuple[str, ...], code: int, error: str, hint: str
) -> None:
    done = scriptforge("prepare", "tea.csv", "--quiet", *words, workspace=unnamed)
    assert (done.returncode, done.stdout) == (code, "")
    first, second = done.stderr.splitlines()
    assert error in first and hint in second


@pytest.mark.parametrize("command", ["prepare", "inspect"])
def test_a_text_has_no_columns(workspace_path: Path, command: str) -> None:
    (workspace_path / "tea.txt").write_text("ANNA: Tea?\n\n" * 300, encoding="utf-8")
    done = scriptforge(command, "tea.txt", "--columns", "line=What", "--quiet", workspace=workspace_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == "Error: “tea.txt” is a text, which has no columns."
