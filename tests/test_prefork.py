"""The server that forks itself to run commands ends with a command that hangs."""

import os
from pathlib import Path

import psutil
import pytest
from support import skips
from support.command import FORKS
from support.prefork import Server

pytestmark = pytest.mark.skipif(not FORKS, reason=skips.NO_PREFORK)


def test_a_command_that_does_not_end_is_ended_with_its_server(tmp_path: Path) -> None:
    with Path(os.devnull).open("r+") as nothing:
        files = [nothing.fileno()] * 3
        server = Server(("http.server",))
        assert (
            server.run("http.server", ["--help"], tmp_path, dict(os.environ), files, 60.0) == 0
        )  # it is ready
        [process] = [each for each in psutil.Process().children() if each.cmdline()[-1:] == ["http.server"]]
        with pytest.raises(TimeoutError):
            server.run("http.server", ["--bind", "127.0.0.1", "0"], tmp_path, dict(os.environ), files, 2.0)
    assert not process.is_running()
    assert not [each for each in psutil.process_iter(["cwd"]) if each.info["cwd"] == str(tmp_path)]
