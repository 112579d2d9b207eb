"""Models on the Hugging Face Hub: pushed from a run, and pulled into one that is safe to use.

    result = pull(workspace, "owner/name")
    results = push(workspace, run, PushOptions(repository="owner/name"))

Only files that this package writes are sent or accepted. Nothing of a repository is used before it proves to
be what its commit says and what this package would have written.
"""

from scriptforge.hub.pull import PullResult, find_run, pull
from scriptforge.hub.push import Payload, PushResult, build_payload, build_space_payload, push

__all__ = [
    "Payload",
    "PullResult",
    "PushResult",
    "build_payload",
    "build_space_payload",
    "find_run",
    "pull",
    "push",
]
