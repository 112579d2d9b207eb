"""Studies in damaged databases, and at addresses that cannot store any."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from scriptforge.dataset import Dataset
from scriptforge.errors import StudyError, UsageError
from scriptforge.tuning.results import TuningEvent
from scriptforge.tuning.search import search
from scriptforge.tuning.study import Plan, open_study
from scriptforge.workspace import StudyFolder

pytestmark = pytest.mark.usefixtures("ticking_clock")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE study_user_attributes SET value_json = '{' WHERE key = 'machine'",
        "UPDATE study_user_attributes SET value_json = '{\"threads\": []}' WHERE key = 'machine'",
        "UPDATE trial_user_attributes SET value_json = '7' WHERE key = 'default'",
        "UPDATE trials SET state = 'GONE'",
        "UPDATE trials SET datetime_start = 'noon'",
        "UPDATE studies SET study_name = CAST(x'62ff' AS TEXT)",
        "DROP TABLE studies",
    ],
)
def test_a_damaged_study_is_named(
    folder: StudyFolder, tiny_dataset: Dataset, plan: Plan, statement: str
) -> None:
    with open_study(folder, None, tiny_dataset, plan):
        pass
    with closing(sqlite3.connect(folder.database, isolation_level=None)) as database:
        database.execute(statement)
    with (
        pytest.raises(StudyError, match="damaged") as caught,
        open_study(folder, None, tiny_dataset, plan),
    ):
        pass
    assert "--study" in caught.value.hint


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("nonsense", "not a database address"),
        ("postgresql://ann:secret@host:port/x", "not a database address"),
        ("redis://ann:secret@host/0", "“redis” cannot store a study"),
        ("sqlite://", "names no database"),
        ("sqlite:///:memory:", "names no database"),
        ("postgresql://ann:secret@host", "names no database"),
    ],
)
def test_no_address(
    folder: StudyFolder, tiny_dataset: Dataset, plan: Plan, address: str, problem: str
) -> None:
    with pytest.raises(UsageError) as caught, open_study(folder, address, tiny_dataset, plan):
        pass
    assert problem in caught.value.message and "sqlite:///FILE" in caught.value.hint
    assert "secret" not in caught.value.message + caught.value.hint


def test_a_folder_that_is_not_there(
    folder: StudyFolder, tiny_dataset: Dataset, plan: Plan, tmp_path: Path
) -> None:
    address = f"sqlite:///{tmp_path}/nowhere/study.db"
    with (
        pytest.raises(StudyError, match="unable to open database file") as caught,
        open_study(folder, address, tiny_dataset, plan),
    ):
        pass
    assert "folder that exists" in caught.value.hint


def test_a_file_that_is_no_database(
    folder: StudyFolder, tiny_dataset: Dataset, plan: Plan, tmp_path: Path
) -> None:
    (tmp_path / "text.db").write_text("no database at all " * 100)
    with (
        pytest.raises(StudyError, match="file is not a database"),
        open_study(folder, f"sqlite:///{tmp_path}/text.db", tiny_dataset, plan),
    ):
        pass


def test_a_file_that_may_only_be_read(
    folder: StudyFolder, tiny_dataset: Dataset, plan: Plan, tmp_path: Path
) -> None:
    address = f"sqlite:///file:{tmp_path}/study.db?uri=true"
    events: list[TuningEvent] = []
    with open_study(folder, address, tiny_dataset, plan):
        pass
    with (
        pytest.raises(StudyError, match="readonly database"),
        open_study(folder, address + "&mode=ro", tiny_dataset, plan) as study,
    ):
        search(study, events.append, lambda: False)
