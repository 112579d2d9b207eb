"""The validations of a training run, as `metrics.jsonl` has them.

Imports nothing heavy: a list of runs must not wait for NumPy or torch.
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
        epochs: how many times the text was read.
        seconds: training time so far.
        training_nats_per_token: training loss since the validation before.
        nats_per_token: validation loss.
        perplexity: the same as its exponential.
        nats_per_character: the same by character.
        bits_per_character: the same in bits.
        is_best: whether these weights were kept.
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
    """Write every validation of a run, one a line."""
    atomic_write(folder.metrics, "".join(json.dumps(asdict(each)) + "\n" for each in validations))


def read_history(folder: RunFolder) -> list[Validation]:
    """Return every validation of a run, the first first; none if the file is missing, as in a pulled model.

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
    """Return the known keys of a line as numbers; another version may have written more."""
    kinds = {field.name: field.type for field in fields(Validation)}
    return Validation(**{name: kind(row[name]) for name, kind in kinds.items()})  # type: ignore[operator]
