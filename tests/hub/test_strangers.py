"""Models from strangers: none of a zoo of hostile ones is let in."""

import subprocess
import sys
from pathlib import Path

import pytest
from support import skips
from support.loopback_hub import Hub
from support.zoo import ZOO

from scriptforge.errors import ScriptforgeError
from scriptforge.hub.pull import pull
from scriptforge.workspace import RunFolder, Workspace


@pytest.fixture(scope="module")
def files(tiny_run: RunFolder) -> dict[str, bytes]:
    return {name: (tiny_run.path / name).read_bytes() for name in tiny_run.needed}


def test_the_zoo_begins_with_a_model_that_is_let_in(
    hub: Hub, files: dict[str, bytes], tmp_path: Path
) -> None:
    hub.publish("model", "eve/zoo", files)
    assert pull(Workspace(tmp_path), "eve/zoo").folder.weights.is_file()
    assert len(ZOO) >= 40


@pytest.mark.parametrize("attempt", ZOO)
def test_no_hostile_model_is_let_in(hub: Hub, files: dict[str, bytes], tmp_path: Path, attempt: str) -> None:
    hub.publish("model", "eve/zoo", ZOO[attempt](files))
    with pytest.raises(ScriptforgeError) as caught:
        pull(Workspace(tmp_path), "eve/zoo")
    assert caught.value.hint
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 300
    assert {path.suffix for path in (tmp_path / "runs").rglob("*")} <= {".lock"}


PULL_ALL = """
import sys
from pathlib import Path
from scriptforge.errors import ScriptforgeError
from scriptforge.hub.pull import pull
from scriptforge.workspace import Workspace
for number in range(int(sys.argv[1])):
    try:
        pull(Workspace(Path(".")), f"eve/zoo-{number}")
    except ScriptforgeError:
        continue
    sys.exit(f"zoo-{number} was let in")
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) - int(status["RssFile"].split()[0]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason=skips.NO_PEAK)
@pytest.mark.slow
def test_the_whole_zoo_costs_less_than_half_a_gigabyte(
    hub: Hub, files: dict[str, bytes], tmp_path: Path
) -> None:
    for number, attempt in enumerate(ZOO.values()):
        hub.publish("model", f"eve/zoo-{number}", attempt(files))
    done = subprocess.run(
        [sys.executable, "-c", PULL_ALL, str(len(ZOO))], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 500_000, "of its own, beside the libraries that are mapped from the disk"
