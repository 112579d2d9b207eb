"""How much of a text is copied from the training text, and from where.

`examine_texts` compares texts with the training text of a dataset, beside held-out text that people wrote.
Its parts are `index_training`, which makes the index of the training text, and `examine`, which compares one
text.
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
