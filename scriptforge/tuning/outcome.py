"""What came out of a study: its trials, the best of them, and what decided."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scriptforge.config import Settings, resolve
from scriptforge.dataset import Dataset
from scriptforge.errors import TrainingError
from scriptforge.tuning.reports import TrialRecord
from scriptforge.tuning.study import Study


@dataclass(frozen=True)
class Outcome:
    """What came out of a study.

    Attributes:
        study: its name.
        records: all trials, in order.
        best: the best of those that came to their end.
        default: bits per character of the trial that did what `train` does; None if it has none.
        importance: how much each choice mattered, most first; empty after few trials.
        dataset: what the best trial was trained on.
        settings: all settings of the best trial.
    """

    study: str
    records: tuple[TrialRecord, ...]
    best: TrialRecord
    default: float | None
    importance: Mapping[str, float]
    dataset: Dataset
    settings: Mapping[str, Any]

    def settings_for(self, length: Mapping[str, float]) -> Settings:
        """The settings of the best trial for a training of another length.

        Args:
            length: `epochs` or `minutes`.

        Raises:
            UsageError: there is no training of such a length.
        """
        kept = {key: value for key, value in self.settings.items() if key != "validations"}
        return resolve(kept, length)


def outcome_of(study: Study) -> Outcome:
    """What came out of a study that has its trials.

    Raises:
        TrainingError: none of them came to its end.
    """
    records = study.records()
    best = study.best()
    if best is None:
        reason = next((record.reason for record in records if record.reason), "all were pruned")
        raise TrainingError(
            f"No trial of study “{study.name}” came to its end: {reason}",
            "Give trials more --seconds, or begin with a space of smaller models: --space FILE.toml",
        )
    default = [record for record in records if record.is_default and record.state in ("complete", "pruned")]
    return Outcome(
        study=study.name,
        records=tuple(records),
        best=best,
        default=default[0].bits_per_character if default else None,
        importance=study.importance(),
        dataset=study.variants.suiting(best.settings),
        settings=study.settings_of(best),
    )
