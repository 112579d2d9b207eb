"""Models on the Hugging Face Hub: pushed from a run, and pulled into one that is safe to use.

    arrival = pull(workspace, "owner/name")
    sent = push(parcel(run, "owner/name"))

Only files that this package writes are sent or taken. Nothing of a repository is used before it proves to be
what its commit says and what this package would have written.
"""

from scriptforge.hub.model_card import dataset_at_hand
from scriptforge.hub.pull import Arrival, find_run, pull
from scriptforge.hub.push import Parcel, Sent, parcel, push, space_parcel
from scriptforge.net.client import user_name

__all__ = [
    "Arrival",
    "Parcel",
    "Sent",
    "dataset_at_hand",
    "find_run",
    "parcel",
    "pull",
    "push",
    "space_parcel",
    "user_name",
]
