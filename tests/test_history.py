import json
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptforge.errors import RunError
from scriptforge.run.history import Validation, read_history
from scriptforge.workspace import RunFolder

FIGURES = st.floats(min_value=0, allow_infinity=False)
VALIDATIONS = st.builds(
    Validation, st.integers(0, 2**63 - 1), *([FIGURES] * 7), st.booleans()
)  # fmt: skip


@given(history=st.lists(VALIDATIONS, max_size=3))
def test_what_is_written_is_read(history: list[Validation], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    rows = ({**asdict(validation), "of another version": None} for validation in history)
    folder.metrics.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert read_history(folder) == history


def test_a_run_without_metrics_has_no_history(tmp_path: Path) -> None:
    assert read_history(RunFolder(tmp_path)) == []


@pytest.mark.parametrize("content", ["{", "{}", "[]", "1", '{"step": "many"}', "\udcff"])
def test_damage_is_said(content: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.metrics.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(RunError, match=r"metrics\.jsonl cannot be read"):
        read_history(folder)


def test_what_a_training_writes_is_read(tiny_run: RunFolder) -> None:
    rows = [json.loads(line) for line in tiny_run.metrics.read_text(encoding="utf-8").splitlines()]
    assert [asdict(validation) for validation in read_history(tiny_run)] == rows
