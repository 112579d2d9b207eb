"""A workspace in which there is something of everything, and the verdict on what a command said there."""

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pyarrow
import pyarrow.parquet
from support.tiny import comedy, finish, prepared, small

from scriptforge.workspace import RunFolder

LINES = 120
_MAX_LINES = 12
"""Of stderr, besides those of a training, one a validation."""


def furnish(path: Path) -> Path:
    """Fill a folder with a play in several forms, the dataset `harbour` and the run `play`; return it."""
    from scriptforge.training.trainer import start

    path.mkdir(parents=True, exist_ok=True)
    (path / "play.txt").write_text(comedy(LINES), encoding="utf-8")
    spoken = [line.split(": ", 1) for line in comedy(LINES).splitlines() if line]
    rows = "".join(f'"{speaker}","{line}"\n' for speaker, line in spoken)
    (path / "play.csv").write_text(f"speaker,line\n{rows}", encoding="utf-8")
    (path / "play.jsonl").write_text(
        "".join(f"{json.dumps({'speaker': speaker, 'line': line})}\n" for speaker, line in spoken)
    )
    columns = {"speaker": [row[0] for row in spoken], "line": [row[1] for row in spoken]}
    pyarrow.parquet.write_table(pyarrow.table(columns), path / "play.parquet")
    (path / "plays").mkdir()
    for number in range(3):
        (path / "plays" / f"{number}.txt").write_text(comedy(40, seed=number), encoding="utf-8")
    dataset = prepared(path / "play.txt", path / "data" / "harbour")
    finish(start(dataset, small(epochs=1, validations=2), RunFolder(path / "runs" / "play"), "cpu"))
    return path


def unexplained(code: int, errors: str, codes: Sequence[int] = (0, 1, 2)) -> str | None:
    """Return what is wrong with how a command ended; None if it worked, or says why not and what to do."""
    said = errors.strip().splitlines()
    if code not in codes:
        return f"it ended with {code}: {errors[-300:]}"
    for word in ("Traceback", "should not have happened", "Exception ignored", "Fatal Python"):
        if word in errors:
            return f"{word}: {errors[-300:]}"
    if code in (1, 2) and (len(said) < 2 or not said[-2].startswith("Error: ")):
        return f"it ended with {code} and does not say why: {errors[-300:]}"
    told = [line for line in said if not line.startswith("step ")]
    return f"it says {len(told)} lines" if len(told) > _MAX_LINES else None


def copied(furnished: Path, path: Path) -> Path:
    """Return a copy of a workspace, which may be changed."""
    return Path(shutil.copytree(furnished, path, symlinks=True))


def clean_environment(home: Path) -> dict[str, str]:
    """Return an environment with a home of its own and nothing of the person who tests."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "SYSTEMROOT") if name in os.environ}
    return {
        **kept, "HOME": str(home), "NO_COLOR": "1", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1",
        "LANG": "C.UTF-8", "COLUMNS": "100",
    }  # fmt: skip


def add_draft(workspace: Path) -> None:
    """Add a draft of one element to a workspace."""
    from scriptforge.serve.drafts import Drafts
    from scriptforge.serve.elements import PageElement

    (workspace / "room").mkdir()
    with closing(Drafts(workspace / "room" / "drafts.db")) as drafts:
        drafts.create("Draft", "play", [PageElement(id="e1", kind="action", text="Rain.", origin=None)])
