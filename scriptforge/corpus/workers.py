"""Processes that parse the files of a large folder side by side.

What comes out does not depend on how many there are: each file is parsed as a whole, by `parse_file_whole`,
and the files are taken in their order. They are started afresh (`spawn`), since forking a process with
threads may block it for ever; so a program that asks for several must be importable, as `multiprocessing`
wants it.
"""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait

from scriptforge.corpus.fetch import Corpus

_FEWEST_FILES = 16
_FEWEST_BYTES = 2_000_000
"""Below these, to start a process takes longer than it saves."""


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def parsing_pool(workers: int, corpora: Sequence[Corpus]) -> Iterator[Executor | None]:
    """Yield what parses files side by side; None where one process is as fast, or only one is asked for.

    Args:
        workers: how many processes.
        corpora: what is to be parsed.
    """
    files = [file for corpus in corpora if corpus.skips_broken for file in corpus.origin.files]
    if workers < 2 or len(files) < _FEWEST_FILES or sum(file.size for file in files) < _FEWEST_BYTES:
        yield None
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_end_with_parent)
    try:
        with _interrupts_blocked():
            for _ in range(workers):  # each call starts one more process, as long as none is idle
                pool.submit(os.getpid)
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Let processes that are started now never see Ctrl+C: this one ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    """Let this process end when the one that started it has ended, even by a kill."""
    threading.Thread(target=_await_parent, daemon=True).start()


def _await_parent() -> None:
    parent = parent_process()
    assert parent is not None, "a process of a pool has one"
    wait([parent.sentinel])
    os._exit(1)
