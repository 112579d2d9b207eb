"""Other processes that parse and encode: some on this machine, or the workers of a Dask cluster.

What comes out does not depend on how many there are or where: a file is parsed and a passage encoded by a
function of nothing else, and the results are taken in their order. Only so many are under way that the memory
here stays the same. On this machine processes are started afresh (`spawn`), since forking a process with
threads may block it for ever; so a program that asks for several must be importable, as `multiprocessing`
wants it.

Whom a cluster gives what, and that the task of a dead worker is done again, is Dask's business. It comes
with the extra `cluster`, so it is imported where it is used.
"""

import logging
import os
import platform
import signal
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from importlib.metadata import version
from itertools import islice
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, TypeVar

from scriptforge.corpus.fetch import Corpus
from scriptforge.errors import ScriptforgeError, UsageError

if TYPE_CHECKING:
    from distributed import Client

ResultT = TypeVar("ResultT")

_FEWEST_FILES = 16
_FEWEST_BYTES = 2_000_000
"""Below these, to start a process takes longer than it saves."""

_CALLS_AHEAD = 64
CONNECT_SECONDS = 10
WORKERLESS_SECONDS = 60
"""So long the first worker, or another in place of those that were lost, is waited for."""

_DISTRIBUTIONS = ("scriptforge-lm", "tokenizers")
_LOUD = ("distributed.client", "distributed.core", "tornado.application")
_START_WORKERS = "On each machine: dask worker ADDRESS --nworkers auto --nthreads 1"


class Pool:
    """Has calls made by an executor, and gives what they return in order; few of them are under way at once.

    Args:
        executor: who makes the calls.
        ahead: how many are under way at most.
    """

    def __init__(self, executor: Executor, ahead: int = _CALLS_AHEAD) -> None:
        self._executor = executor
        self._ahead = ahead

    def run(self, calls: Iterable[Callable[[], ResultT] | None]) -> Iterator[Callable[[], ResultT] | None]:
        """Yield for each call what waits for its result, and raises what it raised; None for None."""
        rest = iter(calls)
        waiting = deque(map(self._submit, islice(rest, self._ahead)))
        while waiting:
            future = waiting.popleft()
            yield partial(self._result, future) if future else None
            waiting.extend(map(self._submit, islice(rest, 1)))

    def _submit(self, call: Callable[[], ResultT] | None) -> "Future[ResultT] | None":
        return self._executor.submit(call) if call else None

    def _result(self, future: "Future[ResultT]") -> ResultT:
        try:
            return future.result()
        except BrokenExecutor as error:
            raise ScriptforgeError(
                "A process that was to parse or encode was ended, probably because memory ran out.",
                "Do it with fewer processes: --workers 1",
            ) from error


@contextmanager
def parsing_pool(workers: int, cluster: str | None, corpora: Sequence[Corpus]) -> Iterator[Pool | None]:
    """Yield what parses files side by side; None where one process is as fast, or only one is asked for.

    Args:
        workers: how many processes of this machine.
        cluster: the address of a Dask scheduler, whose workers are taken instead.
        corpora: what is to be parsed.

    Raises:
        UsageError: Dask is not installed, or the address is none.
        ScriptforgeError: the cluster cannot be reached, has no workers, or workers of another version.
    """
    if cluster is not None:
        with _cluster_pool(cluster) as pool:
            yield pool
        return
    files = [task.record for corpus in corpora for task in corpus.tasks]
    if workers < 2 or len(files) < _FEWEST_FILES or sum(file.size for file in files) < _FEWEST_BYTES:
        yield None
        return
    executor = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_end_with_parent)
    try:
        with _interrupts_blocked():
            for _ in range(workers):  # each call starts one more process, as long as none is idle
                executor.submit(os.getpid)
        yield Pool(executor)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Keep Ctrl+C from the processes that are started within the block: this one ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    """End this process when the one that started it has ended, even by a kill."""
    threading.Thread(target=_await_parent, daemon=True).start()


def _await_parent() -> None:
    parent = parent_process()
    assert parent is not None, "a process of a pool has one"
    wait([parent.sentinel])
    os._exit(1)


class _ClusterPool(Pool):
    """The workers of a Dask cluster."""

    def __init__(self, client: "Client", address: str) -> None:
        threads = sum(client.nthreads().values())
        super().__init__(client.get_executor(pure=False), ahead=min(2 * threads + 2, 4 * _CALLS_AHEAD))
        self._client = client
        self._address = address

    def _submit(self, call: Callable[[], ResultT] | None) -> "Future[ResultT] | None":
        return self._executor.submit(_call_alone, _versions(), call) if call else None

    def _result(self, future: "Future[ResultT]") -> ResultT:
        from distributed import KilledWorker

        workerless = 0
        while True:
            try:
                return future.result(timeout=1)
            except TimeoutError:
                workerless = 0 if self._has_workers() else workerless + 1
                if workerless >= WORKERLESS_SECONDS:
                    raise ScriptforgeError(
                        f"All workers of the cluster at {self._address} were lost.",
                        f"Start some again, and this. {_START_WORKERS}",
                    ) from None
            except KilledWorker as error:
                raise ScriptforgeError(
                    f"One file or passage ended {error.allowed_failures + 1} workers, one after the other, "
                    "probably because memory ran out.",
                    "Give each worker more memory: dask worker --memory-limit 4GB, and fewer a machine.",
                ) from None
            except CancelledError:
                raise self._lost() from None

    def _has_workers(self) -> bool:
        try:
            return bool(self._client.nthreads())
        except (OSError, RuntimeError, CancelledError, TimeoutError):
            raise self._lost() from None

    def _lost(self) -> ScriptforgeError:
        return ScriptforgeError(
            f"The scheduler at {self._address} was lost.",
            "Start it again, `dask scheduler`, and the workers, and this.",
        )


@contextmanager
def _cluster_pool(address: str) -> Iterator[Pool]:
    """Yield the workers of a cluster, all of which have what is here."""
    with _quiet(), _connected(address) as client:
        _check_versions(client, address)
        yield _ClusterPool(client, address)


@contextmanager
def _connected(address: str) -> "Iterator[Client]":
    from distributed import Client

    class ClosedClient(Client):
        """One that leaves nothing running where it cannot connect."""

        def __init__(self) -> None:
            try:
                super().__init__(address, timeout=CONNECT_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
            except BaseException:
                self.close(timeout=CONNECT_SECONDS)  # type: ignore[no-untyped-call]
                raise

    try:
        client: Client = ClosedClient()
    except ValueError:
        raise UsageError(
            f"“{address}” is no address of a Dask scheduler.",
            "`dask scheduler` says its own: --cluster tcp://192.168.1.10:8786",
        ) from None
    except Exception:  # whatever comes of what another server says
        raise ScriptforgeError(
            f"No Dask scheduler answers at {address}.",
            "Start one with `dask scheduler`, and give the address that it says, as seen from here.",
        ) from None
    try:
        yield client
    finally:
        client.close(timeout=CONNECT_SECONDS)


def _check_versions(client: "Client", address: str) -> None:
    """Raise an error if there are no workers, or some of another version than this process."""
    try:
        client.wait_for_workers(1, timeout=WORKERLESS_SECONDS)
    except TimeoutError:
        raise ScriptforgeError(f"The cluster at {address} has no workers.", _START_WORKERS) from None
    versions: Any = client.get_versions(packages=_DISTRIBUTIONS)
    for worker, has in sorted(versions["workers"].items()):
        found = {name: has["packages"][name] for name in _DISTRIBUTIONS}
        python = ".".join(has["host"]["python"].split(".")[:2])
        _refuse_other(f"the worker at {worker}", found | {"python": python}, _versions())


@cache
def _versions() -> dict[str, str]:
    """Return what must be the same for the same text to become the same tokens."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {**{name: version(name) for name in _DISTRIBUTIONS}, "python": python}


def _refuse_other(who: str, found: Mapping[str, str | None], wanted: Mapping[str, str]) -> None:
    for name, wanted_version in wanted.items():
        if found[name] != wanted_version:
            raise ScriptforgeError(
                f"On {who}, {name} is {found[name] or 'not installed'}, and here it is {wanted_version}.",
                "Install the same versions on all machines.",
            )


_ONE_AT_A_TIME = threading.Lock()
"""Reading a table changes the process for a moment, and a worker may have several threads."""


def _call_alone(wanted: dict[str, str], call: Callable[[], ResultT]) -> ResultT:
    """Make a call on a worker, which may have joined after the others were looked at."""
    _refuse_other(platform.node(), _versions(), wanted)
    with _ONE_AT_A_TIME:
        return call()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what Dask prints within the block: this module says it in its own words."""
    try:
        from distributed.versions import VersionMismatchWarning
    except ModuleNotFoundError:
        raise UsageError(
            "--cluster needs Dask, which is not installed.",
            "Install it, here and on every machine: pip install 'scriptforge-lm[cluster]'",
        ) from None
    loggers = [logging.getLogger(name) for name in _LOUD]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VersionMismatchWarning)
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
