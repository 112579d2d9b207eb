"""Windows and macOS, as far as they can be pretended: what Linux alone has is gone, and the console is old.

Not pretended, and seen by no test here: `os.name`, locks, paths with a drive, files that cannot be renamed
while they are open, and names without case.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

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
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
            if isinstance(node, ast.ImportFrom):
                names = {node.module or ""}
            assert not names & UNIX_MODULES, path
