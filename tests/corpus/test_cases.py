"""Files as people have them, each read as a person would read it.

A case is a file in `cases/`, and beside it a file of its whole name and `.reads`, which says how it reads:

    indented                    the format, `table` for rows
    [INT. BARN - NIGHT]         a heading
    (Rain.)                     action
    NORA: Is that the roof?     dialogue
    > CUT TO:                   a transition

A line break inside an element is ` / `. Where a file is to be refused, the only line is `refused: ` and a
part of the message. A new case needs no change here.
"""

from pathlib import Path

import pytest

from scriptforge.corpus.cards import Cards
from scriptforge.corpus.fetch import fetch
from scriptforge.corpus.parse import Parsing, parse
from scriptforge.corpus.sources import find_source
from scriptforge.errors import CorpusError
from scriptforge.screenplay.script import Element

EXPECTATIONS = sorted((Path(__file__).parent / "cases").glob("*.reads"))


def shown(element: Element) -> str:
    text = element.text.replace("\n", " / ")
    match element.kind:
        case "heading":
            return f"[{text}]"
        case "action":
            return f"({text})"
        case "transition":
            return f"> {text}"
        case "dialogue":
            return f"{element.speaker}: {text}"


def reading(path: Path) -> list[str]:
    """Return the format of a file and the elements in it, or that it is refused, as lines."""
    parsing = Parsing()
    try:
        corpus = fetch(find_source(str(path), Cards({}, {})))
        elements = [shown(row.element) for row in parse(corpus, False, parsing)]
    except CorpusError as problem:
        return [f"refused: {problem.message}"]
    return [parsing.text_format, *elements]


@pytest.mark.parametrize("expectation", EXPECTATIONS, ids=lambda path: path.stem)
def test_a_file_reads_as_a_person_reads_it(expectation: Path) -> None:
    expected = expectation.read_text(encoding="utf-8").splitlines()
    found = reading(expectation.with_suffix(""))
    if expected[0].startswith("refused: "):
        assert found[0].startswith("refused: ") and expected[0].removeprefix("refused: ") in found[0]
    else:
        assert found == expected
