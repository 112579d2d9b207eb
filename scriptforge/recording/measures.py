"""What a tracker's log says of a training, under which names; nothing of the machine or of who trains."""

from importlib import import_module
from typing import Any

from scriptforge.config import Settings
from scriptforge.errors import UsageError
from scriptforge.run.records import RunDescription, Validation
from scriptforge.training.reports import Progress
from scriptforge.training.schedule import share_of_peak


def circumstances(description: RunDescription) -> dict[str, Any]:
    """What a run was trained on, how large it is, and every setting."""
    dataset = description.dataset
    return {
        "dataset": dataset.name,
        "level": dataset.level,
        "plain": dataset.plain,
        "parameters": description.parameters,
        **description.settings.model_dump(),
    }


def figures_of_progress(report: Progress, settings: Settings) -> dict[str, float]:
    """The figures of a moment between two validations, by their names in the log."""
    return {
        "progress/nats_per_token": report.nats_per_token,
        "progress/tokens_per_second": report.tokens_per_second,
        "progress/learning_rate": settings.learning_rate * share_of_peak(report.progress, settings),
        "progress/epochs": report.epochs,
    }


def figures_of_validation(validation: Validation) -> dict[str, float]:
    """The figures of a validation, by their names in the log."""
    return {
        "training/nats_per_token": validation.training_nats_per_token,
        "validation/nats_per_token": validation.nats_per_token,
        "validation/perplexity": validation.perplexity,
        "validation/nats_per_character": validation.nats_per_character,
        "validation/bits_per_character": validation.bits_per_character,
    }


def imported(module: str, tracker: str) -> Any:
    """A module that only a tracker needs.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise UsageError(
            f"--track {tracker} needs {tracker}, which is not installed.",
            "Install it: pip install 'scriptforge-lm[track]'",
        ) from error
