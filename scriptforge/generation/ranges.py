"""Options that people set, held within what makes sense."""

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING

from scriptforge.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def check_ranges(options: "DataclassInstance", ranges: Mapping[str, tuple[float, float]], whose: str) -> None:
    """Refuses what is out of its range, or no number.

    Args:
        options: a dataclass whose fields have defaults.
        ranges: the least and greatest value of every field.
        whose: what the options are of, as a sentence begins: `The cache's`.

    Raises:
        UsageError: a value is out of its range.
    """
    for field in fields(options):
        value = getattr(options, field.name)
        low, high = ranges[field.name]
        if not low <= value <= high:
            raise UsageError(
                f"{whose} {field.name.replace('_', ' ')} must be between {low} and {high}, not {value}.",
                f"Leave it out for what suits most models: {field.default}.",
            )
