r"""Control characters and private data in text, and functions that make it safe to display or paste.

The sets differ by purpose. Readers of scripts must keep line breaks, of which Unicode has more than `\n`; XML
has a list of its own, in which C1 is allowed; displayed text must not move the cursor or change the direction
of the text after it. The functions escape text for web pages, Markdown and shells.
"""

import os
import re
import shlex

_SURROGATES = "\ud800-\udfff"
_NONCHARACTERS = "\ufffe\uffff"
_TURNING = "\u202a-\u202e\u2066-\u2069"
_DIRECTION_MARKS = "\u061c\u200e\u200f"
_SEPARATORS = "\u2028\u2029"

UNSAFE = re.compile(
    f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_SURROGATES}{_NONCHARACTERS}{_DIRECTION_MARKS}{_SEPARATORS}{_TURNING}]"
)
"""Unsafe to display: C0 except tab and newline, DEL, C1, surrogates, direction controls, line separators."""

REMOVED_CONTROLS = re.compile(
    f"[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\ufeff{_SURROGATES}{_NONCHARACTERS}]"
)
r"""Removed from scripts: controls, except tab and line breaks such as `\x85` and `\x1c`; byte-order marks."""

NOT_IN_XML = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f{_SURROGATES}{_NONCHARACTERS}]")
"""Not allowed in XML 1.0, even escaped."""

BIDI_CONTROLS = re.compile(f"[{_TURNING}]")
"""Controls that change the direction of the text after them; direction marks do not, and are left out."""

PROGRAM = "scriptforge"

_MARKS = frozenset("\\`*_{}[]<>#|!~&$")
_TOKEN = re.compile(r"\bhf_\w{4,}(?:[.-]\w+)*")
_SHORTEST_TOKEN = 8
_LONG_OPTION = re.compile(r"(--[\w-]+)=(.+)", re.DOTALL)


def shown(text: str) -> str:
    """Return untrusted text for a page or a picture, with � in place of each `UNSAFE` character."""
    return UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text)


def safe(text: str) -> str:
    """Return untrusted text made safe for a terminal; tabs and newlines are kept.

    ASCII control characters become visible symbols (␛ for ESC), and other `UNSAFE` characters become �.
    Brackets are not escaped, since rich's markup is turned off.
    """
    return UNSAFE.sub(_picture, text)


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else "␡" if code == 0x7F else "�"


def redact(text: str) -> str:
    """Return a message without private data: the home folder becomes `~`, an access token `hf_…`."""
    home = os.environ.get("HOME", "").rstrip(os.sep)
    for place in dict.fromkeys((home, os.path.realpath(home))) if home else ():
        text = re.sub(re.escape(place) + r"(?![\w.-])", "~", text)
    token = os.environ.get("HF_TOKEN", "").strip()
    if len(token) >= _SHORTEST_TOKEN:
        text = text.replace(token, "hf_…")
    return _TOKEN.sub("hf_…", text)


def markdown(text: str) -> str:
    """Return untrusted text as one line of Markdown, with markup escaped and line breaks removed."""
    line = shown(" ".join(text.split()))
    return "".join(f"\\{mark}" if mark in _MARKS else mark for mark in line)


def markdown_code(text: str) -> str:
    """Return untrusted text as inline code for one line of Markdown."""
    line = shown(" ".join(text.split())).replace("`", "'")
    return f"`{line}`"


def command(*words: object) -> str:
    """Return a command line of this program that can be pasted into a shell, on one line.

    Control characters are written as octal escapes in `$'…'`, which bash, zsh and ksh understand. A path in
    the home folder begins with an unquoted `~/`, which the shell expands.
    """
    parts: list[str] = [PROGRAM]
    for word in map(str, words):
        option = _LONG_OPTION.fullmatch(word)
        if option and _below_home(option[2]) is not None:  # a shell expands no `~` after `=`
            parts += [option[1], _shell_word(option[2])]
        else:
            parts.append(_shell_word(word))
    return " ".join(parts)


def _shell_word(word: str) -> str:
    below = _below_home(word)
    if below is None:
        return _quoted(word)
    return f"~/{_quoted(below)}" if below else "~"


def _below_home(path: str) -> str | None:
    """Return a path relative to the home folder; None if it is outside."""
    home = os.environ.get("HOME", "").rstrip(os.sep)
    if not home or os.sep != "/":
        return None
    return "" if path == home else path.removeprefix(f"{home}/") if path.startswith(f"{home}/") else None


def _quoted(word: str) -> str:
    if "\n" not in word and not UNSAFE.search(word):
        return shlex.quote(word)
    return f"$'{''.join(map(_spelt, word))}'"


def _spelt(letter: str) -> str:
    if letter in "\\'":
        return f"\\{letter}"
    if letter != "\n" and not UNSAFE.match(letter):
        return letter
    of_a_file = "\udc80" <= letter <= "\udcff"  # an undecodable byte of a file name
    code = letter.encode("utf-8", "surrogateescape" if of_a_file else "surrogatepass")
    return "".join(f"\\{byte:03o}" for byte in code)
