"""Pools of processes that parse and encode, on this machine or on the workers of a Dask cluster.

The output does not depend on the number or place of the processes: each file is parsed and each passage
encoded independently, and the results are consumed in order. The number of pending calls is limited, to bound
memory. Local processes are started by `spawn`, since forking a process with threads may deadlock; so the main
module of a program that asks for several must be importable, as `multiprocessing` requires.

Dask assigns the tasks of a cluster, and repeats those of a dead worker. It is installed by the extra
`cluster`, so it is imported only where it is used.
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

_MIN_FILES = 16
_MIN_BYTES = 2_000_000
"""Below either limit, starting processes takes longer than they save."""

_CALLS_AHEAD = 64
CONNECT_SECONDS = 10
WORKERLESS_SECONDS = 60
"""How long to wait for the first worker, or for a new one once all are lost."""

_DISTRIBUTIONS = ("scriptforge-lm", "tokenizers")
_LOUD = ("distributed.client", "distributed.core", "tornado.application")
_START_WORKERS = "On each machine: dask worker ADDRESS --nworkers -1 --nthreads 1"


class Pool:
    """Runs calls on an executor and yields their results in order, with a limited number pending.

    Args:
        executor: the executor.
        ahead: the maximum number of pending calls.
    """

    def __init__(self, executor: Executor, ahead: int = _CALLS_AHEAD) -> None:
        self._executor = executor
        self._ahead = ahead

    def run(self, calls: Iterable[Callable[[], ResultT] | None]) -> Iterator[Callable[[], ResultT] | None]:
        """Yield for each call a function that waits for its result, or raises its error; None for None."""
        rest = iter(calls)
        waiting = deque(map(self._submit, islice(rest, self._ahead)))
        while waiting:
            future = waiting.popleft()
            yield partial(self._result, future) if future else None
            waiting.extend(map(self._submit, islice(rest, 1)))

    def _submit(self, call: Callable[[], ResultT] | None) -> "Future[ResultT] | None":
        with _broken_pools_reported():
            return self._executor.submit(call) if call else None

    def _result(self, future: "Future[ResultT]") -> ResultT:
        with _broken_pools_reported():
            return future.result()


@contextmanager
def _broken_pools_reported() -> Iterator[None]:
    try:
        yield
    except BrokenExecutor as error:
        raise ScriptforgeError(
            "A process that parses or encodes was killed, perhaps because memory ran out.",
            "Use one process: --workers 1. A program that uses several must be a file, and do its work"
            ' under `if __name__ == "__main__":`.',
        ) from error


@contextmanager
def parsing_pool(workers: int, cluster: str | None, corpora: Sequence[Corpus]) -> Iterator[Pool | None]:
    """Yield a pool that parses files in parallel; None if one process is requested or would be as fast.

    Args:
        workers: the number of processes on this machine.
        cluster: the address of a Dask scheduler whose workers are used instead.
        corpora: the corpora to parse.

    Raises:
        UsageError: Dask is not installed, or the address is invalid.
        ScriptforgeError: the cluster cannot be reached, has no workers, or has some with other versions.
    """
    if cluster is not None:
        with _cluster_pool(cluster) as pool:
            yield pool
        return
    files = [task.record for corpus in corpora for task in corpus.tasks]
    if workers < 2 or len(files) < _MIN_FILES or sum(file.size for file in files) < _MIN_BYTES:
        yield None
        return
    executor = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_end_with_parent)
    try:
        with _interrupts_blocked(), _broken_pools_reported():
            for _ in range(workers):  # each call starts another process while none is idle
                executor.submit(os.getpid)
        yield Pool(executor)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block Ctrl+C in processes started within the block; this process handles it and ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    """Make this process exit when its parent has ended, even if it was killed."""
    threading.Thread(target=_await_parent, daemon=True).start()


def _await_parent() -> None:
    parent = parent_process()
    assert parent is not None, "a process of a pool has one"
    wait([parent.sentinel])
    os._exit(1)


class _ClusterPool(Pool):
    """A pool of the workers of a Dask cluster."""

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
                if future.done():  # perhaps the task itself ran out of time, as on a network drive
                    return future.result()
                workerless = 0 if self._has_workers() else workerless + 1
                if workerless >= WORKERLESS_SECONDS:
                    raise ScriptforgeError(
                        f"All workers of the cluster at {self._address} were lost.",
                        f"Start some again, then run the same command again. {_START_WORKERS}",
                    ) from None
            except KilledWorker as error:
                raise ScriptforgeError(
                    f"One file or passage brought down {error.allowed_failures + 1} workers, one after the"
                    " other, probably because memory ran out.",
                    "Give each worker more memory: dask worker --memory-limit 4GB, and start fewer on each"
                    " machine.",
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
            "Start `dask scheduler` and the workers again, then run the same command again.",
        )


@contextmanager
def _cluster_pool(address: str) -> Iterator[Pool]:
    """Yield a pool of a cluster's workers, after checking that their versions equal those here."""
    with _quiet(), _connected(address) as client:
        _check_versions(client, address)
        yield _ClusterPool(client, address)


@contextmanager
def _connected(address: str) -> "Iterator[Client]":
    from distributed import Client

    class ClosedClient(Client):
        """A client that stops its threads if it cannot connect."""

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
            f"“{address}” is not the address of a Dask scheduler.",
            "`dask scheduler` prints its address: --cluster tcp://192.168.1.10:8786",
        ) from None
    except Exception:  # another kind of server may answer with anything
        raise ScriptforgeError(
            f"No Dask scheduler answers at {address}.",
            "Start one with `dask scheduler`, and give the address that it prints, as seen from here.",
        ) from None
    try:
        yield client
    finally:
        client.close(timeout=CONNECT_SECONDS)


def _check_versions(client: "Client", address: str) -> None:
    """Raise an error if there are no workers, or if versions on one differ from those of this process."""
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
    """Return the versions that must be equal everywhere for the same text to become the same tokens."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {**{name: version(name) for name in _DISTRIBUTIONS}, "python": python}


def _refuse_other(who: str, found: Mapping[str, str | None], wanted: Mapping[str, str]) -> None:
    for name, wanted_version in wanted.items():
        if found[name] != wanted_version:
            raise ScriptforgeError(
                f"On {who}, {name} is {found[name] or 'not installed'}, but here it is {wanted_version}.",
                "Install the same versions on all machines.",
            )


_ONE_AT_A_TIME = threading.Lock()
"""Reading a table temporarily changes global state, and a worker may run several threads."""


def _call_alone(wanted: dict[str, str], call: Callable[[], ResultT]) -> ResultT:
    """Run a call on a worker, after checking its versions: it may have joined after `_check_versions`."""
    _refuse_other(platform.node(), _versions(), wanted)
    with _ONE_AT_A_TIME:
        return call()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Dask's warnings and log messages within the block, since this module reports these errors.

    Raises:
        UsageError: Dask is not installed.
    """
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
