"""The formats that scripts come in, one module each. A new one is a module and a line here."""

from scriptforge.screenplay.formats import fdx, fountain, indented, name_line, prose, shakespeare, xml_play
from scriptforge.screenplay.formats.format import Format

FORMATS: tuple[Format, ...] = (
    fdx.FORMAT,
    xml_play.FORMAT,
    name_line.FORMAT,
    shakespeare.FORMAT,
    indented.FORMAT,
    fountain.FORMAT,
    prose.FORMAT,
)
"""In the order in which they are shown, and preferred when their evidence is equal."""
