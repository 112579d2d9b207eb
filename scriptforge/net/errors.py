"""Error messages for network failures, each with a remedy.

One table has the message for each exception of the Hub's client, another for each HTTP status. The caller
says what was requested and which error to raise: see `RemoteRequest`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from json import JSONDecodeError
from typing import TypeAlias

from scriptforge.errors import ScriptforgeError

TIMEOUT_SECONDS = 20
"""How long a server may send nothing before the request fails."""

_Message: TypeAlias = tuple[str, str]
"""The problem and the remedy. `{name}` is what was requested, `{instead}` the caller's alternative."""

_STATUS_MESSAGES: dict[int, _Message] = {
    401: ("{name} needs a login (401).", "Log in with `hf auth login`."),
    403: ("{name} refused you access (403).", "Ask its owner for access, or use another."),
    404: ("{name} does not exist (404).", "Check the spelling; it may have moved."),
    407: ("{name} is behind a proxy that needs a login (407).", "Put user and password into HTTPS_PROXY."),
    409: ("{name} was changed by somebody else (409).", "Try again."),
    410: ("{name} does not exist any more (410).", "Check the spelling; it may have moved."),
    412: ("{name} was changed by somebody else (412).", "Try again."),
    429: ("{name} was requested too often (429).", "Wait a few minutes and try again."),
}
_SERVER_FAILED: _Message = (
    "{name} is unavailable: the server failed ({status}).",
    "Only its operators can fix that: try again later.",
)
_OTHER_STATUS: _Message = ("{name} is unavailable: the server answered {status}.", "Check the address.")


@cache
def _exception_messages() -> dict[type[BaseException], _Message]:
    """Return the message for each exception class; the most specific class applies."""
    from huggingface_hub import errors

    # The Hub's client re-exports the HTTP library of its version, httpx or httpx2.
    from huggingface_hub.utils import httpx

    unreachable = "{name} cannot be reached: {reason}.", "Check the connection and the proxy{instead}."
    return {
        errors.HFValidationError: (
            "{name} cannot exist: the Hub allows no such name.",
            "Check the spelling.",
        ),
        errors.OfflineModeIsEnabled: (
            "{name} is not on this machine, and HF_HUB_OFFLINE forbids the network.",
            "Unset HF_HUB_OFFLINE{instead}.",
        ),
        errors.LocalTokenNotFoundError: (
            "{name} needs a login, and nobody is logged in.",
            "Log in with `hf auth login`, or set HF_TOKEN.",
        ),
        errors.GatedRepoError: (
            "{name} is gated: its owner wants to know who uses it ({status}).",
            "Accept the conditions on its page on the Hub, then log in with `hf auth login`.",
        ),
        errors.RevisionNotFoundError: (
            "{name} has no revision “{revision}”.",
            "Check it, or leave it out to take the newest.",
        ),
        errors.RepositoryNotFoundError: (
            "{name} does not exist, or is private ({status}).",
            "Check the spelling; for a private one, log in with `hf auth login`.",
        ),
        httpx.TimeoutException: (
            "{name} did not answer in time.",
            "Try again later{instead}.",
        ),
        httpx.ConnectError: unreachable,
        httpx.ProxyError: unreachable,
        httpx.InvalidURL: unreachable,
        httpx.HTTPError: (
            "{name} cannot be reached: the connection broke ({reason}).",
            "Check the connection and the proxy{instead}.",
        ),
        JSONDecodeError: (
            "{name} cannot be reached: the answer is not from the Hub.",
            "Try again; a proxy or a login page may have answered{instead}.",
        ),
        OSError: ("{name} arrived incomplete.", "Try again{instead}."),
    }


@dataclass(frozen=True)
class RemoteRequest:
    """Something requested from a server.

    Attributes:
        name: its name, to begin a sentence: “The model ann/play”.
        error: the class of the error to raise if it cannot be retrieved.
        alternative: what else the user could do, to follow a comma; empty if there is nothing.
    """

    name: str
    error: type[ScriptforgeError]
    alternative: str = ""

    @contextmanager
    def translate_errors(self, revision: str | None = None) -> Iterator[None]:
        """Turn the exceptions of the Hub's client within the block into errors with readable messages.

        Args:
            revision: the requested revision, if any.

        Raises:
            ScriptforgeError: an error of the class `error`, whose message gives the cause and the remedy.
        """
        try:
            yield
        except Exception as error:
            cause = _unwrap(error)
            message = _find_message(cause)
            if message is None:
                raise
            fields = {
                "name": self.name,
                "status": _status_of(cause),
                "revision": revision,
                "reason": str(cause) or type(cause).__name__,
                "instead": f", {self.alternative}" if self.alternative else "",
            }
            problem, remedy = (part.format(**fields) for part in message)
            raise self.error(problem, remedy) from error


def _unwrap(error: BaseException) -> BaseException:
    """Return the exception that the client wrapped, if any, as for a failed upload or an uncached file."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    while isinstance(error, RuntimeError | LocalEntryNotFoundError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _find_message(error: BaseException) -> _Message | None:
    """Return the message for the most specific of an exception's classes that has one, if any."""
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import httpx

    if isinstance(error, OSError) and error.errno is not None:  # an errno means a local failure
        return None
    messages, status = _exception_messages(), _status_of(error)
    for kind in type(error).__mro__:
        if kind in messages:
            return messages[kind]
        if kind in (HfHubHTTPError, httpx.HTTPStatusError) and status is not None:
            return _STATUS_MESSAGES.get(status) or (_SERVER_FAILED if status >= 500 else _OTHER_STATUS)
    return None


def _status_of(error: BaseException) -> int | None:
    """Return the HTTP status of the response that caused an exception, if there was one."""
    response = getattr(error, "response", None)
    return None if response is None else int(response.status_code)
