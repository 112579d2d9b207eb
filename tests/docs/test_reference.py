"""The reference in the repository is what the generator makes of the code."""

import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"


def test_committed_reference_is_what_the_code_makes(tmp_path: Path) -> None:
    generator = [sys.executable, str(DOCS / "making"), str(tmp_path / "reference")]
    made = subprocess.run(generator, cwd=tmp_path, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    committed = _pages(DOCS / "reference")
    assert _pages(tmp_path / "reference") == committed, "run `make docs` and commit what it writes"


def _pages(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in folder.iterdir()}
