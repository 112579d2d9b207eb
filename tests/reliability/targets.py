"""The commands that are attacked: what they start from, and what must be there whatever happens to them."""

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from reliability.named_files import NAMED_FILES
from reliability.stage import MORE, TRAIN, Stage
from reliability.target import LOOK, Target
from reliability.whole import (
    dataset_is_whole,
    draft_is_whole,
    page_is_whole,
    run_can_go_on,
    run_is_whole,
    run_or_nothing,
    state_is_whole,
    study_is_whole,
)
from scriptforge.workspace import RunFolder, Workspace


def fingerprint(workspace: Path) -> object:
    """Return what tells one dataset from another: vocabulary and ids."""
    return json.loads(Workspace(workspace).new_dataset("play").description.read_text())["fingerprint"]


def remains(workspace: Path) -> object:
    """Return what a training leaves, but for moments and speeds: weights, checkpoint, figures, samples."""
    folder = RunFolder(workspace / "runs" / "play")
    last = folder.checkpoint(folder.checkpoint_steps()[0])
    rows = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    files = [folder.weights, *sorted(last.glob("*.safetensors")), *sorted(folder.samples.glob("*.txt"))]
    return (
        [{key: value for key, value in row.items() if key != "seconds"} for row in rows],
        [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files],
        last.name,
        json.loads(folder.config.read_text())["result"] is not None,
    )


def resume(workspace: Path) -> tuple[str, ...]:
    """Return how a killed training goes on: it is resumed, or begun where there is nothing to resume."""
    folder = RunFolder(workspace / "runs" / "play").latest
    return _resume(folder) if folder.config.exists() else TRAIN


def _resume(folder: RunFolder) -> tuple[str, ...]:
    """Return how a training is resumed that has not come to its end."""
    return LOOK if json.loads(folder.config.read_text())["result"] else ("train", "--resume", "play")


def resume_replacement(workspace: Path) -> tuple[str, ...]:
    """Return the same for one that replaces a model of another size."""
    folder = RunFolder(workspace / "runs" / "play").latest
    is_new = json.loads(folder.config.read_text())["settings"]["seed"] == 2
    return _resume(folder) if is_new else _REPLACE


_REPLACE = (*TRAIN, "--force", "--set=seed=2")


def go_on_with_more(workspace: Path) -> tuple[str, ...]:
    """Return how a killed `--resume --epochs N` goes on: the N are not said again once they were kept."""
    folder = RunFolder(workspace / "runs" / "play")
    document = json.loads((folder.checkpoint(folder.checkpoint_steps()[0]) / "state.json").read_text())
    step, segment = document["progress"]["step"], document["progress"]["segment"]
    if not segment["first_step"]:
        return MORE
    is_over = step == segment["first_step"] + segment["steps"]
    has_result = json.loads(folder.config.read_text())["result"]
    return LOOK if is_over and has_result else ("train", "--resume", "play")


def page(workspace: Path) -> object:
    """Return the page that was written."""
    return (workspace / "page.txt").read_text(encoding="utf-8")


def state(workspace: Path) -> object:
    """Return the saved state."""
    return (workspace / "state").read_bytes()


def trials(workspace: Path) -> object:
    """Return whether there are as many trials as were asked for, and one of them has come to its end."""
    with closing(sqlite3.connect(workspace / "studies" / "play" / "study.db")) as connection:
        states = [state for (state,) in connection.execute("SELECT state FROM trials")]
    return (
        len([state for state in states if state not in ("RUNNING", "WAITING")]) >= 2 and "COMPLETE" in states
    )


def is_there(workspace: Path) -> object:
    """Return whether there is a draft."""
    return draft_is_whole(workspace)


def pulled(workspace: Path) -> object:
    """Return the hash of the pulled weights."""
    return hashlib.sha256((workspace / "runs" / "ann--play" / "model.safetensors").read_bytes()).hexdigest()


def pulled_is_whole(workspace: Path) -> str | None:
    """Return what is wrong with a pulled run in whose folder there were notes."""
    notes = workspace / "runs" / "ann--play" / "notes.txt"
    return run_is_whole(workspace, "ann--play") or (None if notes.is_file() else "the notes are gone")


def _published(stage: Stage) -> Path:
    _ = stage.with_outdated  # so that what is pulled is the same before and after other attacks
    return stage.with_text


_SAVE_STATE = ("generate", "play", "--lines", "3", "--seed", "2", "--save-state", "state")
_OF_THE_WORKSPACE: Mapping[str, Target] = {
    "prepare": Target(
        ("prepare", "play.txt", "--level", "word"),
        lambda stage: stage.with_text,
        lambda workspace: dataset_is_whole(workspace, may_lack=True),
        fingerprint,
        lambda workspace: ("prepare", "play.txt", "--level", "word", "--force"),
    ),
    "prepare --force": Target(
        ("prepare", "play.txt", "--level", "char", "--force"),
        lambda stage: stage.with_dataset,
        dataset_is_whole,
        fingerprint,
    ),
    "train": Target(TRAIN, lambda stage: stage.with_dataset, run_can_go_on, remains, resume),
    "train --force": Target(
        _REPLACE, lambda stage: stage.with_run, run_is_whole, remains, resume_replacement
    ),
    "train --resume": Target(MORE, lambda stage: stage.with_run, run_is_whole, remains, go_on_with_more),
    "pull, new": Target(
        ("pull", "ann/play"), _published, lambda workspace: run_or_nothing(workspace, "ann--play"), pulled
    ),
    "pull, known": Target(
        ("pull", "ann/play"),
        lambda stage: stage.with_outdated,
        pulled_is_whole,
        pulled,
    ),
    "tune": Target(
        ("tune", "play", "--trials", "2", "--seconds", "0.3"),
        lambda stage: stage.with_dataset,
        study_is_whole,
        trials,
    ),
    "generate -o": Target(
        ("generate", "play", "--lines", "5", "--seed", "2", "-o", "page.txt", "--force"),
        lambda stage: stage.with_page,
        page_is_whole,
        page,
    ),
    "generate --save-state": Target(_SAVE_STATE, lambda stage: stage.with_page, state_is_whole, state),
    "an edit in the page": Target(
        ("-m", "reliability.edit", "room/drafts.db"),
        lambda stage: stage.with_page,
        draft_is_whole,
        is_there,
    ),
}
TARGETS: Mapping[str, Target] = {**_OF_THE_WORKSPACE, **NAMED_FILES}
