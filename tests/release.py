"""Checks before a release is published, for the workflows and for `make release-check`.

    python tests/release.py version [TAG]     print the version, which a tag must match and CHANGELOG.md have
    python tests/release.py notes             print the section of the version in CHANGELOG.md
    python tests/release.py floors [PIN...]   print the lowest versions that pyproject.toml allows, as pins
    python tests/release.py install FOLDER    install a folder's wheel into an empty environment, and use it
    python tests/release.py rehearse          run the commands of release.yml here, up to publishing

It needs nothing but Python, except for `rehearse`, which reads the workflow with PyYAML.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn
from venv import EnvBuilder

REPOSITORY = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
VERSION: str = PROJECT["version"]
NAME: str = PROJECT["name"]

_FLOOR = re.compile(r"([\w.-]+)(\[[\w,]+\])?>=([\w.]+)")
"""A requirement in pyproject.toml: the name, an extra if there is one, the lowest version."""
SMOKE = (
    ("scriptforge", "--version"),
    ("scriptforge-lm", "--version"),
    ("scriptforge", "corpora"),
    ("scriptforge", "prepare", "demo"),
    ("scriptforge", "train", "demo", "--name", "smoke", "--minutes", "0.1", "--from", "none", "--cpu"),
    ("scriptforge", "generate", "smoke", "--lines", "8", "--seed", "1", "-o", "page.fountain"),
    ("scriptforge", "originality", "page.fountain", "--run", "smoke"),
)
"""Commands that try the installed package, from the first to the last step of the tutorial, in a minute."""
JOBS = ("build",)
"""The jobs of release.yml that need nothing but a machine with Python."""


def version(tag: str = f"v{VERSION}") -> None:
    """Print the version.

    Args:
        tag: the tag of the release: `v` and the version.
    """
    if tag != f"v{VERSION}":
        fail(f"The tag {tag} is not v{VERSION}, the version in pyproject.toml.", "Change one of them.")
    _section()
    sys.stdout.write(f"{VERSION}\n")


def notes() -> None:
    """Print the section of the version in CHANGELOG.md."""
    sys.stdout.write(f"{_section()}\n")


def floors(*pins: str) -> None:
    """Print a pin for every requirement and extra at its lowest version, one per line.

    Args:
        pins: pins to print in place of a package's lowest version, such as `torch==2.13.0`.
    """
    chosen = {pin.partition("==")[0]: pin for pin in pins}
    sys.stdout.writelines(f"{chosen.get(name, pin)}\n" for name, pin in lowest_versions())


def lowest_versions() -> Iterator[tuple[str, str]]:
    """Yield the package of every requirement and extra, and a pin at its lowest version."""
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    for requirement in dict.fromkeys(each for group in groups for each in group):
        if requirement.startswith(f"{NAME}["):
            continue
        floor = _FLOOR.fullmatch(requirement)
        if floor is None:
            fail(f"“{requirement}” has no lowest version.", "Write it as NAME>=VERSION in pyproject.toml.")
        package, extra, lowest = floor.groups(default="")
        yield package, f"{package}{extra}=={lowest}"


def fail(problem: str, hint: str) -> NoReturn:
    """Exit with a message of what is wrong and what to do."""
    sys.exit(f"{problem}\n{hint}")


def _section() -> str:
    """Return what CHANGELOG.md says of the version, without its heading."""
    text = (REPOSITORY / "CHANGELOG.md").read_text("utf-8")
    sections: dict[str, str] = dict(
        re.findall(r"^## \[([^\]]+)\][^\n]*\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    )
    if not (told := sections.get(VERSION, "").strip()):
        fail(f"CHANGELOG.md tells nothing of {VERSION}.", f"Give it a section ## [{VERSION}].")
    return told


def install(folder: str) -> None:
    """Install the wheel for this machine from a folder into an empty environment, and use it.

    Prints the sizes of the files in the folder and of the installation, and which variant of the kernel
    computes. Dependencies have the versions in constraints.txt; on Linux torch is the CPU build.

    Args:
        folder: the folder of the wheels.
    """
    files = Path(folder).resolve()
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        home = Path(name)
        binaries = home / "environment" / ("Scripts" if os.name == "nt" else "bin")
        size = install_wheel(home / "environment", files)
        for file in sorted(files.iterdir()):
            _say(f"{file.name}: {megabytes(file.stat().st_size)}")
        _say(f"installed, with all it needs: {megabytes(size)}")
        _say(f"kernel: {kernel_of(str(binaries / 'scriptforge'))}")
        (home / "work").mkdir()
        for command, *arguments in SMOKE:
            _say(f"$ {command} {' '.join(arguments)}")
            program = binaries / (f"{command}.exe" if os.name == "nt" else command)
            subprocess.run([program, *arguments], cwd=home / "work", check=True)


def install_wheel(environment: Path, files: Path) -> int:
    """Install the wheel in a folder into a new environment, as `install.py` does, which people use.

    Returns:
        The number of bytes that it takes on disk, with all that it needs.
    """
    sys.path.insert(0, str(REPOSITORY))
    from install import CONSTRAINTS, Pip, install_cpu_build

    EnvBuilder(with_pip=True, symlinks=os.name != "nt").create(environment)
    empty = bytes_in(environment)
    pip = Pip(str(environment))
    if sys.platform == "linux":
        install_cpu_build(pip)
    here = ("--find-links", str(files), "--only-binary", NAME)  # the folder may hold the sdist, too
    if code := pip.install("--constraint", str(CONSTRAINTS), *here, f"{NAME}=={VERSION}"):
        sys.exit(code)
    return bytes_in(environment) - empty


def kernel_of(*scriptforge: str) -> str:
    """Return the variant of the compiled kernel with which an installed package computes; exit without one.

    Args:
        scriptforge: the command of the package.
    """
    asked = subprocess.run([*scriptforge, "doctor", "--json"], stdout=subprocess.PIPE, check=True)
    [kernel] = (each for each in json.loads(asked.stdout)["findings"] if each["check"] == "kernel")
    if kernel["state"] != "ok":
        fail(f"The package has no kernel: {kernel['found']}.", "Build the wheel where there is gcc or clang.")
    return str(kernel["found"])


def bytes_in(folder: Path) -> int:
    """Return the number of bytes in all files below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def megabytes(size: int) -> str:
    """Return a number of bytes in megabytes."""
    return f"{size / 1e6:,.1f} MB"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def rehearse() -> None:
    """Run every command of `JOBS`, in a copy of the repository and an environment of their own.

    Steps take values from GitHub through environment variables. An expression inside a command is refused,
    since text that somebody else wrote would become part of the command.
    """
    jobs = _workflow()["jobs"]
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        copy, environment = Path(name, "repository"), Path(name, "environment")
        _copy_to(copy)
        EnvBuilder(with_pip=True).create(environment)
        variables = {
            **os.environ,
            "PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "GITHUB_REF_NAME": f"v{_version(copy)}",
        }
        for job in JOBS:
            for step in jobs[job]["steps"]:
                if "run" in step:
                    _run(step["run"], copy, variables)
        kept = REPOSITORY / "dist"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(copy / "dist", kept)


def _workflow() -> dict[str, Any]:
    import yaml

    workflow: dict[str, Any] = yaml.safe_load(
        (REPOSITORY / ".github" / "workflows" / "release.yml").read_text("utf-8")
    )
    return workflow


def _copy_to(copy: Path) -> None:
    """Copy all files that git does not ignore, uncommitted changes included."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, copy / name)


def _version(copy: Path) -> str:
    done = subprocess.run(
        [sys.executable, "tests/release.py", "version"], cwd=copy, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _run(command: str, folder: Path, variables: dict[str, str]) -> None:
    if "${{" in command:
        sys.exit(f"A command of release.yml has an expression in it: {command}\nGive it by `env:`.")
    sys.stdout.write(f"\n> {command}\n")
    sys.stdout.flush()
    subprocess.run(["bash", "-eo", "pipefail", "-c", command], cwd=folder, env=variables, check=True)


def main() -> None:
    """Run the command that the command line names."""
    known: dict[str, Callable[..., None]] = {
        each.__name__: each for each in (version, notes, floors, install, rehearse)
    }
    if len(sys.argv) < 2 or sys.argv[1] not in known:
        fail(f"Name one of: {', '.join(known)}.", "python tests/release.py COMMAND")
    known[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
