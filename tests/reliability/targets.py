"""The commands that are attacked: what they start from, and what must be there whatever happens to them."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reliability.stage import MORE, TRAIN, Stage
from scriptforge.dataset import Dataset
from scriptforge.errors import ScriptforgeError
from scriptforge.run.run import Run
from scriptforge.training.checkpoint import newest_checkpoint
from scriptforge.workspace import SPLITS, RunFolder, Workspace

_LOOK = ("runs",)


@dataclass(frozen=True)
class Target:
    """A command that writes.

    Attributes:
        words: what it is called with.
        begin: the workspace that it starts from.
        holds: says what is wrong with what it has left, at whatever moment it ended; None if nothing is.
        end: what must be the same in the end, whatever happened before.
        go_on: the command that goes on after a kill; by default the same.
    """

    words: tuple[str, ...]
    begin: Callable[[Stage], Path]
    holds: Callable[[Path], str | None]
    end: Callable[[Path], object]
    go_on: Callable[[Path], tuple[str, ...]] | None = None

    def next_words(self, workspace: Path) -> tuple[str, ...]:
        """Return the command that brings it to its end."""
        return self.go_on(workspace) if self.go_on else self.words


def orphans(workspace: Path) -> list[str]:
    """Return what is hidden in a workspace: nothing, where no command runs."""
    return sorted(path.relative_to(workspace).as_posix() for path in workspace.rglob(".*"))


def reason(work: Callable[[], object]) -> str | None:
    """Return why something fails, if it does for a reason that a person would be told."""
    try:
        work()
    except ScriptforgeError as error:
        return error.message
    return None


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


def fingerprint(workspace: Path) -> object:
    """Return what tells one dataset from another: vocabulary and ids."""
    return json.loads(Workspace(workspace).new_dataset("play").description.read_text())["fingerprint"]


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


def remains(workspace: Path) -> object:
    """Return what a training leaves, but for moments and speeds: weights, checkpoint, figures, samples."""
    folder = RunFolder(workspace / "runs" / "play")
    last = folder.checkpoint(folder.checkpoint_steps()[0])
    rows = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    files = [folder.weights, *sorted(last.glob("*.safetensors")), *sorted(folder.samples.iterdir())]
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
    return _LOOK if json.loads(folder.config.read_text())["result"] else ("train", "--resume", "play")


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
    return _LOOK if is_over and has_result else ("train", "--resume", "play")


def page(workspace: Path) -> object:
    """Return the page that was written."""
    return (workspace / "page.txt").read_text(encoding="utf-8")


def page_is_whole(workspace: Path) -> str | None:
    """Return what is wrong with a page that is there."""
    path = workspace / "page.txt"
    return None if len(path.read_text(encoding="utf-8").splitlines()) >= 3 else "half a page"


def state_is_whole(workspace: Path) -> str | None:
    """Return what is wrong with a saved state."""
    from scriptforge.generation.decoding_state import load_state

    weights = Run(RunFolder(workspace / "runs" / "play")).fingerprint
    return reason(lambda: load_state(workspace / "state", weights=weights))


def state(workspace: Path) -> object:
    """Return the saved state."""
    return (workspace / "state").read_bytes()


def study_is_whole(workspace: Path) -> str | None:
    """Return what is wrong with a study: its database can be read, and nothing else was touched."""
    import sqlite3
    from contextlib import closing

    database = workspace / "studies" / "play" / "study.db"
    if database.exists():
        with closing(sqlite3.connect(database)) as connection:
            if (said := connection.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
                return str(said)
    return dataset_is_whole(workspace)


def trials(workspace: Path) -> object:
    """Return whether there are as many trials as were asked for, and one of them has come to its end."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(workspace / "studies" / "play" / "study.db")) as connection:
        states = [state for (state,) in connection.execute("SELECT state FROM trials")]
    return (
        len([state for state in states if state not in ("RUNNING", "WAITING")]) >= 2 and "COMPLETE" in states
    )


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


def is_there(workspace: Path) -> object:
    """Return whether there is a draft."""
    return draft_is_whole(workspace)


def pulled(workspace: Path) -> object:
    """Return the hash of the pulled weights."""
    return hashlib.sha256((workspace / "runs" / "ann--play" / "model.safetensors").read_bytes()).hexdigest()


def _published(stage: Stage) -> Path:
    _ = stage.with_pulled
    return stage.with_text


_SAVE_STATE = ("generate", "play", "--lines", "3", "--seed", "2", "--save-state", "state")
TARGETS: Mapping[str, Target] = {
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
        lambda workspace: run_is_whole(workspace, "ann--play"),
        pulled,
    ),
    "push": Target(
        ("push", "play", "--quiet"), lambda stage: stage.with_run, run_is_whole, lambda workspace: None
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
