r"""The characters that are no text: one table for all that reads, writes and shows text from elsewhere.

The sets differ by purpose. What reads scripts needs line breaks kept, of which Unicode knows more than `\n`;
XML allows C1 and forbids what it forbids; what shows text must not let it move the cursor or turn what
follows it. The functions write text from elsewhere where a shell or a reader of Markdown takes some of it for
more than text.
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
"""Not to be shown: C0 but tab and newline, DEL, C1, and what turns the reading direction or ends a line."""

INVISIBLE = re.compile(f"[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\ufeff{_SURROGATES}{_NONCHARACTERS}]")
r"""Not kept of scripts: controls that are no line breaks (`\x85`, `\x1c` to `\x1e` are); byte-order marks."""

NOT_IN_XML = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f{_SURROGATES}{_NONCHARACTERS}]")
"""Not allowed in XML 1.0, even escaped."""

TURNING = re.compile(f"[{_TURNING}]")
"""Turns the reading direction of the text behind it. Marks that turn nothing by themselves are not in it."""

PROGRAM = "scriptforge"

_MARKS = frozenset("\\`*_{}[]<>#|!~&$")
_LONG_OPTION = re.compile(r"(--[\w-]+)=(.+)", re.DOTALL)


def shown(text: str) -> str:
    """Return foreign text as a page or a picture may show it: with � for each character that is `UNSAFE`."""
    return UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text)


def markdown(text: str) -> str:
    """Return foreign text for one line of Markdown: without markup or line breaks."""
    line = shown(" ".join(text.split()))
    return "".join(f"\\{mark}" if mark in _MARKS else mark for mark in line)


def markdown_code(text: str) -> str:
    """Return foreign text as code in a line of Markdown."""
    line = shown(" ".join(text.split())).replace("`", "'")
    return f"`{line}`"


def command(*words: object) -> str:
    """Return a command line of this program that can be pasted into a shell, on one line.

    What could steer a terminal is spelt in octal, as bash, zsh and ksh read it. A path in the home folder
    begins with `~/` outside quotes, where a shell expands it.
    """
    parts: list[str] = [PROGRAM]
    for word in map(str, words):
        option = _LONG_OPTION.fullmatch(word)
        if option and _below_home(option[2]) is not None:  # behind `=` a shell expands nothing
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
    """Return what is left of a path below the home folder; None if it is not there."""
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
    of_a_file = "\udc80" <= letter <= "\udcff"  # a byte that is no UTF-8
    code = letter.encode("utf-8", "surrogateescape" if of_a_file else "surrogatepass")
    return "".join(f"\\{byte:03o}" for byte in code)
