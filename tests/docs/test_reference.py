"""The reference, and the printouts on other pages, are what the generator makes of the code."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent


@pytest.mark.slow
def test_committed_pages_are_what_the_code_makes(tmp_path: Path) -> None:
    generator = [sys.executable, str(REPOSITORY / "docs" / "making"), str(tmp_path / "made")]
    made = subprocess.run(generator, cwd=tmp_path, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    pages = _pages(tmp_path / "made")
    assert {"README.md", "docs/tutorial.md"} < set(pages)
    committed = {name: text for name, text in _pages(REPOSITORY).items() if _is_made(name, text)}
    assert pages == committed, "run `make docs` and commit what it writes"


def _pages(root: Path) -> dict[str, str]:
    paths = [root / "README.md", *(root / "docs").rglob("*.md")]
    return {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in paths}


def _is_made(name: str, text: str) -> bool:
    return name.startswith("docs/reference/") or "<!-- made: " in text
