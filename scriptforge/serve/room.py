"""A room: its runs and drafts, and the tabs that follow the changes of a draft."""

import asyncio
import hmac
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from scriptforge.serve.drafts import Drafts
from scriptforge.serve.engine import Busy, Engine
from scriptforge.serve.guard import LoginLimiter, Rules
from scriptforge.serve.marks import TrainingTexts
from scriptforge.serve.runs import Runs

MAX_LISTENERS = 64
"""Maximum number of tabs that follow drafts at once."""

Listener: TypeAlias = "asyncio.Queue[dict[str, Any] | None]"
"""Messages for a tab, in order; None marks the end."""

MAX_IMPORTS = 8
"""Maximum number of files that are imported, or wait for that on disk, at once."""

_MAX_QUEUED_EVENTS = 1_000
_FILES_AT_ONCE = 2


@dataclass
class Room:
    """The state of the application.

    Attributes:
        runs: the runs that are offered.
        rules: what requests must satisfy.
        drafts: the stored drafts; None in a room for visitors, whose browsers keep them.
        logins: limit on wrong passwords.
        texts: the training texts of the runs.
        engine: the threads that write suggestions.
        reading: limit on the number of files that are imported or exported at once.
    """

    runs: Runs
    rules: Rules
    drafts: Drafts | None
    logins: LoginLimiter = field(init=False)
    texts: TrainingTexts = field(init=False)
    engine: Engine = field(init=False)
    reading: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.logins = LoginLimiter()
        self.texts = TrainingTexts(self.runs)
        self.engine = Engine(self.runs, self.texts)
        self.reading = asyncio.Semaphore(_FILES_AT_ONCE)
        self._imports = 0
        self._listeners: defaultdict[str, set[Listener]] = defaultdict(set)

    @property
    def stored_drafts(self) -> Drafts:
        """Return `drafts`, which must not be None."""
        assert self.drafts is not None, "visitors have no address that leads here"
        return self.drafts

    def token_for(self, password: str) -> str | None:
        """Return the token if the password is right; else None."""
        expected = self.rules.password
        if expected is None or not hmac.compare_digest(password.encode(errors="replace"), expected.encode()):
            return None
        return self.rules.token

    @contextmanager
    def importing(self) -> Iterator[None]:
        """Count an import during the block.

        Raises:
            Busy: there are too many.
        """
        if self._imports >= MAX_IMPORTS:
            raise Busy(5, "Too many files are being read.")
        self._imports += 1
        try:
            yield
        finally:
            self._imports -= 1

    def listen(self, draft: str) -> Listener:
        """Return a queue that receives the changes of a draft.

        Raises:
            Busy: there are too many listeners.
        """
        if sum(map(len, self._listeners.values())) >= MAX_LISTENERS:
            raise Busy(5, "Too many tabs are open.")
        listener: Listener = asyncio.Queue(_MAX_QUEUED_EVENTS)
        self._listeners[draft].add(listener)
        return listener

    def leave(self, draft: str, listener: Listener) -> None:
        """Stop putting changes into a queue."""
        self._listeners[draft].discard(listener)
        if not self._listeners[draft]:
            del self._listeners[draft]

    def tell(self, draft: str, news: dict[str, Any]) -> None:
        """Send a message to all listeners; one whose queue is full is told to reload the draft instead."""
        for listener in self._listeners.get(draft, ()):
            if listener.full():
                _empty(listener)
                listener.put_nowait({"reload": True})
            else:
                listener.put_nowait(news)

    def close(self) -> None:
        """Tell all listeners, and all who wait for suggestions, that nothing more will come."""
        for listener in (each for listeners in self._listeners.values() for each in listeners):
            _empty(listener)
            listener.put_nowait(None)
        self.engine.close()


def _empty(listener: Listener) -> None:
    while not listener.empty():
        listener.get_nowait()
