"""A process that has imported what commands import, and forks itself into each one that it is asked to run.

Importing PyTorch takes most of the seconds of a short command, and the tests run hundreds. The modules that
are imported before read nothing of a command's environment, so a fork is as good as a new process for nearly
all tests. Commands share what the interpreter decides when it starts: the seed of its hashes, its encodings.
"""

import atexit
import gc
import json
import os
import runpy
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn

import psutil

LIBRARIES = (
    "torch._dynamo",  # which the first step of a training imports
    "pandas",
    "rich.progress",
    "scriptforge.evaluation.report",
    "scriptforge.corpus.prepare",
    "scriptforge.training_runs.train",
    "scriptforge.cli.app",
)
_LONGEST_REQUEST = 1 << 20  # bytes


class Server:
    """The process, as those who ask it to run commands see it; it ends with them.

    Args:
        libraries: what it imports.
        environment: what it has beside the environment of this process, while it imports.
        wrapper: a command that starts it, such as one that gives it a machine of another name.
    """

    def __init__(
        self,
        libraries: Sequence[str] = LIBRARIES,
        environment: Mapping[str, str] = MappingProxyType({}),
        wrapper: Sequence[str] = (),
    ) -> None:
        self._socket, its_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its_end:
            self._process = subprocess.Popen(
                (*wrapper, sys.executable, __file__, str(its_end.fileno()), *libraries),
                pass_fds=(its_end.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            )
        atexit.register(self.end)

    def run(
        self, module: str, words: list[str], folder: Path, environment: dict[str, str], files: list[int],
        timeout: float,
    ) -> int:  # fmt: skip
        """Run a module as `python -m` does, and return its exit code.

        Args:
            module: its name.
            words: what follows the name on the command line.
            folder: the current directory of the command.
            environment: its environment.
            files: descriptors that become its stdin, stdout and stderr.
            timeout: seconds after which this ends in `TimeoutError`, and the server with it.
        """
        request = json.dumps([module, words, str(folder), environment]).encode()
        socket.send_fds(self._socket, [request], files)
        self._socket.settimeout(timeout)
        try:
            return int(self._socket.recv(64))
        except TimeoutError:
            self.end()
            raise

    def end(self) -> None:
        """End the process, and the command that it may be waiting for."""
        self._socket.close()
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self._process.pid).children(recursive=True):
                process.kill()
        self._process.terminate()
        self._process.wait()
        atexit.unregister(self.end)


def _serve(requests: socket.socket) -> tuple[str, list[str]] | None:
    """Wait for each command that is asked for; return what to run in a fork, and None at the end."""
    while True:
        request, files, _, _ = socket.recv_fds(requests, _LONGEST_REQUEST, 3)
        if not request:
            return None
        module, words, folder, environment = json.loads(request)
        child = os.fork()
        if not child:
            requests.close()
            for number, file in enumerate(files):
                os.dup2(file, number)
                os.close(file)
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(environment)
            sys.path[0] = folder
            return module, words
        for file in files:
            os.close(file)
        _, status = os.waitpid(child, 0)
        requests.send(str(os.waitstatus_to_exitcode(status)).encode())


def _open_streams() -> None:
    """Open the standard streams anew, since what was nothing may have become a terminal."""
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", 1 if os.isatty(1) else -1, encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _run(module: str, words: list[str]) -> NoReturn:
    """Run a module as `python -m` does, without taking the interpreter apart afterwards, which is slow."""
    sys.argv[1:] = words
    _open_streams()
    code = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    for library in sys.argv[2:]:
        import_module(library)
    gc.freeze()  # what was imported is not looked through again in every fork
    if asked := _serve(socket.socket(fileno=int(sys.argv[1]))):
        _run(*asked)
