"""What the tests of documents share: the script that is in all of them, and how a file reads."""

from collections.abc import Callable
from pathlib import Path

import pytest

from scriptforge.corpus.cards import Cards
from scriptforge.corpus.fetch import fetch
from scriptforge.corpus.parse import Parsing, parse
from scriptforge.corpus.sources import find_source
from scriptforge.script_rows import ScriptRow

Read = Callable[[Path], tuple[str, list[ScriptRow]]]


@pytest.fixture
def read() -> Read:
    """Return what reads a file or folder: the names of its formats, and its rows."""

    def read_rows(path: Path) -> tuple[str, list[ScriptRow]]:
        parsing = Parsing()
        rows = list(parse(fetch(find_source(str(path), Cards({}, {}))), False, parsing))
        return parsing.text_format, rows

    return read_rows
