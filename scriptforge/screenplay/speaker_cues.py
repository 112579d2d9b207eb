r"""The styles in which transcripts and printed plays name speakers, other than `name: text`.

    **Nora Lind:** text     asterisks, underscores, a wiki's `'''` or HTML tags, the colon inside or outside
    _Nora._ text            a full stop inside the marks
    NORA. text              a full stop after a name in capitals, as in Project Gutenberg's plays
    NORA<TAB>text           a tab
    NORA — texte            a dash
    [Nora] text             brackets, optionally after a hyphen
    花子「text」              quotation marks, as in Japanese scripts
    >> NORA: text           the arrows of live captions
    <nora> text             the brackets of chats
    12. NORA: text          a number, as in radio scripts
    Q. text                 question and answer, as in court
    Nora Lind (00:05):      a time before or after the name, the text after it or below
    Nora Lind               the name in title case, the text below

Each is a `CueStyle`, which splits the name off a line. Marks, times and full stops are removed from the name.
This module looks at single lines only, not at what follows a cue.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from scriptforge.screenplay.format import is_act_heading, is_in_capitals, is_label, is_name, is_scene_heading
from scriptforge.screenplay.script import cached
from scriptforge.screenplay.time_stamps import (
    CLOCK,
    is_date,
    is_from_program_log,
    is_stamp,
    looks_log_like,
    stamp_before,
    without_stamp_behind,
)

_ASIDE = r"(?:\([^()\n]{1,120}\)|\[[^\[\]\n]{1,120}\])"
_ASIDE_FIRST = re.compile(rf"({_ASIDE})[.:]\s+")
_LEADING = re.compile(r"(?:[:;*#]{1,3}\s*(?=''')|[#>]{1,4}\s+)(?=\*|_|''|<)")
_OPENING = re.compile(r"\*{1,3}|_{1,3}|'{2,5}|<(?P<tag>b|strong|i|em|u)>", re.IGNORECASE)
_TOGETHER = re.compile(r"('''|\*\*|</b>)\s(and|&)\s(?:'''|\*\*|<b>)")
_BEHIND_MARK = re.compile(
    rf"\s*(?P<asides>(?:{_ASIDE}\s*){{0,3}})(?P<separator>[:：.]|\s?[—–]|\s-{{1,2}}(?=\s)|--)?\s*(?P<text>.*)"
)
_CAPITAL_NAME = re.compile(
    r"(?P<name>(?i:The\s(?=[A-Z]{3})|(?:MR|MRS|MS|DR|ST|MM|MME|MLLE|M|CAPT|LT|SGT|PROF|REV|HON|COL|GEN)\.\s)?"
    r"[^\W_][^.:\[\](){}\t—]{0,39}?)"
    rf"\s?(?P<asides>(?:,?\s?{_ASIDE}\s?|,\s_[^_\n]{{1,120}}_)?)\.(?:\s?(?:—|–|--?)?\s*(?P<text>\S.*)|$)"
)
_TITLE_NAME = re.compile(
    r"(?P<name>[^\W\d_][\w’'-]{1,19}(?: [^\W\d_][\w’'-]{1,19})?)"
    r"(?P<asides>(?:\s\([^\W\d][^()\d\n]{1,119}\))?)\.(?:\s|(?=—|--))(?:—|–|--?)?\s*(?P<text>\S.*)"
)
_TABBED = re.compile(
    rf"(?P<name>[^\t:]{{0,39}}?[^\t:\s])[^\S\t]*+(?P<asides>{_ASIDE}?) ?[:.]?\t++(?:[\d:.,]{{4,12}}\t++)?\s*+"
    r"(?P<text>[^\t]+)"
)
_DASHED = re.compile(
    r"(?P<name>[^\W_][^—–\-:\[\](),\t]{0,39}?(?:-[^\W_][^—–\-:\[\](),\t]{0,20}?)?)"
    rf"(?P<asides>\s?,\s[^—–:]{{1,60}}?|\s?{_ASIDE})?[.,]?\s?(?:—|–|\s--?)\s?(?P<text>\S.*)"
)
_ANGLED = re.compile(r"<[@+%&~ ]?(?P<name>[^\s<>/][^<>/]{0,30})>(?P<asides>)\s+(?P<text>\S.*)")
_ARROWED = re.compile(r"(?:>{1,3}|»)\s*(?P<rest>\S.*)")
_COLON = re.compile(
    rf"(?P<name>[^:：\[\](){{}}<>\t]{{1,60}}?)\s?(?P<asides>(?:{_ASIDE}\s?){{0,2}})[:：](?!//|\\|\d\d)\s*(?P<text>.*)"
)
_TIME_INSIDE = re.compile(
    r"(?P<name>[^:：\[\](){}<>\t]{1,60}?)\s?[,;|@–—-]?\s?"
    r"[\[(<](?P<stamp>[^\[\]()<>]{4,40})[\])>]\s?[:：–—-]?\s*(?P<text>.*)"
)
_TIME_BETWEEN = re.compile(
    rf"(?P<name>[^\W\d_][^:()\[\]\t]{{0,39}}?)(?<!\s)\s++{CLOCK}\s?[:–—-]?\s+(?P<text>\S.*)"
)
_QUESTION = re.compile(
    r"(?:\d{1,2}\s+)?(?P<name>[QARFPD])(?:[.:)]\s*|\s{2,}|\t\s*|\.?\s[-–—]\s)(?P<text>\S.*)"
)
_LINE_NUMBER = re.compile(r"^\d{1,2}\s{2,}")
_DIGIT = re.compile(r"\d")
_BRACKETED = re.compile(r"(?:[-–—]\s?)?\[(?P<name>[^\[\]]{1,40})\](?P<asides>):?\s+(?P<text>\S.*)")
_QUOTED = re.compile(
    r"(?P<name>[^\s「」『』（）()]{1,20})(?P<asides>(?:（[^（）]{1,60}）)?)(?:「(?P<text>[^「」]+)」?)"
)
_NUMBER = re.compile(r"\d{1,4}[.)]?\s+(?=\D)")
_IN_BRACKETS = re.compile(r"\[(?P<name>[^\[\]]{1,40})\]")
_DISCORD_NUMBER = re.compile(r"#\d{4}$")
_BEHIND_NAME = re.compile(r"(?<!\s)\s*\((?:pinned|edited|bot|app)\)$", re.IGNORECASE)
_IN_SMALL_LETTERS = re.compile(
    r"^(?:The|(?:Mr|Mrs|Ms|Dr|Capt|Prof|Rev)\.?)\s|\s(?:and|et|und|of|pro tempore)\b"
)
"""Words that are not in capitals although the name is, as in parliamentary records: `Mr. HALE of Ohio`."""
_SMALL_WORDS = frozenset({"of", "the", "and", "de", "da", "del", "di", "von", "van", "der", "la", "le"})
_NOT_NAMES = frozenset({
    "yes", "no", "oh", "ah", "well", "okay", "ok", "now", "so", "and", "but", "then", "there", "this",
    "that", "mr", "mrs", "ms", "dr", "st", "prof",
    "chapter", "part", "section", "figure", "table", "fig", "vol", "page", "note", "end", "fin", "the",
    "contents", "introduction", "appendix",
    "references", "summary", "conclusion",
    "proof", "remark", "example", "exercise", "solution", "lemma",
})  # fmt: skip
_TAGS = frozenset({"b", "i", "u", "p", "br", "em", "li", "td", "tr", "div", "span", "strong", "pre", "code"})
_LONGEST_HEADER = 120
_LONGEST_NAME = 40


class Cue(NamedTuple):
    """A cue: the name without its marks, and the text beside it.

    An aside after the name opens the text: `Nora (softly): Yes.` has the text `(softly) Yes.`. The text is
    empty if the whole speech is below the cue.
    """

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class CueStyle:
    """One way to name speakers.

    Attributes:
        looks: a pattern that shows it to users.
        split: splits a stripped line, which may have tabs inside; None if it is not a cue of this style.
        unnamed_is_direction: whether a paragraph without a name is a direction, not the rest of a speech.
        max_unique_names: upper limit of names in a text where none of them recurs; 0 if names must recur.
        needs_question_and_answer: whether there must be two speakers named by a letter: `Q.` and `A.`.
        one_line_per_speech: whether every speech is on one line.
        marks: characters of which every cue has at least one, to skip other lines quickly; empty if there
            are none.
    """

    looks: str
    split: Callable[[str], Cue | None]
    unnamed_is_direction: bool = False
    max_unique_names: int = 0
    needs_question_and_answer: bool = False
    one_line_per_speech: bool = False
    marks: str = ""

    def cues(self, lines: Iterable[str]) -> Iterator[Cue]:
        """Yield the cues among stripped lines."""
        return filter(None, map(self.cue, lines))

    def cue(self, line: str) -> Cue | None:
        """Return the cue on a stripped line; None if it is not one."""
        return self.split(line) if self.may_occur_in(line) else None

    def may_occur_in(self, text: str) -> bool:
        """Return whether a text has a mark that every cue has, if there are such marks."""
        for mark in self.marks:
            if mark in text:
                return True
        return not self.marks


def _is_titled(name: str) -> bool:
    """Return whether each word of a name begins with a capital or a digit, except `of`, `von` and such."""
    words = name.split()
    return bool(words) and all(not word[0].islower() or word in _SMALL_WORDS for word in words)


def _cue(name: str, asides: str | None, text: str) -> Cue | None:
    """Return a cue; None if the name cannot be a speaker's."""
    speaker = _speaker(name)
    if not speaker:
        return None
    text = _ASIDE_FIRST.sub(r"\1 ", text.strip(), count=1)
    aside = (asides or "").strip(" ,\t")
    if aside and not aside.startswith(("(", "[", "（")):
        aside = f"({aside})"
    return Cue(speaker, " ".join(filter(None, (aside, text))))


@cached
def _speaker(name: str) -> str:
    """Return a name without what surrounds it; empty if it cannot be a speaker's."""
    name = _DISCORD_NUMBER.sub("", name.strip().rstrip(".,;:").strip())
    if name.count(".") == 0 and name.casefold() in _NOT_NAMES:
        return ""
    is_other = (
        not is_name(name)
        or is_act_heading(name)
        or is_scene_heading(name)
        or is_label(name)
        or is_from_program_log(name)
        or (_DIGIT.search(name) and (is_date(name) or is_stamp(name)))
    )
    return "" if is_other else name


class _Emphasis(NamedTuple):
    """The parts of a line that opens with emphasis: `**inside** (asides): text`.

    Attributes:
        mark: the mark or tag that opens the emphasis.
        inside: the emphasised words.
        asides: the brackets behind the emphasis; empty if there are none.
        separator: the colon, full stop or dash before the text; empty if there is none.
        text: the rest of the line.
    """

    mark: str
    inside: str
    asides: str
    separator: str
    text: str


def _split_emphasis(line: str) -> _Emphasis | None:
    """Split a line that opens with emphasis, optionally behind the mark of a list or heading."""
    leading = _LEADING.match(line)
    opening = _OPENING.match(line, leading.end() if leading else 0)
    if not opening:
        return None
    mark = opening[0]
    close = f"</{opening['tag']}>" if opening["tag"] else mark
    end = line.find(close, opening.end(), opening.end() + _LONGEST_HEADER)
    behind = _BEHIND_MARK.match(line, end + len(close)) if end >= 0 else None
    if not behind:
        return None
    inside = line[opening.end() : end].strip()
    return _Emphasis(mark, inside, behind["asides"].strip(), behind["separator"] or "", behind["text"])


def _split_marked(line: str) -> Cue | None:
    """Split a name in marks and the text after it: `**name:** text`, `**name** (00:05) text`.

    A colon, full stop, dash or time beside it, or nothing after it, tells a name from emphasised text. A time
    may be the whole rest of the line, `**name** 00:05`, and the speech below.
    """
    emphasis = _split_emphasis(_TOGETHER.sub(r" \2 ", _without_stamp(line)))
    if not emphasis:
        return None
    stamp = stamp_before(emphasis.inside)
    printed = emphasis.inside[stamp.end :] if stamp else emphasis.inside
    # A time may stand in brackets behind the name, so it is removed before an aside is looked for.
    bare = printed.rstrip(":： ")
    inside = without_stamp_behind(bare)
    behind = _without_stamps(emphasis.asides)
    name, aside = _split_aside(inside)
    has_separator = printed[-1:] in ":：." or emphasis.separator != ""
    is_header = is_stamp(emphasis.text) and not has_separator
    is_bold_alone = not emphasis.text and len(emphasis.mark) > 1 and emphasis.mark.startswith(("*", "'", "<"))
    is_sentence_alone = printed[-1:] == "." and not emphasis.separator and not emphasis.text
    is_named = (
        has_separator
        or is_bold_alone
        or is_header
        or stamp is not None
        or inside != bare
        or behind != emphasis.asides
    )
    if is_sentence_alone or not is_named:
        return None
    asides = " ".join(filter(None, (_without_stamps(aside), behind)))
    return _cue(name, asides, "" if is_header else _without_stamp(emphasis.text))


def _split_aside(printed: str) -> tuple[str, str]:
    """Split `Nora (softly):` into the name and the aside, without the colon or full stop at the end."""
    name, _, aside = printed.rstrip(":：. ").partition("(")
    return name, f"({aside}" if aside.endswith(")") else ""


def _without_stamp(text: str) -> str:
    """Return a text without a time in brackets at its beginning."""
    stamp = stamp_before(text)
    return text[stamp.end :] if stamp and stamp.is_bracketed else text


def _without_stamps(asides: str) -> str:
    """Return the brackets behind a name without a time at their beginning or end."""
    return without_stamp_behind(_without_stamp(asides))


def _splitter(
    pattern: re.Pattern[str], fits: Callable[[str], bool] = lambda name: True
) -> Callable[[str], Cue | None]:
    """Return a function that splits lines by a pattern and accepts the names for which `fits` is true."""

    def split(line: str) -> Cue | None:
        found = pattern.fullmatch(line)
        text = found["text"] or "" if found else ""
        if not found or not fits(found["name"]) or stamp_before(text):
            return None
        return _cue(found["name"], found["asides"], text)

    return split


def _is_capital_name(name: str) -> bool:
    bare = _IN_SMALL_LETTERS.sub(" ", name)
    return is_in_capitals(bare) and sum(map(str.isalpha, bare)) > 1


def _is_title_name(name: str) -> bool:
    return _is_titled(name) and name.casefold() not in _NOT_NAMES and not is_in_capitals(name)


def _split_numbered(line: str) -> Cue | None:
    """Split `12. NAME: text`, a numbered speech as in radio scripts."""
    number = _NUMBER.match(line)
    spoken = _split_colon(line[number.end() :]) if number else None
    return spoken if spoken and _is_capital_name(spoken.name) else None


def _split_arrowed(line: str) -> Cue | None:
    arrow = _ARROWED.fullmatch(line)
    return _split_colon(arrow["rest"]) if arrow else None


def _split_colon(line: str) -> Cue | None:
    """Split `name: text` and `name [aside]: text`, and drop a time in brackets before the text."""
    found = _COLON.fullmatch(line) if ":" in line or "：" in line else None
    return _cue(found["name"], found["asides"], _without_stamp(found["text"])) if found else None


def _split_question(line: str) -> Cue | None:
    """Split `Q. text`, optionally with a line number, and `NAME: text` in the same transcript."""
    found = _QUESTION.fullmatch(line)
    if found:
        return Cue(found["name"], found["text"].strip())
    spoken = _split_colon(_LINE_NUMBER.sub("", line))
    return spoken if spoken and _is_capital_name(spoken.name) and not spoken.name.startswith("BY ") else None


def _split_timed(line: str) -> Cue | None:
    """Split a cue that has a time before it, after it, or between name and text."""
    if not _DIGIT.search(line) or looks_log_like(line):
        return None
    stamp = stamp_before(line)
    if stamp:
        return _split_after_time(line[stamp.end :], stamp.is_bracketed)
    return _split_before_time(line)


def _split_after_time(rest: str, is_bracketed: bool) -> Cue | None:
    """Split the rest of a line that opens with a time; small letters behind a bare time go on a sentence."""
    is_sentence = not is_bracketed and rest[:1].islower() and ":" not in rest[:_LONGEST_NAME]
    if not rest or is_sentence:
        return None
    return _split_colon(rest) or _split_header(rest)


def _split_before_time(line: str) -> Cue | None:
    """Split a line in which a time is behind the name, or opens the text."""
    inside = _TIME_INSIDE.fullmatch(line)
    if inside and is_stamp(inside["stamp"].strip()):
        return _cue(inside["name"], None, inside["text"])
    spoken = _COLON.fullmatch(line)
    if spoken and len(text := _without_stamp(spoken["text"])) < len(spoken["text"]):
        return _cue(spoken["name"], spoken["asides"], text)
    if len(line) < _LONGEST_HEADER:
        printed = line.rstrip(":：")
        bare = without_stamp_behind(printed)
        if bare and len(bare) < len(printed):
            return _split_header(bare)
    between = _TIME_BETWEEN.fullmatch(line)
    if between and _is_titled(between["name"]):
        return _cue(between["name"], None, between["text"])
    return None


def _split_header(name: str) -> Cue | None:
    """Return the cue of a name alone on a line, with or without brackets; None if it is not like a name."""
    name = _BEHIND_NAME.sub("", name.rstrip(":： "))
    bracketed = _IN_BRACKETS.fullmatch(name)
    name = bracketed["name"] if bracketed else name
    return _cue(name, None, "") if _is_titled(name) or " " not in name.strip() else None


def _split_alone(line: str) -> Cue | None:
    if len(line) > _LONGEST_HEADER or line[-1:] in ".,:!?;…：" or "\t" in line:
        return None
    return _cue(line, None, "") if _is_title_name(line) and not line[0].isdigit() else None


STYLES = (
    CueStyle("`**name:** text`", _split_marked, max_unique_names=2, marks="*_'<"),
    CueStyle("`time name` or `name time`", _split_timed, max_unique_names=4),
    CueStyle("`>> name: text`", _split_arrowed, max_unique_names=4, marks=">»"),
    CueStyle(
        "`<name> text`",
        _splitter(_ANGLED, lambda name: name.lower() not in _TAGS),
        one_line_per_speech=True,
        marks="<",
    ),
    CueStyle(
        "`[name] text`",
        _splitter(_BRACKETED, lambda name: _is_titled(name) and name[0].isalpha()),
        marks="[",
    ),
    CueStyle("`name「text」`", _splitter(_QUOTED), unnamed_is_direction=True, marks="「"),
    CueStyle("`Q. text`", _split_question, needs_question_and_answer=True),
    CueStyle("`1. NAME: text`", _split_numbered, unnamed_is_direction=True, max_unique_names=1, marks=":："),
    CueStyle(
        "`NAME. text`", _splitter(_CAPITAL_NAME, _is_capital_name), unnamed_is_direction=True, marks="."
    ),
    CueStyle("`NAME — text`", _splitter(_DASHED, _is_capital_name), unnamed_is_direction=True, marks="—–-"),
    CueStyle("`Name — text`", _splitter(_DASHED, _is_title_name), unnamed_is_direction=True, marks="—–-"),
    CueStyle("`NAME`, a tab, and text", _splitter(_TABBED), marks="\t"),
    CueStyle("`Name. text`", _splitter(_TITLE_NAME, _is_title_name), unnamed_is_direction=True, marks="."),
    CueStyle("`Name` on a line of its own", _split_alone),
)
"""The most reliable first, which is preferred if several explain a text equally well."""
