"""The folder of the room is its owner's alone, and nothing in it leads out of it."""

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from scriptforge.cli.app import run as run_command
from scriptforge.errors import UsageError
from scriptforge.options import ServeOptions
from scriptforge.serve.drafts import Drafts
from scriptforge.serve.server import Server
from scriptforge.workspace import Workspace

VISITORS = ServeOptions(port=0, read_only=True, for_anyone=True)
KNOWN = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder of the user, with a database and a text that looks like a secret."""
    folder = tmp_path / "victim"
    folder.mkdir(0o755)
    with closing(sqlite3.connect(folder / "drafts.db")) as database:
        database.execute("CREATE TABLE cookies (value)")
    (folder / "token").write_text(KNOWN)
    (folder / "token").chmod(0o644)
    return folder


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def contents(folder: Path) -> list[tuple[str, int, bytes]]:
    paths = sorted(folder.rglob("*"))
    return [(str(path), path.stat().st_mode, path.read_bytes() if path.is_file() else b"") for path in paths]


def serve(workspace: Workspace, options: ServeOptions) -> str:
    """Serve a room for a moment, and return its token."""
    with Server(workspace, None, options) as server:
        return server.link.partition("#token=")[2]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("options", [ServeOptions(port=0), VISITORS], ids=["writers", "visitors"])
@pytest.mark.parametrize(
    "name", ["", "token", "drafts.db", "drafts.db-wal", "drafts.recovered.db", "address.json"]
)
def test_links_are_refused_and_what_they_lead_to_stays(
    workspace: Workspace, victim: Path, name: str, options: ServeOptions
) -> None:
    link = workspace.room.path / name
    link.parent.mkdir(parents=True)
    link.symlink_to(victim / name)
    before = contents(victim)
    with pytest.raises(UsageError, match=f"{link} is a link") as caught:
        serve(workspace, options)
    assert "Remove it" in caught.value.hint
    assert contents(victim) == before


@pytest.mark.parametrize("place", ["room", "room/drafts.db"])
def test_drafts_behind_a_link_are_not_opened(
    workspace: Workspace, victim: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    link = workspace.root / place
    link.parent.mkdir(parents=True)
    link.symlink_to(victim if place == "room" else victim / "drafts.db")
    before = contents(victim)
    assert run_command(["drafts", "--workspace", str(workspace.root)]) == 2
    assert f"Error: {link} is a link" in capsys.readouterr().err
    assert contents(victim) == before


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (Path.mkdir, "a folder"),
        (os.mkfifo, "a pipe"),
        (lambda path: path.symlink_to("nowhere"), "a link"),
    ],
    ids=["folder", "pipe", "dangling link"],
)
def test_what_is_no_secret_is_named(workspace: Workspace, make: Callable[[Path], None], kind: str) -> None:
    path = workspace.room.token
    path.parent.mkdir(parents=True)
    make(path)
    with pytest.raises(UsageError, match=f"{path} is {kind}"):
        serve(workspace, ServeOptions(port=0))


def test_a_room_that_is_a_file_is_named(workspace: Workspace) -> None:
    workspace.root.mkdir()
    workspace.room.path.write_text("mine")
    with pytest.raises(UsageError, match=f"{workspace.room.path} is a file"):
        serve(workspace, ServeOptions(port=0))


def test_other_folders_and_files_in_the_room_are_let_be(workspace: Workspace) -> None:
    (workspace.room.path / "backup").mkdir(parents=True)
    (workspace.room.path / "notes.txt").write_text("mine")
    assert serve(workspace, ServeOptions(port=0))
    assert (workspace.room.path / "notes.txt").read_text() == "mine"


@pytest.mark.usefixtures("no_umask")
@pytest.mark.parametrize("before", [None, 0o755, 0o777])
def test_nobody_else_can_read_what_is_in_the_room(workspace: Workspace, before: int | None) -> None:
    room = workspace.room
    if before:
        room.path.mkdir(before, parents=True)
    serve(workspace, ServeOptions(port=0))
    with closing(Drafts(room.drafts)) as drafts:
        drafts.create("Draft", "", [])
        databases = sorted(room.path.glob("drafts.db*"))
        assert len(databases) == 3
        if os.name != "nt":
            assert {mode(path) for path in (*databases, room.token)} == {0o600}
            assert mode(room.path) == 0o700


@pytest.mark.usefixtures("no_umask")
def test_recovered_drafts_are_private_too(workspace: Workspace) -> None:
    path = workspace.room.drafts
    Drafts(path).close()
    path.write_bytes(b"?" * 4096)
    with closing(Drafts(path)) as drafts:
        assert "damaged" in drafts.notes[0]
    if os.name != "nt":
        assert {mode(each) for each in path.parent.glob("drafts*.db")} == {0o600}


@pytest.mark.parametrize("known_to", [0o604, 0o640, 0o666, "its owner"])
def test_a_secret_that_others_may_know_is_made_anew(workspace: Workspace, known_to: int | str) -> None:
    path = workspace.room.token
    path.parent.mkdir(parents=True)
    path.write_text(KNOWN)
    path.chmod(known_to if isinstance(known_to, int) else 0o600)
    is_known = os.name != "nt" and (isinstance(known_to, int) or os.geteuid() == 0)
    if is_known and known_to == "its owner":
        os.chown(path, 12_345, -1)
    token = serve(workspace, ServeOptions(port=0))
    assert (token != KNOWN) == is_known
    assert serve(workspace, ServeOptions(port=0)) == token
