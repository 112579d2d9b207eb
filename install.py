"""Makes the environment that scriptforge runs in, from a copy of the repository; `make` calls it.

    python install.py [--gpu] [FOLDER]

FOLDER is `.venv` if left out. On Linux the package index has PyTorch's build for GPUs, which is ten times as
large as the one for processors. So the latter is taken, from PyTorch's own index, unless `--gpu` asks for the
former. Without a way to that index pip takes what it is configured to take.

It needs nothing but Python, and is not part of the package.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from venv import EnvBuilder

REPOSITORY = Path(__file__).resolve().parent
CONSTRAINTS = REPOSITORY / "constraints.txt"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PATIENCE = 10
"""Seconds that an index has to say which versions it has."""

SIZES = {
    "cpu": "about 300 MB to download and 1.3 GB on disk",
    "gpu": "about 3 GB to download and 5 GB on disk",
}
"""What an environment takes with all its packages.

Measured with the versions in constraints.txt on x86_64. Of the download PyTorch's CPU build is 192 MB; its
GPU build and NVIDIA's libraries are 2.8 GB: https://github.com/kyutai-labs/pocket-tts/pull/219 adds them up.
"""


def main() -> int:
    """Makes the environment, and returns the exit code."""
    arguments = _arguments()
    if problem := _problem_of(platform.system(), platform.machine()):
        _say(problem)
        return 1
    # Elsewhere there is one build: Windows' is for processors, and that for Apple silicon knows its GPU.
    has_two_builds = platform.system() == "Linux"
    build = "gpu" if has_two_builds and arguments.gpu else "cpu"
    _say(f"Making {arguments.folder}: scriptforge and PyTorch's {build.upper()} build, {SIZES[build]}.")
    if has_two_builds and not arguments.gpu and shutil.which("nvidia-smi"):
        _say("To use this machine's NVIDIA GPU, stop this (Ctrl-C) and begin with: make GPU=1")
    EnvBuilder(clear=True, with_pip=True, symlinks=os.name != "nt").create(arguments.folder)
    pip = Pip(arguments.folder)
    if has_two_builds and not arguments.gpu:
        install_cpu_build(pip)
    return pip.install("--constraint", str(CONSTRAINTS), "--editable", str(REPOSITORY))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make the environment that scriptforge runs in.")
    parser.add_argument("folder", nargs="?", default=".venv", help="where; .venv if left out")
    parser.add_argument("--gpu", action="store_true", help="take PyTorch's GPU build on Linux")
    return parser.parse_args()


def _problem_of(system: str, machine: str) -> str:
    """Why scriptforge cannot run on a system, and what to do; empty if it can."""
    if sys.version_info < (3, 11):  # noqa: UP036 - nothing has yet held an older Python back
        return "scriptforge needs Python 3.11 or newer."
    if system == "Darwin" and machine == "x86_64":
        return (
            "scriptforge needs PyTorch 2.6, and the last one for Macs with an Intel processor is 2.2.\n"
            "On a Mac with Apple silicon, use a Python made for it: this one is made for Intel."
        )
    return ""


def install_cpu_build(pip: "Pip") -> None:
    """Installs PyTorch's CPU build, unless pip finds it by itself, or cannot find it at all."""
    version = _pinned("torch")
    if pip.knows(f"{version}+cpu"):
        return
    if pip.knows(f"{version}+cpu", "--index-url", CPU_INDEX):
        # Nothing else is taken from there, so its dependencies come from where all others do.
        pip.install("--no-deps", "--index-url", CPU_INDEX, f"torch=={version}+cpu")
    else:
        _say(f"{CPU_INDEX} has no answer: PyTorch comes from pip's own index, {SIZES['gpu']}.")


def _pinned(package: str) -> str:
    """The version of a package in constraints.txt."""
    found = re.search(rf"^{package}==(\S+)$", CONSTRAINTS.read_text("utf-8"), re.MULTILINE)
    assert found, f"{package} is not in {CONSTRAINTS.name}"
    return found[1]


class Pip:
    """The pip of an environment."""

    def __init__(self, environment: str) -> None:
        python = Path(environment, "Scripts" if os.name == "nt" else "bin", "python")
        self._command = [str(python), "-m", "pip", "--disable-pip-version-check"]

    def install(self, *arguments: str) -> int:
        """Installs, and returns the exit code; a terminal sees how far the downloads are."""
        manner = [] if sys.stdout.isatty() else ["--quiet"]
        return subprocess.run([*self._command, "install", *manner, *arguments], check=False).returncode

    def knows(self, version: str, *source: str) -> bool:
        """Whether pip finds a version of torch where it is configured to look, or in a source."""
        ask = [*self._command, "index", "versions", "torch", "--timeout", "5", "--retries", "0", *source]
        try:
            answer = subprocess.run(ask, capture_output=True, text=True, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            return False
        return version in re.split(r"[\s,()]+", answer.stdout)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
