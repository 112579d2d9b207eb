"""Writing a script as plain text, one element a line, so that reading gives the same elements.

The layout is the `name-line` format's. A line is marked only where it would read back as something else;
to know that, the writer asks the format's own grammar.
"""

from collections.abc import Iterable, Iterator

from scriptforge.screenplay.formats.name_line import CONTINUATION, MARKS, parse_line
from scriptforge.screenplay.script import Element, normalise


def write(elements: Iterable[Element]) -> Iterator[str]:
    """Lays out elements in normal form.

    Args:
        elements: a script, or as much of it as has come so far.

    Yields:
        Lines without line ends; a heading has a blank line before it, except at the very start.
    """
    for number, element in enumerate(elements):
        if number and element.kind == "heading":
            yield ""
        yield from render_line(element).split("\n")


def render_line(element: Element) -> str:
    """One element as it is written, without the blank line before a heading and without a line end.

    Each line break in the text starts another line, indented by four spaces.
    """
    first, *more = element.text.split("\n")
    return f"\n{CONTINUATION}".join([_render_first_line(element, first), *more])


def rendered_length(element: Element) -> int:
    """How many characters the element adds to a script: its lines, their ends, a heading's blank line."""
    return len(render_line(element)) + (2 if element.kind == "heading" else 1)


def _render_first_line(element: Element, text: str) -> str:
    plain = f"{element.speaker}: {text}" if element.kind == "dialogue" else text
    wanted = Element(element.kind, text, element.speaker)
    if plain and normalise(parse_line(plain).element) == wanted:
        return plain
    mark = MARKS[element.kind]
    return f"{mark} {plain}" if plain.startswith(mark) else mark + plain
