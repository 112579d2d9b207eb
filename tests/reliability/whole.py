"""What is whole: datasets, runs, pages, states, studies and drafts that can be used after any disturbance."""

import sqlite3
from contextlib import closing
from pathlib import Path

from reliability.target import reason
from scriptforge.dataset import Dataset
from scriptforge.run.run import Run
from scriptforge.training.checkpoint import newest_checkpoint
from scriptforge.workspace import SPLITS, RunFolder, Workspace


def dataset_is_whole(workspace: Path, name: str = "play", *, may_lack: bool = False) -> str | None:
    """Return what is wrong with a dataset."""
    folder = Workspace(workspace).new_dataset(name)
    if may_lack and not folder.path.exists():
        return None

    def read() -> None:
        dataset = Dataset(folder)
        for split in SPLITS:
            dataset.ids(split)
            list(dataset.rows(split))

    return reason(read)


def run_is_whole(workspace: Path, name: str = "play") -> str | None:
    """Return what is wrong with a model that must be usable."""
    return reason(lambda: Run(RunFolder(workspace / "runs" / name)))


def run_or_nothing(workspace: Path, name: str = "play") -> str | None:
    """Return what is wrong with a model that came from elsewhere, if it is there."""
    return run_is_whole(workspace, name) if (workspace / "runs" / name).exists() else None


def run_can_go_on(workspace: Path, name: str = "play") -> str | None:
    """Return what is wrong with a training: what is there can be resumed, and its model used."""
    folder = RunFolder(workspace / "runs" / name)
    if not folder.path.exists():
        return None
    if folder.weights.exists() and (problem := run_is_whole(workspace, name)):
        return problem
    return reason(lambda: newest_checkpoint(folder))


def page_is_whole(workspace: Path) -> str | None:
    """Return what is wrong with a page that is there."""
    path = workspace / "page.txt"
    return None if len(path.read_text(encoding="utf-8").splitlines()) >= 3 else "half a page"


def state_is_whole(workspace: Path) -> str | None:
    """Return what is wrong with a saved state."""
    from scriptforge.generation.decoding_state import load_state

    weights = Run(RunFolder(workspace / "runs" / "play")).fingerprint
    return reason(lambda: load_state(workspace / "state", weights=weights))


def study_is_whole(workspace: Path) -> str | None:
    """Return what is wrong with a study: its database can be read, and nothing else was touched."""
    database = workspace / "studies" / "play" / "study.db"
    if database.exists():
        with closing(sqlite3.connect(database)) as connection:
            if (said := connection.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
                return str(said)
    return dataset_is_whole(workspace)


def draft_is_whole(workspace: Path) -> str | None:
    """Return what is wrong with the drafts: each has as many elements as changes that were acknowledged."""
    from scriptforge.serve.drafts import Drafts

    drafts = Drafts(workspace / "room" / "drafts.db")
    try:
        for each in drafts.summaries():
            found = drafts.get(each["id"])
            if found["revision"] != len(found["elements"]) + 1:
                return f"revision {found['revision']} with {len(found['elements'])} elements"
        return "; ".join(drafts.notes) or None
    finally:
        drafts.close()
