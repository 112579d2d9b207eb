"""How much of a text is copied from the training text, and from where.

`examine_texts` compares texts with the training text of a dataset, and measures held-out human text in the
same way as a baseline. It uses `index_training`, which indexes the training text, and `examine`, which
compares one text with that index.
"""

from scriptforge.copying.index import (
    Index,
    Line,
    SceneLocation,
    held_out,
    index_training,
    lines_of_rows,
    lines_of_script,
    lines_of_text,
)
from scriptforge.copying.report import (
    ComparedText,
    Copy,
    HumanBaseline,
    OriginalityReport,
    examine,
    examine_texts,
    find_copies,
)

__all__ = [
    "ComparedText",
    "Copy",
    "HumanBaseline",
    "Index",
    "Line",
    "OriginalityReport",
    "SceneLocation",
    "examine",
    "examine_texts",
    "find_copies",
    "held_out",
    "index_training",
    "lines_of_rows",
    "lines_of_script",
    "lines_of_text",
]
