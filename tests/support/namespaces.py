"""Two hosts with a cable between them, for root on Linux: network namespaces that reach nothing else."""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from support import skips

DEVICE = "cable"
"""What the network is called on each host."""


@dataclass(frozen=True)
class Host:
    """One of them.

    Attributes:
        address: its address for the others.
        prefix: the words that run a command there.
    """

    address: str
    prefix: tuple[str, ...]

    def cut(self) -> None:
        """Pull the cable."""
        subprocess.run([*self.prefix, "ip", "link", "set", DEVICE, "down"], check=True)


def can_be_had() -> bool:
    """Return whether such hosts are to be expected here."""
    return sys.platform == "linux" and shutil.which("ip") is not None and os.geteuid() == 0


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Yield two hosts; skips the test where there can be none."""
    if not can_be_had():
        pytest.skip(skips.NO_NAMESPACES)
    names = [f"sftest-{secrets.token_hex(4)}" for _ in range(2)]
    try:
        try:
            hosts = _cabled(names)
        except subprocess.CalledProcessError:
            pytest.skip(skips.NO_NAMESPACES)
        yield hosts
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def _cabled(names: list[str]) -> tuple[Host, Host]:
    one, two = names
    for name in names:
        _ip("netns", "add", name)
    _ip("link", "add", DEVICE, "netns", one, "type", "veth", "peer", DEVICE, "netns", two)
    addresses = ["10.77.7.1", "10.77.7.2"]
    for name, address in zip(names, addresses, strict=True):
        _ip("-n", name, "address", "add", f"{address}/24", "dev", DEVICE)
        for device in (DEVICE, "lo"):
            _ip("-n", name, "link", "set", device, "up")
    first, second = (
        Host(address, ("ip", "netns", "exec", name)) for name, address in zip(names, addresses, strict=True)
    )
    return first, second


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
