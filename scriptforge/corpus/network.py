"""What can go wrong on a network, each with its own words and its own remedy."""

from scriptforge.errors import CorpusError

TIMEOUT_SECONDS = 20
"""How long a server may say nothing before it counts as not answering."""


def refused(what: str, status: int) -> CorpusError:
    """The error for an HTTP status that is not a success."""
    match status:
        case 401:
            return CorpusError(f"{what} asks for a login (401).", "Log in with `hf auth login`.")
        case 403:
            return CorpusError(
                f"{what} may not be read by you (403).", "Ask its owner for access, or use another source."
            )
        case 404 | 410:
            return CorpusError(
                f"{what} does not exist ({status}).", "Check the spelling; it may have been moved or deleted."
            )
        case 407:
            return CorpusError(
                f"{what}: the proxy asks for a login (407).", "Put user and password into HTTPS_PROXY."
            )
        case 429:
            return CorpusError(f"{what}: too many requests (429).", "Wait a few minutes and try again.")
        case _ if status >= 500:
            return CorpusError(
                f"{what}: the server failed ({status}).", "Its operators have to mend that; try again later."
            )
    return CorpusError(f"{what}: the server answered {status}.", "Check the address.")


def unreachable(what: str, reason: str) -> CorpusError:
    """The error for a server that no connection can be made to, or whose connection broke."""
    return CorpusError(
        f"{what} cannot be reached: {reason}.",
        "Check the connection and the proxy, or give a file of your own with --from PATH.",
    )


def timed_out(what: str) -> CorpusError:
    """The error for a server that does not answer."""
    return CorpusError(
        f"{what} did not answer within {TIMEOUT_SECONDS} seconds.",
        "Try again later, or give a file of your own with --from PATH.",
    )


def offline(what: str) -> CorpusError:
    """The error for something that is not here while the network is switched off."""
    return CorpusError(
        f"{what} has not been downloaded yet, and HF_HUB_OFFLINE forbids the network.",
        "Unset HF_HUB_OFFLINE once, or give a file of your own with --from PATH.",
    )
