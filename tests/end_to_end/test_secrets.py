"""A canary token and a canary home: no command shows, keeps or sends either, whether it works or fails."""

import shutil
from pathlib import Path

import pytest
from support.command import SMALL, Stage, scriptforge
from support.loopback_hub import TOKEN, Hub

from scriptforge.cli.app import COMMAND_NAMES

CSV = "speaker,line\n" + "".join(f"ANN,Line {number} is said.\n" for number in range(200))
SESSIONS: dict[str, tuple[tuple[str, ...], ...]] = {
    "demo": (("--minutes", "0.02"), ("--no-such-option",)),
    "corpora": ((), ("demo",), ("none",)),
    "inspect": (("harbour.txt",), ("nothing.txt",), ("hf:bob/show",)),
    "prepare": (("hf:bob/show",), ("hf:bob/nothing",), ("harbour.txt",), ("broken.parquet",)),
    "train": (
        ("harbour", "--epochs", "0.1", *SMALL),
        ("--resume", "play", "--epochs", "0.1", "--track", "tensorboard"),
        ("harbour", "--from", "bob/play", "--epochs", "0.1"),
        ("harbour", "--set", "hidden_size=none"),
        ("harbour", "--config", "broken.toml"),
    ),
    "tune": (
        ("harbour", "--trials", "1", "--seconds", "0.1", "--space", "space.toml"),
        ("harbour", "--storage", "postgresql://ann:hf_canaryOfAnnWhoMayWrite@127.0.0.1:1/plays"),
        ("harbour", "--storage", "sqlite:///nowhere/at/all.db"),
    ),
    "generate": (("play", "--lines", "2"), ("bob/play", "--lines", "2"), ("bob/nothing",), ("broken",)),
    "push": (("play",), ("play", "--space"), ("play", "--repo", "bob/play"), ("broken",)),
    "pull": (("bob/play",), ("bob/nothing",), ("nothing",)),
    "evaluate": (("play",), ("broken",)),
    "originality": (("harbour.txt", "--run", "play"), ("nothing.txt", "--run", "play")),
    "export": (("play", "--onnx", "elsewhere"), ("broken", "--onnx", "nowhere"), ("play",)),
    "page": (("play", "-o", "page"), ("broken", "-o", "nowhere")),
    "drafts": ((), ("nothing", "--export", "x.pdf")),
    "serve": (("nothing", "--no-browser"), ("play", "--host", "0.0.0.0", "--no-browser")),
    "runs": ((), ("--json",)),
    "doctor": ((), ("--json",)),
    "help": ((), ("train",), ("nothing",)),
    "convert": (("harbour.txt", "harbour.pdf"), ("nothing.txt", "x.pdf"), ("bob/nothing", "x.docx")),
    "rename": (("runs/broken", "hopeless"), ("runs/nothing", "something"), ("data/harbour", "port")),
    "remove": (("runs/broken", "--yes"), ("runs/play",), ("data/harbour", "--yes")),
}
"""Of each command, what works and what does not."""


@pytest.fixture
def workspace(hub: Hub, stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace inside a canary of a home, with runs and files whole and broken."""
    home = tmp_path / "canary-of-a-home"
    path = home / "scripts"
    shutil.copytree(stage.path, path)
    shutil.copytree(path / "runs" / "play", path / "runs" / "broken")
    (path / "runs" / "broken" / "config.json").write_text("{", encoding="utf-8")
    (path / "space.toml").write_text("hidden_size = 16\nembedding_size = 8\n", encoding="utf-8")
    (path / "broken.toml").write_text("= nothing", encoding="utf-8")
    (path / "broken.parquet").write_bytes(b"PAR1 and no more")
    names = ("config.json", "tokenizer.json", "model.safetensors")
    hub.publish("model", "bob/play", {name: (path / "runs" / "play" / name).read_bytes() for name in names})
    hub.publish("dataset", "bob/show", {"show.csv": CSV.encode()})
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("HF_HOME", str(home / ".cache" / "huggingface"))
    return path


def test_every_command_is_watched() -> None:
    assert set(COMMAND_NAMES) == set(SESSIONS)


@pytest.mark.parametrize("command", SESSIONS)
@pytest.mark.slow
def test_neither_token_nor_home_leaves_its_place(
    hub: Hub, workspace: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken = []
    for words in SESSIONS[command]:
        done = scriptforge(command, *words, workspace=workspace)
        spoken.append(done.stdout + done.stderr)
        if done.returncode:
            with monkeypatch.context() as patch:
                patch.setenv("SCRIPTFORGE_DEBUG", "1")
                spoken.append(scriptforge(command, *words, workspace=workspace).stderr)
    sent = [seen.body.decode("latin-1") for seen in hub.seen]
    kept = [path.read_bytes().decode("latin-1") for path in workspace.rglob("*") if path.is_file()]
    for secret in (TOKEN, TOKEN[3:], workspace.parent.name):
        assert not [text for text in (*spoken, *sent, *kept) if secret in text]
