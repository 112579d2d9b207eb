"""Windows and macOS, as far as they can be pretended: what Linux alone has is gone, and the console is old.

Not pretended, and seen by no test here: `os.name`, paths with a drive, and files that cannot be renamed while
they are open.
"""

import ast
import errno
import importlib.util
import os
import subprocess
import sys
import types
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from scriptforge.training import checkpoint
from scriptforge.workspace import Workspace, locks, scratch

PACKAGE = Path(__file__).resolve().parent.parent.parent / "scriptforge"
UNIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty"}
ELSEWHERE = """
import os, sys
for name in ("pty", "termios", "tty"):
    sys.modules[name] = None
for name in ("O_DIRECTORY", "O_NOFOLLOW", "chown", "fchmod", "fchown", "fork", "forkpty", "getloadavg",
             "killpg", "mkfifo", "nice", "sched_getaffinity", "sched_setaffinity", "sync"):
    vars(os).pop(name, None)

def open_no_folder(path, *rest, _open=os.open, **options):
    if not isinstance(path, int) and os.path.isdir(path):
        raise PermissionError(13, "Permission denied", str(path))
    return _open(path, *rest, **options)

os.open = open_no_folder
"""
COMMANDS = """
import sys
from scriptforge.cli.app import run
sys.stdout.reconfigure(errors="backslashreplace")  # as the program does when it starts
for line in (
    "inspect play.txt",
    "prepare play.txt --name Play",
    "train Play --name first --epochs 1 --from none --cpu",
    "generate first --lines 5 --seed 1",
    "generate first --lines 5 --seed 1 -o page.fountain",
    "evaluate first",
    "rename first second",
    "remove second --yes",
):
    assert run(line.split()) == 0, line
"""


@pytest.mark.slow
def test_all_steps_without_what_unix_has_on_an_old_console(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(ELSEWHERE, encoding="utf-8")
    lines = "".join(f"NORA: Where is key {n}… “here”? ♥\r\nANN: No. Küche 花 {n}.\r\n" for n in range(80))
    (tmp_path / "play.txt").write_text(f"INT. KÜCHE – NIGHT\r\n{lines}", encoding="utf-8", newline="")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LC_")},
        "LC_ALL": "C",  # what is opened without an encoding then knows no letter beyond ASCII
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONUTF8": "0",
        "PYTHONIOENCODING": "cp1252",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(PACKAGE.parent)]),
    }
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        check=False,
    )
    shown, told = done.stdout.decode("cp1252"), done.stderr.decode("cp1252")
    assert done.returncode == 0, shown + told
    assert "INT. KÜCHE – NIGHT" in shown and r"\u2665" in shown  # in cp1252, and not in it
    page = (tmp_path / "page.fountain").read_text(encoding="utf-8")
    assert "♥" in page or "花" in page


def test_no_module_is_imported_that_only_unix_has() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in _on_windows(ast.parse(path.read_text(encoding="utf-8"))):
            names = {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
            if isinstance(node, ast.ImportFrom):
                names = {node.module or ""}
            assert not names & UNIX_MODULES, path


def _on_windows(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is run there of a program."""
    yield node
    if isinstance(node, ast.If) and ast.unparse(node.test) == "sys.platform == 'win32'":
        children: Iterable[ast.AST] = node.body
    else:
        children = ast.iter_child_nodes(node)
    for child in children:
        yield from _on_windows(child)


def test_a_lock_of_windows_is_held_by_one_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its locks are of bytes far behind the end of the file, so that the others can read who holds it."""
    held: set[tuple[int, int]] = set()

    def locking(handle: int, mode: int, number: int) -> None:
        place = os.fstat(handle).st_ino, os.lseek(handle, 0, os.SEEK_CUR)
        if (mode, number) != (2, 1) or place in held:
            raise PermissionError(errno.EACCES, "Permission denied")
        held.add(place)

    monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(locking=locking, LK_NBLCK=2))
    with monkeypatch.context() as pretended:
        pretended.setattr(sys, "platform", "win32")
        windows = _anew(locks)
        with windows.Lock.acquire(tmp_path / "play", "being trained"):
            assert held and min(place for _, place in held) > 1 << 20
            with pytest.raises(windows.LockHeldError, match=f"being trained by process {os.getpid()}"):
                windows.Lock.acquire(tmp_path / "play", "being renamed")
            said = windows.holder(tmp_path / "play")
    assert said is not None and said.process == str(os.getpid())


def _anew(module: types.ModuleType) -> types.ModuleType:
    """Return a module as it is where it is imported now."""
    assert module.__spec__ is not None and module.__spec__.loader is not None
    fresh = importlib.util.module_from_spec(module.__spec__)
    module.__spec__.loader.exec_module(fresh)
    return fresh


def test_a_folder_is_replaced_where_two_names_cannot_be_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "said").write_text(name)
    with scratch.scratch_folder(tmp_path / "old") as temporary:
        (tmp_path / "new").rename(temporary / "old")
        with monkeypatch.context() as pretended:
            pretended.setattr(sys, "platform", "win32")
            scratch.put(temporary / "old", tmp_path / "old")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old" / "said").read_text() == "new"


@pytest.mark.parametrize(("letters", "most"), [(64, 240), (20, 150)])
def test_paths_are_as_long_as_the_guide_says(tmp_path: Path, letters: int, most: int) -> None:
    run = Workspace(tmp_path).new_run("n" * letters).successor.folder
    with scratch.scratch_folder(run.checkpoint(10**7)) as temporary:
        manifest = temporary / run.checkpoint(10**7).name / checkpoint.MANIFEST
        with scratch.scratch_folder(manifest) as inner:
            longest = inner / manifest.name
    assert most - 20 < len(str(longest.relative_to(tmp_path))) <= most
    guide = (PACKAGE.parent / "docs" / "how-to" / "install-it.md").read_text(encoding="utf-8")
    assert str(most) in guide
