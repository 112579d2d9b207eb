"""The markup inside a Fountain script: comments, emphasis, and backslashes that escape a mark.

Comments are boneyards `/* */` and notes `[[ ]]`; they are cut from the lines as they come. Emphasis and
escapes are resolved line by line, whatever kind of line it is.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

FORCED_BLANK = "  "
"""A line that is written instead of a blank one, where a blank one would end a speech or a note."""

_LONGEST_COMMENT = 1_000_000
"""Characters. Anything longer is text: a mark that is never closed must not keep the rest in memory."""

_SIGNS = "*_[~^<"
_ESCAPED = re.compile(rf"\\([{re.escape(_SIGNS)}])")

_ASIDE = 0xD800
"""Added to the code of an escaped sign, it makes a lone surrogate, which no text contains and no mark is."""

_SET_ASIDE = re.compile(f"[{''.join(chr(_ASIDE + ord(sign)) for sign in _SIGNS)}]")

_RUN = re.compile(r"\*+|_+")
_STYLES: Mapping[str, tuple[tuple[str, int], ...]] = {
    "*": (("italic", 1),),
    "**": (("bold", 2),),
    "***": (("italic", 1), ("bold", 2)),
    "_": (("underlined", 1),),
}
"""The styles that a run of marks opens or closes, and how many marks each takes."""


def without_boneyards(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines without boneyards.

    A comment within a line leaves the rest of the line. One over several lines joins what is before and after
    it; if there is nothing, its lines vanish. A comment that never ends is text.
    """
    return _without(lines, "/*", "*/", lambda line: True)


def without_notes(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines without notes, which are cut like boneyards but never contain a blank line."""
    return _without(lines, "[[", "]]", lambda line: bool(line.strip()) or line == FORCED_BLANK)


def _without(
    lines: Iterable[str], opening: str, closing: str, may_contain: Callable[[str], bool]
) -> Iterator[str]:
    """Yield the lines without the comments between two marks, which go on over lines they may contain."""
    lines = iter(lines)
    for line in lines:
        if opening not in line:
            yield line
            continue
        text, unclosed = _cut(line, opening, closing)
        kept = [text]
        # In `a /* b` … `c */ d /* e` … `f */ g`, the lines up to the one that closes a comment are held back.
        # That line may open another one, so this goes on until a line leaves none open, and yields `a  d  g`
        # as one line. If nothing closes the last comment, its mark was text, and so are the lines held back.
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
    """Return the lines up to the one that closes a comment, or shows that nothing does."""
    held: list[str] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line)
        if closing in line or size > _LONGEST_COMMENT or not may_contain(line):
            break
    return held


def _cut(line: str, opening: str, closing: str) -> tuple[str, str]:
    """Return a line without the comments that it closes, and from the comment on that it leaves open."""
    kept: list[str] = []
    position = 0
    while (start := line.find(opening, position)) >= 0:
        kept.append(line[position:start])
        end = line.find(closing, start + len(opening))
        if end < 0:
            return "".join(kept), line[start:]
        position = end + len(closing)
    return "".join([*kept, line[position:]]), ""


def set_aside(line: str) -> str:
    """Return the line without backslashes, each escaped sign as a character that nothing takes for a mark."""
    return _ESCAPED.sub(lambda match: chr(_ASIDE + ord(match[1])), line) if "\\" in line else line


def without_marks(line: str) -> str:
    """Return what a line says: without emphasis, and with the signs that `set_aside` replaced."""
    return _SET_ASIDE.sub(lambda match: chr(ord(match[0]) - _ASIDE), _without_emphasis(line))


def _without_emphasis(line: str) -> str:
    """Return the line without marks that have a partner; one without is a sign like any other.

    A mark opens only before a word and closes only after one: the asterisks of `4 * 4 * 4` and `*69 and *23`
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
    r"""Return the line with a backslash before each sign that would be read as a mark.

    Asterisks and underscores are escaped wherever a line has two of them, though some of these would be no
    emphasis here: programs differ in what they take for it.

    Args:
        line: what is to be read.
        where: a pattern of more signs that would be marks at this point of the script: `^~`.
    """
    patterns = [rf"(?<=\\)[{re.escape(_SIGNS)}]", r"(?<=\[)\[", r"(?<=/)\*"]
    patterns += [re.escape(sign) for sign in "*_" if line.count(sign) > 1]
    patterns += [where] if where else []
    return re.sub("|".join(patterns), r"\\\g<0>", line)
