"""H, injections into a shell: a command that is printed for people to paste says what it says, and no more.

Each text is the name of a run, or a word that the command was called with. What is printed then is given to
bash in an empty folder, where `scriptforge` only repeats its words: the text must be one of them, and nothing
else may have happened.
"""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.campaign import Part

from reliability.furnished import clean_environment, copied, furnish
from reliability.injected import piped
from reliability.payloads import LINES, SHELL, STEERING, as_file_name
from scriptforge.cli.app import COMMAND_NAMES

TEXTS = (*SHELL.values(), *STEERING.values(), *LINES.values())

_LINE = re.compile(rf"\bscriptforge (?={'|'.join(COMMAND_NAMES)})")
_HEARD = "scriptforge() {{ printf '%s\\0' \"$@\"; }}\n{}\n"


@dataclass(frozen=True)
class Occasion:
    """A command that prints another one.

    Attributes:
        words: what follows its name; the text stands for `@`.
        lay: prepares the workspace.
        may_say_nothing: whether it may also refuse the text, and print no command.
    """

    words: tuple[str, ...]
    lay: Callable[[Path, str], object] = lambda workspace, name: None
    may_say_nothing: bool = False


def _named(workspace: Path, name: str) -> Path:
    return (workspace / "runs" / "play").rename(workspace / "runs" / name)


def _without_weights(workspace: Path, name: str) -> None:
    (_named(workspace, name) / "model.safetensors").unlink()


def _without_result(workspace: Path, name: str) -> None:
    path = _named(workspace, name) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "result": None}), encoding="utf-8")


OCCASIONS: Mapping[str, Occasion] = {
    "to write it again": Occasion(("generate", "--lines", "1"), _named),
    "to write it again, by name": Occasion(("generate", "@", "--lines", "1"), _named),
    "to write it again, with a prime": Occasion(
        ("generate", "play", "--lines", "1", "--prime", "@"), may_say_nothing=True
    ),
    "to continue it": Occasion(("generate", "play", "--lines", "1", "--seed", "1", "--save-state", "@")),
    "to train it for longer": Occasion(("train", "--resume", "@"), _named),
    "what is next": Occasion(("train", "--resume", "@", "--epochs", "0.1"), _named),
    "to train it, without weights": Occasion(("evaluate", "@"), _without_weights),
    "to train it, for a room": Occasion(("serve", "@", "--no-browser"), _without_weights),
    "to finish it": Occasion(("push", "@", "--repo", "ann/play"), _without_result),
    "to name a path": Occasion(("prepare", "play.txt", "play.csv", "--from", "@")),
}


def attack(furnished: Path, texts: Sequence[str], occasions: Sequence[str] = tuple(OCCASIONS)) -> list[Part]:
    """Put each text into the commands that are printed on each occasion."""
    part = Part("a shell, printed commands")
    with tempfile.TemporaryDirectory(prefix="pasted-") as folder:
        place = Path(folder).resolve()
        (place / "home").mkdir()
        surroundings = clean_environment(place / "home")
        for name in occasions:
            occasion = OCCASIONS[name]
            for number, text in enumerate(texts):
                workspace = copied(furnished, place / f"workspace-{number}")
                word = as_file_name(text)
                occasion.lay(workspace, word)
                words = [each.replace("@", word) for each in occasion.words]
                code, said, told = piped(workspace, surroundings, words)
                silent = occasion.may_say_nothing and code != 0
                problem = None if silent else _problem(f"{said}\n{told}", word, place / "empty")
                part.count(problem and f"{words}: {problem}")
                shutil.rmtree(workspace)
    return [part]


def long_attack(most: int | None = None) -> list[Part]:
    """Bring every text, or so many of them, into every command that is printed."""
    with tempfile.TemporaryDirectory(prefix="pasted-") as folder:
        return attack(furnish(Path(folder) / "furnished"), TEXTS[:most])


def _problem(said: str, word: str, empty: Path) -> str | None:
    """Return what is wrong with the commands in what was said; None if nothing is, and one has the word."""
    empty.mkdir(exist_ok=True)
    heard: list[str] = []
    for line in said.splitlines():
        for begin in _LINE.finditer(line):
            done = subprocess.run(
                ["bash", "-c", _HEARD.format(line[begin.start() :])], cwd=empty, capture_output=True
            )
            if made := [path.name for path in empty.iterdir()]:
                shutil.rmtree(empty)
                return f"pasting {line[begin.start() :]!r} made {made}"
            heard += done.stdout.decode(errors="surrogateescape").split("\0")
    if word in heard or f"{word}." in heard:
        return None
    return f"no command has it: {said[-300:]!r}"
