"""The rules that `conftest.py` enforces for every test."""

import os
import subprocess
import sys

from support.web_server import Web

ASK = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=10)"


def answer(address: str, **environment: str) -> str:
    """Return the stderr of a process that requests a page; empty if it succeeds."""
    return subprocess.run(
        [sys.executable, "-c", ASK, address],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    ).stderr


def test_what_a_test_starts_has_no_network_but_loopback() -> None:
    web = Web()
    web.files = {"/": b"here"}
    try:
        assert answer(web.address) == ""
        assert "Connection refused" in answer(web.address, NO_PROXY="elsewhere"), "it was not kept from it"
    finally:
        web.stop()
