"""Natural ordering of names and values: `2` before `10`."""

import re

_LONGEST_NUMBER = 1000
_DIGITS = re.compile(r"(\d+)")


def natural_key(value: object) -> tuple[tuple[int, int | float, str], ...]:
    """Return a sort key that puts 2 before 10, also within text, and None first."""
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
    """Return a natural sort key for names that differs for any two names.

    The natural key alone is equal for `1.txt` and `01.txt`, and for `Act.txt` and `act.txt`.
    """
    return natural_key(name), name
