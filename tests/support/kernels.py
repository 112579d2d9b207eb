"""The kernel in its variants, for tests: as it was built, or compiled anew if it was not."""

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import ModuleType

import pytest

from scriptforge import generation, inference
from scriptforge.generation import spelling
from scriptforge.kernel import Kernel, kernel, library
from support.skips import NO_COMPILER

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = "KERNEL_FOLDER"
"""Names the environment variable that says where the variants to be tested are."""


def _asking() -> list[ModuleType]:
    """Return the modules of generation and inference that ask which kernel there is."""
    found = [
        importlib.import_module(f"{package.__name__}.{path.stem}")
        for package in (generation, inference)
        for path in Path(package.__path__[0]).glob("[!_]*.py")
    ]
    return [each for each in found if getattr(each, "kernel", None) is kernel]


_ASKING = _asking()


@cache
def folder() -> Path | None:
    """Where the variants are; None if there are none, and no compiler."""
    if os.environ.get(FOLDER):
        return Path(os.environ[FOLDER])
    build = build_module()
    if built := build.compiled(REPOSITORY):
        return Path(built[0].parent)
    fresh = Path(mkdtemp(prefix="kernel"))
    return fresh if build.compile_kernel(REPOSITORY, fresh) else None


def build_module() -> ModuleType:
    """`hatch_build.py`, which is no part of the package."""
    specification = importlib.util.spec_from_file_location("hatch_build", REPOSITORY / "hatch_build.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def all_kernels() -> list[Kernel]:
    """Every variant that this processor can run; skips a test where there is no compiler."""
    found = folder()
    if found is None:
        pytest.skip(NO_COMPILER)
    return [Kernel(name, found) for name in library.variants(found)]


@contextmanager
def computing_with(loaded: Kernel | None) -> Iterator[None]:
    """Lets all that is made meanwhile compute with a kernel, or in NumPy."""
    spelling._spelling.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        for module in _ASKING:
            patch.setattr(module, "kernel", lambda: loaded)
        yield
    spelling._spelling.cache_clear()
