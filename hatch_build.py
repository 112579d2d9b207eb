"""What hatchling does beyond copying files: it puts the README into the metadata, and compiles the kernel.

The address is that of the repository that builds the package. The release's workflow knows it and names it in
`REPOSITORY_URL`, so that a fork names itself. In the repository links are relative to the page. Where the
metadata is shown there are no pages beside it. So they lead to that address; without one they become plain
text, since nothing would be at the other end.

The kernel (`scriptforge/inference/kernel.c`) is compiled once for each kind of processor that it is written
for, with gcc or clang: it uses their vectors. Nothing in it depends on the version of Python, so one wheel a
platform will do. Without a compiler the package is complete all the same, and computes in NumPy.

`python hatch_build.py` compiles the kernel where it stands.
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
"""A link or a picture that is relative: whether it is a picture, its text, its target."""


_PLACES = {
    "Repository": "",
    "Documentation": "/tree/HEAD/docs",
    "Changelog": "/blob/HEAD/CHANGELOG.md",
    "Issues": "/issues",
}
"""What is where in a repository on GitHub."""


class MetadataHook(MetadataHookInterface):
    """Set the project's `readme` and its `urls`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set them, by the address that the environment names."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        address = os.environ.get("REPOSITORY_URL", "").rstrip("/")
        metadata["readme"] = {"content-type": "text/markdown", "text": readme_for_elsewhere(text, address)}
        metadata["urls"] = {name: address + place for name, place in _PLACES.items()} if address else {}


def readme_for_elsewhere(text: str, repository: str) -> str:
    """Return the text with its relative links made absolute, or made text where there is no address.

    Args:
        text: in Markdown.
        repository: the address of the repository, without a slash at its end; empty if it has none.
    """

    def target(link: re.Match[str]) -> str:
        mark, words, path = link.groups()
        if not repository:
            return f"*{words}*" if mark else words
        view = "raw" if mark else "blob"
        return f"{mark}[{words}]({repository}/{view}/HEAD/{path})"

    return _LINK.sub(target, text)


KERNEL = Path("scriptforge/inference/kernel.c")

FLAGS = ("-std=gnu11", "-O3", "-ffp-contract=fast", "-fno-math-errno", "-fvisibility=hidden", "-shared")
"""How it is compiled for every processor; products and sums may be fused, which rounds less."""

VARIANTS: dict[str, dict[str, Sequence[str]]] = {
    "x86_64": {
        "plain": ("-march=x86-64-v2",),
        "avx2": ("-march=x86-64-v3",),
        "avxvnni": ("-march=x86-64-v3", "-mavxvnni"),
        "avx512vnni": ("-march=x86-64-v4", "-mavx512vnni"),
    },
    "arm64": {"plain": (), "dotprod": ("-march=armv8.2-a+dotprod",)},
}
"""The flags of each variant, by the machine's name; on others NumPy computes. NumPy, too, needs x86-64-v2."""

_MACHINES = {"amd64": "x86_64", "aarch64": "arm64"}


class KernelHook(BuildHookInterface[Any]):
    """Compile the kernel into a wheel, or for an editable installation beside its source."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile it, and name the platform that the wheel is then for."""
        source = Path(self.root, KERNEL)
        found = list(source.parent.glob("kernel-*.so"))
        is_fresh = found and min(map(_changed, found)) >= max(_changed(source), _changed(Path(__file__)))
        built = found if version == "editable" and is_fresh else compile_kernel(Path(self.root))
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
    """Returns what a wheel names as its platform: on a Mac the oldest macOS that it is compiled for.

    Args:
        own: the tag of this machine: `macosx_15_0_arm64`.
        target: `MACOSX_DEPLOYMENT_TARGET`, which the compiler follows: the oldest macOS, `11.0`, or empty.
            Since 11, the first for Apple silicon, tags name the major version alone.
    """
    major = target.partition(".")[0]
    return re.sub(r"^macosx_\d+_\d+", f"macosx_{major}_0", own) if target else own


def compile_kernel(root: Path, folder: Path | None = None, flags: Sequence[str] = ()) -> list[Path]:
    """Compile every variant of the kernel that the compiler can, and return the files.

    A file is written beside the old one and then takes its place, since a process may have loaded that.

    Args:
        root: of the repository.
        folder: where the files are written; beside the source, if it is not named.
        flags: what the compiler is told, too.
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
    """Yield the compilers of C that are here, the one that was asked for first.

    On Windows gcc does not align the vectors that it keeps on the stack, which ends the process.
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
