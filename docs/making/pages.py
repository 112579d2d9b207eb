"""Pages and tables, and the parts of docstrings that go into them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from inspect import getdoc


def page(title: str, *parts: str) -> str:
    """Return a page in Markdown."""
    return "\n\n".join([f"# {title}", *parts]) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(_escaped(str(cell)) for cell in line)} |" for line in lines)


def _escaped(cell: str) -> str:
    return " ".join(cell.replace("|", "\\|").split())


def cell(value: object) -> str:
    """Return a value as a table shows it."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case int():
            return f"{value:,}"
        case _:
            return str(value)


def quoted_rows(meanings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Return rows of a name, set as code, and its meaning."""
    return ((f"`{name}`", words) for name, words in meanings.items())


def first_line(thing: object) -> str:
    """Return the first line of an object's docstring."""
    return (getdoc(thing) or "").partition("\n")[0]


def attributes(kind: type) -> dict[str, str]:
    """Return the `Attributes:` of a class's docstring, by name."""
    section = re.search(r"^Attributes:\n((?: {4}.*\n?|\n)+)", getdoc(kind) or "", flags=re.MULTILINE)
    entries = re.findall(
        r"^ {4}(\w+): ((?:.*\n?)(?: {8}.*\n?)*)", section[1] if section else "", re.MULTILINE
    )
    return {name: _without_none(" ".join(words.split())).rstrip(".") for name, words in entries}


def _without_none(words: str) -> str:
    """Replace None by “leaving it out”, which is what one does in TOML."""
    return re.sub(r"\bNone\b", "leaving it out", words)
