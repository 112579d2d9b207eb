"""The image of `deploy/Containerfile`, as far as it can be tried without building it."""

import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from support.room import served

REPOSITORY = Path(__file__).resolve().parents[2]
CONTAINERFILE = (REPOSITORY / "deploy" / "Containerfile").read_text(encoding="utf-8")
_, WHEEL, IMAGE = CONTAINERFILE.split("\nFROM ")
"""The stage that makes the wheel, and the image itself."""
BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}")

sys.meta_path.insert(0, Blocker())
"""


def _installed() -> set[str]:
    """Return the packages that the image has."""
    (words,) = re.findall(r"pip install --no-cache-dir -c \S+ ((?:.|\\\n)*?)&&", IMAGE)
    return {word for word in words.split() if word != "\\"}


def _copied() -> list[str]:
    """Return the files and folders of the repository that are copied, without a run and its dataset."""
    copied = re.findall(r"^COPY (?!runs|dat|--from)(.*) \S+$", CONTAINERFILE, flags=re.MULTILINE)
    return [name for line in copied for name in line.split()]


def _left_out() -> list[str]:
    """Return the packages that scriptforge asks for and the image does not have."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {re.split(r"[><=\[;]", each)[0].strip() for each in project["dependencies"]}
    extra = {re.split(r"[><=\[;]", each)[0] for each in project["optional-dependencies"]["serve"]}
    assert extra <= _installed()
    return sorted(asked - _installed())


def test_what_the_image_leaves_out_is_not_missed(
    workspace: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "torch" in _left_out()
    place = tmp_path_factory.mktemp("blocked")
    (place / "sitecustomize.py").write_text(BLOCKER.format(missing=_left_out()), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{place}:{REPOSITORY}")
    (options,) = re.findall(r'serve \\"\$RUN\\" (.*?) \\"\$@\\"', CONTAINERFILE)
    words = [word for word in options.split() if word not in ("0.0.0.0", "--host", "8420", "--port")]
    with served(workspace, "harbour", *words, "--port", "0") as room:
        assert room.client.get("api/about").json()["mode"] == "visitor"
        assert room.suggest(seed=1)[-1]["done"]
        script = "Title: T\n\nINT. HARBOUR - DAY\n\nIt rains.\n"
        answer = room.client.post("api/import?name=a.fountain", content=script.encode())
        assert answer.json()["format"] == "fountain"
        lines = [{"kind": each["kind"], "text": each["text"]} for each in answer.json()["elements"]]
        exported = room.client.post("api/export?format=fountain", json={"title": "T", "elements": lines})
        assert exported.text == script
        assert room.marks()["known"]


def test_the_extra_brings_few_packages() -> None:
    def closure(names: set[str]) -> set[str]:
        found: set[str] = set()
        while names:
            name = names.pop()
            if name in found:
                continue
            found.add(name)
            for each in metadata.requires(name) or []:
                if "extra ==" not in each and "python_version <" not in each:
                    names.add(re.split(r"[^\w.-]", each)[0].lower().replace("_", "-"))
        return found

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {re.split(r"[><=\[;]", each)[0] for each in project["optional-dependencies"]["serve"]}
    assert len(closure(asked)) <= 10


def test_only_what_is_there_is_copied_into_the_image() -> None:
    assert _copied() and all((REPOSITORY / name).exists() for name in _copied())


@pytest.mark.slow
def test_what_is_copied_is_enough_for_the_wheel(tmp_path: Path) -> None:
    for name in _copied():
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "kernel-*"))
        else:
            shutil.copy(source, tmp_path)
    options = "wheel --no-deps --no-build-isolation --wheel-dir"
    assert f"pip {options} /wheels /src" in WHEEL
    words = [sys.executable, "-m", "pip", *options.split(), "made", "."]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    assert [*(tmp_path / "made").glob("scriptforge_lm-*.whl")]
