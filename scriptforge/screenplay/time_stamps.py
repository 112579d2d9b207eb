"""Time stamps: dates and times as printed beside speech in chat logs and transcripts.

A stamp is a time, optionally with a date: `09:14`, `[00:01:05]`, `12/03/2021, 9:14 AM`, `12.03.21 um 09:14`,
`2021년 3월 12일 오전 9:14`. This module does not interpret the text beside it.
"""

import re
from typing import NamedTuple

_MONTH = r"(?:[^\W\d_]{3,9}\.?)"
_DATE = (
    r"(?:"
    r"\d{1,4}(?:[./-] ?|\. )\d{1,2}(?:[./-] ?|\. )\d{1,4}\.?"
    rf"|\d{{1,2}}\.?[- ](?:de )?{_MONTH}[- ,.]{{1,2}}(?:de )?\d{{2,4}}"
    rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?:, ?\d{{4}}| \d{{4}})?(?!\d|:)"
    r"|\d{4} ?[年년] ?\d{1,2} ?[月월] ?\d{1,2} ?[日일]"
    r"|[Tt]oday|[Yy]esterday|[Hh]eute|[Gg]estern|[Aa]ujourd[’']hui|[Hh]ier|[Hh]oy|[Aa]yer"
    r")(?:\([^()]{1,9}\))?(?: ?г\.)?"
)
_WEEKDAY = r"(?:[^\W\d_]{2,9}[.,],? |(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) )"
_BETWEEN = r"(?:,? ?(?:(?:at|um|à|às|a las|om|kl\.?|klo|alle|alle ore|ore|o|v|в) )|[,،] ?| {1,2}|T| [-–] )"
_HALF = r"(?:[AaPp]\. ?[Mm]\.|[AaPp][Mm]\b|[مص]\b)"
_EAST = r"(?:오전|오후|上午|下午|午前|午後|凌晨|中午|晚上)"
_ZONE = r"(?:Z|UTC| ?[+-]\d\d:?\d\d)?"
CLOCK = rf"(?:{_EAST} ?)?\d{{1,3}}:\d\d(?::\d\d(?:[:;]\d\d)?)?(?:[.,]\d{{1,6}})?(?: ?{_HALF}|h| Uhr| ?ч\.)?"
"""A time, without a date, brackets or zone."""

_DATED_CLOCK = rf"(?:{CLOCK}|\d{{1,2}}(?:[.h]| h )\d\d(?:[.:]\d\d)?(?: ?{_HALF})?)"
_DATED = rf"(?:{_WEEKDAY}?{_DATE}{_BETWEEN}{_DATED_CLOCK}{_ZONE}|{CLOCK}(?:, ?| ){_DATE})"
_SPAN = rf"{CLOCK}(?: ?(?:-->|->|-|–|—|to|/) ?{CLOCK})?"

_DATED_STAMP = re.compile(rf"\[ ?{_DATED} ?\]|\( ?{_DATED} ?\)|{_DATED}")
_CLOCK_STAMP = re.compile(rf"\[ ?{_SPAN} ?\]|\( ?{_SPAN} ?\)|<{_SPAN}>|{_SPAN}")
_GAP = re.compile(r"\s*(?:[-–—|·•,:](?=\s)\s*)?")
_ANY = rf"(?:{_DATED}|{_SPAN})"
_AT_END = re.compile(
    rf"\s*+(?:(?:[-–—,;|·•@]|\bat\b)\s*+)?(?:\[ ?{_ANY} ?\]|\( ?{_ANY} ?\)|(?<!\w){_ANY})\s*$"
)
_ANY_BEFORE = re.compile(rf"[\[(]?{_ANY}")
_OF_DAY = re.compile(rf"{_DATED}|{_HALF}|{_EAST}")
_LOG_LEVEL = re.compile(
    r"(?:.{0,60}[.\s\[])?(?:trace|debug|info|notice|warn|warning|error|fatal|critical|severe|verbose)\b|.*\[\d+\]",
    re.IGNORECASE,
)
_DATE_WITH_YEAR = re.compile(rf"(?=.*\d{{4}}){_DATE}")
_OF_SYSTEM_LOG = re.compile(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ [\w./-]+(?:\[\d+\])?:")
_DIGIT = re.compile(r"\d")
_LONGEST_STAMP = 90
_SPACES = re.compile("[\xa0\u2007\u2009\u202f\u3000]")


class Stamp(NamedTuple):
    """A stamp at the beginning of a line.

    Attributes:
        is_dated: whether it has a date beside the time.
        is_bracketed: whether it is in brackets.
        gap: the characters between it and the text after it: spaces, possibly with a dash.
        end: index at which that text begins.
    """

    is_dated: bool
    is_bracketed: bool
    gap: str
    end: int


def stamp_before(line: str) -> Stamp | None:
    """Return the stamp that opens a line, if brackets or a gap separate it from the text after it."""
    if not line or not (line[0] in "[(<" or line[0].isalnum()):
        return None
    head = _with_spaces(line[:_LONGEST_STAMP])
    if not _DIGIT.search(head):
        return None
    dated = _DATED_STAMP.match(head)
    found = dated or _CLOCK_STAMP.match(head)
    if not found:
        return None
    gap = _GAP.match(line, found.end())
    end = gap.end() if gap else found.end()
    is_bracketed = head[0] in "[(<"
    if end == found.end() < len(line) and not is_bracketed:
        return None
    return Stamp(dated is not None, is_bracketed, line[found.end() : end], end)


def _with_spaces(text: str) -> str:
    """Return a text with a plain space for each other one, character by character."""
    return text if text.isascii() else _SPACES.sub(" ", text)


def without_stamp_behind(text: str) -> str:
    """Return a short text without the stamp at its end and the separator before it."""
    head = _with_spaces(text)
    found = _AT_END.search(head, max(0, len(head) - _LONGEST_STAMP))
    return text[: found.start()] if found else text


def has_date_or_half_day(text: str) -> bool:
    """Return whether a short text begins or ends with a stamp that has a date or a.m./p.m., as in chats."""
    head = _with_spaces(text)
    before = _ANY_BEFORE.match(head)
    if before and _OF_DAY.search(before[0]):
        return True
    behind = _AT_END.search(head, max(0, len(head) - _LONGEST_STAMP))
    return behind is not None and _OF_DAY.search(behind[0]) is not None


def is_stamp(text: str) -> bool:
    """Return whether a text is only a stamp."""
    stamp = stamp_before(text)
    return stamp is not None and stamp.end == len(text)


def is_from_program_log(words: str) -> bool:
    """Return whether words between a time and a colon are from a program's log: `ERROR server`, `ftpd[7]`."""
    return _LOG_LEVEL.match(words) is not None


def is_date(text: str) -> bool:
    """Return whether a text is a date with its year, which some texts have in the place of a name."""
    return _DATE_WITH_YEAR.fullmatch(text) is not None


def looks_log_like(line: str) -> bool:
    """Return whether a line opens like one of a system log: `Jan  5 09:14:01 host program[12]: text`."""
    return _OF_SYSTEM_LOG.match(line) is not None
