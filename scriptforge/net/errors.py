"""What can go wrong on a network, each with its own words and its own remedy.

Knows the exceptions of the Hub's client and what they mean to a person; what is asked for, and whose error it
is, the asker says.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Any

from scriptforge.errors import ScriptforgeError

TIMEOUT_SECONDS = 20
"""How long a server may say nothing before it counts as not answering."""

_SENDING_TIMEOUT_SECONDS = 120  # on a slow line, much that counts as sent is still on its way


def bound_waiting() -> None:
    """Lets the Hub's client wait for no answer without end; of itself it does, or a minute for each try."""
    from huggingface_hub import get_session

    hooks = get_session().event_hooks["request"]
    if _bound not in hooks:
        hooks.append(_bound)


def _bound(request: Any) -> None:
    most = TIMEOUT_SECONDS if request.method in ("GET", "HEAD") else _SENDING_TIMEOUT_SECONDS
    waits = request.extensions.get("timeout", {})
    request.extensions["timeout"] = {
        kind: min(most, math.inf if seconds is None else seconds) for kind, seconds in waits.items()
    }


@dataclass(frozen=True)
class Asked:
    """Something that is asked of a server.

    Attributes:
        what: its name at the beginning of a sentence.
        error: the kind of error when it cannot be had.
        instead: what else a person could do, to follow a comma; empty if nothing.
    """

    what: str
    error: type[ScriptforgeError]
    instead: str = ""

    def refused(self, status: int) -> ScriptforgeError:
        """The error for an HTTP status that is not a success."""
        match status:
            case 401:
                problem, remedy = "asks for a login (401)", "Log in with `hf auth login`"
            case 403:
                problem, remedy = "may not be used by you (403)", "Ask its owner for access, or use another"
            case 404 | 410:
                problem, remedy = f"does not exist ({status})", "Check the spelling; it may have been moved"
            case 407:
                problem = "is behind a proxy that asks for a login (407)"
                remedy = "Put user and password into HTTPS_PROXY"
            case 409 | 412:
                problem, remedy = f"was changed by somebody meanwhile ({status})", "Try again"
            case 429:
                problem, remedy = "was asked too often (429)", "Wait a few minutes and try again"
            case _ if status >= 500:
                problem = f"cannot be had, since the server failed ({status})"
                remedy = "Its operators have to mend that; try again later"
            case _:
                problem, remedy = f"cannot be had: the server answered {status}", "Check the address"
        return self.error(f"{self.what} {problem}.", f"{remedy}.")

    def unreachable(self, reason: str) -> ScriptforgeError:
        """The error for a server that no connection can be made to, or whose connection broke."""
        return self.error(
            f"{self.what} cannot be reached: {reason}.", self._or("Check the connection and the proxy")
        )

    def timed_out(self) -> ScriptforgeError:
        """The error for a server that does not answer."""
        return self.error(
            f"{self.what} did not answer within {TIMEOUT_SECONDS} seconds.", self._or("Try again later")
        )

    def offline(self) -> ScriptforgeError:
        """The error for something that is not here while the network is switched off."""
        return self.error(
            f"{self.what} is not on this machine, and HF_HUB_OFFLINE forbids the network.",
            self._or("Unset HF_HUB_OFFLINE once"),
        )

    def _or(self, remedy: str) -> str:
        return f"{remedy}, {self.instead}." if self.instead else f"{remedy}."

    @contextmanager
    def explained(self, revision: str | None = None) -> Iterator[None]:
        """Turns what the Hub's client raises into errors for people.

        Args:
            revision: the one asked for, if any.

        Raises:
            ScriptforgeError: of the asker's kind; who is to blame and what to do is in the message.
        """
        try:
            yield
        except Exception as error:
            problem = self._problem(error, revision)
            if problem is None:
                raise
            raise problem from error

    def _problem(self, error: BaseException, revision: str | None) -> ScriptforgeError | None:
        """What an exception of the Hub's client means, if it is one."""
        from huggingface_hub.errors import (
            GatedRepoError,
            HfHubHTTPError,
            HFValidationError,
            LocalEntryNotFoundError,
            LocalTokenNotFoundError,
            OfflineModeIsEnabled,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )
        from huggingface_hub.utils import httpx

        match error:
            case HFValidationError():
                return self.error(
                    f"{self.what} cannot exist: the Hub allows no such name.", "Check the spelling."
                )
            case OfflineModeIsEnabled():
                return self.offline()
            case LocalTokenNotFoundError():
                return self.error(
                    f"{self.what} needs a login, and nobody is logged in.",
                    "Log in with `hf auth login`, or set HF_TOKEN.",
                )
            case GatedRepoError(response=response):
                return self.error(
                    f"{self.what} is gated: its owner wants to know who reads it ({response.status_code}).",
                    "Accept the conditions on its page on the Hub, then log in with `hf auth login`.",
                )
            case RevisionNotFoundError():
                return self.error(
                    f"{self.what} has no revision “{revision}”.",
                    "Check it, or leave it out to take the newest.",
                )
            case RepositoryNotFoundError(response=response):
                return self.error(
                    f"{self.what} does not exist, or is private ({response.status_code}).",
                    "Check the spelling; for a private one, log in with `hf auth login`.",
                )
            case HfHubHTTPError(response=response):
                return self.refused(response.status_code)
            case httpx.TimeoutException():
                return self.timed_out()
            case JSONDecodeError():
                return self.error(
                    f"{self.what} was answered with something else than the Hub says.",
                    self._or("Try again; a proxy or the login page of a network may stand between"),
                )
            case RuntimeError(__cause__=BaseException() as cause):  # an upload that failed
                return self._problem(cause, revision)
            case LocalEntryNotFoundError(__cause__=BaseException() as cause):  # and it is not in the cache
                return self._problem(cause, revision)
            case httpx.HTTPError():
                return self.unreachable(str(error) or type(error).__name__)
            case OSError(errno=None):  # with a number it is this machine's trouble
                return self.error(f"{self.what} did not come whole.", self._or("Try again"))
        return None
