"""D, through commands: whole commands read damaged files; each works, or says in a line why not."""

import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from support.campaign import Part, share
from support.command import COMMAND

from reliability.damaged import damaged, furnish_more
from reliability.furnished import clean_environment, copied, unexplained
from scriptforge.workspace import Workspace

_SECONDS, _KILOBYTES = 5, 250_000
"""Of a processor and of memory, beyond what the same command takes when all is whole."""

_GENERATE = "generate play --lines 1 --seed 1"
_TRAIN = "train letters --epochs 0.1 --name new --force"
_RESUME = "train --resume play"
_TUNE = "tune harbour --study play --trials 2 --seconds 0.01 --space space.toml"
_MEASURE = """
import os, pathlib, subprocess, sys
process = subprocess.Popen(sys.argv[2:])
_, status, used = os.wait4(process.pid, 0)
pathlib.Path(sys.argv[1]).write_text(f"{used.ru_utime + used.ru_stime} {used.ru_maxrss}")
os._exit(os.waitstatus_to_exitcode(status) % 256)
"""
"""Runs a command from a small process: what a large one takes would count as taken by what it starts."""

COMMANDS: Mapping[str, str] = {
    "runs/play/config.json": _GENERATE,
    "runs/play/tokenizer.json": _GENERATE,
    "runs/play/model.safetensors": _GENERATE,
    "runs/play/metrics.jsonl": "runs play play",
    "runs/someone--play/hub.json": "generate someone/play --lines 1 --seed 1",
    "data/harbour/dataset.json": "evaluate play",
    "data/harbour/tokenizer.json": "evaluate play",
    "data/harbour/scripts.parquet": "originality play.txt --run play",
    "data/letters/train.npy": _TRAIN,
    "data/letters/lexicon.txt": _TRAIN,
    "CHECKPOINT/state.json": _RESUME,
    "CHECKPOINT/manifest.json": _RESUME,
    "CHECKPOINT/model.safetensors": _RESUME,
    "CHECKPOINT/optimizer.safetensors": _RESUME,
    "room/drafts.db": "drafts",
    "studies/play/study.db": _TUNE,
    "state": f"{_GENERATE} --continue state",
    "runs/play/config.json (in a list)": "runs",
    "runs/play/config.json (beside another)": "runs play someone--play",
    "runs/letters/lexicon.txt": "generate letters --length 20 --seed 1",
    "corpora/own.toml": "corpora own",
    "settings.toml": "train harbour --config settings.toml --epochs 0.1 --from none --name new --force",
    "space.toml": _TUNE,
    "chat/users.json": "inspect chat/general/1.json",
}
"""What reads each file."""


def attack(furnished: Path, times: int, seed: int = 0) -> list[Part]:
    """Let a command read so many damaged files, file after file in turn."""
    parts = {name: Part(f"`{words}`, {name}") for name, words in COMMANDS.items()}
    with TemporaryDirectory(prefix="damaged-") as folder:
        workspace = furnish_more(copied(furnished, Path(folder) / "workspace"))
        names = [*COMMANDS]
        random.Random(seed).shuffle(names)
        usual = {words: _run(workspace, words) for words in dict.fromkeys(map(COMMANDS.__getitem__, names))}
        for number in share(range(seed, seed + times)):
            name = names[number % len(names)]
            words = COMMANDS[name]
            with damaged(workspace, name, number):
                code, errors, seconds, kilobytes = _run(workspace, words)
            problem = unexplained(code, errors)
            if seconds > usual[words][2] + _SECONDS:
                problem = f"{seconds:.0f} seconds"
            if kilobytes > usual[words][3] + _KILOBYTES:
                problem = f"{kilobytes // 1000} MB"
            parts[name].count(problem and f"number {number}: {problem}")
    return [part for part in parts.values() if part.tried]


def _run(workspace: Workspace, words: str) -> tuple[int, str, float, int]:
    """Run a command; return its code, what it said, and the seconds and kilobytes that it took."""
    said, took = workspace.root / "said.txt", workspace.root / "took.txt"
    with said.open("w") as errors:
        code = subprocess.run(
            [sys.executable, "-c", _MEASURE, took, *COMMAND, *words.split()],
            cwd=workspace.root,
            env=clean_environment(workspace.root),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        ).returncode
    seconds, kilobytes = took.read_text().split()
    return code, said.read_text(encoding="utf-8", errors="replace"), float(seconds), int(kilobytes)
