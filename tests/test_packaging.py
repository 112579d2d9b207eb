"""The wheel: what is in it, and that it works without the rest of the repository."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest
from support import skips
from support.kernels import build_module

REPOSITORY = Path(__file__).resolve().parent.parent
VERSION = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]["version"]
INFO = f"scriptforge_lm-{VERSION}.dist-info"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel that hatchling builds from this checkout without a compiler, which would take long."""
    return built(REPOSITORY, tmp_path_factory.mktemp("wheel"), PATH="")


def built(repository: Path, folder: Path, **variables: str) -> Path:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    environment = {**os.environ, "REPOSITORY_URL": "", **variables}
    subprocess.run(build, cwd=repository, env=environment, check=True, capture_output=True)
    [path] = folder.glob("*.whl")
    return path


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        return message_from_string(archive.read(f"{INFO}/METADATA").decode())


def relative_links(markdown: str) -> list[str]:
    return re.findall(r"\]\((?!https?:|#)[^)]*\)", markdown)


def test_wheel_holds_the_package_its_cards_and_the_demo(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    for path in (REPOSITORY / "corpora").rglob("*"):
        if path.is_file():
            assert f"scriptforge/{path.relative_to(REPOSITORY).as_posix()}" in inside
    assert {"scriptforge/py.typed", "scriptforge/serve/page/index.html"} < inside
    assert {name.partition("/")[0] for name in inside} == {"scriptforge", INFO}


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("cc"), reason=skips.NO_COMPILER)
def test_where_there_is_a_compiler_the_wheel_is_for_a_platform_and_holds_the_kernel(tmp_path: Path) -> None:
    path = built(REPOSITORY, tmp_path)
    assert not path.name.endswith("-any.whl")
    with zipfile.ZipFile(path) as archive:
        inside = archive.namelist()
    assert "scriptforge/kernel/kernel-plain.so" in inside


def test_wheel_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        scripts = archive.read(f"{INFO}/entry_points.txt").decode()
    metadata = metadata_of(wheel)
    assert metadata["Name"] == "scriptforge-lm"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "scriptforge = scriptforge.__main__:main" in scripts
    assert "scriptforge-lm = scriptforge.__main__:main" in scripts
    assert "[llm]\nscriptforge = scriptforge.llm_plugin" in scripts
    assert metadata.get_all("Project-URL") is None


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


def test_the_readme_of_the_wheel_has_no_link_that_leads_nowhere(wheel: Path) -> None:
    metadata = metadata_of(wheel)
    assert metadata["Description-Content-Type"] == "text/markdown"
    shown = str(metadata.get_payload())
    assert "# scriptforge" in shown and "The [tutorial]" not in shown and "The tutorial goes" in shown
    assert relative_links((REPOSITORY / "README.md").read_text("utf-8"))
    assert not relative_links(shown)


def test_with_an_address_links_and_picture_lead_to_the_repository(tmp_path: Path) -> None:
    copy = tmp_path / "repository"
    for name in ("scriptforge", "corpora"):
        (copy / name).mkdir(parents=True)
    for name in ("README.md", "LICENSE", "hatch_build.py", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, copy)
    address = "https://example.org/ann/forge/"
    metadata = metadata_of(built(copy, tmp_path / "wheels", REPOSITORY_URL=address, PATH=""))
    assert "Repository, https://example.org/ann/forge" in metadata.get_all("Project-URL", [])
    shown = str(metadata.get_payload())
    assert not relative_links(shown)
    assert "](https://example.org/ann/forge/raw/HEAD/docs/images/terminal.svg)" in shown
    assert "[tutorial](https://example.org/ann/forge/blob/HEAD/docs/tutorial.md)" in shown
    assert "](#what-it-measures)" in shown


@pytest.mark.parametrize(
    ("own", "target", "tag"),
    [
        ("macosx_15_0_arm64", "11.0", "macosx_11_0_arm64"),
        ("macosx_26_0_arm64", "14", "macosx_14_0_arm64"),
        ("macosx_15_0_arm64", "13.3", "macosx_13_0_arm64"),
        ("macosx_15_0_arm64", "", "macosx_15_0_arm64"),
        ("linux_x86_64", "11.0", "linux_x86_64"),
    ],
)
def test_a_wheel_for_macs_is_for_the_oldest_that_it_was_compiled_for(own: str, target: str, tag: str) -> None:
    assert build_module().platform_tag(own, target) == tag
