"""A room: the runs, the drafts, and those who listen to what becomes of them."""

import asyncio
import hmac
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from scriptforge.serve.drafts import Drafts
from scriptforge.serve.engine import Busy, Engine
from scriptforge.serve.guard import LoginLimiter, Rules
from scriptforge.serve.marks import TrainingTexts
from scriptforge.serve.runs import Runs

MOST_LISTENERS = 64
"""Tabs that follow drafts at once."""

Listener: TypeAlias = "asyncio.Queue[dict[str, Any] | None]"
"""What a tab is told, in order; None is the end."""

_MOST_NEWS = 1_000
_FILES_AT_ONCE = 2


@dataclass
class Room:
    """What the application works with.

    Attributes:
        runs: the models.
        rules: who may come in.
        drafts: where drafts are kept; None for visitors, whose browsers keep them.
        logins: the wrong passwords that were tried.
        texts: the training texts.
        engine: what writes.
        reading: how many files are read or written at once.
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
        self._listeners: defaultdict[str, set[Listener]] = defaultdict(set)

    @property
    def kept(self) -> Drafts:
        """Return the drafts of a room that has them."""
        assert self.drafts is not None, "visitors have no address that leads here"
        return self.drafts

    def token_for(self, password: str) -> str | None:
        """Return the token, if the password is right."""
        expected = self.rules.password
        if expected is None or not hmac.compare_digest(password.encode(errors="replace"), expected.encode()):
            return None
        return self.rules.token

    def listen(self, draft: str) -> Listener:
        """Return a queue that gets what becomes of a draft.

        Raises:
            Busy: too many listen.
        """
        if sum(map(len, self._listeners.values())) >= MOST_LISTENERS:
            raise Busy(5, "Too many tabs are open.")
        listener: Listener = asyncio.Queue(_MOST_NEWS)
        self._listeners[draft].add(listener)
        return listener

    def leave(self, draft: str, listener: Listener) -> None:
        """Put nothing more into a queue."""
        self._listeners[draft].discard(listener)
        if not self._listeners[draft]:
            del self._listeners[draft]

    def tell(self, draft: str, news: dict[str, Any]) -> None:
        """Tell all who listen; who has not listened for long is told to load the draft again."""
        for listener in self._listeners.get(draft, ()):
            if listener.full():
                _empty(listener)
                listener.put_nowait({"reload": True})
            else:
                listener.put_nowait(news)

    def close(self) -> None:
        """Tell all who listen, and all for whom something is written, that nothing more will come."""
        for listener in (each for listeners in self._listeners.values() for each in listeners):
            _empty(listener)
            listener.put_nowait(None)
        self.engine.close()


def _empty(listener: Listener) -> None:
    while not listener.empty():
        listener.get_nowait()
