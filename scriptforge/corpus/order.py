"""The order in which names and values are read: as a person counts."""

import re

_LONGEST_NUMBER = 1000
_DIGITS = re.compile(r"(\d+)")


def natural_key(value: object) -> tuple[tuple[int, int | float, str], ...]:
    """Return a sort key under which 2 stands before 10, also inside text; None comes first."""
    if value is None:
        return ()
    if isinstance(value, int | float):
        return ((0, value, ""),)
    parts = _DIGITS.split(str(value))
    return tuple(
        (0, int(part[:_LONGEST_NUMBER]), "") if part.isdecimal() else (1, 0, part.casefold())
        for part in parts
        if part
    )


def name_order(name: str) -> tuple[object, str]:
    """Return a sort key for names: as a person counts, and the same for no two of them.

    To the natural key alone `1.txt` and `01.txt` are the same, and so are `Act.txt` and `act.txt`.
    """
    return natural_key(name), name
