"""A Hub that misbehaves: each time words and a remedy of their own, and nothing wrong is left behind."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from support.loopback_hub import TOKEN, Fault, Hub
from support.pushing import push_run
from support.slow import slow

from scriptforge.errors import HubError
from scriptforge.hub.pull import pull
from scriptforge.net import client
from scriptforge.net import errors as network
from scriptforge.run.run import Run
from scriptforge.workspace import RunFolder, Workspace

REFUSALS = [
    (401, {}, "needs a login"),
    (401, {"X-Error-Code": "RepoNotFound"}, "does not exist, or is private"),
    (403, {}, "refused you access"),
    (403, {"X-Error-Code": "GatedRepo"}, "is gated"),
    (404, {"X-Error-Code": "RepoNotFound"}, "does not exist, or is private"),
    (429, {"Retry-After": "0"}, "was requested too often"),
    (500, {}, "the server failed"),
    (503, {}, "the server failed"),
]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def published(hub: Hub, tiny_run: RunFolder) -> Hub:
    names = (*tiny_run.needed,)
    hub.publish("model", "bob/harbour", {name: (tiny_run.path / name).read_bytes() for name in names})
    return hub


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the client wait for nothing between two tries."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)


@contextmanager
def impatience() -> Iterator[None]:
    """Do not wait long for an answer, where none comes; elsewhere a busy machine may take its time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "TIMEOUT_SECONDS", 0.3)
        patch.setattr(client, "_SENDING_TIMEOUT_SECONDS", 0.3)
        patch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
        patch.setattr("huggingface_hub.constants.HF_HUB_ETAG_TIMEOUT", 0.3)
        yield


def leftovers(workspace: Workspace) -> list[str]:
    """What a failed pull has left, but for its lock, which is empty."""
    return sorted(path.name for path in (workspace.root / "runs").rglob("*") if path.suffix != ".lock")


@pytest.mark.parametrize("path", ["/api/models/", "/resolve/"])
@pytest.mark.parametrize(("status", "headers", "words"), REFUSALS)
def test_a_refused_pull_says_why(
    published: Hub, workspace: Workspace, path: str, status: int, headers: dict[str, str], words: str
) -> None:
    published.misbehave(Fault(status=status, headers=headers), path=path)
    with pytest.raises(HubError, match=words):
        pull(workspace, "bob/harbour")
    assert leftovers(workspace) == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault(resets=True),
        *slow([Fault(stalls=True)]),
        Fault(keeps=0.5),
        Fault(corrupts=True),
        Fault(adds=7),
    ],
    ids=repr,
)
@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_what_breaks_on_the_way_is_not_kept_and_heals(
    published: Hub, workspace: Workspace, fault: Fault, file: str
) -> None:
    published.misbehave(fault, method="GET", path=f"/{file}")
    with pytest.raises(HubError), impatience() if fault.stalls else nullcontext():
        pull(workspace, "bob/harbour")
    assert leftovers(workspace) == []
    published.behave()
    assert pull(workspace, "bob/harbour").folder.weights.is_file()


@pytest.mark.parametrize("etag", ["x/y", "../../x", "/tmp/x", "..", "c:x", "a" * 300])
def test_an_etag_that_cannot_be_part_of_a_file_name_is_said(
    published: Hub, workspace: Workspace, etag: str
) -> None:
    odd = {"ETag": f'"{etag}"', "X-Linked-ETag": f'"{etag}"'}
    published.misbehave(Fault(headers=odd), path="/resolve/")
    with pytest.raises(HubError, match="an ETag that cannot be part of a file name") as caught:
        pull(workspace, "bob/harbour")
    assert "HF_ENDPOINT" in caught.value.hint
    assert leftovers(workspace) == []


@pytest.mark.parametrize("path", ["/commit/", *slow(["/api/repos/create", "/preupload/", "/lfs/"])])
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(status=429), "was requested too often"),
        (Fault(status=500), "the server failed"),
        (Fault(resets=True), "cannot be reached"),
    ],
    ids=repr,
)
def test_a_push_that_fails_says_why_and_changes_nothing(
    hub: Hub, tiny_run: RunFolder, path: str, fault: Fault, words: str
) -> None:
    hub.publish("model", "ann/harbour", {"README.md": b"# Mine"})
    head = hub.repositories["model", "ann/harbour"].head
    hub.misbehave(fault, path=path)
    with pytest.raises(HubError, match=words):
        push_run(Run(tiny_run), "ann/harbour")
    assert hub.repositories["model", "ann/harbour"].head == head
    hub.behave()
    assert push_run(Run(tiny_run), "ann/harbour").is_new


@pytest.mark.parametrize("fault", [Fault(adds=9), *slow([Fault(corrupts=True)])], ids=repr)
@pytest.mark.parametrize("path", ["/api/repos/create", "/api/models/", "/lfs/objects/batch", "/preupload/"])
def test_an_answer_that_is_not_the_hubs_is_said_to_be_none(
    hub: Hub, tiny_run: RunFolder, workspace: Workspace, fault: Fault, path: str
) -> None:
    hub.publish("model", "ann/harbour", {"README.md": b"# Mine"})
    hub.misbehave(fault, path=path)
    with pytest.raises(HubError, match="the answer is not from the Hub"):
        push_run(Run(tiny_run), "ann/harbour")
    if path == "/api/models/":
        with pytest.raises(HubError, match="the answer is not from the Hub"):
            pull(workspace, "ann/harbour")


def test_a_silent_hub_is_waited_for_but_not_for_long(published: Hub, workspace: Workspace) -> None:
    published.misbehave(Fault(stalls=True), method="HEAD", path="/resolve/")
    with pytest.raises(HubError, match="did not answer"), impatience():
        pull(workspace, "bob/harbour")


def test_of_a_hub_that_is_silent_when_it_is_sent_something_no_wrong_seconds_are_said(
    hub: Hub, tiny_run: RunFolder
) -> None:
    hub.misbehave(Fault(stalls=True), path="/preupload/")
    with pytest.raises(HubError, match=r"did not answer in time\."), impatience():
        push_run(Run(tiny_run), "ann/harbour")


@pytest.mark.parametrize("path", ["/preupload/", "/commit/"])
def test_who_may_not_write_is_told_so(hub: Hub, tiny_run: RunFolder, path: str) -> None:
    hub.misbehave(Fault(status=403), path=path)
    with pytest.raises(HubError, match="refused you access"):
        push_run(Run(tiny_run), "ann/harbour")


def test_a_token_that_may_only_read_is_not_enough(
    hub: Hub, tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.enrol("ann", "hf_onlyForReading", may_write=False)
    monkeypatch.setenv("HF_TOKEN", "hf_onlyForReading")
    with pytest.raises(HubError, match="refused you access"):
        push_run(Run(tiny_run), "ann/harbour")


def test_a_commit_by_somebody_else_meanwhile_is_not_overwritten(hub: Hub, tiny_run: RunFolder) -> None:
    hub.publish("model", "ann/harbour", {"README.md": b"# Mine"})
    hub.misbehave(Fault(status=412), path="/commit/")
    with pytest.raises(HubError, match="changed by somebody else"):
        push_run(Run(tiny_run), "ann/harbour")


def test_the_token_goes_to_no_other_host(published: Hub, workspace: Workspace) -> None:
    elsewhere = Hub()
    try:
        (repository,) = published.repositories.values()
        weights = repository.files["model.safetensors"]
        copy = elsewhere.publish("model", "bob/harbour", repository.files)
        address = elsewhere.address.replace("127.0.0.1", "localhost")
        moved = {
            "Location": f"{address}/bob/harbour/resolve/{copy.head}/model.safetensors",
            "X-Repo-Commit": repository.head,
            "X-Linked-ETag": f'"{hashlib.sha256(weights).hexdigest()}"',
            "X-Linked-Size": str(len(weights)),
        }
        published.misbehave(Fault(status=302, headers=moved), path="/model.safetensors")
        assert pull(workspace, "bob/harbour").folder.weights.read_bytes() == weights
        assert published.seen[-1].token == TOKEN
        assert [seen.token for seen in elsewhere.seen] == [None]
    finally:
        elsewhere.stop()
