"""H, injections into a terminal: what arguments, files, names, models and servers hold steers none.

Each of them holds a text that a terminal would obey (`payloads`), and the command runs in a real terminal, as
it is and with `--json`, and in pipes, where what is said on stderr is looked at.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.campaign import Part
from support.command import SMALL, run_forked
from support.loopback_hub import TOKEN, Fault, Hub
from support.terminal import drawn
from typer.main import get_command

from reliability.furnished import clean_environment, copied, furnish
from reliability.payloads import ALL, EVERYTHING, as_file_name, steers
from scriptforge.cli.app import COMMAND_NAMES, app
from scriptforge.serve.drafts import Drafts

_GENERATE = ("generate", "play", "--lines", "1", "--seed", "1")
_NO_TRAINING = ("--set", "hidden_size=none")

ARGUMENTS: tuple[tuple[str, ...], ...] = (
    *((*_GENERATE, option, "@") for option in ("--prime", "--scene", "--cast", "--next", "--source")),
    (*_GENERATE, "--continue", "@"), (*_GENERATE, "--voice", "@=1"), (*_GENERATE, "-o", "@.txt"),
    ("generate", "@"), ("generate", "play", "--lines", "1", "--prime", "@"),
    ("train", "@"), ("train", "--resume", "@"), ("train", "harbour", "--set", "@=1"),
    ("train", "harbour", "--set", "hidden_size=@"), ("train", "harbour", "--config", "@"),
    ("train", "harbour", "--name", "@"), ("train", "harbour", "--from", "@"),
    ("train", "harbour", "--arch", "@"),
    ("prepare", "@"), ("prepare", "play.txt", "--format", "@"), ("prepare", "play.txt", "--name", "@"),
    ("prepare", "play.csv", "--columns", "@=@"), ("prepare", "play.txt", "--encoding", "@"),
    ("prepare", "hf:@"), ("prepare", "http://127.0.0.1:1/@"), ("prepare", "play.txt=@"), ("inspect", "@"),
    ("corpora", "@"), ("tune", "@"), ("tune", "harbour", "--study", "@"),
    ("tune", "harbour", "--storage", "@"),
    ("tune", "harbour", "--storage", "postgresql://@/x"), ("push", "@"), ("push", "play", "--repo", "@"),
    ("pull", "@"), ("evaluate", "@"), ("originality", "@", "--run", "play"), ("runs", "@"), ("help", "@"),
    ("originality", "play.txt", "--run", "@"), ("export", "@", "--onnx", "x"), ("page", "@", "-o", "x"),
    ("page", "play", "-o", "@"), ("drafts", "@"), ("serve", "@", "--no-browser"), ("convert", "@", "x.pdf"),
    ("serve", "play", "--host", "@", "--no-browser"), ("convert", "play.txt", "@.html"),
    ("convert", "play.txt", "x.@"), ("rename", "@", "x"), ("rename", "runs/play", "@"),
    ("remove", "@", "--yes"), ("@",), ("runs", "--@"), ("runs", "--sort", "@"),
    ("doctor", "--workspace", "@"),
)  # fmt: skip
"""Command lines, in which a text stands for `@`."""


@dataclass(frozen=True)
class Laid:
    """Something in a workspace that holds a text from elsewhere.

    Attributes:
        lay: puts it there, and returns what stands for `@`.
        commands: those that come upon it.
    """

    lay: Callable[[Path, str], str]
    commands: tuple[tuple[str, ...], ...]


def _file(workspace: Path, text: str) -> str:
    name = f"{as_file_name(text)}.txt"
    shutil.copy(workspace / "play.txt", workspace / name)
    return name


def _said(workspace: Path, text: str) -> str:
    words = " ".join(text.split("\n"))
    lines = [f"{words}: Hello {number}, {words}!\n\n" for number in range(8)]
    (workspace / "said.txt").write_text("".join(lines) + (workspace / "play.txt").read_text(), "utf-8")
    return "said.txt"


def _lesson(workspace: Path, text: str) -> str:
    """Write rows to train on; as plain text they would be refused for their control characters."""
    rows = [{"speaker": f"ANN {number % 3}", "line": f"{text} {number}."} for number in range(120)]
    (workspace / "lesson.json").write_text(json.dumps(rows), encoding="utf-8")
    return "lesson.json"


def _rows(workspace: Path, text: str) -> str:
    rows = [{"title": text, "speaker": text, "line": f"{number} {text}", text: text} for number in range(8)]
    (workspace / "said.json").write_text(json.dumps(rows), encoding="utf-8")
    return "said.json"


def _table(workspace: Path, text: str) -> str:
    quoted = '"' + text.replace('"', '""').replace("\n", " ").replace("\r", " ") + '"'
    rows = "".join(f"{quoted},{quoted},{number}\n" for number in range(8))
    (workspace / "said.csv").write_text(f"speaker,line,{quoted}\n{rows}", encoding="utf-8")
    return "said.csv"


def _folder(workspace: Path, text: str) -> str:
    folder = workspace / f"of {as_file_name(text)}"
    folder.mkdir()
    name = as_file_name(text)
    shutil.copy(workspace / "play.txt", folder / f"{name}.txt")
    (folder / f"{name}.parquet").write_bytes(b"PAR1 and no more")
    (folder / f"{name}.fdx").write_text("<FinalDraft><p>", encoding="utf-8")
    (folder / f"{name}.docx").write_bytes(b"PK\x03\x04 and no more")
    (folder / f"{name}.exe").write_bytes(b"x")
    (folder / f"{name} 2.txt").symlink_to(workspace / "play.csv")
    return folder.name


def _card(workspace: Path, text: str) -> str:
    (workspace / "corpora").mkdir()
    keys = ("title", "description", "licence", "rights", "language")
    told = "".join(f"{key} = {json.dumps(text)}\n" for key in keys)
    told += f"cast = [{json.dumps(text)}]\nlevel = 'word'\nsource = {{path = {json.dumps(text)}}}\n"
    (workspace / "corpora" / "own.toml").write_text(told, encoding="utf-8")
    return "own"


def _broken_card(workspace: Path, text: str) -> str:
    _card(workspace, text)
    path = workspace / "corpora" / "own.toml"
    path.write_text(f"{json.dumps(text)} = 1\n{path.read_text()}", encoding="utf-8")
    (workspace / "corpora" / f"{as_file_name(text)}.toml").write_text("= nothing", encoding="utf-8")
    return "own"


def _run_folder(workspace: Path, text: str) -> str:
    name = as_file_name(text)
    (workspace / "runs" / "play").rename(workspace / "runs" / name)
    return name


def _dataset_folder(workspace: Path, text: str) -> str:
    name = as_file_name(text)
    (workspace / "data" / "harbour").rename(workspace / "data" / name)
    return name


def _config(workspace: Path, text: str) -> str:
    path = workspace / "runs" / "play" / "config.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(strangers_config(told, text)), encoding="utf-8")
    return "play"


def strangers_config(told: dict[str, Any], text: str) -> dict[str, Any]:
    """Return what a `config.json` says, with a text in every place that takes any."""
    words = dict.fromkeys(("card", "licence", "rights", "hub", "revision"), text)
    file = {"name": text, "sha256": text, "size": 1, "url": text}
    cast = [text, *told["dataset"]["cast"][1:]]
    dataset = {**told["dataset"], "name": text, "cast": cast, "origin": {**words, "files": [file]}}
    start = {"name": text, "fingerprint": "", "repository": text, "revision": text}
    result = {**told["result"], "diagnosis": text, "hardware": text}
    versions = {"scriptforge": text, "torch": text, text: text}
    own = {"name": text, "created": text, "dataset": dataset, "versions": versions}
    return {**told, **own, "init_from": start, "result": result}


def _broken_config(workspace: Path, text: str) -> str:
    path = workspace / "runs" / "play" / "config.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({text: text, **told, "settings": {text: text}}), encoding="utf-8")
    return "play"


def _tokens(workspace: Path, text: str) -> str:
    for folder in ("runs/play", "data/harbour"):
        path = workspace / folder / "tokenizer.json"
        told = json.loads(path.read_text(encoding="utf-8"))
        first = 1 + max(each["id"] for each in told["added_tokens"])
        vocabulary = told["model"]["vocab"]
        told["model"]["vocab"] = {
            f"{text}{id_}" if id_ >= first and id_ % 2 else word: id_ for word, id_ in vocabulary.items()
        }
        path.write_text(json.dumps(told), encoding="utf-8")
    return "play"


def _draft(workspace: Path, text: str) -> str:
    (workspace / "room").mkdir()
    drafts = Drafts(workspace / "room" / "drafts.db")
    drafts.create(text, text, [])
    drafts.create(text, text, [])
    drafts.close()
    return text


LAID: Mapping[str, Laid] = {
    "a file's name": Laid(_file, (("inspect", "@"), ("prepare", "@"), ("convert", "@", "x.pdf"))),
    "names and lines": Laid(
        _said, (("inspect", "@"), ("prepare", "@"), ("originality", "@", "--run", "play"))
    ),
    "a lesson": Laid(
        _lesson,
        (("prepare", "@", "--name", "lesson", "--level", "char"),
         ("train", "lesson", "--from", "none", "--epochs", "2", "--name", "x", "--set=validations=4", *SMALL),
         ("generate", "x", "--lines", "2", "--seed", "1")),
    ),
    "rows of JSON": Laid(_rows, (("inspect", "@"), ("prepare", "@"), ("convert", "@", "x", "--to", "fdx"))),
    "rows of CSV": Laid(_table, (("inspect", "@"), ("prepare", "@", "--columns", "speaker=none"))),
    "a folder's files": Laid(_folder, (("inspect", "@"), ("prepare", "@"), ("prepare", "@", "--strict"))),
    "a card": Laid(_card, (("corpora",), ("corpora", "@"), ("prepare", "@"))),
    "a broken card": Laid(_broken_card, (("corpora",), ("prepare", "@"))),
    "a run's folder": Laid(
        _run_folder,
        (("runs",), ("runs", "@"), _GENERATE[:1] + _GENERATE[2:], ("evaluate",), ("push", "--dry-run"),
         ("train", "--resume", "@"), ("page", "@", "-o", "x"), ("generate", "plya"),
         ("remove", "runs/@", "--yes")),
    ),
    "a dataset's folder": Laid(_dataset_folder, (("train", "@", *_NO_TRAINING), ("train", "habrour"))),
    "a stranger's config": Laid(
        _config,
        (("runs",), ("runs", "@"), _GENERATE, ("push", "@", "--dry-run"), ("evaluate", "@"),
         ("train", "--resume", "@"), ("generate", "@", "--check"),
         ("train", "harbour", "--from", "@", "--arch", "gru")),
    ),
    "a broken config": Laid(_broken_config, (("runs",), ("runs", "@"), ("generate", "@"), ("push", "@"))),
    "tokens": Laid(
        _tokens,
        (_GENERATE, ("train", "harbour", "--from", "none", "--epochs", "0.2", "--name", "x"),
         ("push", "@", "--dry-run")),
    ),
    "a draft": Laid(_draft, (("drafts",), ("drafts", "@"), ("drafts", "@", "--remove", "--yes"))),
}  # fmt: skip
"""What a workspace can hold, and the commands that come upon it."""


def attack(
    furnished: Path,
    texts: Sequence[str],
    *,
    arguments: Sequence[tuple[str, ...]] = ARGUMENTS,
    laid: Sequence[str] = tuple(LAID),
) -> list[Part]:
    """Bring each text by each way, and look at what a terminal receives."""
    with tempfile.TemporaryDirectory(prefix="injected-") as folder:
        place = Path(folder).resolve()
        surroundings = clean_environment(_made(place / "home"))
        parts = [_arguments(furnished, place, surroundings, texts, arguments)]
        for what in laid:
            part = Part(f"a terminal, {what}")
            parts.append(part)
            for number, text in enumerate(texts):
                workspace = copied(furnished, place / f"{LAID[what].lay.__name__}-{number}")
                name = LAID[what].lay(workspace, text)
                for words in LAID[what].commands:
                    _look(part, workspace, surroundings, [word.replace("@", name) for word in words], text)
                shutil.rmtree(workspace)
    return parts


def long_attack(most: int | None = None) -> list[Part]:
    """Bring every text by every way, or so many of them."""
    with tempfile.TemporaryDirectory(prefix="injected-") as folder:
        furnished = furnish(Path(folder) / "furnished")
        texts = [EVERYTHING, *ALL.values()][:most]
        return [*attack(furnished, texts), servers(furnished, texts)]


def servers(furnished: Path, texts: Sequence[str]) -> Part:
    """Let a Hub hold and say each text."""
    part = Part("a terminal, a Hub")
    with tempfile.TemporaryDirectory(prefix="injected-") as folder:
        place = Path(folder).resolve()
        for number, text in enumerate(texts):
            hub, workspace = Hub(), copied(furnished, place / str(number))
            hub.enrol("ann", TOKEN)
            run = workspace / "runs" / "play"
            files = {name: (run / name).read_bytes() for name in ("tokenizer.json", "model.safetensors")}
            told = strangers_config(json.loads((run / "config.json").read_text()), text)
            hub.publish("model", "eve/zoo", {**files, "config.json": json.dumps(told).encode()})
            hub.publish("model", "eve/none", {**files, "config.json": json.dumps({text: text}).encode()})
            hub.publish("dataset", "eve/show", {f"{as_file_name(text)}.csv": b"speaker,line\nANN,x\n" * 9})
            said = text.encode("latin-1", "ignore").decode("latin-1").replace("\r", " ").replace("\n", " ")
            for status in (401, 403, 418, 503):
                headers = {"X-Error-Message": said, "X-Error-Code": said, "X-Request-Id": said}
                hub.misbehave(Fault(status=status, headers=headers), path=f"eve/{status}")
            surroundings = {
                **clean_environment(_made(place / f"home-{number}")), "HF_ENDPOINT": hub.address,
                "HF_HUB_OFFLINE": "0", "NO_PROXY": "127.0.0.1", "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": TOKEN,
            }  # fmt: skip
            names = ("eve/zoo", "eve/none", *(f"eve/{status}" for status in (401, 403, 418, 503)))
            corpora = (("prepare", "hf:eve/show"), ("prepare", "hf:eve/503"))
            for words in (*(("pull", name) for name in names), *corpora):
                _look(part, workspace, surroundings, words, text)
            hub.stop()
    return part


def _arguments(
    furnished: Path,
    place: Path,
    surroundings: Mapping[str, str],
    texts: Sequence[str],
    lines: Sequence[tuple[str, ...]],
) -> Part:
    part = Part("a terminal, arguments")
    for number, words in enumerate(lines):
        workspace = copied(furnished, place / f"arguments-{number}")
        for text in texts:
            _look(part, workspace, surroundings, [word.replace("@", text) for word in words], text)
        shutil.rmtree(workspace)
    return part


def _look(
    part: Part, workspace: Path, surroundings: Mapping[str, str], words: Sequence[str], text: str
) -> None:
    """Run a command in a terminal, there with `--json` if it has that, and in pipes."""
    for more in ((), ("--json",)) if _has_json(words[0]) else ((),):
        problem = steers(drawn(*words, *more, workspace=workspace, variables=surroundings))
        part.count(problem and f"{[*words, *more]}: {problem}")
    _, _, errors = piped(workspace, surroundings, words)
    problem = steers(errors)
    if problem is None and "\n" in text:
        later = (line for line in text.split("\n")[1:] if line.strip())
        problem = next((repr(line) for line in later if f"\n{line}" in errors), None)
    part.count(problem and f"{list(words)}, stderr: {problem}")


def piped(workspace: Path, surroundings: Mapping[str, str], words: Sequence[str]) -> tuple[int, str, str]:
    """Run a command in pipes; return its exit code, and what it printed on stdout and on stderr."""
    with (
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
        Path(os.devnull).open("rb") as nothing,
    ):
        files = [nothing.fileno(), output.fileno(), errors.fileno()]
        code = run_forked(list(words), workspace, files, dict(surroundings))
        for file in (output, errors):
            file.seek(0)
        return code, output.read().decode(errors="replace"), errors.read().decode(errors="replace")


def _has_json(command: str) -> bool:
    group: Any = get_command(app)
    return command in COMMAND_NAMES and any(
        "--json" in each.opts for each in group.get_command(None, command).params
    )


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
