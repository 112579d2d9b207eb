"""Little documents of few different words, so that they have much in common."""

from collections.abc import Sequence

from hypothesis import strategies as st

from scriptforge.copying import Line

documents = st.lists(st.lists(st.text("abc ", max_size=12).map(" ".join), min_size=1, max_size=4), max_size=4)
"""Documents as lists of lines, each of words of one letter."""


def lines_of(texts: Sequence[Sequence[str]]) -> list[Line]:
    """The lines of documents that are called `document 0`, `document 1`, …, all said by Ida."""
    return [
        Line(document, f"document {document}", number, "dialogue", "Ida", text)
        for document, lines in enumerate(texts)
        for number, text in enumerate(lines, start=1)
    ]


def words_of(texts: Sequence[Sequence[str]]) -> list[list[str]]:
    """The words of each document."""
    return [" ".join(lines).split() for lines in texts]


def occurs(words: Sequence[str], texts: Sequence[Sequence[str]]) -> bool:
    """Whether a run of words stands in one of the documents."""
    run = f" {' '.join(words)} "
    return any(run in f" {' '.join(document)} " for document in words_of(texts))
