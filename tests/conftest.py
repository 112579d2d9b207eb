"""The environment of all tests: their own home and workspace, plain output, no network but loopback."""

import gc
import itertools
import os
import random
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("support", "reliability", "fuzzing")

from support import skips  # noqa: E402 (modules are registered before they are imported)
from support.command import heed_interrupts  # noqa: E402

if TYPE_CHECKING:
    from support.loopback_hub import Hub

    from scriptforge.dataset import Dataset
    from scriptforge.workspace import RunFolder

os.environ.setdefault("OMP_NUM_THREADS", "1")  # fastest for models this small and tests in parallel
for _name in ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS"):  # Typer takes each to mean a terminal
    os.environ.pop(_name, None)
# pytest-socket limits this process to loopback; a proxy that does not exist limits processes that it starts.
for _name in ("http_proxy", "https_proxy", "all_proxy", "ALL_PROXY", "no_proxy"):
    os.environ.pop(_name, None)
NOWHERE = "http://127.0.0.1:9"
os.environ.update(HTTP_PROXY=NOWHERE, HTTPS_PROXY=NOWHERE, NO_PROXY="127.0.0.1,localhost")

heed_interrupts()

settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile("steady")  # `--hypothesis-profile explore` searches at random, and longer

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_finish() -> None:
    """Spare every garbage collection a search through thousands of tests and all that they import."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that is skipped for a reason that CI does not expect."""
    report = yield
    skips.fail_unexpected(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a module that is skipped for a reason that CI does not expect."""
    report = yield
    skips.fail_unexpected(report)
    return report


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return home folders in one temporary folder, since pytest's `mktemp` searches all earlier ones."""
    place = tmp_path_factory.mktemp("homes")
    return (place / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def own_home(homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty home, without the cache, token and configuration of the person who runs the tests."""
    home = next(homes)
    home.mkdir()
    for name in [name for name in os.environ if name.startswith(("HF_", "SCRIPTFORGE_", "XDG_"))]:
        monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE"):  # Windows reads the second
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("HF_HOME", str(home / "huggingface"))
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    return home


@pytest.fixture(autouse=True)
def seeds() -> None:
    """Seed the random generators that a test may use without a seed of its own."""
    random.seed(0)
    if torch := sys.modules.get("torch"):  # not loaded by tests of text
        torch.manual_seed(0)


@pytest.fixture
def ticking_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every training step take about four milliseconds by the clock, on any machine."""
    from support.clock import TickingClock

    monkeypatch.setattr("scriptforge.training.schedule.time", TickingClock())


@pytest.fixture
def workspace_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty workspace, which is also the current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def hub(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> "Iterator[Hub]":
    """Yield a local Hub, on which this process and all that it starts are logged in as Ann."""
    import huggingface_hub
    from huggingface_hub import constants
    from support.loopback_hub import TOKEN, Hub

    server = Hub()
    server.enrol("ann", TOKEN)
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    template = server.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", server.address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(own_home / "hub"))
    yield server
    server.stop()
    huggingface_hub.close_session()


@pytest.fixture(scope="session")
def shared_corpora() -> Path:
    """Return the folder of real corpora beside the repository, for tests that measure on real text."""
    path = REPOSITORY.parent / "shared" / "corpora"
    if not path.is_dir():
        pytest.skip(skips.NO_CORPORA)
    return path


@pytest.fixture(scope="session")
def tiny_text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a play of 400 lines."""
    from support.tiny import comedy

    path = tmp_path_factory.mktemp("corpus") / "harbour.txt"
    path.write_text(comedy(400), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_dataset(tiny_text: Path, tmp_path_factory: pytest.TempPathFactory) -> "Dataset":
    """Return the play as a dataset, at the word level."""
    from support.tiny import prepared

    return prepared(tiny_text, tmp_path_factory.mktemp("workspace") / "data" / "harbour")


@pytest.fixture(scope="session")
def tiny_run(tiny_dataset: "Dataset") -> "RunFolder":
    """Return a run of two epochs on the play, in the dataset's workspace."""
    from support.tiny import finish, small

    from scriptforge.training.trainer import start
    from scriptforge.workspace import RunFolder

    folder = RunFolder(tiny_dataset.folder.path.parent.parent / "runs" / "harbour")
    finish(start(tiny_dataset, small(), folder, "cpu"))
    return folder
