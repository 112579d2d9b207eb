"""What `conftest.py` holds every test to."""

import subprocess
import sys

ASK = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=10)"


def test_what_a_test_starts_has_no_network_but_loopback() -> None:
    for address in ("http://192.0.2.1/", "https://192.0.2.1/"):  # for examples: nobody has it
        done = subprocess.run([sys.executable, "-c", ASK, address], capture_output=True, text=True)
        assert "Connection refused" in done.stderr, "it was not the proxy that answered"
