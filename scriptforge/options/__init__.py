"""The options of each command and API function, one class for each, with their defaults and ranges.

The command line, notebooks and all other callers create these; the code that does the work does not check
them again. The package imports nothing heavy, so that `--help` can show the defaults.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from scriptforge.errors import unknown_name
from scriptforge.options.corpora import (
    ConvertOptions,
    InspectOptions,
    Level,
    OutputFormat,
    PrepareOptions,
    check_encoding,
)
from scriptforge.options.runs import (
    DEFAULT_LINES,
    DEFAULT_MINUTES,
    DEFAULT_VOICE_WITHOUT_SPEAKER_EMBEDDING,
    LOOPBACK,
    MAX_COUNT,
    MAX_SEEDS,
    REPETITION_WINDOW,
    SAMPLING_RANGES,
    Device,
    EvaluateOptions,
    ExportOptions,
    GenerateOptions,
    HeldOut,
    Preset,
    Pruner,
    PushOptions,
    ServeOptions,
    Tracker,
    TrainOptions,
    TuneOptions,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "DEFAULT_LINES",
    "DEFAULT_MINUTES",
    "DEFAULT_VOICE_WITHOUT_SPEAKER_EMBEDDING",
    "LOOPBACK",
    "MAX_COUNT",
    "MAX_SEEDS",
    "REPETITION_WINDOW",
    "SAMPLING_RANGES",
    "ConvertOptions",
    "Device",
    "EvaluateOptions",
    "ExportOptions",
    "GenerateOptions",
    "HeldOut",
    "InspectOptions",
    "Level",
    "OutputFormat",
    "PrepareOptions",
    "Preset",
    "Pruner",
    "PushOptions",
    "ServeOptions",
    "Tracker",
    "TrainOptions",
    "TuneOptions",
    "check_encoding",
    "check_fields",
    "with_fields",
]

OptionsT = TypeVar("OptionsT", bound="DataclassInstance")


def check_fields(options: "DataclassInstance | type[DataclassInstance]", names: Iterable[str]) -> None:
    """Check that options have fields of these names.

    Raises:
        UsageError: a field is unknown.
    """
    known = [each.name for each in dataclasses.fields(options)]
    for name in names:
        if name not in known:
            raise unknown_name("option", name, known)


def with_fields(options: OptionsT | type[OptionsT], changes: Mapping[str, Any]) -> OptionsT:
    """Return options with some fields changed.

    Args:
        options: an instance of one of these classes, or the class itself for its defaults.
        changes: the new values, by field name.

    Raises:
        UsageError: a field is unknown, or a value is out of range.
    """
    check_fields(options, changes)
    return options(**changes) if isinstance(options, type) else dataclasses.replace(options, **changes)
