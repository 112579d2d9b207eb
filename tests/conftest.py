"""What every test stands on: a home and a workspace of its own, plain output, no network but loopback."""

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

from support import skips  # noqa: E402 (what is registered may not be imported before)

if TYPE_CHECKING:
    from support.loopback_hub import Hub

    from scriptforge.dataset import Dataset
    from scriptforge.workspace import RunFolder

os.environ.setdefault("OMP_NUM_THREADS", "1")  # models this small are fastest so, the more so side by side
for _name in ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS"):  # Typer takes each to mean a terminal
    os.environ.pop(_name, None)
# pytest-socket holds this process to loopback, and a proxy that is not there what this process starts.
for _name in ("http_proxy", "https_proxy", "all_proxy", "ALL_PROXY", "no_proxy"):
    os.environ.pop(_name, None)
NOWHERE = "http://127.0.0.1:9"
os.environ.update(HTTP_PROXY=NOWHERE, HTTPS_PROXY=NOWHERE, NO_PROXY="127.0.0.1,localhost")

settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile("steady")  # `--hypothesis-profile explore` looks for what nobody has thought of

REPOSITORY = Path(__file__).resolve().parent.parent


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
    """Yield folders to be homes, all in one: to number another, pytest looks through all that it made."""
    place = tmp_path_factory.mktemp("homes")
    return (place / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def own_home(homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home: no cache, no token and no configuration of the person who runs the tests."""
    home = next(homes)
    home.mkdir()
    for name in [name for name in os.environ if name.startswith(("HF_", "SCRIPTFORGE_", "XDG_"))]:
        monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE"):  # the second is what Windows reads
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("HF_HOME", str(home / "huggingface"))
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    return home


@pytest.fixture(autouse=True)
def seeds() -> None:
    """Seed the generators that a test might draw from without naming a seed."""
    random.seed(0)
    if torch := sys.modules.get("torch"):  # a test of text does without it
        torch.manual_seed(0)


@pytest.fixture
def ticking_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count the time of a training by its steps: about four milliseconds each, on any machine."""
    from support.clock import TickingClock

    monkeypatch.setattr("scriptforge.training.schedule.time", TickingClock())


@pytest.fixture
def workspace_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace, which is also the current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def hub(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> "Iterator[Hub]":
    """A Hub on which Ann is at home; this process and all that it starts are hers."""
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
    """The folder of real corpora beside the repository, for tests that measure on real text."""
    path = REPOSITORY.parent / "shared" / "corpora"
    if not path.is_dir():
        pytest.skip(skips.NO_CORPORA)
    return path


@pytest.fixture(scope="session")
def tiny_text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A play of 400 lines in a file."""
    from support.tiny import comedy

    path = tmp_path_factory.mktemp("corpus") / "harbour.txt"
    path.write_text(comedy(400), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_dataset(tiny_text: Path, tmp_path_factory: pytest.TempPathFactory) -> "Dataset":
    """The play as a dataset, at the word level."""
    from support.tiny import prepared

    return prepared(tiny_text, tmp_path_factory.mktemp("workspace") / "data" / "harbour")


@pytest.fixture(scope="session")
def tiny_run(tiny_dataset: "Dataset") -> "RunFolder":
    """A run of two epochs on the play, in the dataset's workspace."""
    from support.tiny import finish, small

    from scriptforge.training.trainer import start
    from scriptforge.workspace import RunFolder

    folder = RunFolder(tiny_dataset.folder.path.parent.parent / "runs" / "harbour")
    finish(start(tiny_dataset, small(), folder, "cpu"))
    return folder
