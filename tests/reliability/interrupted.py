"""C: Ctrl-C and SIGTERM at random moments of each command, and twice in a row.

A command ends with 130 or 143, says nothing that a person would not understand, and leaves a workspace in
which the next command works; or it was done already, and ends with 0.
"""

import random
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from support.campaign import Part
from support.command import COMMAND, SMALL

from reliability.furnished import clean_environment, copied, furnish, unexplained

_PATIENCE = 120  # seconds
_BIT_OF_SIGTERM = 1 << (signal.SIGTERM - 1)
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "help": ("train", "--help"),
    "runs": ("runs",),
    "inspect": ("inspect", "play.csv"),
    "convert": ("convert", "play.txt", "play.pdf"),
    "prepare": ("prepare", "play.txt", "--name", "harbour", "--level", "bpe", "--force"),
    "train": ("train", "harbour", "--name", "new", "--epochs", "1", "--from", "none", *SMALL),
    "resume": ("train", "--resume", "play", "--epochs", "1"),
    "tune": ("tune", "harbour", "--trials", "2", "--seconds", "1"),
    "generate": ("generate", "play", "--lines", "60", "--seed", "1", "-o", "new.txt"),
    "evaluate": ("evaluate", "play"),
    "originality": ("originality", "play.txt", "--run", "play"),
    "page": ("page", "play", "-o", "page"),
    "serve": ("serve", "play", "--no-browser", "--port", "0"),
}


def interrupt(furnished: Path, words: Sequence[str], longest: float, draw: random.Random) -> str | None:
    """Interrupt one command in a copy of a workspace; return what was wrong.

    Args:
        furnished: the workspace.
        words: what follows `scriptforge`.
        longest: seconds after which the signal comes at the latest.
        draw: decides when, by which signal, and whether another one follows.
    """
    first, second = draw.choice((signal.SIGINT, signal.SIGTERM)), draw.choice((signal.SIGINT, signal.SIGTERM))
    delay, pause = draw.random() * longest, draw.choice((None, 0.0, 0.02, 0.3))
    with TemporaryDirectory(prefix="interrupted-") as folder:
        workspace = copied(furnished, Path(folder) / "workspace")
        environment = clean_environment(Path(folder))
        process = subprocess.Popen(
            (*COMMAND, *words), cwd=workspace, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while process.poll() is None and not _listens(process.pid):
            time.sleep(0.005)
        time.sleep(delay)
        process.send_signal(first)
        if pause is not None:
            time.sleep(pause)
            process.send_signal(second)
        try:
            _, errors = process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return f"{first.name} after {delay:.2f} s, then {pause}: it did not end in {_PATIENCE} seconds"
        # Once the interpreter clears up, the system answers: a shell calls it 130 and 143, too.
        codes = {0, *(128 + number for number in (first, second)), *(-number for number in (first, second))}
        problem = unexplained(process.returncode, errors, tuple(codes))
        looked = subprocess.run(
            (*COMMAND, "runs"),
            cwd=workspace,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
        )
        problem = problem or unexplained(looked.returncode, looked.stderr, (0,))
    return problem and f"{first.name} after {delay:.2f} s, then {pause}: {problem}"


def attack(furnished: Path, times: int, names: Sequence[str] = (*COMMANDS,), seed: int = 0) -> list[Part]:
    """Interrupt each command so many times."""
    parts = []
    for name in names:
        part = Part(name)
        parts.append(part)
        with TemporaryDirectory(prefix="interrupted-") as folder:
            longest = _duration(copied(furnished, Path(folder) / "workspace"), COMMANDS[name])
        for number in range(seed, seed + times):
            part.count(interrupt(furnished, COMMANDS[name], longest, random.Random(f"{name} {number}")))
    return parts


def long_attack(most: int | None = None) -> list[Part]:
    """Interrupt each command 300 times, or so many."""
    with TemporaryDirectory(prefix="interrupted-") as folder:
        return attack(furnish(Path(folder) / "furnished"), most or 300)


def _listens(process: int) -> bool:
    """Return whether a process has taken SIGTERM, as scriptforge does before it imports anything."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False
    caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), "0")
    return bool(int(caught, 16) & _BIT_OF_SIGTERM)


def _duration(workspace: Path, words: Sequence[str]) -> float:
    """Return how many seconds a command takes that nobody interrupts."""
    began = time.monotonic()
    command = (*COMMAND, *words)
    environment = clean_environment(workspace.parent)
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(command, cwd=workspace, env=environment, capture_output=True, timeout=10)
    return time.monotonic() - began
