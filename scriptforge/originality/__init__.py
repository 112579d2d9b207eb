"""How much of a text is copied from the training text, and from where.

`index_training` makes the index of a dataset's training text; `examine` compares a text with it, beside
held-out text that people wrote.
"""

from scriptforge.originality.index import Index, Place, held_out, index_training
from scriptforge.originality.report import Copy, People, Report, Text, examine
from scriptforge.originality.words import Line, lines_of_rows, lines_of_script, lines_of_text

__all__ = [
    "Copy",
    "Index",
    "Line",
    "People",
    "Place",
    "Report",
    "Text",
    "examine",
    "held_out",
    "index_training",
    "lines_of_rows",
    "lines_of_script",
    "lines_of_text",
]
