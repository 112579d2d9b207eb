"""The loaders of what is kept in a workspace, where a stranger or a broken disk may have changed any file.

The model is made by hand, its weights drawn at random, so that reading it needs no PyTorch; the checkpoint
is that of a training.
"""

import json
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from safetensors.numpy import save_file
from support.checkpoints import write_manifest

from fuzzing.scripts import read_script
from fuzzing.target import Read, Target
from scriptforge.config import collect_settings, resolve
from scriptforge.corpus.cards import Cards, read_card
from scriptforge.corpus.fetch import fetch
from scriptforge.corpus.prepare import prepare_corpora
from scriptforge.corpus.sources import find_source
from scriptforge.dataset import Dataset
from scriptforge.generation.generate import Session
from scriptforge.inference.configs import config_from_json
from scriptforge.options import GenerateOptions, PrepareOptions, TrainOptions
from scriptforge.run.history import Validation, read_history, write_history
from scriptforge.run.records import HubRecord, RunDescription
from scriptforge.run.run import Run
from scriptforge.serve.drafts import Drafts
from scriptforge.serve.elements import PageElement
from scriptforge.workspace import SPLITS, RunFolder, StudyFolder, Workspace

_REPOSITORY = Path(__file__).resolve().parent.parent.parent
_BASE_MODEL = RunFolder(_REPOSITORY / "scriptforge" / "american-plays")
_LINES = ("Is that the roof?", "It is only rain & wind.", "The hens are gone.", "Mud everywhere.")
_SPACE = "hidden_size = {choices = [8, 12]}\nlearning_rate = {low = 1e-3, high = 3e-2, log = true}\n"
_USERS = [{"id": "U1", "name": "nora", "profile": {"display_name": "Nora", "real_name": "Nora Ash"}}]
_CHAT = [{"type": "message", "user": "U1", "ts": f"{number}", "text": "<@U1>: rain."} for number in range(9)]
_FIGURE = {"people": 1.0, "low": 0.5, "high": 1.5, "model": 1.2, "auc": 0.5}
_PROFILE = {
    "lines": 8, "words": 50, "people_pages": 3, "model_pages": 3, "figures": {"speakers": _FIGURE},
}  # fmt: skip


def store_targets() -> Iterator[Target]:
    """Yield every target that reads a file of a workspace."""
    for name, (file, read) in _FILES.items():
        yield Target(name, partial(_seeds, file), partial(_opened, file=file, read=read), name == "profile")
    yield Target("checkpoint", _checkpoint_seeds, _checkpoint, needs_torch=True)
    yield Target("study", _study_seeds, _study, needs_torch=True)


def furnished(folder: Path) -> Workspace:
    """Fill a folder with a dataset, a run with all that can stand beside it, and drafts; return it."""
    workspace = Workspace(folder)
    said = "\n\n".join(f"{'NORA' if number % 3 else 'OSKAR'}: {_LINES[number % 4]}" for number in range(200))
    (folder / "play.txt").write_text(f"{said}\n", encoding="utf-8")
    corpus = fetch(find_source(str(folder / "play.txt"), Cards({}, {})))
    prepare_corpora([corpus], PrepareOptions(level="bpe", vocabulary_size=300), workspace.new_dataset("play"))
    run = _run(workspace, Dataset(workspace.dataset("play")))
    session = Session(run, GenerateOptions(lines=1, seed=1, save_state=folder / "state"))
    "".join(session.stream())
    session.save_state(folder / "state")
    write_history(run.folder, [Validation(1, 0.1, 0.5, 2.0, 1.9, 6.7, 1.2, 1.8, True)])
    record = HubRecord(repository="ann/play", owner="ann", revision="0" * 40, files={"config.json": "0" * 64})
    run.folder.hub.write_text(record.model_dump_json())
    run.folder.profile.write_text(json.dumps({**_PROFILE, "weights": run.fingerprint}))
    (folder / "card.toml").write_bytes((_REPOSITORY / "corpora" / "american-plays.toml").read_bytes())
    (folder / "settings.toml").write_text('hidden_size = 16\narch = "lstm"\nlearning_rate = 1e-3\n')
    (folder / "users.json").write_text(json.dumps(_USERS))
    (folder / "chat.json").write_text(json.dumps(_CHAT))
    drafts = Drafts(workspace.room.drafts)
    drafts.create("Draft", "play", [PageElement(id="e1", kind="action", text="Rain.", origin=None)])
    drafts.close()
    return workspace


def _run(workspace: Workspace, dataset: Dataset) -> Run:
    """Write a run whose weights are drawn at random."""
    folder = workspace.new_run("play")
    folder.path.mkdir(parents=True)
    sizes = {"embedding_size": 4, "hidden_size": 4}
    model = {"arch": "lstm", **sizes, **dataset.vocabulary.sizes}
    shapes = config_from_json(model).weight_shapes()
    draw = np.random.default_rng(0)
    weights = {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    parent = RunDescription.load(_BASE_MODEL)
    about = {"turns": None, "echoes": None, "marks": None, "frequencies": None, "level": "bpe"}
    trained_on = parent.dataset.model_copy(update={**about, "cast": ["NORA", "OSKAR"]})
    count = sum(array.size for array in weights.values())
    changes = {"name": "play", "dataset": trained_on, "model": model, "parameters": count}
    save_file(weights, folder.weights)
    parent.model_copy(update=changes).save(folder)
    dataset.copy_vocabulary(folder)
    return Run(folder)


def _opened(folder: Path, file: str, read: Callable[[Workspace], object]) -> Read:
    workspace = furnished(folder)

    def read_content(content: bytes) -> None:
        path = folder / file
        for left in path.parent.glob(f"{path.name}*"):
            left.unlink()
        path.write_bytes(content)
        read(workspace)

    return read_content


def _seeds(file: str) -> list[bytes]:
    with TemporaryDirectory() as folder:
        return [(furnished(Path(folder)).root / file).read_bytes()]


def _describe(workspace: Workspace) -> None:
    description = RunDescription.load(workspace.run("play"))
    config_from_json(description.model).weight_shapes()
    _ = description.summary


def _write(workspace: Workspace, **options: object) -> None:
    run = Run(workspace.run("play"))
    "".join(Session(run, GenerateOptions(lines=1, seed=1, **options)).stream())  # type: ignore[arg-type]


def _read_dataset(workspace: Workspace) -> None:
    dataset = Dataset(workspace.dataset("play"))
    for split in SPLITS:
        dataset.ids_by_source(split)
        for _ in dataset.rows(split):
            pass


def _read_profile(workspace: Workspace) -> None:
    from scriptforge.evaluation.profile import Profile

    profile = Profile.load(Run(workspace.run("play")))
    if profile is not None:
        _ = profile.rows, profile.table, profile.share_within, profile.document()


def _read_settings(workspace: Workspace) -> None:
    file, _ = collect_settings(TrainOptions(config=workspace.root / "settings.toml"))
    resolve(file)


def _read_drafts(workspace: Workspace) -> None:
    drafts = Drafts(workspace.room.drafts)
    try:
        for each in drafts.summaries():
            drafts.get(each["id"])
    finally:
        drafts.close()
        for aside in workspace.room.drafts.parent.glob("*damaged*"):
            aside.unlink()


_RUN, _DATA = "runs/play", "data/play"
_FILES: dict[str, tuple[str, Callable[[Workspace], object]]] = {
    "config": (f"{_RUN}/config.json", _describe),
    "config-used": (f"{_RUN}/config.json", _write),
    "tokenizer": (f"{_RUN}/tokenizer.json", _write),
    "lexicon": (f"{_RUN}/lexicon.txt", lambda workspace: Run(workspace.run("play"))),
    "weights": (f"{_RUN}/model.safetensors", lambda workspace: Run(workspace.run("play"))),
    "metrics": (f"{_RUN}/metrics.jsonl", lambda workspace: read_history(workspace.run("play"))),
    "profile": (f"{_RUN}/profile.json", _read_profile),
    "hub": (f"{_RUN}/hub.json", lambda workspace: HubRecord.load(workspace.run("play"))),
    "dataset": (f"{_DATA}/dataset.json", _read_dataset),
    "ids": (f"{_DATA}/train.npy", _read_dataset),
    "rows": (f"{_DATA}/scripts.parquet", _read_dataset),
    "state": ("state", lambda workspace: _write(workspace, continue_from=workspace.root / "state")),
    "card": ("card.toml", lambda workspace: read_card(workspace.root / "card.toml")),
    "settings": ("settings.toml", _read_settings),
    "users": ("users.json", lambda workspace: read_script(workspace.root / "chat.json")),
    "drafts": ("room/drafts.db", _read_drafts),
}
"""By target, the file that is the input, and what reads it."""


def _checkpoint_seeds() -> list[bytes]:
    with TemporaryDirectory() as folder:
        return [_trained(Path(folder)).joinpath("state.json").read_bytes()]


def _trained(folder: Path) -> Path:
    """Train a little; return the checkpoint."""
    from reliability.furnished import furnish

    from scriptforge.training.checkpoint import newest_checkpoint

    return newest_checkpoint(RunFolder(furnish(folder / "w") / "runs" / "play"))[0]


def _checkpoint(folder: Path) -> Read:
    """Return what reads the state of a checkpoint whose manifest agrees."""
    from scriptforge.training.checkpoint import newest_checkpoint, read_state

    checkpoint = _trained(folder)

    def read(content: bytes) -> None:
        (checkpoint / "state.json").write_bytes(content)
        write_manifest(checkpoint)
        read_state(newest_checkpoint(RunFolder(checkpoint.parent.parent))[0])

    return read


def _study_seeds() -> list[bytes]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        _read_study(furnished(folder))
        return [StudyFolder(folder / "studies" / "play").database.read_bytes()]


def _study(folder: Path) -> Read:
    workspace = furnished(folder)
    database = StudyFolder(folder / "studies" / "play").database

    def read(content: bytes) -> None:
        database.parent.mkdir(parents=True, exist_ok=True)
        database.write_bytes(content)
        _read_study(workspace)

    return read


def _read_study(workspace: Workspace) -> None:
    """Open a study and read its trials, or begin it."""
    from scriptforge.tuning.results import best_of, records_of
    from scriptforge.tuning.space import Space
    from scriptforge.tuning.study import Plan, open_study

    space = Space.parsed(tomllib.loads(_SPACE))
    plan = Plan(trials=3, seconds=0.01, space=space, pruner="none", accelerator="cpu")
    folder = StudyFolder(workspace.root / "studies" / "play")
    with open_study(folder, None, Dataset(workspace.dataset("play")), plan) as study:
        best_of(records_of(study.backend))
