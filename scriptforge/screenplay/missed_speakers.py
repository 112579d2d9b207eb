"""Detection of misread scripts: names that look like speakers, but have no dialogue.

A text that is read in a wrong format has enough elements, but its cues are among the action. This module
looks at the raw lines and knows no format: it finds names in capitals alone on a line, and names that a
colon, a tab or a dash separates from text, with or without a time, brackets or marks of emphasis.
"""

import re
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass

from scriptforge.screenplay.format import (
    is_act_heading,
    is_cue_in_capitals,
    is_name,
    is_scene_heading,
    is_transition,
    name_in_cue,
)
from scriptforge.screenplay.name_line import SCENE_DATA
from scriptforge.screenplay.script import speaker_key
from scriptforge.screenplay.time_stamps import stamp_before

_LONGEST_CUE = 60
_TIMED = re.compile(r"[\[(]?\d[\d:.,/ -]*(?:[AaPp]\.?[Mm]\.?)?[\])]?[\s-]*")
_CUED = re.compile(
    r"[*_'<>#\[]{0,3}(?P<name>[^\W\d_][^:：\t<>*\[\](){}]{0,40}?)[*_'>\]]{0,3}\s?(?:[(\[][^()\[\]]{1,40}[)\]])?\s?"
    r"(?:[:：]|\t|\s[—–]\s)[*_']{0,3}(?!//|\\)"
)
_SEPARATOR = re.compile("[:：\t—–]")
"""What `_CUED` needs."""
_FEWEST = 5
_MIN_SHARE = 0.1
_EXAMPLES = 3


@dataclass(frozen=True)
class MissedSpeakers:
    """Names that look like speakers', but have no dialogue.

    Attributes:
        lines: number of lines that look like their cues.
        printed: number of all lines that are not blank.
        examples: the first such line of each of a few names.
    """

    lines: int
    printed: int
    examples: tuple[str, ...]

    @property
    def is_significant(self) -> bool:
        """Return whether there are so many of them that the text has probably been misread."""
        return self.lines >= _FEWEST and self.lines >= _MIN_SHARE * self.printed


def find_missed_speakers(lines: Sequence[str], heard: Container[str]) -> MissedSpeakers:
    """Find the names that open two or more lines, or stand alone on them, but have no dialogue.

    Args:
        lines: the raw lines at the beginning of a text.
        heard: the keys of the speakers that were read, without full stops at the end.
    """
    names: Counter[str] = Counter()
    firsts: dict[str, str] = {}
    printed = [*filter(None, map(str.strip, lines))]
    for line in printed:
        if (name := speaker_key(_name_on(line))) and not _is_heard(name, heard):
            names[name] += 1
            firsts.setdefault(name, line[:_LONGEST_CUE])
    often = [(name, count) for name, count in names.most_common() if count > 1]
    total = sum(count for _, count in often)
    return MissedSpeakers(total, len(printed), tuple(firsts[name] for name, _ in often[:_EXAMPLES]))


def _is_heard(name: str, heard: Container[str]) -> bool:
    """Return whether some consecutive words of a name are a speaker that was read: `from nora lind`."""
    words = name.split()
    ends = range(1, len(words) + 1)
    return any(" ".join(words[start:end]) in heard for end in ends for start in range(end))


def _name_on(line: str) -> str:
    """Return the name on a stripped line that may be a cue; empty if there is none."""
    is_alone = len(line) <= _LONGEST_CUE and is_cue_in_capitals(line)
    if not is_alone and not _SEPARATOR.search(line):
        return ""
    if is_scene_heading(line) or is_act_heading(line) or is_transition(line):
        return ""
    if is_alone:
        return name_in_cue(line.rstrip(".:："))
    stamp, number = stamp_before(line), _TIMED.match(line)
    start = stamp.end if stamp else number.end() if number else 0
    cued = _CUED.match(line, start)
    name = cued["name"].strip() if cued else ""
    return name if is_name(name) and name.casefold() not in SCENE_DATA else ""
