"""The commands of the README and the tutorial, run as they are written.

Blocks marked `sh` are run in order, each document's in a folder of its own that holds a small `my-script.txt`
and `seinfeld.txt`. Three things are not as written, and `docs/README.md` says so: a training lasts about a
second, `prepare seinfeld` reads the small file, and `make` is left out.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scriptforge.corpus.cards import builtin_cards_path
from scriptforge.screenplay.formats import read
from scriptforge.screenplay.name_line import write

REPOSITORY = Path(__file__).resolve().parent.parent.parent
MINUTES = "0.01"

DOCUMENTS = {
    "README.md": ("pages/seinfeld-seed-3.txt", "runs/my-script/config.json", "runs/seinfeld/config.json"),
    "docs/tutorial.md": ("page.txt", "runs/demo/config.json", "runs/my-script/model.safetensors"),
}
"""Each document, with some of the files that a reader ends up with."""


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.slow
def test_commands_run_as_written(document: str, workspace_path: Path) -> None:
    _write_scripts(workspace_path)
    blocks = _blocks((REPOSITORY / document).read_text(encoding="utf-8"))
    assert blocks, f"{document} shows no commands"
    for block in blocks:
        result = subprocess.run(
            ["bash", "-euc", _abridged(block)],
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, f"{block}\n{result.stdout}\n{result.stderr}"
    for name in DOCUMENTS[document]:
        assert (workspace_path / name).is_file()


@pytest.mark.parametrize(
    ("document", "said"),
    [("README.md", "--- seed"), ("docs/how-to/use-it-from-python.md", "bits per character")],
)
@pytest.mark.slow
def test_python_runs_as_written(document: str, said: str, workspace_path: Path) -> None:
    _write_scripts(workspace_path)
    markdown = (REPOSITORY / document).read_text(encoding="utf-8")
    program = "\n".join(re.findall(r"^```python\n(.*?)^```$", markdown, flags=re.MULTILINE | re.DOTALL))
    for word, here in {
        r"minutes=\d+": f"minutes={MINUTES}",
        "JERRY": "WALT",
        "ELAINE": "DEE",
        "elaine": "dee",
    }.items():
        program = re.sub(word, here, program)
    result = subprocess.run(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert said in result.stdout
    assert (workspace_path / "runs" / "mine" / "model.safetensors").is_file()


def _blocks(markdown: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", markdown, flags=re.MULTILINE | re.DOTALL)


def _abridged(block: str) -> str:
    """The block as the module's docstring says."""
    block = re.sub(r"^make .*$", "", block, flags=re.MULTILINE)
    block = re.sub(r"^scriptforge demo$", f"scriptforge demo --minutes {MINUTES}", block, flags=re.MULTILINE)
    block = re.sub(r"--minutes [\d.]+", f"--minutes {MINUTES}", block)
    return block.replace("prepare seinfeld", "prepare seinfeld --from seinfeld.txt")


def _write_scripts(folder: Path) -> None:
    """Writes the demo's first episodes as `name: line`, and again with four other names."""
    episodes = sorted((builtin_cards_path() / "demo").glob("*.fountain"))[:3]
    lines = [line for each in episodes for line in write(read(each.read_text("utf-8").splitlines()))]
    script = "\n".join(lines) + "\n"
    (folder / "my-script.txt").write_text(script, encoding="utf-8")
    renamed = {"WALT": "jerry", "DEE": "george", "PRU": "elaine", "MARGO": "kramer"}
    for name, other in renamed.items():
        script = re.sub(rf"^{name}:", f"{other}:", script, flags=re.MULTILINE)
    (folder / "seinfeld.txt").write_text(script, encoding="utf-8")
