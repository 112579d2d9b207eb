r"""Chat logs as WhatsApp, IRC and others write them: a date and time, a name, a message.

    12/03/2021, 09:14 - Nora: text          WhatsApp on Android: a dash between time and name
    [12/03/2021, 9:14:05 AM] Nora: text     WhatsApp on iPhone; Signal, Skype, Teams, Matrix
    and more text                           a line without a time continues the message above
    12/03/2021, 09:14 - Nora added Oskar    no name and colon: action
    12/03/2021, 09:14 - Nora: <Media omitted>   dropped, as are deleted messages
    09:14 <@nora> text                      irssi, ZNC, HexChat, mIRC; `* nora listens` is action
    2021-03-12 09:14:05<TAB>nora<TAB>text   weechat, LINE
    09:14:05 From Nora to Everyone: text    Zoom
    --- Day changed, -!- nora has quit      notes by the program are dropped, with the addresses in them

Dates and times are dropped, and so are the invisible direction marks that phones write between the parts.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from scriptforge.screenplay.format import Evidence, Format, Parsed, percentage
from scriptforge.screenplay.script import Element, cached
from scriptforge.screenplay.time_stamps import CLOCK, Stamp, is_from_program_log, is_stamp, stamp_before

_MARKS = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]+")
_PLACED = re.compile("[:：]\\s*\u200e")
"""The mark on iPhones before a text that the program wrote, not a person."""

_NICKNAME = re.compile(r"<[@+%&~ ]?(?P<name>[^<>\s][^<>]{0,39})>\s*(?P<text>.*)")
_COLUMNS = re.compile(r"[@+%&~ ]?(?P<name>[^\t]{1,60}?)[ ]*\t\s*(?P<text>.*)")
_BARRED = re.compile(r"\s*[@+%&~]?(?P<name>[^\s|│:<>]{1,30})\s+[|│]\s(?P<text>.*)")
_DIRECTED = re.compile(
    r"From\s++(?P<name>[^:\s](?:[^:]{0,58}?[^:\s])??)(?:\s++[tT]o\s++[^:\s](?:[^:]{0,58}?[^:\s])??)?"
    r"(?:\s*+\([^()]{0,120}\))?\s*+:\s*(?P<text>.*)"
)
_IN_BRACKETS = re.compile(rf"\[(?P<name>[^\[\]]{{1,60}})\] \[{CLOCK}\] (?P<text>.*)")
_NAMED = re.compile(r"(?:~\s?)?(?P<name>[^:：\t\"“”«»<>]{1,60}?)\s?(?:：|:(?=\s|$))\s*(?P<text>.*)")
_BAR = re.compile(r"^\*\s+(?:[|│]\s+)?")
_DONE = re.compile(r"\*\s+[^\s*].*")
_NOTED = re.compile(
    r"(?:-!-|\*{3}|-->|<--|--(?:\s|$)|=-=|<-(?:\s|$)|->(?:\s|$)|<=|=>|⇐|→|←|ℹ|-[^\s-][^\s]{0,30}-\s|!\s"
    r"|\*\s+\S+ (?:\([^\s@]+@\S+\) )?(?:has |have )?(?:joined|left|quit|parted|sets mode|is now known as)\b)"
)
_OPENINGS = frozenset("-*<=!⇐→←ℹ")
"""What `_DONE` and `_NOTED` begin with."""

_LOG_NOTE = re.compile(
    r"(?:---|\*{3,4}|===) ?(?:Log|Day|BEGIN|END|ENDING|Session)\b"
    r"|Session (?:Start|Ident|Close|Time)\b|\[LINE\]|Saved on:|-{5,}[^-]+-{5,}$"
)
_DAY = re.compile(
    r"(?:[^\W\d_]{2,9}\.?,? )?\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(?:\s?\([^()]{1,9}\)|,? [^\W\d_]{3,9})?"
)
_OMITTED = re.compile(r"<[^<>]{3,60}>")
_LEFT_OUT = "omitted|weggelassen|ausgeschlossen|omise?s?|omitid[oa]s?|oculta|omess[oia]|weggelaten"
_MEDIA_LEFT_OUT = rf"(?:[^\W\d_]+ ){{1,4}}(?:{_LEFT_OUT})"
_DELETED = (
    r"(?:This message was deleted|You deleted this message"
    r"|Diese Nachricht wurde gelöscht|Du hast diese Nachricht gelöscht"
    r"|Ce message a été supprimé|Vous avez supprimé ce message"
    r"|Se eliminó este mensaje|Eliminaste este mensaje|Mensagem apagada|Você apagou esta mensagem"
    r"|Questo messaggio è stato eliminato|Hai eliminato questo messaggio"
    r"|Dit bericht is verwijderd|U hebt dit bericht verwijderd)\.?"
)
_NOT_SENT = re.compile(
    rf"<{_MEDIA_LEFT_OUT}>|<[^<>:]{{3,20}}: \S+\.\w{{2,5}}>|\S+\.\w{{2,5}} \([^()]{{3,40}}\)|null|{_DELETED}"
)
"""What stands in place of a picture or another file, or of a deleted message."""

_NOT_SENT_ON_IPHONES = re.compile(_MEDIA_LEFT_OUT)
"""The same after the mark that iPhones write before it."""

_EDITED = re.compile(
    r"\u200e<[^<>]{3,60}>$|<[^<>]{0,40}(?:edited|bearbeitet|modifié|edit[óa]|modificato|bewerkt)[^<>]{0,40}>$"
)
_NUMBERED = re.compile(r"#\d{4}$")
_BRACKETS = str.maketrans("", "", "()[]")
"""Removes brackets from names: in a cue they enclose an aside, but in a chat they are part of the name."""

_LONGEST_MESSAGE = 100_000
"""In characters, line ends included."""

_MAX_WORDS_IN_A_NAME = 6
_LINES_OF_A_MESSAGE = 4
"""A text with more lines per message than this on average, continuations included, gets a lower score."""

_TIMES_SAID = 4
"""A text in which fewer than one in this many messages has a speaker gets a lower score."""


class _Message(NamedTuple):
    """A line that opens with a time.

    Attributes:
        speaker: who sent it; empty if nobody did.
        text: the text without the time and the speaker.
        is_said: whether the text is the words of the speaker.
        is_noted: whether it is a note by the program, to be dropped.
    """

    speaker: str
    text: str
    is_said: bool = False
    is_noted: bool = False


def _message(line: str) -> _Message | None:
    """Return the message that a line opens, or None if it opens none."""
    bare = line.rstrip()
    is_placed = not bare.isascii() and _PLACED.search(bare) is not None
    if not is_placed and bare.endswith(">"):
        bare = _EDITED.sub("", bare)
    bare = _without_marks(bare)
    if "] [" in bare and (pair := _IN_BRACKETS.fullmatch(bare)):
        return _Message(pair["name"], pair["text"], is_said=True)
    stamp = stamp_before(bare)
    if not stamp:
        return None
    body = bare[stamp.end :]
    is_marked = body[:1] in _OPENINGS
    if (is_marked and _NOTED.match(body)) or stamp.gap.startswith("\t\t"):
        return _Message("", body, is_noted=True)
    if is_marked and _DONE.fullmatch(body):
        return _Message("", _BAR.sub("* ", body))
    spoken = _spoken(body, stamp)
    if spoken:
        name, text = _without_number(spoken["name"]), spoken["text"]
        if _NOT_SENT.fullmatch(text) or (is_placed and _NOT_SENT_ON_IPHONES.fullmatch(text)):
            return _Message(name, "", is_said=True)  # a caption may follow
        return _Message(name, text, not (is_placed or _OMITTED.fullmatch(text)))
    is_apart = stamp.is_bracketed or "-" in stamp.gap or "–" in stamp.gap
    return _Message("", body) if body and stamp.is_dated and is_apart else None


def _spoken(body: str, stamp: Stamp) -> re.Match[str] | None:
    """Match the name and the text in a line after its time; None if it has no name."""
    found = (
        (body.startswith("<") and _NICKNAME.fullmatch(body))
        or (("|" in body or "│" in body) and _BARRED.fullmatch(body))
        or (body.startswith("From") and _DIRECTED.fullmatch(body))
        or (("\t" in stamp.gap or "\t" in body) and _COLUMNS.fullmatch(body))
    )
    if found:
        return found
    named = _NAMED.fullmatch(body)
    if not named or not _may_be_sender(named["name"]):
        return None
    if stamp.is_bracketed:
        return named if stamp.is_dated or not stamp.gap else None
    return named if stamp.is_dated and (stamp.gap.strip() or not named["name"][0].islower()) else None


@cached
def _may_be_sender(name: str) -> bool:
    return len(name.split()) <= _MAX_WORDS_IN_A_NAME and not is_from_program_log(name)


@cached
def _without_number(name: str) -> str:
    """Return the name of a sender without Discord's number, and without brackets."""
    return _NUMBERED.sub("", name.strip()).translate(_BRACKETS)


def _without_marks(line: str) -> str:
    return line.rstrip() if line.isascii() else _MARKS.sub("", line).rstrip()


def _is_note(line: str) -> bool:
    """Return whether a line that opens no message is a note by the program: a log begins, the day changes."""
    bare = _without_marks(line).strip()
    return bool(_LOG_NOTE.match(bare) or _DAY.fullmatch(bare)) or is_stamp(bare)


def recognise(head: Sequence[str]) -> Evidence:
    """Score a text by its messages; lines between two messages belong to the upper one."""
    lines = [line for line in head if line.strip()]
    opened = list(map(_message, lines))
    messages = [message for message in opened if message]
    heard = sum(not message.is_noted for message in messages)
    speakers = Counter(message.speaker for message in messages if message.speaker)
    if not speakers or (2 * speakers.total() < heard and max(speakers.values()) == 1):
        return Evidence(0.0, "no line is a time and a message")
    said = speakers.total()
    first = next(number for number, message in enumerate(opened) if message)
    before = sum(not _is_note(line) for line in lines[:first])
    share = min(1.0, _LINES_OF_A_MESSAGE * len(messages) / len(lines), _TIMES_SAID * said / heard)
    reason = f"{percentage(len(messages), len(lines))} of {len(lines):,} lines open with a time and a name"
    return Evidence((1 - before / len(lines)) * share, reason)


def parse(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yield an element for each message, with its line breaks."""
    speaker = ""
    said: list[str] = []
    size = 0
    for line in lines:
        message = _message(line)
        if message is None and said and size < _LONGEST_MESSAGE and not _is_note(line):
            said.append(_without_marks(_EDITED.sub("", line.rstrip())))
            size += len(line) + 1
            continue
        if text := _text(said):
            yield _parsed(speaker, text)
        said, size = [], 0
        if message and not message.is_noted:
            speaker, said = message.speaker if message.is_said else "", [message.text]
        elif message is None and not _is_note(line):
            yield Parsed(Element("action", _without_marks(line)), recognised=False)
    if text := _text(said):
        yield _parsed(speaker, text)


def _text(said: Sequence[str]) -> str:
    return "\n".join(said).lstrip("\n")


def _parsed(speaker: str, text: str) -> Parsed:
    return Parsed(Element("dialogue" if speaker else "action", text, speaker))


FORMAT = Format("chat", "messages with their times, as WhatsApp, IRC and others log them", recognise, parse)
