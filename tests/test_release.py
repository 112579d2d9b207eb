"""`release.py`, which the release workflow calls, and the workflows themselves."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from release import kernel_of
from support import skips
from support.command import COMMAND

from scriptforge.kernel import kernel

REPOSITORY = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
PINNED = r"[\w./-]+@[0-9a-f]{40} # v[\d.]+"
"""An action of somebody else, pinned to a commit."""
LOCAL = r"\./\.github/workflows/\w+\.yml"
"""A workflow of this repository, at the same commit."""


def release(*arguments: str, repository: Path = REPOSITORY) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(repository / "tests" / "release.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)


def steps(workflow: Path) -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with datasets")
    jobs = yaml.safe_load(workflow.read_text("utf-8"))["jobs"].values()
    return [step for job in jobs for step in job.get("steps", [])]


def test_a_tag_must_be_the_version() -> None:
    version = PROJECT["version"]
    assert release("version", f"v{version}").stdout == f"{version}\n"
    for tag in (f"v{version}.1", version, "v9.9.9", ""):
        done = release("version", tag)
        assert done.returncode == 1
        assert done.stderr.startswith(f"The tag {tag} is not v{version}"), done.stderr
        assert len(done.stderr.splitlines()) == 2


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a folder with copies of `release.py` and of the files that it reads."""
    for name in ("pyproject.toml", "CHANGELOG.md", "tests/release.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path


def refused(repository: Path, *arguments: str) -> list[str]:
    """Return the error lines of a command that must fail, and must print nothing else."""
    done = release(*arguments, repository=repository)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr.splitlines()


def test_a_version_must_be_in_the_changelog(copy: Path) -> None:
    version = PROJECT["version"]
    changelog = copy / "CHANGELOG.md"
    changelog.write_text(changelog.read_text("utf-8").replace(f"## [{version}]", "## [9.9]"), "utf-8")
    told = [f"CHANGELOG.md tells nothing of {version}.", f"Give it a section ## [{version}]."]
    assert refused(copy, "version") == refused(copy, "notes") == told


def test_a_requirement_must_have_a_lowest_version(copy: Path) -> None:
    project = copy / "pyproject.toml"
    project.write_text(re.sub(r'"(typer)>=[\d.]+"', r'"\1"', project.read_text("utf-8")), "utf-8")
    told = ["“typer” has no lowest version.", "Write it as NAME>=VERSION in pyproject.toml."]
    assert refused(copy, "floors") == told


def test_the_notes_are_those_of_the_version_alone() -> None:
    told = release("notes").stdout
    assert "### Added" in told
    assert not re.search(r"^## ", told, re.MULTILINE)


def test_every_requirement_has_a_lowest_version() -> None:
    pins = release("floors", "torch==2.13.0").stdout.split()
    assert "torch==2.13.0" in pins
    names = {re.split(r"[=\[]", pin)[0] for pin in pins}
    assert {"typer", "datasets", "python-docx", "pytest"} < names
    assert len(pins) == len(names)
    assert all(re.fullmatch(r"[\w.-]+(\[\w+\])?==[\w.]+", pin) for pin in pins)


@pytest.mark.skipif(not kernel(), reason=skips.NO_COMPILER)
def test_an_installed_package_must_have_its_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernel_of(*COMMAND) in {"plain", "avx2", "avxvnni", "avx512vnni", "dotprod"}
    monkeypatch.setenv("SCRIPTFORGE_KERNEL", "none")
    with pytest.raises(SystemExit, match=r"^The package has no kernel: not compiled.*\nBuild the wheel"):
        kernel_of(*COMMAND)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_and_commands_hold_no_expression(workflow: Path) -> None:
    uses = re.findall(r"uses: (.*)", workflow.read_text("utf-8"))
    assert all(re.fullmatch(LOCAL, each) or re.fullmatch(PINNED, each) for each in uses), uses
    assert all("${{" not in step.get("run", "") for step in steps(workflow))


def test_ci_runs_the_pythons_that_the_package_names() -> None:
    named = {each.rpartition(" ")[2] for each in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", each)}
    matrix = re.search(r"python: \[(.*)\]", (REPOSITORY / ".github/workflows/ci.yml").read_text("utf-8"))
    assert matrix and set(re.findall(r"[\d.]+", matrix[1])) == named


def test_the_package_may_not_be_published_without_its_tests() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with datasets")
    jobs = yaml.safe_load((REPOSITORY / ".github/workflows/release.yml").read_text("utf-8"))["jobs"]
    needs = {name: job.get("needs") for name, job in jobs.items()}
    assert needs == {
        "ci": None,
        "build": "ci",
        "wheels": "build",
        "test": "wheels",
        "publish": "test",
        "announce": "publish",
    }
    assert jobs["ci"]["uses"] == "./.github/workflows/ci.yml"
    assert [name for name, job in jobs.items() if "id-token" in job.get("permissions", {})] == ["publish"]
