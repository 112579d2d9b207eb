"""The wheel: what is in it, and that it works where nothing else of the repository is."""

import os
import subprocess
import sys
import zipfile
from email import message_from_string
from importlib.util import find_spec
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as hatchling builds it from this checkout."""
    if find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    [path] = folder.glob("*.whl")
    return path


def test_wheel_holds_the_package_its_cards_and_the_demo(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    for path in (REPOSITORY / "corpora").rglob("*"):
        if path.is_file():
            assert f"scriptforge/{path.relative_to(REPOSITORY).as_posix()}" in inside
    assert {"scriptforge/py.typed", "scriptforge/hub/space/index.html"} < inside
    assert {name.partition("/")[0] for name in inside} == {"scriptforge", "scriptforge_lm-0.1.0.dist-info"}


def test_wheel_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read("scriptforge_lm-0.1.0.dist-info/METADATA").decode()
        scripts = archive.read("scriptforge_lm-0.1.0.dist-info/entry_points.txt").decode()
    metadata = message_from_string(text)
    assert metadata["Name"] == "scriptforge-lm"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "scriptforge = scriptforge.cli.app:main" in scripts


def test_wheel_works_without_the_repository(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(place), str(wheel)], check=True, capture_output=True)
    listing = subprocess.run(
        [sys.executable, "-c", "import scriptforge; print(scriptforge.__file__)"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(listing.stdout.strip()).is_relative_to(place)
    corpora = subprocess.run(
        [sys.executable, "-m", "scriptforge", "corpora", "--quiet"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=True,
    )
    names = {line.split()[0] for line in corpora.stdout.splitlines()[1:]}
    assert names == {path.stem for path in (REPOSITORY / "corpora").glob("*.toml")}
