"""`push`, `pull` and `generate OWNER/NAME`, as processes, against a Hub on this machine."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import TrainedWorkspace, begin, end, scriptforge, wait_until
from support.loopback_hub import TOKEN, Fault, Hub


@pytest.fixture
def pushed(hub: Hub, stage: TrainedWorkspace) -> Hub:
    done = scriptforge("push", "play", "--quiet", workspace=stage.path)
    assert (done.returncode, done.stdout) == (0, f"{hub.address}/ann/play\n"), done.stderr
    return hub


@pytest.mark.slow
def test_a_model_goes_out_and_comes_back_and_writes_the_same(
    pushed: Hub, stage: TrainedWorkspace, tmp_path: Path
) -> None:
    pulled = scriptforge("pull", "ann/play", "--json", workspace=tmp_path)
    assert pulled.returncode == 0, pulled.stderr
    head = pushed.repositories["model", "ann/play"].head
    assert json.loads(pulled.stdout) == {"run": "ann--play", "repository": "ann/play", "commit": head}
    own = scriptforge("generate", "play", "--lines", "6", "--seed", "1", workspace=stage.path)
    for name in ("ann/play", "ann--play"):
        other = scriptforge("generate", name, "--lines", "6", "--seed", "1", workspace=tmp_path)
        assert (other.returncode, other.stdout) == (0, own.stdout), other.stderr


@pytest.mark.slow
def test_a_model_need_not_be_pulled_before_it_is_used(
    pushed: Hub, stage: TrainedWorkspace, tmp_path: Path
) -> None:
    own = scriptforge("generate", "play", "--lines", "6", "--seed", "1", workspace=stage.path)
    other = scriptforge("generate", "ann/play", "--lines", "6", "--seed", "1", workspace=tmp_path)
    assert (other.returncode, other.stdout) == (0, own.stdout), other.stderr


def test_a_dry_run_asks_nothing_and_shows_all(hub: Hub, stage: TrainedWorkspace) -> None:
    options = ("--repo", "ann/other", "--space", "--dry-run", "--json")
    done = scriptforge("push", "play", *options, workspace=stage.path)
    model, space = json.loads(done.stdout)
    assert set(model["files"]) == {"README.md", "config.json", "model.safetensors", "tokenizer.json"}
    assert {"index.html", "model.safetensors", "space.json"} < set(space["files"])
    for document in (model, space):
        assert document["files"]["README.md"] == len(document["card"].encode())
    assert hub.seen == []


def test_a_dry_run_needs_neither_login_nor_network(
    stage: TrainedWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    done = scriptforge("push", "play", "--dry-run", workspace=stage.path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "The model YOUR-NAME/play"
    assert done.stderr == "YOUR-NAME stands for your name on the Hub, which a dry run does not ask for.\n"


@pytest.mark.slow
def test_a_space_is_made_beside_the_model(hub: Hub, stage: TrainedWorkspace) -> None:
    done = scriptforge("push", "play", "--space", workspace=stage.path)
    assert done.stdout == f"{hub.address}/ann/play\n{hub.address}/spaces/ann/play\n"
    page = hub.repositories["space", "ann/play"]
    assert page.sdk == "static"
    assert b"sdk: static" in page.files["README.md"]
    assert "index.html" in page.files


@pytest.mark.slow
def test_the_hubs_own_command_reads_what_was_pushed(
    pushed: Hub, stage: TrainedWorkspace, tmp_path: Path
) -> None:
    hf = Path(sys.executable).with_name("hf")
    done = subprocess.run(
        [hf, "download", "ann/play", "--local-dir", "here"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    there = tmp_path / "here" / "model.safetensors"
    assert there.read_bytes() == (stage.path / "runs" / "play" / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_what_hf_uploads_can_be_pulled(hub: Hub, stage: TrainedWorkspace, tmp_path: Path) -> None:
    hf = Path(sys.executable).with_name("hf")
    folder = tmp_path / "up"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        shutil.copy(stage.path / "runs" / "play" / name, folder)
    done = subprocess.run([hf, "upload", "ann/mine", "up"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert scriptforge("pull", "ann/mine", workspace=tmp_path).returncode == 0


@pytest.mark.slow
def test_a_pull_that_is_killed_is_healed_by_the_next(pushed: Hub, tmp_path: Path) -> None:
    pushed.misbehave(Fault(stalls=True), method="GET", path="/model.safetensors")
    process = begin("pull", "ann/play", workspace=tmp_path)
    wait_until(process, lambda: bool(pushed.asked("GET", "/model.safetensors")))
    code, _ = end(process, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert scriptforge("generate", "ann--play", workspace=tmp_path).returncode != 0
    pushed.behave()
    assert scriptforge("pull", "ann/play", workspace=tmp_path).returncode == 0
    assert [path.name for path in (tmp_path / "runs").iterdir() if path.is_dir()] == ["ann--play"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_a_training_that_downloads_what_it_starts_from(
    pushed: Hub, stage: TrainedWorkspace, tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "data").symlink_to(stage.path / "data")
    pushed.misbehave(Fault(stalls=True), method="GET", path="/model.safetensors")
    process = begin("train", "harbour", "--from", "ann/play", workspace=tmp_path)
    wait_until(process, lambda: bool(pushed.asked("GET", "/model.safetensors")))
    assert end(process, number)[0] == 128 + number
    assert not list((tmp_path / "runs").glob("harbour*"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("pull", "ann/nothing"), "Error: The model ann/nothing does not exist, or is private (404)."),
        (("pull", "nothing"), "Error: “nothing” is not the id of a repository."),
        (("generate", "ann/nothing"), "Error: The model ann/nothing does not exist, or is private (404)."),
    ],
)
@pytest.mark.slow
def test_what_cannot_be_had_is_said_in_two_lines(
    hub: Hub, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    done = scriptforge(*words, workspace=tmp_path)
    assert done.returncode in (1, 2)
    first, second = done.stderr.rstrip("\n").split("\n")[-2:]
    assert first == message
    assert second


@pytest.mark.slow
def test_a_corpus_is_read_at_one_commit(hub: Hub, tmp_path: Path) -> None:
    lines = "".join(f"ANN,Line {number} is said.\n" for number in range(200))
    first = hub.publish("dataset", "bob/show", {"show.csv": f"speaker,line\n{lines}".encode()}).head
    hub.publish("dataset", "bob/show", {"show.csv": b"speaker,line\nBEA,Nothing else.\n"})
    done = scriptforge("prepare", "hf:bob/show", "--revision", first, "--json", workspace=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["origin"]["revision"] == first
    assert [member["speaker"] for member in document["cast"]] == ["ANN"]


@pytest.mark.slow
def test_only_what_is_on_the_hub_has_revisions(stage: TrainedWorkspace) -> None:
    done = scriptforge("prepare", "harbour.txt", "--revision", "v1", "--force", workspace=stage.path)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        "Error: “harbour” is not on the Hub and has no revisions.",
    )


@pytest.mark.parametrize("debugged", [False, True])
@pytest.mark.slow
def test_neither_token_nor_home_is_ever_shown_or_sent(
    hub: Hub,
    stage: TrainedWorkspace,
    tmp_path: Path,
    own_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    debugged: bool,
) -> None:
    if debugged:
        monkeypatch.setenv("SCRIPTFORGE_DEBUG", "1")
    spoken = []
    for words in (("push", "play"), ("pull", "ann/play"), ("generate", "ann/play", "--lines", "2")):
        for status in (None, 401, 500):
            hub.behave()
            if status:
                hub.misbehave(Fault(status=status))
            place = stage.path if words[0] == "push" else tmp_path
            done = scriptforge(*words, workspace=place)
            spoken.append(done.stdout + done.stderr)
    sent = b"".join(seen.body for seen in hub.seen).decode("latin-1")
    kept = [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    for secret in (TOKEN, TOKEN[3:], str(own_home)):
        assert secret not in "".join(spoken)
        assert secret not in sent
        assert secret not in "".join(kept)
