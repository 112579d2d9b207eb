"""The files of the page as they are, which needs no browser."""

import gzip
import re
from importlib.resources import files
from pathlib import Path

PAGE = Path(str(files("scriptforge") / "serve" / "page"))


def test_the_page_is_small_and_has_nothing_inline_and_nothing_from_elsewhere() -> None:
    sources = {path.name: path.read_bytes() for path in PAGE.iterdir()}
    assert sum(len(gzip.compress(data)) for data in sources.values()) <= 120_000
    html = sources["index.html"].decode()
    assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?![^>]* src=)", html)
    for name, data in sources.items():
        text = data.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|innerHTML|insertAdjacentHTML|document\.write|\beval\(", text), name
