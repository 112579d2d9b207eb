"""The writing of suggestions: requests wait in a queue, and some threads write as many of them at once.

Those that are written at once share the steps of their model (`batching`). What a request is told are lists
of events, in the order in which they come. A page that goes away stops its request at the next token.
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
from scriptforge.serve.marks import TrainingTexts
from scriptforge.serve.prompt import SuggestionRequest, ask
from scriptforge.serve.runs import Runs
from scriptforge.serve.writing import Event, Writing

MOST_WRITING, MOST_WAITING = 8, 32
"""Requests that are written at once, and that wait."""


class Busy(Exception):  # noqa: N818 (it names the engine)
    """A request cannot wait any more.

    Attributes:
        seconds: after which to try again.
        why: in a sentence.
    """

    def __init__(self, seconds: float, why: str) -> None:
        super().__init__(why)
        self.seconds = seconds
        self.why = why


@dataclass
class Job:
    """A request that is written, and the way back to who waits for it."""

    request: SuggestionRequest
    loop: asyncio.AbstractEventLoop | None
    news: "asyncio.Queue[list[Event] | Exception | None]" = field(default_factory=asyncio.Queue)
    is_given_up: bool = False

    def tell(self, news: list[Event] | Exception | None) -> None:
        """Pass on what is new, from another thread; None is the end."""
        if self.loop and not self.is_given_up:
            try:
                self.loop.call_soon_threadsafe(self.news.put_nowait, news)
            except RuntimeError:  # the loop is closed: the server is going down
                self.is_given_up = True

    def give_up(self) -> None:
        """Stop writing it: nobody waits for it."""
        self.is_given_up = True

    async def events(self) -> AsyncIterator[list[Event]]:
        """Yield its events as they come.

        Raises:
            ScriptforgeError: it cannot go on.
        """
        while (news := await self.news.get()) is not None:
            if isinstance(news, Exception):
                raise news
            yield news


class Engine:
    """Writes suggestions.

    Args:
        runs: with which models.
        texts: of which copying may be limited.
    """

    def __init__(self, runs: Runs, texts: TrainingTexts) -> None:
        self._runs = runs
        self._texts = texts
        self._is_closed = False
        self._jobs: queue.Queue[Job] = queue.Queue(MOST_WAITING)
        for number in range(MOST_WRITING):
            threading.Thread(target=self._work, daemon=True, name=f"writing-{number}").start()

    def warm(self, name: str) -> None:
        """Write a line with a run that nobody waits for, so that the next one comes fast."""
        self._jobs.put_nowait(Job(SuggestionRequest(run=name), None))

    async def begin(self, request: SuggestionRequest) -> Job:
        """Accept a request, and return it once something is written of it.

        Raises:
            Busy: too many others wait.
            ScriptforgeError: the model cannot be asked that.
        """
        job = Job(request, asyncio.get_running_loop())
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            raise Busy(2, "Too many others are writing just now.") from None
        try:
            first = await job.news.get()
            if isinstance(first, Exception):
                raise first
        except BaseException:
            job.give_up()
            raise
        return job

    def close(self) -> None:
        """Write nothing more; who waits is told."""
        self._is_closed = True
        with suppress(queue.Empty):
            while True:
                self._jobs.get_nowait().tell(_closed())

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if job.is_given_up:
                continue
            try:
                self._write(job)
                job.tell(None)
            except Exception as problem:
                job.tell(problem)

    def _write(self, job: Job) -> None:
        run = self._runs.open(job.request.run)
        seed = fresh_seed() if job.request.seed is None else job.request.seed
        writing = Writing(run, ask(job.request, run.vocabulary, seed), self._index(job.request))
        job.tell([])
        with closing(iter(writing)) as steps:
            for events in steps:
                if job.is_given_up:
                    return
                if self._is_closed:
                    raise _closed()
                if events:
                    job.tell(events)

    def _index(self, request: SuggestionRequest) -> Index | None:
        """Return the index that a limit to copying needs.

        Raises:
            Busy: it is still being made.
            ScriptforgeError: the training text is not here.
        """
        if request.max_copy is None:
            return None
        is_ready, text = self._texts.get(request.run)
        if not is_ready:
            raise Busy(2, "The training text is still being indexed, to limit copying.")
        if text is None:
            raise ScriptforgeError(
                "Copying cannot be limited: the dataset of this run is not here.",
                "Leave the limit out, or prepare the dataset again.",
            )
        return text.index


def _closed() -> ScriptforgeError:
    return ScriptforgeError("The room was closed.", "Start it again: scriptforge serve")
