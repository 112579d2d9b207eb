"""A Hub on this machine: the real protocol over loopback, for the real clients, with faults on demand.

    hub = Hub()
    hub.publish("model", "owner/name", {"config.json": b"{}"})
    hub.misbehave(Fault(status=503), path="/resolve/", times=1)
    ...
    hub.stop()

It knows what the clients ask for and no more, and keeps everything in memory.
"""

from support.loopback_hub.faults import Fault
from support.loopback_hub.messages import Seen
from support.loopback_hub.repositories import Kind, Repository
from support.loopback_hub.server import Hub

TOKEN = "hf_canaryOfAnnWhoMayWrite"
"""Ann's, for whom the fixtures log in; it must not be seen anywhere but in requests to the Hub."""

__all__ = ["TOKEN", "Fault", "Hub", "Kind", "Repository", "Seen"]
