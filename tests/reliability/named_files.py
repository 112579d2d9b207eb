"""The commands that write what a person names: files, folders, other names, a repository on the Hub.

None of them is half there at any moment, and each can be made once more after whatever kept it from its end.
"""

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from reliability.stage import Stage
from reliability.target import LOOK, Made, Target, files
from reliability.whole import draft_is_whole, page_is_whole, run_is_whole, run_or_nothing

_REPOSITORY = "ann/pushed"
_SEED = ("--seed", "2")
_HEADING = "--- seed 2 ---"
"""What `generate --append` writes above a text of that seed."""


def _once_more(words: tuple[str, ...], workspace: Path) -> tuple[str, ...]:
    """Return how a command goes on that may have written already."""
    return (*words, "--force")


def _writes(
    words: tuple[str, ...],
    begin: Callable[[Stage], Path],
    *names: str,
    holds: Callable[[Path], str | None] = run_or_nothing,
) -> Target:
    """Return a command that writes files and folders of these names, and nothing else."""
    return Target(words, begin, holds, go_on=partial(_once_more, words), made=files(*names))


def _one_name(workspace: Path) -> str | None:
    """Return what is wrong with a run that is being renamed: it has one of two names, and is whole."""
    names = [name for name in ("play", "other") if (workspace / "runs" / name).exists()]
    return run_is_whole(workspace, names[0]) if len(names) == 1 else f"the run has the names {names}"


def _renamed(workspace: Path) -> tuple[str, ...]:
    return LOOK if (workspace / "runs" / "other").exists() else _RENAME


def _removed(workspace: Path) -> tuple[str, ...]:
    return _REMOVE if (workspace / "runs" / "play").exists() else LOOK


def _appended(workspace: Path) -> tuple[str, ...]:
    text = (workspace / "page.txt").read_text(encoding="utf-8")
    return LOOK if _HEADING in text else _APPEND


def _pushed(stage: Stage, workspace: Path) -> Made:
    """Return what is in the repository: all of a commit, or nothing."""
    repository = stage.hub.repositories.get(("model", _REPOSITORY))
    content = sorted(repository.files.items()) if repository else []
    return {"the commit": hashlib.sha256(repr(content).encode()).hexdigest() if content else None}


def before_a_push(stage: Stage) -> Path:
    """Return the workspace that a push starts from, and make the Hub forget earlier ones."""
    stage.hub.repositories.pop(("model", _REPOSITORY), None)
    return stage.with_run


_RENAME = ("rename", "runs/play", "other")
_REMOVE = ("remove", "runs/play", "--yes")
_APPEND = ("generate", "play", "--lines", "3", *_SEED, "-o", "page.txt", "--append")
NAMED_FILES: Mapping[str, Target] = {
    "rename": Target(
        _RENAME, lambda stage: stage.with_run, _one_name, lambda workspace: run_is_whole(workspace, "other"),
        _renamed,
    ),
    "remove": Target(
        _REMOVE, lambda stage: stage.with_run, run_or_nothing,
        lambda workspace: (workspace / "runs" / "play").exists(), _removed,
    ),
    "convert": _writes(
        ("convert", "play.txt", "play.docx"), lambda stage: stage.with_text, "play.docx"
    ),
    "convert --to": _writes(
        ("convert", "plays", "scripts", "--to", "fountain"), lambda stage: stage.with_text,
        "scripts/one.fountain", "scripts/two.fountain",
    ),
    "export --onnx": _writes(("export", "play", "--onnx", "onnx"), lambda stage: stage.with_run, "onnx"),
    "export --transformers": _writes(
        ("export", "play", "--transformers", "transformers"), lambda stage: stage.with_transformer,
        "transformers",
    ),
    "page": _writes(("page", "play", "-o", "page"), lambda stage: stage.with_run, "page"),
    "drafts --export": _writes(
        ("drafts", "--export", "draft.fountain"), lambda stage: stage.with_page, "draft.fountain",
        holds=draft_is_whole,
    ),
    "originality --html": _writes(
        ("originality", "page.txt", "--run", "play", "--html", "copies.html"), lambda stage: stage.with_page,
        "copies.html",
    ),
    "evaluate --picture": _writes(
        ("evaluate", "play", "--profile", "--picture", "profile.svg"), lambda stage: stage.with_held_out,
        "profile.svg",
    ),
    "generate -n": _writes(
        ("generate", "play", "--lines", "2", *_SEED, "-n", "3", "-o", "pages"), lambda stage: stage.with_run,
        *(f"pages/play-seed-{seed}.txt" for seed in (2, 3, 4)),
    ),
    "generate --append": Target(
        _APPEND, lambda stage: stage.with_page, page_is_whole, go_on=_appended, made=files("page.txt"),
    ),
    "push": Target(
        ("push", "play", "--repo", _REPOSITORY, "--quiet"), before_a_push, run_is_whole, made=_pushed,
        sends=True,
    ),
}  # fmt: skip
