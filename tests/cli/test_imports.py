"""What each command may import: whoever waits for a library that nobody uses waits for nothing."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.tiny import comedy

from scriptforge.workspace import RunFolder

HEAVY = {
    "accelerate",
    "asyncio",
    "datasets",
    "filelock",
    "httpx",
    "huggingface_hub",
    "matplotlib",
    "numpy",
    "optuna",
    "pandas",
    "pyarrow",
    "pydantic",
    "rich",
    "sklearn",
    "starlette",
    "sympy",
    "tokenizers",
    "torch",
    "torch._dynamo",
    "tqdm",
    "transformers",
    "xml.etree",
}
"""What takes long enough to be noticed; pydantic is imported by Typer, once a command is run."""

ASKED = {"pydantic"}
SHOWN = {*ASKED, "rich"}
WRITTEN = {*ASKED, "numpy", "tokenizers"}
READ = {*WRITTEN, "rich", "xml.etree"}
TRAINED = {
    *READ,
    "accelerate",
    "asyncio",
    "filelock",
    "huggingface_hub",
    "matplotlib",
    "pyarrow",
    "torch",
    "tqdm",
}

MAY_IMPORT: dict[str, tuple[list[str], set[str]]] = {
    "--help": ([], set()),
    "generate --help": ([], ASKED),
    "runs": ([], SHOWN),
    "runs of one": (["harbour"], SHOWN),
    "corpora": ([], {*SHOWN, "xml.etree"}),
    "inspect": (["harbour.txt"], {*SHOWN, "numpy", "xml.etree"}),
    "convert": (["harbour.txt", "harbour.fountain"], {*SHOWN, "numpy", "xml.etree"}),
    "generate": (["harbour", "--lines", "1", "--seed", "1"], WRITTEN),
    "generate from a prime": (["harbour", "--prime", "bo:", "--lines", "1", "--seed", "1"], READ),
    "generate into a file": (["harbour", "--lines", "1", "--seed", "1", "-o", "page.fountain"], READ),
    "generate with a limit to copies": (
        ["harbour", "--lines", "1", "--seed", "1", "--max-copy", "8"],
        {*READ, "pyarrow"},
    ),
    "originality": (["harbour.txt", "--run", "harbour"], {*READ, "pyarrow"}),
    "doctor": ([], {*SHOWN, "numpy", "huggingface_hub"}),
    "train": (["harbour", "--name", "other", "--epochs", "1", "--set", "hidden_size=8"], TRAINED),
}
"""By a name that begins with the command: what follows it, and what of `HEAVY` may be imported."""


@pytest.mark.parametrize("name", MAY_IMPORT)
def test_a_command_imports_no_more_than_it_needs(name: str, tiny_run: RunFolder, tmp_path: Path) -> None:
    words, allowed = MAY_IMPORT[name]
    command = name.split()[:2] if "--help" in name else name.split()[:1]
    (tmp_path / "harbour.txt").write_text(comedy(60), encoding="utf-8")
    for folder in ("runs", "data"):
        (tmp_path / folder).symlink_to(tiny_run.path.parent.parent / folder)
    program = (
        "import sys; from scriptforge.cli.app import run; "
        f"assert run({[*command, *words]}) == 0; "
        f"print(*({HEAVY} & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert set(done.stderr.splitlines()[-1].split() if done.stderr.strip() else []) <= allowed, name


def test_the_library_imports_nothing_before_it_is_used() -> None:
    program = "import sys, scriptforge; scriptforge.GenerateOptions(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {*HEAVY, "typer"}.isdisjoint(done.stdout.split())
