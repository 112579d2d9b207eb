"""The validations of a training run, stored in its `metrics.jsonl`.

Imports nothing heavy: listing runs must not wait for NumPy or PyTorch.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

from scriptforge.errors import RunError
from scriptforge.workspace import RunFolder, atomic_write, parse_json


@dataclass(frozen=True)
class Validation:
    """One line of `metrics.jsonl`.

    Attributes:
        step: optimizer steps so far.
        epochs: passes over the training text so far.
        seconds: training time so far.
        training_nats_per_token: training loss since the previous validation.
        nats_per_token: validation loss.
        perplexity: exponential of `nats_per_token`.
        nats_per_character: validation loss per character.
        bits_per_character: the same in bits.
        is_best: whether these weights were saved as the best so far.
    """

    step: int
    epochs: float
    seconds: float
    training_nats_per_token: float
    nats_per_token: float
    perplexity: float
    nats_per_character: float
    bits_per_character: float
    is_best: bool


def write_history(folder: RunFolder, validations: Iterable[Validation]) -> None:
    """Write all validations of a run, one per line."""
    atomic_write(folder.metrics, "".join(json.dumps(asdict(each)) + "\n" for each in validations))


def read_history(folder: RunFolder) -> list[Validation]:
    """Return all validations of a run, in order; none if the file is missing, as in a pulled model.

    Raises:
        RunError: the file is damaged.
    """
    if not folder.metrics.is_file():
        return []
    try:
        lines = folder.metrics.read_bytes().splitlines()
        return [_validation(parse_json(line)) for line in lines]
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise RunError(
            f"{folder.name}/{folder.metrics.name} cannot be read: {type(error).__name__}.",
            "Restore it from a copy, or delete it: the model can be used without it.",
        ) from error


def _validation(row: dict[str, Any]) -> Validation:
    """Return the validation in a line; unknown keys, which another version may have written, are ignored."""
    kinds = {field.name: field.type for field in fields(Validation)}
    return Validation(**{name: kind(row[name]) for name, kind in kinds.items()})  # type: ignore[operator]
