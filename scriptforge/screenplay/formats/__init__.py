"""The formats that scripts come in, one module each. A new one is a module and a line here."""

from scriptforge.screenplay.formats import fountain, indented, name_line, prose, shakespeare
from scriptforge.screenplay.formats.format import Format

FORMATS: tuple[Format, ...] = (
    name_line.FORMAT,
    shakespeare.FORMAT,
    indented.FORMAT,
    fountain.FORMAT,
    prose.FORMAT,
)
"""In the order in which they are shown, and preferred when their evidence is equal."""
