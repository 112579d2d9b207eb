"""The validations of a training run, stored in its `metrics.jsonl`.

Imports nothing heavy: listing runs must not wait for NumPy or PyTorch.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from pydantic import ConfigDict, TypeAdapter, ValidationError

from scriptforge.errors import RunError
from scriptforge.validation import Amount, Count, first_problem
from scriptforge.workspace import RunFolder, atomic_write


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

    __pydantic_config__ = ConfigDict(extra="ignore", strict=True)  # another version may have other keys

    step: Count
    epochs: Amount
    seconds: Amount
    training_nats_per_token: Amount
    nats_per_token: Amount
    perplexity: Amount
    nats_per_character: Amount
    bits_per_character: Amount
    is_best: bool


_VALIDATION = TypeAdapter(Validation)


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
        return [_VALIDATION.validate_json(line) for line in folder.metrics.read_bytes().splitlines()]
    except (OSError, ValidationError) as error:
        raise RunError(
            f"{folder.name}/{folder.metrics.name} cannot be read: {_reason(error)}.",
            "Restore it from a copy, or delete it: the model can be used without it.",
        ) from error


def _reason(error: OSError | ValidationError) -> str:
    if isinstance(error, OSError):
        return str(error.strerror)
    problem = first_problem(error)
    return f"{problem.key} {problem.words}".strip()
