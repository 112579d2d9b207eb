"""The markup inside a Fountain script: comments, emphasis, and backslashes that escape a mark.

Comments are boneyards `/* */` and notes `[[ ]]`; they are cut from the lines as these arrive. Emphasis and
escapes are resolved line by line, whatever kind of line it is.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

FORCED_BLANK = "  "
"""Written instead of a blank line where that would end a speech or a note."""

_LONGEST_COMMENT = 1_000_000
"""In characters, line ends included. A longer comment is read as text: an unclosed one must not hold the rest
in memory."""

_SIGNS = "*_[~^<"
_ESCAPED = re.compile(rf"\\([{re.escape(_SIGNS)}])")

_ASIDE = 0xD800
"""Added to the code point of an escaped character, it gives a lone surrogate, which no text contains."""

_SET_ASIDE = re.compile(f"[{''.join(chr(_ASIDE + ord(sign)) for sign in _SIGNS)}]")

_RUN = re.compile(r"\*+|_+")
_STYLES: Mapping[str, tuple[tuple[str, int], ...]] = {
    "*": (("italic", 1),),
    "**": (("bold", 2),),
    "***": (("italic", 1), ("bold", 2)),
    "_": (("underlined", 1),),
}
"""The styles that a run of marks opens or closes, and the number of characters of each one's mark."""


def without_boneyards(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines without boneyards.

    The text around a comment on one line is kept. A comment over several lines joins the text before and
    after it; if there is none, its lines are dropped. An unclosed comment is text.
    """
    return _without(lines, "/*", "*/", lambda line: True)


def without_notes(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines without notes, which are cut like boneyards, but cannot contain a blank line."""
    return _without(lines, "[[", "]]", lambda line: bool(line.strip()) or line == FORCED_BLANK)


def _without(
    lines: Iterable[str], opening: str, closing: str, may_contain: Callable[[str], bool]
) -> Iterator[str]:
    """Yield the lines without the comments between two marks.

    Args:
        lines: the lines to cut from.
        opening: the mark that begins a comment.
        closing: the mark that ends it.
        may_contain: returns whether a comment may go on over a line.
    """
    lines = iter(lines)
    for line in lines:
        if opening not in line:
            yield line
            continue
        text, unclosed = _cut(line, opening, closing)
        kept, size = [text], len(text)
        # In `a /* b` … `c */ d /* e` … `f */ g`, the lines up to the one that closes a comment are held back.
        # That line may open another one, so this goes on until a line leaves none open, and yields `a  d  g`
        # as one line. If nothing closes the last comment, its mark was text, and so are the lines held back.
        while unclosed:
            *held, last = _hold(lines, closing, may_contain) or [""]
            if closing not in last or size > _LONGEST_COMMENT:
                yield "".join([*kept, unclosed])
                yield from held
                yield last
                break
            text, unclosed = _cut(last.partition(closing)[2], opening, closing)
            kept.append(text)
            size += len(text) + 1
        else:
            text = "".join(kept)
            if text.strip():
                yield text


def _hold(lines: Iterator[str], closing: str, may_contain: Callable[[str], bool]) -> list[str]:
    """Take the lines up to the one that closes a comment, or shows that it is never closed."""
    held: list[str] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line) + 1
        if closing in line or size > _LONGEST_COMMENT or not may_contain(line):
            break
    return held


def _cut(line: str, opening: str, closing: str) -> tuple[str, str]:
    """Return a line without its closed comments, and the unclosed comment that ends it, if any."""
    kept: list[str] = []
    position = 0
    while (start := line.find(opening, position)) >= 0:
        kept.append(line[position:start])
        end = line.find(closing, start + len(opening))
        if end < 0:
            return "".join(kept), line[start:]
        position = end + len(closing)
    return "".join([*kept, line[position:]]), ""


def mask_escapes(line: str) -> str:
    """Replace each escaped character by a placeholder that is not a mark; `without_marks` restores it."""
    return _ESCAPED.sub(lambda match: chr(_ASIDE + ord(match[1])), line) if "\\" in line else line


def without_marks(line: str) -> str:
    """Return a line without emphasis marks, and with the characters that `mask_escapes` replaced."""
    bare = _without_emphasis(line) if "*" in line or "_" in line else line
    return bare if bare.isascii() else _SET_ASIDE.sub(lambda match: chr(ord(match[0]) - _ASIDE), bare)


def _without_emphasis(line: str) -> str:
    """Return the line without the marks that come in pairs; an unpaired one is a character like any other.

    A mark opens only before a word and closes only after one: the asterisks of `4 * 4 * 4` and `*69 and *23`
    are ordinary characters. So is an underscore between letters.
    """
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
    r"""Return the line with a backslash before each character that would be read as a mark.

    Asterisks and underscores are escaped wherever a line has two of them, even if they are no emphasis here:
    programs differ in what they take for it.

    Args:
        line: the text that is to be read back.
        where: a regular expression for further marks at this place of the script, such as `^~`: a tilde
            at the start of the line.
    """
    patterns = [rf"(?<=\\)[{re.escape(_SIGNS)}]", r"(?<=\[)\[", r"(?<=/)\*"]
    patterns += [re.escape(sign) for sign in "*_" if line.count(sign) > 1]
    patterns += [where] if where else []
    return re.sub("|".join(patterns), r"\\\g<0>", line)
