"""Build hooks for hatchling: put the README into the metadata, and compile the kernel.

The README's links are relative, but where the metadata is shown there are no pages beside it. So they are
made absolute, with the address of the repository that builds the package. The release workflow sets it as
`REPOSITORY_URL`, so that a fork names itself. Without an address the links become plain text.

The kernel (`scriptforge/kernel/kernel.c`, which includes its parts) is compiled once for each kind of
processor that it is written for, with gcc or clang, whose vector extensions it uses. Nothing in it depends on
the version of Python, so one wheel per platform is enough. Without a compiler the package is complete, too,
and computes in NumPy.

`python hatch_build.py` compiles the kernel beside its sources.
"""

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface
from packaging.tags import sys_tags

_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\n)*)\]\((?!https?:|#)([^)\s]+)\)")
"""A relative link or picture: the `!` of a picture, the text, the target."""


_PLACES = {
    "Repository": "",
    "Documentation": "/tree/HEAD/docs",
    "Changelog": "/blob/HEAD/CHANGELOG.md",
    "Issues": "/issues",
}
"""The project's links, as paths in a repository on GitHub."""


class MetadataHook(MetadataHookInterface):
    """A hook that sets the project's `readme` and `urls`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set both, with the address in `REPOSITORY_URL`."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        address = os.environ.get("REPOSITORY_URL", "").rstrip("/")
        metadata["readme"] = {"content-type": "text/markdown", "text": readme_for_elsewhere(text, address)}
        metadata["urls"] = {name: address + place for name, place in _PLACES.items()} if address else {}


def readme_for_elsewhere(text: str, repository: str) -> str:
    """Return the README with its relative links made absolute, or turned into text if there is no address.

    Args:
        text: the README, in Markdown.
        repository: the address of the repository, without a trailing slash; empty if it has none.
    """

    def target(link: re.Match[str]) -> str:
        mark, words, path = link.groups()
        if not repository:
            return f"*{words}*" if mark else words
        view = "raw" if mark else "blob"
        return f"{mark}[{words}]({repository}/{view}/HEAD/{path})"

    return _LINK.sub(target, text)


KERNEL = Path("scriptforge/kernel/kernel.c")
"""The file that includes all the others beside it."""

FLAGS = ("-std=gnu11", "-O3", "-ffp-contract=fast", "-fno-math-errno", "-fvisibility=hidden", "-shared")
"""Compiler flags for every processor; products and sums may be fused, which rounds less."""

VARIANTS: dict[str, dict[str, Sequence[str]]] = {
    "x86_64": {
        "plain": ("-march=x86-64-v2",),
        "avx2": ("-march=x86-64-v3",),
        "avxvnni": ("-march=x86-64-v3", "-mavxvnni"),
        "avx512vnni": ("-march=x86-64-v4", "-mavx512vnni"),
    },
    "arm64": {"plain": (), "dotprod": ("-march=armv8.2-a+dotprod",)},
}
"""Compiler flags of each variant, by machine; on others NumPy computes. NumPy needs x86-64-v2, too."""

_MACHINES = {"amd64": "x86_64", "aarch64": "arm64"}


class KernelHook(BuildHookInterface[Any]):
    """A hook that compiles the kernel into a wheel, or beside its sources for an editable installation."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the kernel, and tag the wheel with its platform."""
        found = compiled(Path(self.root))
        built = found if version == "editable" and found else compile_kernel(Path(self.root))
        if not built:
            self.app.display_warning(
                "There is no C compiler (gcc or clang): NumPy will compute, more slowly."
            )
            return
        build_data["pure_python"] = False
        build_data["artifacts"] += [f"/{path.relative_to(self.root).as_posix()}" for path in built]
        own = next(
            tag.platform for tag in sys_tags() if not tag.platform.startswith(("manylinux", "musllinux"))
        )
        target = os.environ.get("MACOSX_DEPLOYMENT_TARGET", "")
        build_data["tag"] = f"py3-none-{platform_tag(own, target)}"


def platform_tag(own: str, target: str) -> str:
    """Return the platform tag of a wheel: on a Mac with the oldest macOS that it is compiled for.

    Args:
        own: the tag of this machine, such as `macosx_15_0_arm64`.
        target: `MACOSX_DEPLOYMENT_TARGET`, the oldest macOS to compile for, such as `11.0`; may be empty.
            From macOS 11 on, the first for Apple silicon, tags name the major version only.
    """
    major = target.partition(".")[0]
    return re.sub(r"^macosx_\d+_\d+", f"macosx_{major}_0", own) if target else own


def compiled(root: Path) -> list[Path]:
    """Return the compiled variants of the kernel, none if a source or this module has changed since.

    Args:
        root: the root of the repository.
    """
    folder = (root / KERNEL).parent
    found = list(folder.glob("kernel-*.so"))
    sources = [Path(__file__), *folder.glob("*.[ch]")]
    return found if found and min(map(_changed, found)) >= max(map(_changed, sources)) else []


def compile_kernel(root: Path, folder: Path | None = None, flags: Sequence[str] = ()) -> list[Path]:
    """Compile every variant of the kernel that the compiler can, and return the files.

    A file is written beside the old one and then replaces it, since a process may have loaded the old one.

    Args:
        root: the root of the repository.
        folder: where to write the files; None for beside the sources.
        flags: more flags for the compiler.
    """
    source = root / KERNEL
    compiler = next(_compilers(), None)
    if compiler is None:
        return []
    machine = platform.machine().lower()
    system = () if sys.platform == "win32" else ("-fPIC", "-pthread", "-lm")
    begun = {}
    for variant, own in VARIANTS.get(_MACHINES.get(machine, machine), {}).items():
        target = (folder or source.parent) / f"kernel-{variant}.so"
        command = [*compiler, *FLAGS, *own, *flags, str(source), "-o", f"{target}.new", *system]
        begun[target] = subprocess.Popen(command)
    built = [target for target, process in begun.items() if process.wait() == 0]
    for target in built:
        Path(f"{target}.new").replace(target)
    return built


def _changed(path: Path) -> float:
    return path.stat().st_mtime


def _compilers() -> Iterator[list[str]]:
    """Yield the C compilers of this machine, the one in `CC` first.

    On Windows gcc is left out: it does not align vectors on the stack, which crashes the process.
    """
    for name in (
        os.environ.get("CC", ""),
        *(("clang",) if sys.platform == "win32" else ("gcc", "clang", "cc")),
    ):
        words = shlex.split(name)
        if words and shutil.which(words[0]):
            yield words


if __name__ == "__main__":
    sys.exit(not compile_kernel(Path(__file__).parent))
