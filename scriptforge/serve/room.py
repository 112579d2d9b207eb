"""A room: its runs and drafts, and the tabs that subscribe to the changes of a draft."""

import asyncio
import hmac
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeAlias

from scriptforge.serve.copies import TrainingTexts
from scriptforge.serve.drafts import Drafts
from scriptforge.serve.engine import Busy, Engine
from scriptforge.serve.guard import AccessRules, LoginLimiter
from scriptforge.serve.runs import Runs

MAX_SUBSCRIBERS = 64
"""Maximum number of tabs that subscribe to drafts at once."""

Subscription: TypeAlias = "asyncio.Queue[dict[str, Any] | None]"
"""A queue of events for a tab, in order; None marks the end."""

MAX_IMPORTS = 8
"""Maximum number of imports at once, including those that wait with their file on disk."""

_MAX_QUEUED_EVENTS = 1_000
_FILES_AT_ONCE = 2


@dataclass
class Room:
    """The state of the application.

    Attributes:
        runs: the runs that are offered.
        rules: what requests must satisfy.
        drafts: the stored drafts; None in a room for visitors, whose browsers store them.
        logins: limit on wrong passwords.
        texts: the training texts of the runs.
        engine: the threads that write suggestions.
        file_slots: limit on the number of files that are imported or exported at once.
    """

    runs: Runs
    rules: AccessRules
    drafts: Drafts | None
    logins: LoginLimiter = field(init=False)
    texts: TrainingTexts = field(init=False)
    engine: Engine = field(init=False)
    file_slots: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.logins = LoginLimiter()
        self.texts = TrainingTexts(self.runs)
        self.engine = Engine(self.runs, self.texts)
        self.file_slots = asyncio.Semaphore(_FILES_AT_ONCE)
        self._imports = 0
        self._subscriptions: defaultdict[str, set[Subscription]] = defaultdict(set)

    @property
    def stored_drafts(self) -> Drafts:
        """Return `drafts`, which must not be None."""
        assert self.drafts is not None, "visitors have no endpoints of drafts"
        return self.drafts

    def token_for(self, password: str) -> str | None:
        """Return the token if the password is right; else None."""
        expected = self.rules.password
        if expected is None or not hmac.compare_digest(password.encode(errors="replace"), expected.encode()):
            return None
        return self.rules.token

    @contextmanager
    def import_slot(self) -> Iterator[None]:
        """Count an import during the block.

        Raises:
            Busy: there are too many.
        """
        if self._imports >= MAX_IMPORTS:
            raise Busy(5, "Too many files are being imported.")
        self._imports += 1
        try:
            yield
        finally:
            self._imports -= 1

    def subscribe(self, draft: str) -> Subscription:
        """Return a queue that receives the changes of a draft.

        Raises:
            Busy: there are too many subscribers.
        """
        if sum(map(len, self._subscriptions.values())) >= MAX_SUBSCRIBERS:
            raise Busy(5, "Too many tabs are open.")
        subscription: Subscription = asyncio.Queue(_MAX_QUEUED_EVENTS)
        self._subscriptions[draft].add(subscription)
        return subscription

    def unsubscribe(self, draft: str, subscription: Subscription) -> None:
        """End a subscription."""
        self._subscriptions[draft].discard(subscription)
        if not self._subscriptions[draft]:
            del self._subscriptions[draft]

    def publish(self, draft: str, event: dict[str, Any]) -> None:
        """Send an event to all subscribers of a draft; one whose queue is full is told to reload instead."""
        for subscription in self._subscriptions.get(draft, ()):
            if subscription.full():
                _empty(subscription)
                subscription.put_nowait({"reload": True})
            else:
                subscription.put_nowait(event)

    def close(self) -> None:
        """Tell all subscribers, and all clients that wait for suggestions, that nothing more will come."""
        for subscription in chain.from_iterable(self._subscriptions.values()):
            _empty(subscription)
            subscription.put_nowait(None)
        self.engine.close()


def _empty(subscription: Subscription) -> None:
    while not subscription.empty():
        subscription.get_nowait()
