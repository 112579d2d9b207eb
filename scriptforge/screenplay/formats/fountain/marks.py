r"""The marks within a line of Fountain: emphasis, and the backslash that takes a mark for the sign it is.

This module knows a line without its surroundings, and not what kind of line it is.
"""

import re
from collections.abc import Mapping

_SIGNS = "*_[~^<"
_ESCAPED = re.compile(rf"\\([{re.escape(_SIGNS)}])")

_ASIDE = 0xD800
"""What is added to a sign to set it aside: that makes a lone surrogate, which no text has and no mark is."""

_SET_ASIDE = re.compile(f"[{''.join(chr(_ASIDE + ord(sign)) for sign in _SIGNS)}]")

_RUN = re.compile(r"\*+|_+")
_STYLES: Mapping[str, tuple[tuple[str, int], ...]] = {
    "*": (("italic", 1),),
    "**": (("bold", 2),),
    "***": (("italic", 1), ("bold", 2)),
    "_": (("underlined", 1),),
}
"""What a run of marks opens or closes, and how many of the marks are used up by each."""


def set_aside(line: str) -> str:
    """The line with each escaped sign as one that nothing takes for a mark, and without the backslash."""
    return _ESCAPED.sub(lambda match: chr(_ASIDE + ord(match[1])), line) if "\\" in line else line


def without_marks(line: str) -> str:
    """What a line says: without emphasis, and with the signs that were set aside in their places."""
    return _SET_ASIDE.sub(lambda match: chr(ord(match[0]) - _ASIDE), _without_emphasis(line))


def _without_emphasis(line: str) -> str:
    """The line without marks that have a partner; one that has none is a sign like any other.

    What opens stands before a word and what closes behind one: the asterisks of `4 * 4 * 4` and `*69 and *23`
    are signs. So is an underscore between letters.
    """
    if "*" not in line and "_" not in line:
        return line
    opened: dict[str, tuple[int, int]] = {}
    paired: list[tuple[int, int]] = []
    for run in _RUN.finditer(line):
        start, end = run.span()
        before, after = line[start - 1 : start] or " ", line[end : end + 1] or " "
        is_within_word = run[0] == "_" and before.isalnum() and after.isalnum()
        for style, width in () if is_within_word else _STYLES.get(run[0], ()):
            if style in opened and not before.isspace():
                paired += [opened.pop(style), (start, start + width)]
            elif not after.isspace():
                opened[style] = (start, start + width)
            start += width
    return _remove(line, sorted(paired))


def _remove(line: str, spans: list[tuple[int, int]]) -> str:
    kept: list[str] = []
    position = 0
    for start, end in spans:
        kept.append(line[position:start])
        position = end
    return "".join([*kept, line[position:]])


def escape(line: str, where: str = "") -> str:
    r"""The line so that all its signs are read as what they are.

    Asterisks and underscores are escaped wherever there are two of them on a line, though some of these are
    no emphasis: programs differ in what they take for it.

    Args:
        line: what is to be read.
        where: a pattern of more signs that would be marks in this place: `^~`.
    """
    patterns = [rf"(?<=\\)[{re.escape(_SIGNS)}]", r"(?<=\[)\[", r"(?<=/)\*"]
    patterns += [re.escape(sign) for sign in "*_" if line.count(sign) > 1]
    patterns += [where] if where else []
    return re.sub("|".join(patterns), r"\\\g<0>", line)
