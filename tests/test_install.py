"""`install.py` installs PyTorch's CPU build, and goes on where there is none."""

import importlib.util
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import ModuleType

import pytest
from support.web_server import Web

REPOSITORY = Path(__file__).resolve().parent.parent
NOWHERE = "http://127.0.0.1:9"  # nothing listens there


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return `install.py` as a module, with a pip that has no index."""
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", NOWHERE)
    specification = importlib.util.spec_from_file_location("install", REPOSITORY / "install.py")
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def index(install: ModuleType) -> Iterator[str]:
    """Yield the address of an index with a CPU build of the pinned version, an empty wheel."""
    version = f"{install._pinned('torch')}+cpu"
    wheel = f"torch-{version}-py3-none-any.whl"
    contents = BytesIO()
    with zipfile.ZipFile(contents, "w") as archive:
        for name, lines in {
            "METADATA": f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n",
            "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "RECORD": "",
        }.items():
            archive.writestr(f"torch-{version}.dist-info/{name}", lines)
    web = Web()
    web.files = {"/torch/": f'<a href="{wheel}">{wheel}</a>'.encode(), f"/torch/{wheel}": contents.getvalue()}
    yield web.address
    web.stop()


def test_an_index_is_asked_for_a_build(install: ModuleType, index: str) -> None:
    pip = install.Pip(sys.prefix)
    version = f"{install._pinned('torch')}+cpu"
    assert pip.knows(version, "--index-url", index)
    assert not pip.knows("1.0+cpu", "--index-url", index)


def test_an_index_without_an_answer_has_no_build(install: ModuleType) -> None:
    assert not install.Pip(sys.prefix).knows("2.13.0+cpu", "--index-url", NOWHERE)


@pytest.mark.slow
def test_the_cpu_build_is_installed_or_left_to_pip(
    install: ModuleType,
    index: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    pip = install.Pip(str(environment))
    monkeypatch.setattr(install, "CPU_INDEX", NOWHERE)
    install.install_cpu_build(pip)
    assert "has no answer: PyTorch comes from pip's own index, about 3 GB" in capsys.readouterr().err
    assert not list(environment.glob("lib/*/site-packages/torch-*"))
    monkeypatch.setattr(install, "CPU_INDEX", index)
    install.install_cpu_build(pip)
    assert capsys.readouterr().err == ""
    (found,) = environment.glob("lib/*/site-packages/torch-*")
    assert found.name == f"torch-{install._pinned('torch')}+cpu.dist-info"
    monkeypatch.setenv("PIP_INDEX_URL", index)
    monkeypatch.setattr(install, "CPU_INDEX", NOWHERE)
    install.install_cpu_build(pip)
    assert capsys.readouterr().err == "", "a build that pip finds by itself is left to it"


def test_a_mac_with_an_intel_processor_is_told(install: ModuleType) -> None:
    assert "the last one for Macs with an Intel processor is 2.2" in install._problem_of("Darwin", "x86_64")
    for system in (("Darwin", "arm64"), ("Linux", "x86_64"), ("Linux", "aarch64"), ("Windows", "AMD64")):
        assert install._problem_of(*system) == ""


def test_the_choice_and_the_sizes_are_explained() -> None:
    said = subprocess.run(
        [sys.executable, str(REPOSITORY / "install.py"), "--help"], capture_output=True, text=True, check=True
    )
    assert "--gpu" in said.stdout
