"""The comments in a Fountain script, boneyards `/* */` and notes `[[ ]]`, cut from its lines as they come.

This module knows nothing else of Fountain but that a line of two spaces does not end a note.

The marks within a line of Fountain: emphasis, and the backslash that takes a mark for the sign it is.

This module knows a line without its surroundings, and not what kind of line it is.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

FORCED_BLANK = "  "
"""A line that stands for a blank one where a blank one would end what it stands in."""

_LONGEST_COMMENT = 1_000_000
"""Characters. What is longer is text: a mark that nobody closed must not hold all that follows in memory."""


def without_boneyards(lines: Iterable[str]) -> Iterator[str]:
    """The lines without boneyards.

    A comment within a line leaves the rest of it, one over several lines joins what stands around it, and
    where nothing stands around it the lines vanish. A comment that never ends is text.
    """
    return _without(lines, "/*", "*/", lambda line: True)


def without_notes(lines: Iterable[str]) -> Iterator[str]:
    """The lines without notes, which end before a blank line at the latest, and else as boneyards do."""
    return _without(lines, "[[", "]]", lambda line: bool(line.strip()) or line == FORCED_BLANK)


def _without(
    lines: Iterable[str], opening: str, closing: str, may_contain: Callable[[str], bool]
) -> Iterator[str]:
    lines = iter(lines)
    for line in lines:
        if opening not in line:
            yield line
            continue
        text, unclosed = _cut(line, opening, closing)
        kept = [text]
        while unclosed:
            *held, last = _hold(lines, closing, may_contain) or [""]
            if closing not in last:
                yield "".join([*kept, unclosed])
                yield from held
                yield last
                break
            text, unclosed = _cut(last.partition(closing)[2], opening, closing)
            kept.append(text)
        else:
            text = "".join(kept)
            if text.strip():
                yield text


def _hold(lines: Iterator[str], closing: str, may_contain: Callable[[str], bool]) -> list[str]:
    """The lines up to the one that closes a comment, or shows that nothing does."""
    held: list[str] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line)
        if closing in line or size > _LONGEST_COMMENT or not may_contain(line):
            break
    return held


def _cut(line: str, opening: str, closing: str) -> tuple[str, str]:
    """The text before and between the comments that the line closes, and from the one that it leaves open."""
    kept: list[str] = []
    position = 0
    while (start := line.find(opening, position)) >= 0:
        kept.append(line[position:start])
        end = line.find(closing, start + len(opening))
        if end < 0:
            return "".join(kept), line[start:]
        position = end + len(closing)
    return "".join([*kept, line[position:]]), ""


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
