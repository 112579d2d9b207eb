"""J: the same commands in other surroundings, with the same result: to the byte, but for moments and speeds.

A journey is what somebody does with a play, from the text to a model that others can use. What it leaves and
says in ordinary surroundings is compared with what it leaves and says where clocks jump, letters are others,
or the workspace lies at an odd place.
"""

import hashlib
import json
import re
import subprocess
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from support.campaign import DRAW, Part, share
from support.command import COMMAND
from support.loopback_hub import TOKEN, Hub
from support.tiny import comedy

from reliability.furnished import add_draft, copied
from reliability.surroundings import ORDINARY, Surroundings, Workshop, all_surroundings, sample

_PATIENCE = 600  # seconds
_SMALL = (
    "--from", "none", "--set=hidden_size=16", "--set=embedding_size=8", "--set=batch_size=4",
    "--set=sequence_length=16", "--set=precision=fp32", "--set=validations=2", "--set=dropout_output=0.2",
)  # fmt: skip
_TRANSFORMER = (
    "--arch", "transformer", "--epochs", "0.2", "--from", "none", "--set=hidden_size=16",
    "--set=batch_size=4", "--set=sequence_length=16", "--set=precision=fp32", "--set=validations=1",
    "--set=speaker_embedding=false",
)  # fmt: skip
_TEXT = ("generate", "play", "--lines", "4")
_CROWD = ("prepare", "plays", "--name", "crowd", "--level", "word")
_FIXED = "--set=threads=1"
"""So that a training ends in the same bits. Another number adds up in another order, and is not the same."""

LIGHT: Mapping[str, tuple[str, ...]] = {
    "prepare": ("prepare", "plays", "--name", "plays", "--level", "bpe", "--json"),
    "inspect": ("inspect", "plays", "--json"),
    "convert": ("convert", "plays", "plays.docx"),
    "convert each": ("convert", "plays", "scripts", "--to", "fountain", "--json"),
    "generate": ("generate", "play", "--lines", "6", "--seed", "1", "-o", "page.txt"),
    "originality": ("originality", "page.txt", "--run", "play", "--json"),
    "page": ("page", "play", "-o", "page", "--json"),
    "runs": ("runs", "--json"),
}
"""What takes about a second each, where there is a run."""

WHOLE: Mapping[str, tuple[str, ...]] = {
    **{name: LIGHT[name] for name in ("prepare", "inspect", "convert", "convert each")},
    "convert to PDF": ("convert", "play.txt", "play.pdf"),
    "prepare with workers": (*_CROWD, "--workers", "2", "--json"),
    "prepare words": ("prepare", "play.txt", "--name", "harbour", "--level", "word", "--validation", "0.1"),
    "train on the latest": ("train", "--name", "play", "--epochs", "1", *_SMALL, _FIXED, "--json"),
    "resume": ("train", "--resume", "play", "--epochs", "0.5", "--json"),
    "train another": ("train", "harbour", "--name", "later", "--epochs", "0.2", *_SMALL, _FIXED, "--json"),
    "generate": LIGHT["generate"],
    "save a state": (*_TEXT, "--seed", "3", "--save-state", "state", "-o", "first.txt"),
    "continue": (*_TEXT, "--continue", "state", "-o", "second.txt"),
    "generate from the latest": ("generate", "--lines", "3", "--seed", "2", "--json"),
    "evaluate": ("evaluate", "play", "--ngram", "--speakers", "--json"),
    "originality": LIGHT["originality"],
    "export": ("export", "play", "--onnx", "onnx", "--json"),
    "page": LIGHT["page"],
    "train a transformer": ("train", "harbour", "--name", "starcoder", *_TRANSFORMER, _FIXED, "--json"),
    "export a transformer": ("export", "starcoder", "--transformers", "transformers", "--json"),
    "drafts": ("drafts", "--json"),
    "export drafts": ("drafts", "--export", "draft.docx"),
    "tune": ("tune", "harbour", "--trials", "1", "--seconds", "0.3", "--json"),
    "card": ("push", "play", "--repo", "ann/play", "--dry-run", "--json"),
    "push": ("push", "play", "--repo", "ann/play", "--json"),
    "pull": ("pull", "ann/play", "--json"),
    "runs": LIGHT["runs"],
    "runs side by side": ("runs", "play", "later", "--json"),
}
"""All of it."""

EIGHT_THREADS: Mapping[str, tuple[str, ...]] = {
    "prepare words": WHOLE["prepare words"],
    "train": ("train", "--name", "play", "--epochs", "0.5", *_SMALL, "--set=threads=8", "--json"),
}
"""What ends in the same bits each time, too."""

_NAMING = ("convert each",)
"""Commands that name files after scripts, which not every encoding can."""

_OF_SECONDS = ("tune",)
"""Commands whose result depends on how much is computed in some seconds: only that they work is asked."""

_DATABASES = ("studies", "room")
"""Folders with databases, whose pages depend on when they were written."""

_OF_THE_MOMENT = frozenset({
    "created", "seconds", "tokens_per_second", "step_seconds", "first_second", "commit", "revision", "url",
})  # fmt: skip
"""Keys of JSON documents whose values are times, durations and speeds, and commits, which hash them."""

_OF_CHANGING_FILES = frozenset({"config.json", "state.json", "metrics.jsonl", "README.md", "hub.json"})
"""Keys that stand for files which hold such values, and say their size or hash."""

_SPEED = re.compile(r"[\d,]+ seconds at [\d,]+ tokens a second")
_NAMES = (
    "1.txt", "01.txt", "Act.txt", "act.txt", "İstanbul.txt", "istanbul.txt", "ISTANBUL.txt", "ıstanbul.txt",
    "a\nb.txt", "it's \"b\".txt", f"{'n' * 240}.txt", "Straße.txt", "STRASSE.txt",
    *(unicodedata.normalize(form, "Amélie.txt") for form in ("NFC", "NFD")),
)  # fmt: skip


class Journey(NamedTuple):
    """What is compared.

    Attributes:
        begin: the workspace that it starts from.
        commands: by name, in their order.
        hub: where models are pushed; None where no command does that.
    """

    begin: Path
    commands: Mapping[str, tuple[str, ...]]
    hub: Hub | None = None


def write_plays(workspace: Path) -> None:
    """Put texts into a workspace, some with names that are the same if case or marks do not count."""
    workspace.mkdir(exist_ok=True)
    (workspace / "play.txt").write_text(comedy(240), encoding="utf-8")
    (workspace / "plays").mkdir(exist_ok=True)
    for number, name in enumerate(_NAMES):
        text = f"ZOË: Naïve, isn't it? İyi!\n\n{comedy(25, seed=number)}"
        (workspace / "plays" / name).write_text(text, encoding="utf-8")


def travel(journey: Journey, around: Surroundings, workshop: Workshop) -> dict[str, object]:
    """Make a journey in some surroundings; return all that it leaves and says, by what it is."""
    found: dict[str, object] = {}
    with TemporaryDirectory(prefix="same-") as folder:
        home = Path(folder) / "home"
        home.mkdir()
        workspace = copied(journey.begin, Path(folder) / around.place)
        for number, (name, words) in enumerate(journey.commands.items()):
            if name in _NAMING and not around.is_utf8:
                continue
            environment = workshop.environment(around, home, number)
            if journey.hub:
                del environment["HF_HUB_OFFLINE"]
                environment |= _hers(journey.hub)
            done = subprocess.run(
                (*COMMAND, *words), cwd=workspace, env=environment, stdin=subprocess.DEVNULL,
                capture_output=True, timeout=_PATIENCE,
            )  # fmt: skip
            if done.returncode:
                errors = done.stderr.decode(errors="replace").strip()
                return {**found, f"`{name}`": f"ended with {done.returncode}: {errors[-400:]}"}
            if name not in _OF_SECONDS and (around.is_utf8 or done.stdout[:1] in (b"{", b"[")):
                found[f"what `{name}` says"] = _lasting("", done.stdout)
        found |= {name: _lasting(name, content) for name, content in _files(workspace)}
    if journey.hub:
        pushed = journey.hub.repositories["model", "ann/play"].files
        found |= {f"{name} on the Hub": _lasting(name, content) for name, content in pushed.items()}
    return found


def differences(
    expected: Mapping[str, object], found: Mapping[str, object], *, is_utf8: bool = True
) -> str | None:
    """Return what two journeys differ in, the first of it at length; None if in nothing.

    Args:
        expected: the journey in ordinary surroundings.
        found: the other one.
        is_utf8: whether that could name files as it likes, and print any letter.
    """
    names = [name for name in {**found, **expected} if expected.get(name) != found.get(name)]
    if not is_utf8:
        names = [name for name in names if name in found or not name.startswith(("what", "scripts/"))]
    if not names:
        return None
    name = names[0]
    more = f" (and {', '.join(names[1:6])})" if len(names) > 1 else ""
    return f"{name}: {_shown(found.get(name))}, and elsewhere {_shown(expected.get(name))}{more}"


def attack_threads(folder: Path) -> list[Part]:
    """Train with a fixed number of threads, whatever the environment says of threads and hashes."""
    write_plays(folder / "threads")
    chosen = [each for each in all_surroundings() if each.sort == "processes"]
    return attack(Journey(folder / "threads", EIGHT_THREADS), chosen, Workshop(folder))


def attack(journey: Journey, chosen: Iterable[Surroundings], workshop: Workshop) -> list[Part]:
    """Make a journey in each of some surroundings, and once more in ordinary ones."""
    expected = travel(journey, ORDINARY, workshop)
    parts: dict[str, Part] = {}
    for around in (ORDINARY, *share(chosen)):
        part = parts.setdefault(around.sort, Part(f"{len(journey.commands)} commands, {around.sort}"))
        problem = differences(expected, travel(journey, around, workshop), is_utf8=around.is_utf8)
        part.count(problem and f"{around.what}: {problem}")
    return list(parts.values())


@contextmanager
def whole_journey(folder: Path) -> Iterator[Journey]:
    """Yield the whole journey, from texts to a model on a Hub, as long as the block lasts."""
    hub = Hub()
    hub.enrol("ann", TOKEN)
    write_plays(folder / "begin")
    add_draft(folder / "begin")
    try:
        yield Journey(folder / "begin", WHOLE, hub)
    finally:
        hub.stop()


def long_attack(most: int | None = None) -> list[Part]:
    """Make the whole journey in all surroundings, or in so many of each sort."""
    with TemporaryDirectory(prefix="same-") as folder, whole_journey(Path(folder)) as journey:
        parts = attack(journey, sample(DRAW, most) if most else all_surroundings(), Workshop(Path(folder)))
        return [*parts, *attack_threads(Path(folder))]


def _hers(hub: Hub) -> dict[str, str]:
    """Return the environment in which Ann is at home on a Hub."""
    return {
        "HF_ENDPOINT": hub.address,
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "127.0.0.1",
    }


def _files(workspace: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(workspace.rglob("*")):
        name = path.relative_to(workspace)
        if path.is_file() and name.parts[0] not in _DATABASES:
            yield name.as_posix(), path.read_bytes()


def _lasting(name: str, content: bytes) -> object:
    """Return what of a file or an output is the same at any time: a hash, if it is no JSON and no card."""
    try:
        if name.endswith(".jsonl"):
            return [_without_moments(json.loads(line)) for line in content.splitlines()]
        if content[:1] in (b"{", b"["):
            return _without_moments(json.loads(content))
        if name.endswith("README.md"):
            return _SPEED.sub("…", content.decode())
    except ValueError:
        pass
    return hashlib.sha256(content).hexdigest()


def _without_moments(document: Any) -> object:
    match document:
        case dict():
            left_out = _OF_THE_MOMENT | _OF_CHANGING_FILES
            return {key: _without_moments(value) for key, value in document.items() if key not in left_out}
        case list():
            return [_without_moments(value) for value in document]
        case str():
            return _SPEED.sub("…", document)
    return document


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 400 else f"{text[:200]} … {text[-200:]}"
