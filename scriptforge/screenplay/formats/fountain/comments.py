"""The comments in a Fountain script, boneyards `/* */` and notes `[[ ]]`, cut from its lines as they come.

This module knows nothing else of Fountain but that a line of two spaces does not end a note.
"""

from collections.abc import Callable, Iterable, Iterator

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
