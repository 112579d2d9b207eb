"""Types shared by pydantic models, and readable messages for pydantic's validation errors.

Settings, cards, records and the configs of models are checked by pydantic, whose messages are about inputs
and Python's types. This module rewrites them for users; the messages of our own validators are kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Count = Annotated[int, Field(ge=0, lt=2**63)]
"""A number of things."""

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A finite quantity, 0 or more."""

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
"""A part of a whole, 0 to 1."""


class ClosedModel(BaseModel):
    """An immutable model without unknown keys or conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)


_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is not a known key",
    "unexpected_keyword_argument": "is not a known key",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "multiple_of": "must be a multiple of {multiple_of}",
    "finite_number": "must be a finite number",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "string_type": "must be text",
    "path_type": "must be a path",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a table of keys and values",
    "model_type": "must be a table of keys and values",
    "model_attributes_type": "must be a table of keys and values",
    "dataclass_type": "must be a table of keys and values",
    "dataclass_exact_type": "must be a table of keys and values",
    "string_pattern_mismatch": "does not have the expected form",
    "json_invalid": "is not JSON",
}
"""The message for each of pydantic's error types, as the end of a sentence; braces hold its context."""


@dataclass(frozen=True)
class Problem:
    """One value that failed validation.

    Attributes:
        kind: pydantic's error type.
        place: the keys that lead to the value; empty if several values contradict each other.
        words: what is wrong, as the end of a sentence about the value: `must be greater than 0`.
        value: the invalid value.
    """

    kind: str
    place: tuple[int | str, ...]
    words: str
    value: Any

    @property
    def key(self) -> str:
        """Return the keys that lead to the value, joined by dots."""
        return ".".join(map(str, self.place))


def first_problem(error: ValidationError) -> Problem:
    """Return the first problem of a validation error."""
    first = error.errors(include_url=False)[0]
    words = _words(first["type"], first["msg"], first.get("ctx", {}))
    return Problem(first["type"], first["loc"], words, first["input"])


def _words(kind: str, message: str, context: Mapping[str, Any]) -> str:
    if kind in ("too_short", "string_too_short"):
        least = context["min_length"]
        return "must not be empty" if least == 1 else f"must have a length of {least} or more"
    if kind in ("too_long", "string_too_long"):
        return f"must have a length of {context['max_length']} or less"
    if kind in _WORDS:
        return _WORDS[kind].format_map({name: _plain(value) for name, value in context.items()})
    words = message.removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{words[:1].lower()}{words[1:]}"


def _plain(value: Any) -> Any:
    """Return a bound without a needless decimal: 1 instead of 1.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
