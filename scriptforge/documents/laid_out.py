"""Layout of a word processor's paragraphs as lines of text, as on paper.

An indent becomes leading spaces, and extra space between paragraphs a blank line. If all paragraphs have the
same space between them, blank lines are inferred from indents and text. This module knows no file format.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from scriptforge.screenplay.format import is_in_capitals, is_name, is_scene_heading, is_transition

CENTRED, RIGHT_ALIGNED = 22, 45
"""Columns for centred and right-aligned text: those of cues and transitions."""

_WIDEST_INDENT = 200
_MIN_SPACE = 0.25
"""Extra space above the smallest gap, in lines, from which a gap becomes a blank line."""


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph.

    Attributes:
        text: its text, with line breaks where it has any.
        style: the name of its style.
        column: the column at which its text begins, in characters of 12-point Courier.
        above: the space above it, in lines; `below` likewise.
    """

    text: str
    style: str = ""
    column: int = 0
    above: float = 0.0
    below: float = 0.0


def table_row(cells: Sequence[str]) -> Block:
    """Return a row of a table as a paragraph: dialogue, if a name is in the first of its two cells."""
    texts = [" ".join(cell.split()) for cell in cells]
    if len(texts) == 2 and is_name(texts[0].rstrip(":")) and texts[1]:
        return Block(f"{texts[0].rstrip(':')}: {texts[1]}")
    return Block("    ".join(filter(None, texts)))


def laid_out(blocks: Sequence[Block]) -> list[str]:
    """Return paragraphs as lines, with a blank line wherever a new block of text begins."""
    gaps = [max(one.below, other.above) for one, other in pairwise(blocks)]
    least = min(gaps, default=0.0)
    is_told = any(not block.text.strip() for block in blocks) or max(gaps, default=0.0) > least + _MIN_SPACE
    margin = min((block.column for block in blocks if block.text.strip()), default=0)
    lines: list[str] = []
    for number, block in enumerate(blocks):
        if number:
            above = blocks[number - 1]
            is_apart = (
                gaps[number - 1] > least + _MIN_SPACE if is_told else _begins_anew(above, block, margin)
            )
            lines += [""] if is_apart else []
        lines += _indented(block)
    return lines


def _indented(block: Block) -> Iterator[str]:
    for line in block.text.split("\n"):
        yield " " * min(block.column, _WIDEST_INDENT) + line.rstrip() if line.strip() else ""


def _begins_anew(above: Block, block: Block, margin: int) -> bool:
    """Return whether a paragraph begins a new block, unlike speech below its cue."""
    text = above.text.strip()
    if above.column != block.column:
        return block.column <= margin or (
            block.column > above.column and not block.text.lstrip().startswith("(")
        )
    is_cue = is_name(text.partition("(")[0].strip()) and is_in_capitals(text) and text[-1] not in ".!?:"
    is_other = is_scene_heading(text) or is_transition(text)
    return not (is_cue and not is_other) and not (text.startswith("(") and text.endswith(")"))
