r"""The characters that are no text: one table for all that reads, writes and shows text from elsewhere.

The sets differ by purpose. What reads scripts needs line breaks kept, of which Unicode knows more than `\n`;
XML allows C1 and forbids what it forbids; what shows text must not let it move the cursor or turn what
follows it.
"""

import re

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
