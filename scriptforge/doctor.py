"""Checks of this machine: what scriptforge can use, what is missing, and what to do about it.

No check uses the network, leaves a file behind or reveals an access token.
"""

import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from ctypes import CDLL
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from scriptforge.cores import load_average, usable_cores
from scriptforge.kernel import kernel
from scriptforge.training.threads import candidate_thread_counts, first_choice, fixed_by
from scriptforge.workspace import Workspace

GIBIBYTE = 2**30
NEEDED_MEMORY = 2 * GIBIBYTE  # Python with torch and datasets, a small model, its optimizer
NEEDED_DISK = GIBIBYTE  # a corpus, its dataset and a few runs with checkpoints

_DISTRIBUTION = "scriptforge-lm"


@dataclass(frozen=True)
class Finding:
    """One fact about the machine.

    Attributes:
        check: what was checked: "memory".
        found: what was found, in a few words.
        state: "ok"; "advice" if something could be better; "unusable" if scriptforge cannot work.
        remedy: what to do; None if all is well.
    """

    check: str
    found: str
    state: Literal["ok", "advice", "unusable"] = "ok"
    remedy: str | None = None


def examine(workspace: Workspace) -> Iterator[Finding]:
    """Check everything that scriptforge depends on, and yield the findings one by one."""
    yield Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield from _packages()
    yield Finding("cores", str(usable_cores()))
    yield _memory()
    yield _kernel()
    accelerator = _accelerator()
    yield accelerator
    if accelerator.state != "unusable":
        yield _threads()
    yield _workspace(workspace.root)
    yield from _caches()
    yield _login()


def _packages() -> Iterator[Finding]:
    """Report the packages that scriptforge needs everywhere: those that are required without a condition."""
    yield _package(_DISTRIBUTION)
    for requirement in requires(_DISTRIBUTION) or []:
        if ";" not in requirement:
            yield _package(re.split(r"[^\w.-]", requirement, maxsplit=1)[0])


def _package(name: str) -> Finding:
    try:
        metadata = distribution(name).read_text("METADATA") or ""  # `version` is far slower
        found = re.search(r"^Version: (.+)$", metadata, re.MULTILINE)
        return Finding(name, found[1] if found else version(name))
    except PackageNotFoundError:
        return Finding(name, "not installed", "unusable", f"pip install {name}")


def _memory() -> Finding:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return Finding("memory", "unknown")
    if total < NEEDED_MEMORY:
        return Finding("memory", _size(total), "advice", "Train small models: --set hidden_size=128")
    return Finding("memory", _size(total))


def _kernel() -> Finding:
    """Report whether generation has a compiled kernel; see `scriptforge.kernel`."""
    loaded = kernel()
    if loaded is not None:
        return Finding("kernel", loaded.variant)
    remedy = "To write several times as fast, install gcc or clang, and then reinstall scriptforge."
    return Finding("kernel", "not compiled; NumPy computes", "advice", remedy)


def _accelerator() -> Finding:
    """Report the GPU; PyTorch, which is slow to import, is imported only if there may be one."""
    try:
        if not _may_have_accelerator():
            _load_dependencies()
            return Finding("accelerator", "none; the CPU computes")
        import torch
    except Exception as error:  # a broken build raises OSError, ImportError and others
        problem = f"torch cannot be imported: {type(error).__name__}"
        index = " --index-url https://download.pytorch.org/whl/cpu" if platform.system() == "Linux" else ""
        remedy = f"Reinstall it: pip install --force-reinstall torch{index}"
        return Finding("accelerator", problem, "unusable", remedy)
    if torch.cuda.is_available():
        return Finding("accelerator", f"cuda: {torch.cuda.get_device_name()}")
    if torch.backends.mps.is_available():
        return Finding("accelerator", "mps")
    return Finding("accelerator", "none; the CPU computes")


def _may_have_accelerator() -> bool:
    """Return whether there may be a GPU: a driver is installed, or the system is not Linux."""
    drivers = (Path("/proc/driver/nvidia"), Path("/dev/kfd"))
    return (
        platform.system() != "Linux"
        or any(driver.exists() for driver in drivers)
        or shutil.which("nvidia-smi") is not None
    )


def _load_dependencies() -> None:
    """Load the shared libraries that PyTorch needs, a quick test of whether it can be imported.

    Raises:
        ImportError: PyTorch is missing.
        OSError: a library that it needs is missing.
    """
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("torch")
    library = Path(spec.origin).parent / "lib" / "libtorch_global_deps.so"
    if library.exists():
        CDLL(str(library))


def _threads() -> Finding:
    """Report how many threads a training run on the CPU would start with now, and why."""
    numbers = candidate_thread_counts()
    number = first_choice(numbers)
    if variable := fixed_by():
        return Finding("threads", f"{number}, fixed by {variable}")
    load = f"the load of the last minute is {load_average():.1f}"
    return Finding("threads", f"{number} of {numbers[-1]} now, since {load}; training follows it")


def _workspace(root: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=root):
            free = shutil.disk_usage(root).free
    except OSError as error:
        remedy = "Create it, or choose another folder: --workspace PATH"
        return Finding("workspace", f"{root}: {error.strerror}", "unusable", remedy)
    found = f"{root.resolve()}, {_size(free)} free"
    if free < NEEDED_DISK:
        remedy = "Free some space, or choose another folder: --workspace PATH"
        return Finding("workspace", found, "advice", remedy)
    return Finding("workspace", found)


def _caches() -> Iterator[Finding]:
    """Report the caches of downloads, without importing `datasets`, which takes seconds."""
    from huggingface_hub import constants

    datasets = os.environ.get("HF_DATASETS_CACHE") or Path(constants.HF_HOME) / "datasets"
    for check, folder in (("hub cache", Path(constants.HF_HUB_CACHE)), ("datasets cache", Path(datasets))):
        yield Finding(check, f"{folder}, {_size(_size_of(folder))}")


def _size_of(folder: Path) -> int:
    """Return the total size in bytes of the files under a folder; links are not followed."""
    total, folders = 0, [str(folder)]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def _login() -> Finding:
    """Report where an access token for the Hub is found, in the order in which the Hub's client looks."""
    from huggingface_hub import constants

    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if os.environ.get(name, "").strip():
            return Finding("hub login", f"a token in {name}")
    file = Path(constants.HF_TOKEN_PATH)
    try:
        if file.is_file() and file.read_text(encoding="utf-8", errors="replace").strip():
            return Finding("hub login", f"a token in {file}")
    except OSError as error:
        remedy = "Make it readable for you, or log in again: hf auth login"
        return Finding("hub login", f"{file}: {error.strerror}", "advice", remedy)
    remedy = "Needed only for gated corpora and for sharing: hf auth login"
    return Finding("hub login", "none", "advice", remedy)


def _size(count: int) -> str:
    """Format a number of bytes in a suitable unit."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def is_usable(findings: Iterable[Finding]) -> bool:
    """Return whether scriptforge can work at all."""
    return all(finding.state != "unusable" for finding in findings)
