"""D: damage to every file that is read: what reads it names an error and a remedy, or works.

Of a checkpoint the manifest agrees with what is damaged. What is wrong may take no long time and no large
memory. How files are damaged stands in `damage`; `damaged_commands` lets whole commands read them.
"""

import io
import json
import os
import random
import resource
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout, suppress
from functools import partial
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import huggingface_hub.constants
import optuna
from support.campaign import DRAW, Part, share
from support.checkpoints import write_manifest
from support.tiny import finish, small
from support.verdict import problem_of

from reliability.damage import (
    damage_array,
    damage_bytes,
    damage_database,
    damage_json,
    damage_lines,
    damage_tensors,
    damage_toml,
    damage_words,
)
from reliability.furnished import copied, furnish
from reliability.mutants import read
from scriptforge.cli.app import run as run_command
from scriptforge.cli.runs import runs
from scriptforge.config import collect_settings, resolve
from scriptforge.corpus.cards import load_cards
from scriptforge.corpus.prepare import retokenize
from scriptforge.dataset import Dataset
from scriptforge.evaluation.profile import Profile
from scriptforge.generation.generate import Session
from scriptforge.hub.pull import find_run
from scriptforge.hub.push import build_payload
from scriptforge.net.client import sha256_of
from scriptforge.options import GenerateOptions, ServeOptions, TrainOptions
from scriptforge.run.history import read_history
from scriptforge.run.records import HubRecord
from scriptforge.run.run import Run
from scriptforge.serve.changes import Change
from scriptforge.serve.drafts import DraftMissing, Drafts, RevisionConflict
from scriptforge.serve.elements import PageElement
from scriptforge.serve.runs import OfferedRuns, Runs
from scriptforge.serve.server import Server
from scriptforge.training.checkpoint import newest_checkpoint, read_state
from scriptforge.training.trainer import resume, start
from scriptforge.tuning.results import note, records_of
from scriptforge.tuning.space import Space
from scriptforge.tuning.study import Plan, Study, open_study
from scriptforge.workspace import SPLITS, DatasetFolder, RunFolder, Workspace

_SECONDS, _KILOBYTES = 5, 250_000
_RUN, _PULLED, _SPELLER = "runs/play", "runs/someone--play", "runs/letters"
_DATA, _CHARS = "data/harbour", "data/letters"
_CARD = """\
title = "Own"
description = "A play."
licence = "unknown"
rights = "Whoever wrote it."
language = "en"
level = "word"
vocabulary_size = 300

[source]
path = "../play.txt"
"""
_SETTINGS = 'hidden_size = 16\nlearning_rate = 1e-3\narch = "lstm"\ntied = false\n'
_SPACE = "learning_rate = {low = 0.001, high = 0.02, log = true}\n"
_USERS = [
    {"id": "U1", "name": "nora", "profile": {"display_name": "Nora", "real_name": "Nora Ash"}},
    {"id": "U2", "name": "oskar", "profile": {"display_name": "", "real_name": "Oskar"}},
]

Damage = Callable[[bytes, random.Random], bytes]
Reader = Callable[[Workspace], object]


def _run(workspace: Workspace) -> Run:
    return Run(RunFolder(workspace.root / _RUN))


def _open_run(workspace: Workspace) -> None:
    "".join(Session(_run(workspace), GenerateOptions(lines=1, seed=1)).stream())


def _show_run(workspace: Workspace) -> None:
    """List the runs on the terminal and in a room, make the card of one, and write with it."""
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as said:
        codes = [
            run_command(["runs", *names, "--workspace", str(workspace.root)]) for names in ([], ["play"])
        ]
    assert codes[0] == 0 and "should not have happened" not in said.getvalue(), said.getvalue()
    assert "someone--play" in {each["name"] for each in Runs(OfferedRuns(workspace)).summaries()}
    _open_run(workspace)
    build_payload(_run(workspace), "ann/play")


def _go_on(workspace: Workspace) -> None:
    options = GenerateOptions(lines=1, seed=1, continue_from=workspace.root / "state")
    "".join(Session(_run(workspace), options).stream())


def _open_dataset(workspace: Workspace, path: str = _DATA) -> None:
    dataset = Dataset(DatasetFolder(workspace.root / path))
    for split in SPLITS:
        dataset.ids(split)
        for _ in dataset.rows(split):
            pass


def _open_letters(workspace: Workspace) -> None:
    _open_dataset(workspace, _CHARS)


def _open_checkpoint(workspace: Workspace) -> None:
    path, _ = newest_checkpoint(RunFolder(workspace.root / _RUN))
    read_state(path)


def _resume(workspace: Workspace) -> None:
    """Restore a training that has ended, which is said then; one that has not makes no more than a step."""
    dataset = Dataset(DatasetFolder(workspace.root / _DATA))
    with closing(resume(dataset, RunFolder(workspace.root / _RUN), "cpu")) as events:
        next(events)


def _open_drafts(workspace: Workspace) -> None:
    """Read and change every draft, as the page does."""
    with closing(Drafts(workspace.room.drafts)) as drafts:
        for each in drafts.summaries():
            with suppress(RevisionConflict, DraftMissing):  # since the drafts were recovered
                draft = drafts.get(each["id"])
                json.dumps(draft, allow_nan=False)
                drafts.changes(each["id"], 1)
                drafts.update(each["id"], title="Another")
                drafts.change(each["id"], _change(draft["revision"], "new"))


def _open_room(workspace: Workspace) -> None:
    with Server(workspace, None, ServeOptions()) as server:
        server.link.encode("ascii")


def _pull(workspace: Workspace) -> None:
    with patch.object(huggingface_hub.constants, "HF_HUB_OFFLINE", True):
        find_run(workspace, "someone/play")


def _open_study(workspace: Workspace) -> None:
    with _study(workspace) as study:
        records_of(study.backend)


def _list(workspace: Workspace, names: list[str] | None = None) -> None:
    """List the runs of a workspace, or some side by side, as the command does."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        runs(names, None, workspace.root, as_json=False)


def _compare(workspace: Workspace) -> None:
    _list(workspace, ["play", "someone--play"])


def _spell(workspace: Workspace) -> None:
    run = Run(RunFolder(workspace.root / _SPELLER))
    "".join(Session(run, GenerateOptions(length=20, seed=1)).stream())


def _open_card(workspace: Workspace) -> None:
    load_cards(workspace.root / "corpora").card("own")


def _open_settings(workspace: Workspace) -> None:
    file, _ = collect_settings(TrainOptions(config=workspace.root / "settings.toml"))
    resolve(file)


FILES: Mapping[str, tuple[Damage, Reader]] = {
    f"{_RUN}/config.json": (damage_json, _show_run),
    f"{_RUN}/config.json (in a list)": (damage_json, _list),
    f"{_RUN}/config.json (beside another)": (damage_json, _compare),
    f"{_RUN}/tokenizer.json": (damage_json, _open_run),
    f"{_RUN}/model.safetensors": (damage_tensors, _open_run),
    f"{_RUN}/metrics.jsonl": (damage_lines, lambda workspace: read_history(workspace.run("play"))),
    f"{_RUN}/profile.json": (damage_json, lambda workspace: Profile.load(_run(workspace))),
    f"{_PULLED}/hub.json": (damage_json, _pull),
    f"{_DATA}/dataset.json": (damage_json, _open_dataset),
    f"{_DATA}/tokenizer.json": (damage_json, _open_dataset),
    f"{_DATA}/train.npy": (damage_array, _open_dataset),
    f"{_DATA}/scripts.parquet": (damage_bytes, _open_dataset),
    f"{_CHARS}/train.npy": (damage_array, _open_letters),
    f"{_CHARS}/lexicon.txt": (damage_words, _open_letters),
    f"{_SPELLER}/lexicon.txt": (damage_words, _spell),
    "CHECKPOINT/state.json": (damage_json, _open_checkpoint),
    "CHECKPOINT/manifest.json": (damage_json, _open_checkpoint),
    "CHECKPOINT/model.safetensors": (damage_tensors, _resume),
    "CHECKPOINT/optimizer.safetensors": (damage_tensors, _resume),
    "room/drafts.db": (damage_database, _open_drafts),
    "room/token": (damage_bytes, _open_room),
    "room/address.json": (damage_json, _open_room),
    "studies/play/study.db": (damage_database, _open_study),
    "state": (damage_tensors, _go_on),
    "corpora/own.toml": (damage_toml, _open_card),
    "settings.toml": (damage_toml, _open_settings),
    "space.toml": (damage_toml, lambda workspace: Space.read(workspace.root / "space.toml")),
    "chat/users.json": (damage_json, lambda workspace: read(workspace.root / "chat" / "general" / "1.json")),
}
"""Each file that is read, in brackets by what, how it is damaged, and what reads it."""


def attack(furnished: Path, times: int, names: Iterable[str] = FILES, seed: int = 0) -> list[Part]:
    """Damage each file so many times, and read it."""
    parts = []
    with TemporaryDirectory(prefix="damaged-") as folder:
        workspace = furnish_more(copied(furnished, Path(folder) / "workspace"))
        for name in names:
            problem = problem_of(partial(FILES[name][1], workspace), _SECONDS)
            assert problem is None, f"{name} is whole: {problem}"
        idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for name in names:
            part = Part(name.replace("CHECKPOINT", "a checkpoint's"))
            parts.append(part)
            read = FILES[name][1]
            for number in share(range(seed, seed + times)):
                with damaged(workspace, name, number):
                    problem = problem_of(partial(read, workspace), _SECONDS)
                part.count(problem and f"number {number}: {problem}")
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle
        memory = Part("memory beyond that of an idle process")
        memory.count(f"{grown // 1000} MB" if grown > _KILOBYTES else None)
    return [*parts, memory]


def long_attack(most: int | None = None) -> list[Part]:
    """Damage each file 1,000 times, and let commands read 500."""
    from reliability.damaged_commands import attack as attack_commands

    with TemporaryDirectory(prefix="damaged-") as folder:
        furnished = furnish(Path(folder) / "furnished")
        return [
            *attack(furnished, most or 1_000, seed=DRAW),
            *attack_commands(furnished, most or 500, seed=DRAW),
        ]


@contextmanager
def damaged(workspace: Workspace, name: str, number: int) -> Iterator[None]:
    """Damage one of `FILES` while a block lasts; then all around it is as it was."""
    path = _path(workspace, name)
    around = path.parent.parent if name.startswith("CHECKPOINT") else path.parent
    with TemporaryDirectory(prefix="kept-") as kept:
        if around != workspace.root:
            shutil.copytree(around, kept, dirs_exist_ok=True, symlinks=True)
        whole = path.read_bytes()
        path.write_bytes(FILES[name][0](whole, random.Random(f"{name} {number}")))
        if name.startswith("CHECKPOINT") and path.name != "manifest.json":
            write_manifest(path.parent)
        try:
            yield
        finally:
            if around == workspace.root:
                path.write_bytes(whole)
            else:
                shutil.rmtree(around)
                shutil.copytree(kept, around, symlinks=True)


def furnish_more(root: Path) -> Workspace:
    """Add to a furnished workspace what reading and writing leave there: of every kind of file one."""
    workspace = Workspace(root)
    run = _run(workspace)
    session = Session(run, GenerateOptions(lines=1, seed=1, save_state=root / "state"))
    "".join(session.stream())
    session.save_state(root / "state")
    run.folder.profile.write_text('{"weights": ""}')
    _write_toml(root)
    _write_chat(root / "chat")
    pulled = RunFolder(Path(shutil.copytree(root / _RUN, root / _PULLED)))
    files = {name: sha256_of(pulled.path / name) for name in pulled.needed}
    record = HubRecord(repository="someone/play", owner="someone", revision="0" * 40, files=files)
    pulled.hub.write_text(record.model_dump_json(indent=2))
    os.utime(pulled.config, (0, 0))  # the latest run is the other one
    dataset = Dataset(DatasetFolder(root / _DATA))
    retokenize(dataset, "char", None, DatasetFolder(root / _CHARS))
    letters = Dataset(DatasetFolder(root / _CHARS))
    finish(start(letters, small(epochs=0.1, validations=1), RunFolder(root / _SPELLER), "cpu"))
    os.utime(root / _SPELLER / "config.json", (0, 0))
    _open_room(workspace)
    with closing(Drafts(workspace.room.drafts)) as drafts:
        elements = [PageElement.model_validate(_element(f"e{number}")) for number in range(60)]
        draft = drafts.create("Draft", "play", elements)
        for revision in range(1, 6):
            drafts.change(draft["id"], _change(revision, f"c{revision}"))
        drafts.update(draft["id"], settings={"temperature": 0.7, "cast": ["Bo"]})
    with _study(workspace) as study:
        study.backend.optimize(lambda trial: _result(study, trial), n_trials=2)
    return workspace


def _write_toml(root: Path) -> None:
    (root / "corpora").mkdir()
    (root / "corpora" / "own.toml").write_text(_CARD)
    (root / "settings.toml").write_text(_SETTINGS)
    (root / "space.toml").write_text(_SPACE)


def _write_chat(folder: Path) -> None:
    """Write a chat as Slack exports it: its users, and a folder for each channel."""
    said = [
        {"type": "message", "user": f"U{1 + number % 2}", "text": f"<@U{2 - number % 2}>, it rains. {number}"}
        for number in range(30)
    ]
    (folder / "general").mkdir(parents=True)
    (folder / "users.json").write_text(json.dumps(_USERS))
    (folder / "general" / "1.json").write_text(json.dumps(said))


def _result(study: Study, trial: optuna.Trial) -> float:
    note(trial, chosen=study.choose(trial), settings={}, reason="none")
    trial.report(2.5, 1)
    return 2.25


def _element(id_: str) -> dict[str, object]:
    origin = {"run": "play", "seed": 7, "edited": False}
    return {"id": id_, "kind": "dialogue", "text": "Caf\u00e9 at noon. " * 9, "origin": origin}


def _change(base: int, name: str) -> Change:
    branch = {"id": name, "name": "Another way", "after": "e1", "elements": [_element("b")]}
    edits = [{"put": _element(name), "after": "e3"}]
    return Change.model_validate({"base": base, "change": name, "edits": edits, "branch": branch})


@contextmanager
def _study(workspace: Workspace) -> Iterator[Study]:
    space = Space.read(workspace.root / "space.toml")
    plan = Plan(trials=3, seconds=0.01, space=space, pruner="none", accelerator="cpu", seed=1)
    dataset = Dataset(DatasetFolder(workspace.root / _DATA))
    with open_study(workspace.study("play"), None, dataset, plan) as study:
        yield study


def _path(workspace: Workspace, name: str) -> Path:
    if name.startswith("CHECKPOINT"):
        checkpoint, _ = newest_checkpoint(RunFolder(workspace.root / _RUN))
        return checkpoint / Path(name).name
    return workspace.root / name.partition(" (")[0]
