"""The engine: requests for suggestions wait in a queue, and several threads write them at the same time.

Requests that are written at the same time share the steps of their model (`batching`). The result of each is
lists of events, in order. When the page disconnects, its request stops at the next token.
"""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from dataclasses import dataclass, field

from scriptforge.copying import Index
from scriptforge.errors import ScriptforgeError
from scriptforge.generation.rng import fresh_seed
from scriptforge.serve.copies import TrainingTexts
from scriptforge.serve.prompt import SuggestionRequest, encode_request
from scriptforge.serve.runs import Runs
from scriptforge.serve.writing import Event, Writing

MAX_WRITING, MAX_WAITING = 8, 32
"""Maximum numbers of requests: written at the same time, and waiting."""


class Busy(Exception):  # noqa: N818 (it names the engine)
    """A request cannot be accepted now.

    Attributes:
        retry_after: seconds after which to try again.
        reason: the reason, as a sentence.
    """

    def __init__(self, retry_after: float, reason: str) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.reason = reason


@dataclass
class Job:
    """A request, and the channel from its writing thread to the event loop that waits for the result."""

    request: SuggestionRequest
    loop: asyncio.AbstractEventLoop | None
    results: "asyncio.Queue[list[Event] | Exception | None]" = field(default_factory=asyncio.Queue)
    is_cancelled: bool = False

    def publish(self, results: list[Event] | Exception | None) -> None:
        """Pass on events or an error from another thread; None marks the end."""
        if self.loop and not self.is_cancelled:
            try:
                self.loop.call_soon_threadsafe(self.results.put_nowait, results)
            except RuntimeError:  # the loop is closed: the server is shutting down
                self.is_cancelled = True

    def cancel(self) -> None:
        """Stop writing, because nobody waits for the result any more."""
        self.is_cancelled = True

    async def events(self) -> AsyncIterator[list[Event]]:
        """Yield lists of events as they come.

        Raises:
            ScriptforgeError: writing has failed.
        """
        while (results := await self.results.get()) is not None:
            if isinstance(results, Exception):
                raise results
            yield results


class Engine:
    """A pool of threads that write suggestions.

    Args:
        runs: the runs to write with.
        texts: their training texts, needed where a request limits copying.
    """

    def __init__(self, runs: Runs, texts: TrainingTexts) -> None:
        self._runs = runs
        self._texts = texts
        self._is_closed = False
        self._jobs: queue.Queue[Job] = queue.Queue(MAX_WAITING)
        for number in range(MAX_WRITING):
            threading.Thread(target=self._work, daemon=True, name=f"writing-{number}").start()

    def warm_up(self, name: str) -> None:
        """Write a line with a run in the background, so that its model is loaded when it is first needed."""
        with suppress(queue.Full):  # others are writing, which loads the model
            self._jobs.put_nowait(Job(SuggestionRequest(run=name), None))

    async def submit(self, request: SuggestionRequest) -> Job:
        """Queue a request; return its job once the run is loaded and the request is known to be valid.

        Raises:
            Busy: too many others wait, or the training text is still being indexed.
            ScriptforgeError: the request does not fit the run, or the run cannot be used.
        """
        job = Job(request, asyncio.get_running_loop())
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            raise Busy(2, "Too many suggestions are being written.") from None
        try:
            first = await job.results.get()
            if isinstance(first, Exception):
                raise first
        except BaseException:
            job.cancel()
            raise
        return job

    def close(self) -> None:
        """Stop writing; all pending requests fail with an error."""
        self._is_closed = True
        with suppress(queue.Empty):
            while True:
                self._jobs.get_nowait().publish(_closed_error())

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if job.is_cancelled:
                continue
            try:
                self._write(job)
                job.publish(None)
            except Exception as problem:
                job.publish(problem)
            except BaseException as panic:  # of a library in Rust, after which this thread still writes
                job.publish(RuntimeError(f"writing has failed: {panic!r}"))

    def _write(self, job: Job) -> None:
        run = self._runs.load(job.request.run)
        seed = fresh_seed() if job.request.seed is None else job.request.seed
        writing = Writing(run, encode_request(job.request, run.vocabulary, seed), self._index(job.request))
        job.publish([])
        with closing(iter(writing)) as steps:
            for events in steps:
                if job.is_cancelled:
                    return
                if self._is_closed:
                    raise _closed_error()
                if events:
                    job.publish(events)

    def _index(self, request: SuggestionRequest) -> Index | None:
        """Return the index of the training text if the request limits copying; else None.

        Raises:
            Busy: the training text is still being indexed.
            ScriptforgeError: the dataset of the run is missing.
        """
        if request.max_copy is None:
            return None
        is_ready, text = self._texts.get(request.run)
        if not is_ready:
            raise Busy(2, "Copying cannot be limited until the training text is indexed.")
        if text is None:
            raise ScriptforgeError(
                "Copying cannot be limited: the dataset of this run is missing.",
                "Omit the limit, or prepare the dataset again.",
            )
        return text.index


def _closed_error() -> ScriptforgeError:
    return ScriptforgeError("The room was closed.", "Start it again: scriptforge serve")
