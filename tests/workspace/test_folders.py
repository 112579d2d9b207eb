"""The folder of a run: its lock and its checkpoints."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scriptforge.errors import RunError
from scriptforge.workspace import RunFolder


class TestLock:
    def test_a_second_process_is_told_who_holds_the_run(self, tmp_path: Path) -> None:
        run = RunFolder(tmp_path / "runs" / "demo")
        program = f"""
import sys
from pathlib import Path
from scriptforge.workspace import RunFolder
with RunFolder(Path({str(run.path)!r})).lock():
    print("held", flush=True)
    sys.stdin.read()
"""
        with subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(RunError, match=f"trained by process {holder.pid}") as caught, run.lock():
                pass
            assert "another name" in caught.value.hint
            holder.kill()
        with run.lock():
            pass

    def test_it_is_free_again_after_a_failure(self, tmp_path: Path) -> None:
        run = RunFolder(tmp_path / "demo")
        with pytest.raises(ZeroDivisionError), run.lock():
            raise ZeroDivisionError
        with run.lock():
            assert run.training_process() == str(os.getpid())
        assert run.training_process() is None
        assert list(tmp_path.iterdir()) == []


def test_checkpoints_are_found_by_their_step(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.checkpoint_steps() == []
    for step in (7, 123_456_789, 40):
        run.checkpoint(step).mkdir(parents=True)
    for name in (".step-00000099.x.tmp", "step-1", "step-0000004x", "notes"):
        (run.checkpoints / name).mkdir()
    assert run.checkpoint_steps() == [123_456_789, 40, 7]
