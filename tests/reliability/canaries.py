"""H, canaries: no command shows, keeps or sends the token, a password, the home, or who and where one is.

Each is a word that is found nowhere else. Every command is run where it works and where it fails, as it is,
with `--json`, and after a failure with its traceback; then all that it has printed, written into the
workspace and sent to a Hub is searched.
"""

import base64
import contextlib
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from support import prefork
from support.campaign import Part
from support.command import COMMAND, SMALL
from support.loopback_hub import TOKEN, Hub
from typer.main import get_command

from reliability.furnished import copied, furnish
from scriptforge.cli.app import COMMAND_NAMES, app
from scriptforge.serve.drafts import Drafts

HOME, USER, HOST = "canary-of-a-home", "canary-of-a-user", "canary-of-a-host"
PASSWORD = "canary-of-a-password"
_PATIENCE = 300.0
_CSV = "speaker,line\n" + "".join(f"ANN,Line {number} is said.\n" for number in range(200))
_CARD = """\
title = "Own"
description = "A play."
licence = "unknown"
rights = "Whoever wrote it."
language = "en"
level = "word"
source = {path = "../../plays/own.txt"}
"""
_SERVER = f"postgresql://ann:{PASSWORD}@127.0.0.1:1/plays"


@dataclass(frozen=True)
class Sessions:
    """What is asked of a command; `{home}` stands for the home folder.

    Attributes:
        works: what follows its name where it works.
        fails: the same where it does not.
    """

    works: tuple[tuple[str, ...], ...]
    fails: tuple[tuple[str, ...], ...]


SESSIONS: Mapping[str, Sessions] = {
    "demo": Sessions((("--minutes", "0.02"),), (("--no-such-option",), ("--minutes", "{home}"))),
    "corpora": Sessions(((), ("demo",), ("own",)), (("none",), ("broken",))),
    "inspect": Sessions(
        (("play.txt",), ("hf:bob/show",), ("{home}/plays/own.txt",)),
        (("nothing.txt",), ("hf:bob/nothing",), ("{home}/plays/nothing.txt",), ("broken.parquet",)),
    ),
    "prepare": Sessions(
        (("hf:bob/show",), ("play.txt",), ("{home}/plays",), ("own",)),
        (("hf:bob/nothing",), ("broken.parquet",), ("{home}/nothing",), ("play.txt", "--name", "harbour")),
    ),
    "train": Sessions(
        (
            ("harbour", "--name", "new", "--epochs", "0.1", "--track", "tensorboard", *SMALL),
            ("--resume", "play", "--epochs", "0.1"),
            ("harbour", "--from", "bob/play", "--epochs", "0.1"),
        ),
        (
            ("harbour", "--set", "hidden_size=none"),
            ("harbour", "--config", "broken.toml"),
            ("harbour", "--config", "{home}/nothing.toml"),
        ),
    ),
    "tune": Sessions(
        (("harbour", "--trials", "1", "--seconds", "0.3"),),
        (
            ("harbour", "--storage", _SERVER),
            ("harbour", "--storage", _SERVER.replace("/plays", "")),
            ("harbour", "--storage", "sqlite:///nowhere/at/all.db"),
            ("harbour", "--storage", "sqlite:///{home}/nowhere/all.db"),
            ("harbour", "--space", "{home}/nothing.toml"),
            ("harbour", "--space", "space.toml"),
        ),
    ),
    "generate": Sessions(
        (
            ("play", "--lines", "2"),
            ("bob/play", "--lines", "2"),
            ("play", "--lines", "1", "-o", "{home}/page.txt", "--save-state", "{home}/state"),
        ),
        (("bob/nothing",), ("broken",), ("play", "--continue", "{home}/nothing")),
    ),
    "push": Sessions(
        (("play",), ("play", "--space"), ("play", "--dry-run"), ("play", "--repo", "bob/play")),
        (("broken",), ("nothing",), ("play", "--repo", "{home}/x")),
    ),
    "pull": Sessions((("bob/play",),), (("bob/nothing",), ("nothing",), ("{home}/x",))),
    "evaluate": Sessions((("play",),), (("broken",), ("{home}/x",))),
    "originality": Sessions(
        (("play.txt", "--run", "play"), ("{home}/plays/own.txt", "--run", "play", "--html", "o.html")),
        (("nothing.txt", "--run", "play"), ("{home}/nothing.txt", "--run", "play")),
    ),
    "export": Sessions(
        (("play", "--onnx", "elsewhere"),),
        (("broken", "--onnx", "nowhere"), ("play",), ("play", "--onnx", "{home}/plays")),
    ),
    "page": Sessions(
        (("play", "-o", "page"),), (("broken", "-o", "nowhere"), ("play", "-o", "{home}/plays"))
    ),
    "drafts": Sessions(((),), (("nothing", "--export", "x.pdf"), ("--remove",))),
    "serve": Sessions(
        (("play", "--port", "0"),),
        (("nothing", "--no-browser"), ("play", "--host", "0.0.0.0", "--no-browser")),
    ),
    "runs": Sessions(((), ("play",)), (("nothing",), ("{home}/nothing",), ("broken",))),
    "doctor": Sessions(((),), (("--no-such-option",), ("--workspace", "{home}/nothing"))),
    "help": Sessions(((), ("train",)), (("nothing",), ("{home}",))),
    "convert": Sessions(
        (("play.txt", "play.pdf"), ("play.txt", "play.docx"), ("{home}/plays/own.txt", "own.html")),
        (("nothing.txt", "x.pdf"), ("bob/nothing", "x.docx"), ("play.txt", "{home}/plays/own.txt")),
    ),
    "rename": Sessions(
        (("data/harbour", "port", "--force"),), (("runs/nothing", "something"), ("runs/play", "{home}"))
    ),
    "remove": Sessions((("runs/broken", "--yes"),), (("data/harbour", "--yes"), ("runs/nothing", "--yes"))),
}
"""Of each command, what works and what does not."""

PLACES = ("as usual", "a token in a file", "a home behind a link", "a workspace by its path")
"""In what surroundings commands are run."""


class Household:
    """Where commands are run: a home with canaries in it, a machine of that name, and a Hub.

    Args:
        furnished: the workspace to begin with.
        folder: in which to make it.
        place: one of `PLACES`.
    """

    def __init__(self, furnished: Path, folder: Path, place: str) -> None:
        self.home = real = folder / HOME
        self.workspace = copied(furnished, real / "scripts")
        if place == "a home behind a link":
            self.home = folder / f"link-to-{HOME}"
            self.home.symlink_to(real)
        _fill(self.workspace, real)
        self.hub = Hub()
        self.hub.enrol("ann", TOKEN)
        names = ("config.json", "tokenizer.json", "model.safetensors")
        run = self.workspace / "runs" / "play"
        self.hub.publish("model", "bob/play", {name: (run / name).read_bytes() for name in names})
        self.hub.publish("dataset", "bob/show", {"show.csv": _CSV.encode()})
        self.surroundings = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            **dict.fromkeys(("USER", "LOGNAME", "LNAME", "USERNAME"), USER),
            "HOME": str(self.home), "HF_HOME": str(self.home / ".cache" / "huggingface"),
            "HF_ENDPOINT": self.hub.address, "NO_PROXY": "127.0.0.1", "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1", "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "LANG": "C.UTF-8",
        }  # fmt: skip
        if place == "a token in a file":
            file = real / ".cache" / "huggingface" / "token"
            file.parent.mkdir(parents=True)
            file.write_text(TOKEN, encoding="utf-8")
        else:
            self.surroundings["HF_TOKEN"] = TOKEN
        if place == "a workspace by its path":
            self.surroundings["SCRIPTFORGE_WORKSPACE"] = str(self.workspace)

    def run(self, *words: str, **variables: str) -> tuple[int, str]:
        """Run a command; return its exit code and what it printed, without the words that it was given."""
        given = [word.format(home=self.home) for word in words]
        with tempfile.TemporaryFile("w+", encoding="utf-8") as said, Path(os.devnull).open("rb") as nothing:
            files = [nothing.fileno(), said.fileno(), said.fileno()]
            surroundings = {**self.surroundings, **variables}
            code = _server().run("scriptforge", given, self.workspace, surroundings, files, _PATIENCE)
            said.seek(0)
            return code, _without(given, said.read())

    def serve(self, *words: str) -> str:
        """Run a room for a moment; return what it printed and answered."""
        command = (*_wrapper(), *COMMAND, "serve", *words, "--no-browser")
        with subprocess.Popen(
            command,
            cwd=self.workspace,
            env=self.surroundings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            link = process.stdout.readline().strip()
            base, _, token = link.partition("#token=")
            head = {"authorization": f"Bearer {token}"}
            with httpx.Client(base_url=base, headers=head, trust_env=False, timeout=60) as client:
                paths = ("", "api/about", "api/drafts", "api/nothing", "none.js")
                said = [f"{answer.headers} {answer.text}" for answer in map(client.get, paths)]
                made = client.post("api/drafts", json={"title": "A", "run": "play", "elements": []})
                said.append(f"{made.headers} {made.text}")
            process.terminate()
            return "\n".join((link, *said, *process.communicate(timeout=60)))

    @property
    def sent(self) -> Iterator[str]:
        """Yield all that the Hub was sent; the token only where it is not the login."""
        for seen in self.hub.seen:
            headers = {name: value for name, value in seen.headers.items() if name != "authorization"}
            yield f"{seen.method} {seen.path} {seen.query} {headers} {seen.body.decode('latin-1')}"

    @property
    def kept(self) -> Iterator[str]:
        """Yield every file of the workspace, with its name; TensorBoard's log has the host in its own."""
        for path in self.workspace.rglob("*"):
            name = path.relative_to(self.workspace).as_posix()
            shown = "" if "events.out.tfevents" in path.name else name
            yield f"{shown}\n{path.read_bytes().decode('latin-1') if path.is_file() else ''}"


def attack(
    furnished: Path,
    commands: Sequence[str] = tuple(SESSIONS),
    places: Sequence[str] = PLACES[:1],
    *,
    with_json: bool = False,
) -> list[Part]:
    """Run commands, each in a workspace of its own, and search for canaries.

    Args:
        furnished: the workspace to begin with.
        commands: which ones.
        places: some of `PLACES`.
        with_json: whether each session is run with `--json`, too.
    """
    parts = []
    for command in commands:
        part = Part(f"canaries, {command}")
        parts.append(part)
        for place in places:
            with tempfile.TemporaryDirectory(prefix="canaries-") as folder:
                household = Household(furnished, Path(folder).resolve(), place)
                try:
                    _try(household, command, part, place, with_json)
                finally:
                    household.hub.stop()
    return parts


def long_attack(most: int | None = None) -> list[Part]:
    """Run all sessions in all surroundings, or of so many commands."""
    with tempfile.TemporaryDirectory(prefix="canaries-") as folder:
        furnished = furnish(Path(folder) / "furnished")
        return attack(furnished, tuple(SESSIONS)[:most], PLACES, with_json=True)


def _try(household: Household, command: str, part: Part, place: str, with_json: bool) -> None:
    """Run the sessions of a command in one place."""
    sessions = SESSIONS[command]
    for is_expected, many in ((True, sessions.works), (False, sessions.fails)):
        for words in many:
            for more in ((), ("--json",)) if with_json and _has_json(command) else ((),):
                said = [_say(household, (command, *words, *more), is_expected)]
                if not is_expected:
                    said.append(household.run(command, *words, *more, SCRIPTFORGE_DEBUG="1")[1])
                problem = _found(said, "printed")
                part.count(problem and f"{place}: {' '.join((command, *words, *more))}: {problem}")
    for what, texts in (("kept", household.kept), ("sent", household.sent)):
        problem = _found(texts, what)
        part.count(problem and f"{place}: {command}: {problem}")


def _say(household: Household, words: tuple[str, ...], is_expected: bool) -> str:
    """Run a session; what ended otherwise than it should is no canary, but nothing was tried either."""
    if words[0] == "serve" and is_expected:
        return household.serve(*words[1:])
    code, said = household.run(*words)
    if (code == 0) != is_expected and "--json" not in words:
        return f"{HOME}: ended with {code}: {said[-200:]}"
    return said


def _found(texts: Iterator[str] | Sequence[str], what: str) -> str | None:
    """Return where a canary is, and which."""
    for text in texts:
        for canary in _canaries():
            if (place := text.find(canary)) >= 0:
                return f"{what}: …{text[max(0, place - 80) : place + 60]!r}"
    return None


@functools.cache
def _canaries() -> tuple[str, ...]:
    encoded = base64.b64encode(TOKEN.encode()).decode().rstrip("=")
    return (TOKEN, TOKEN[3:], encoded, HOME, USER, PASSWORD, *((HOST,) if _wrapper() else ()))


def _without(given: Sequence[str], said: str) -> str:
    """Return what was printed without what was typed: `-o PATH` may come back as it was given."""
    for word in given:
        said = said.replace(word, "") if HOME in word else said
    return said


def _has_json(command: str) -> bool:
    group: Any = get_command(app)
    return any("--json" in each.opts for each in group.get_command(None, command).params)


def _fill(workspace: Path, home: Path) -> None:
    """Add what is broken, a card, and texts outside the workspace."""
    shutil.copytree(workspace / "runs" / "play", workspace / "runs" / "broken")
    (workspace / "runs" / "broken" / "config.json").write_text("{", encoding="utf-8")
    (workspace / "space.toml").write_text("hidden_size = 16\nembedding_size = 8\n", encoding="utf-8")
    (workspace / "broken.toml").write_text("= nothing", encoding="utf-8")
    (workspace / "broken.parquet").write_bytes(b"PAR1 and no more")
    (home / "plays").mkdir()
    shutil.copy(workspace / "play.txt", home / "plays" / "own.txt")
    (workspace / "corpora").mkdir()
    (workspace / "corpora" / "own.toml").write_text(_CARD, encoding="utf-8")
    (workspace / "corpora" / "broken.toml").write_text("= nothing", encoding="utf-8")
    (workspace / "room").mkdir()
    drafts = Drafts(workspace / "room" / "drafts.db")
    drafts.create("Draft", "play", [])
    drafts.close()


@functools.cache
def _wrapper() -> tuple[str, ...]:
    """Return what runs a command on a machine of another name; nothing where that cannot be had."""
    if shutil.which("unshare") is None:
        return ()
    named = "import os, socket, sys; socket.sethostname(sys.argv[1]); os.execv(sys.argv[2], sys.argv[2:])"
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    wrapper = ("unshare", "--uts", *user, sys.executable, "-c", named, HOST)
    with contextlib.suppress(OSError):
        if subprocess.run((*wrapper, sys.executable, "-c", ""), capture_output=True).returncode == 0:
            return wrapper
    return ()


@functools.cache
def _server() -> prefork.Server:
    return prefork.Server(wrapper=_wrapper())


def unwatched() -> set[str]:
    """Return the commands that have no sessions, and the sessions of what is no command."""
    return set(COMMAND_NAMES) ^ set(SESSIONS)
