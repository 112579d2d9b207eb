"""D: damage to every file that is read, made so that it reaches deep: what reads it names an error, or works.

JSON is damaged value by value, the headers of tensors and arrays too, a checkpoint so that its manifest
agrees; everything byte by byte as well. What is wrong may take no long time and no large memory.
"""

import json
import random
import resource
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from support.campaign import Part

from reliability.furnished import copied, furnish
from scriptforge.dataset import Dataset
from scriptforge.errors import ScriptforgeError
from scriptforge.evaluation.profile import Profile
from scriptforge.generation.generate import Session
from scriptforge.net.client import sha256_of
from scriptforge.options import GenerateOptions
from scriptforge.run.history import read_history
from scriptforge.run.run import Run
from scriptforge.serve.drafts import Drafts
from scriptforge.training.checkpoint import newest_checkpoint, read_state
from scriptforge.workspace import SPLITS, RunFolder, Workspace

_SECONDS, _KILOBYTES = 5, 250_000
_ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**31, 2**63, 10**400, 1.5, 1e308, float("nan"), float("inf"), "", "x",
    "x" * 70_000, "\x00\x1b[31m\u202e", "../../etc/passwd", [], {}, [[]], {"": {}}, "DEEP",
)  # fmt: skip


def damage_json(content: bytes, draw: random.Random) -> bytes:
    """Return JSON of which one value, or one key, is another."""
    try:
        document = json.loads(content)
    except ValueError:
        return damage_bytes(content, draw)
    holder: Any = {"": document}
    key: Any = ""
    node: Any = document
    while isinstance(node, dict | list) and node and draw.random() < 0.85:
        holder, key = node, draw.choice(list(node)) if isinstance(node, dict) else draw.randrange(len(node))
        node = holder[key]
    way = draw.randrange(4)
    if way == 0 and holder is not document and isinstance(holder, dict):
        del holder[key]
    elif way == 1 and isinstance(holder, dict):
        holder[f"{key}{draw.choice(('', 's', ' '))}"] = holder.pop(key)
        holder["unknown"] = draw.choice(_ODD)
    elif way == 2 and isinstance(node, list) and node:
        node.append(draw.choice(node))
    else:
        holder[key] = draw.choice(_ODD)
    if isinstance(holder, dict) and holder.keys() == {""}:
        document = holder[""]
    return json.dumps(document).replace('"DEEP"', "[" * 5000 + "]" * 5000).encode()


def damage_bytes(content: bytes, draw: random.Random) -> bytes:
    """Return bytes of which some are missing, flipped, repeated or in another place."""
    start, length = draw.randrange(len(content) + 1), draw.choice((1, 4, 64, 4096))
    match draw.randrange(6):
        case 0:
            return content[:start]
        case 1:
            return (
                content[:start]
                + bytes(draw.randrange(256) for _ in range(length))
                + content[start + length :]
            )
        case 2:
            return content[:start] + content[start + length :]
        case 3:
            return content[: start + length] + content[start:]
        case 4:
            return content[:start] + bytes(length) + content[start + length :]
    return b""


def damage_tensors(content: bytes, draw: random.Random) -> bytes:
    """Return a safetensors file whose header says something else, its length kept true."""
    if draw.random() < 0.4:
        return damage_bytes(content, draw)
    length = int.from_bytes(content[:8], "little")
    header = damage_json(content[8 : 8 + length], draw)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def damage_array(content: bytes, draw: random.Random) -> bytes:
    """Return an `.npy` file with another header, or other numbers."""
    changes = (
        (b"|u1", b"<i8"),
        (b"<u2", b">u2"),
        (b"False", b"True "),
        (b"(", b"(9"),
        (b",)", b",9,)"),
        (b"|u1", b"|O "),
    )
    old, new = draw.choice(changes)
    return content.replace(old, new, 1) if draw.random() < 0.4 else damage_bytes(content, draw)


def _open_run(workspace: Workspace) -> None:
    run = Run(RunFolder(workspace.root / "runs" / "play"))
    "".join(Session(run, GenerateOptions(lines=1, seed=1)).stream())


def _open_dataset(workspace: Workspace) -> None:
    dataset = Dataset(workspace.dataset("harbour"))
    for split in SPLITS:
        dataset.ids(split)
        for _ in dataset.rows(split):
            pass
    dataset.find_words()


def _open_checkpoint(workspace: Workspace) -> None:
    path, _ = newest_checkpoint(RunFolder(workspace.root / "runs" / "play"))
    read_state(path)


def _open_drafts(workspace: Workspace) -> None:
    drafts = Drafts(workspace.room.drafts)
    try:
        for each in drafts.summaries():
            drafts.get(each["id"])
    finally:
        drafts.close()


def _go_on(workspace: Workspace) -> None:
    run = Run(RunFolder(workspace.root / "runs" / "play"))
    options = GenerateOptions(lines=1, seed=1, continue_from=workspace.root / "state")
    "".join(Session(run, options).stream())


Damage = Callable[[bytes, random.Random], bytes]
Reader = Callable[[Workspace], object]
_RUN, _DATA = "runs/play", "data/harbour"
FILES: Mapping[str, tuple[Damage, Reader]] = {
    f"{_RUN}/config.json": (damage_json, _open_run),
    f"{_RUN}/tokenizer.json": (damage_json, _open_run),
    f"{_RUN}/model.safetensors": (damage_tensors, _open_run),
    f"{_RUN}/metrics.jsonl": (damage_json, lambda workspace: read_history(workspace.run("play"))),
    f"{_RUN}/profile.json": (damage_json, lambda workspace: Profile.load(Run(workspace.run("play")))),
    f"{_DATA}/dataset.json": (damage_json, _open_dataset),
    f"{_DATA}/tokenizer.json": (damage_json, _open_dataset),
    f"{_DATA}/train.npy": (damage_array, _open_dataset),
    f"{_DATA}/scripts.parquet": (damage_bytes, _open_dataset),
    "CHECKPOINT/state.json": (damage_json, _open_checkpoint),
    "CHECKPOINT/manifest.json": (damage_json, _open_checkpoint),
    "room/drafts.db": (damage_bytes, _open_drafts),
    "state": (damage_tensors, _go_on),
}
"""Each file that is read, how it is damaged, and what reads it."""


def attack(furnished: Path, times: int, seed: int = 0) -> list[Part]:
    """Damage each file so many times, and read it."""
    parts = []
    with TemporaryDirectory(prefix="damaged-") as folder:
        root = copied(furnished, Path(folder) / "workspace")
        workspace = Workspace(root)
        _make_the_rest(workspace)
        _read_all(workspace)
        idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for name, (damage, read) in FILES.items():
            part = Part(name.replace("CHECKPOINT", "a checkpoint's"))
            parts.append(part)
            path = _path(workspace, name)
            whole = path.read_bytes()
            for number in range(seed, seed + times):
                path.write_bytes(damage(whole, random.Random(f"{name} {number}")))
                if name.startswith("CHECKPOINT") and path.name != "manifest.json":
                    _agree(path.parent)
                problem = _problem(lambda read=read: read(workspace))  # type: ignore[misc]
                part.count(problem and f"number {number}: {problem}")
                for left in path.parent.glob(f"{path.name}*"):
                    left.unlink()
            path.write_bytes(whole)
            if name.startswith("CHECKPOINT"):
                _agree(path.parent)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle
        memory = Part("memory beyond that of an idle process")
        memory.count(f"{grown // 1000} MB" if grown > _KILOBYTES else None)
    return [*parts, memory]


def long_attack() -> list[Part]:
    """Damage each file 1,600 times: 20,000 in all."""
    with TemporaryDirectory(prefix="damaged-") as folder:
        return attack(furnish(Path(folder) / "furnished"), 1600)


def _make_the_rest(workspace: Workspace) -> None:
    run = Run(RunFolder(workspace.root / _RUN))
    session = Session(run, GenerateOptions(lines=1, seed=1, save_state=workspace.root / "state"))
    "".join(session.stream())
    session.save_state(workspace.root / "state")
    run.folder.profile.write_text('{"weights": ""}')
    workspace.room.drafts.parent.mkdir(exist_ok=True)
    drafts = Drafts(workspace.room.drafts)
    drafts.create("Draft", "play", [])
    drafts.close()


def _read_all(workspace: Workspace) -> None:
    for name, (_, read) in FILES.items():
        if not name.startswith("room"):
            read(workspace)


def _path(workspace: Workspace, name: str) -> Path:
    if name.startswith("CHECKPOINT"):
        checkpoint, _ = newest_checkpoint(RunFolder(workspace.root / _RUN))
        return checkpoint / Path(name).name
    return workspace.root / name


def _agree(checkpoint: Path) -> None:
    """Let the manifest of a checkpoint agree with what is there."""
    others = [path for path in checkpoint.iterdir() if path.name != "manifest.json"]
    manifest = {path.name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)} for path in others}
    (checkpoint / "manifest.json").write_text(json.dumps(manifest))


def _problem(read: Callable[[], object]) -> str | None:
    began = time.process_time()
    try:
        read()
    except ScriptforgeError as error:
        if not (error.message.strip() and error.hint.strip()):
            return "an error without a message or a remedy"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]
    seconds = time.process_time() - began
    return f"{seconds:.0f} seconds" if seconds > _SECONDS else None
