"""The contents of a run's `config.json` and `hub.json`, checked strictly: a stranger may have made them."""

from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError

from scriptforge.architectures import ARCHITECTURES
from scriptforge.config import Settings
from scriptforge.dataset import Dataset, Origin
from scriptforge.errors import DatasetError, RunError, UsageError
from scriptforge.text_statistics import TextStatistics
from scriptforge.text_statistics.brackets import BracketStatistics, measure_brackets
from scriptforge.text_statistics.repetition import RepetitionStatistics, measure_repetition
from scriptforge.text_statistics.token_frequencies import TokenFrequencies, measure_token_frequencies
from scriptforge.text_statistics.turns import TurnStatistics, measure_turns
from scriptforge.validation import Amount, ClosedModel, Count, first_problem
from scriptforge.vocabulary import Level
from scriptforge.workspace import RunFolder, Workspace, atomic_write, refuse_special_files

MAX_CONFIG = 4_000_000
"""Largest size of a config, in bytes."""

_FORMAT = 1
_TOKENS: dict[Level, str] = {"word": "word", "bpe": "piece of a word", "char": "character"}


class SourceRecord(ClosedModel):
    """One source of the mix that a run was trained on; see `scriptforge.dataset.SourceDescription`."""

    name: str
    weight: Amount
    origin: Origin


class DatasetRecord(ClosedModel):
    """The dataset that a run was trained on, as far as its user needs to know it.

    Attributes:
        origin: where its text came from; None for a mix, each of whose `sources` has one.
        cast: everybody who speaks in it, most lines first.
        turns: how people take turns in its training split; None if unknown.
        echoes: how often people repeat what was said before; None if unknown.
        marks: how brackets and quotes are used; None if unknown.
        frequencies: how often tokens are used; None if unknown.
    """

    name: str
    origin: Origin | None
    sources: list[SourceRecord] = Field(default_factory=list)
    level: Level
    plain: bool
    lower: bool
    alphabet: Count
    cast: list[str] = Field(default_factory=list)
    turns: TurnStatistics | None = None
    echoes: RepetitionStatistics | None = None
    marks: BracketStatistics | None = None
    frequencies: TokenFrequencies | None = None
    fingerprint: str

    @property
    def statistics(self) -> TextStatistics:
        """Return the statistics of its training text, as far as they are known."""
        return TextStatistics(self.turns, self.echoes, self.cast, self.marks, self.frequencies)

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Return the record of a dataset for a run that is trained on it."""
        about = dataset.description
        return cls(
            name=dataset.name,
            origin=about.origin,
            sources=[
                SourceRecord(name=source.name, weight=source.weight, origin=source.origin)
                for source in about.sources
            ],
            level=about.level,
            plain=about.plain,
            lower=about.lower,
            alphabet=about.alphabet,
            cast=list(dict.fromkeys(member.speaker for member in about.cast)),
            turns=measure_turns(dataset.ids("train"), dataset.vocabulary),
            echoes=measure_repetition(dataset.ids("train"), dataset.vocabulary),
            marks=measure_brackets(dataset.ids("train"), dataset.vocabulary),
            frequencies=measure_token_frequencies(dataset.ids("train"), dataset.vocabulary),
            fingerprint=about.fingerprint,
        )


@dataclass(frozen=True)
class LossMetrics:
    """One loss in four units.

    Attributes:
        nats_per_token: mean negative log-likelihood per token.
        perplexity: exponential of `nats_per_token`.
        nats_per_character: negative log-likelihood per character of the text; see `evaluation.loss`.
        bits_per_character: the same in bits.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    nats_per_token: Amount
    perplexity: Amount
    nats_per_character: Amount
    bits_per_character: Amount


@dataclass(frozen=True)
class Evaluation:
    """The loss on a text under the two protocols of `scriptforge.evaluation.loss`.

    Attributes:
        tokens: number of tokens of the text.
        characters: number of characters of the text.
        stream: the loss with the hidden state carried through the text.
        cold_256: the loss in independent windows of 256 tokens, each from a zero state.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    tokens: Count
    characters: Count
    stream: LossMetrics
    cold_256: LossMetrics


class Result(ClosedModel):
    """The outcome of a training run.

    Attributes:
        best: the evaluation of the best weights on the validation split.
        share: share of that split that was read for it; see `evaluation.loss.part_of_split`.
        step: the optimizer step of the best weights.
        seconds: training time, validations included.
        tokens_per_second: training speed, without validations.
        diagnosis: how it went and what to try, in a few sentences.
        hardware: the hardware that it was trained on.
    """

    best: Evaluation
    share: float = Field(1.0, gt=0, le=1)
    step: Count
    seconds: Amount
    tokens_per_second: Amount
    diagnosis: str
    hardware: str


class InitFrom(ClosedModel):
    """The run whose weights another run started from.

    Attributes:
        name: its name at the time.
        fingerprint: SHA-256 of its weights file.
        repository: the repository on the Hub that it was pulled from; None if it was not.
        revision: its commit there.
    """

    name: str
    fingerprint: str
    repository: str | None = None
    revision: str | None = None


class HubRecord(ClosedModel):
    """The contents of `hub.json`: where a run was pulled from.

    Attributes:
        repository: the id of the repository, as it was requested.
        owner: the owner of the repository at the time.
        revision: the commit, 40 hexadecimal digits.
        files: SHA-256 of each file, by name.
    """

    repository: str
    owner: str
    revision: str
    files: dict[str, str]

    @classmethod
    def load(cls, folder: RunFolder) -> Self | None:
        """Read the record of a run; None if it was not pulled, or the record is damaged."""
        try:
            refuse_special_files(folder.path)
            return cls.model_validate_json(folder.hub.read_bytes())
        except (OSError, ValidationError):
            return None


class MachineSpeed(ClosedModel):
    """The speed of a machine, measured before a training run to choose the size of its model.

    Attributes:
        operations_per_second: floating-point operations per second in training.
        threads: number of CPU threads used; None for a GPU.
        busy: number of processors that other programs kept busy meanwhile.
    """

    operations_per_second: Amount
    threads: Count | None
    busy: Amount

    def __str__(self) -> str:
        """Describe the measurement in a sentence."""
        of_cpu = (
            f" with {self.threads} {'thread' if self.threads == 1 else 'threads'}" if self.threads else ""
        )
        others = f", while other programs kept {self.busy:.1f} processors busy" if self.busy >= 0.1 else ""
        return (
            f"Measured {self.operations_per_second / 1e9:,.1f} billion operations a second{of_cpu}{others}."
        )


class RunDescription(ClosedModel):
    """The contents of a run's `config.json`.

    Attributes:
        threads: number of CPU threads that it is trained with; `adaptive` if that follows the time of steps,
            on which the last bits of the model then depend; None for a GPU, or if unknown.
    """

    format: int = Field(_FORMAT, ge=_FORMAT, le=_FORMAT)
    name: str
    created: str
    dataset: DatasetRecord
    model: dict[str, Any]
    settings: Settings
    parameters: Count
    versions: dict[str, str]
    init_from: InitFrom | None = None
    measured: MachineSpeed | None = None
    threads: Count | Literal["adaptive"] | None = None
    result: Result | None = None

    @property
    def origins(self) -> dict[str, Origin]:
        """Return where its text came from, by name of the dataset or, for a mix, of each source."""
        if self.dataset.origin is not None:
            return {self.dataset.name: self.dataset.origin}
        return {source.name: source.origin for source in self.dataset.sources}

    @property
    def summary(self) -> str:
        """Describe the model in two sentences."""
        kind = "texts" if self.dataset.plain else "scripts"
        return (
            f"A small {ARCHITECTURES[self.settings.arch].label} language model that writes {kind} in the"
            f" voice of {' and '.join(self.origins)}, one {_TOKENS[self.dataset.level]} at a time. It has"
            f" {self.parameters:,} weights, and was made with scriptforge."
        )

    def save(self, folder: RunFolder) -> None:
        """Write `config.json`."""
        atomic_write(folder.config, self.model_dump_json(indent=2) + "\n")

    def refuse_other_dataset(self, dataset: Dataset) -> None:
        """Refuse any dataset but the one that the run was trained on.

        Raises:
            RunError: it is another dataset, or was prepared again in another way.
        """
        if self.dataset.fingerprint != dataset.description.fingerprint:
            raise RunError(
                f"Dataset “{dataset.name}” is not the one that run “{self.name}” was trained on.",
                "Prepare it as it was then, or train a new run on it.",
            )

    def open_dataset(self, workspace: Workspace) -> Dataset:
        """Open the dataset that the run was trained on.

        Raises:
            DatasetError: the workspace has no datasets, or the dataset is damaged.
            UsageError: the workspace has no dataset of its name.
            RunError: the dataset of its name is another one, or was prepared in another way.
        """
        dataset = Dataset(workspace.dataset(self.dataset.name))
        self.refuse_other_dataset(dataset)
        return dataset

    def dataset_at_hand(self, workspace: Workspace) -> Dataset | None:
        """Open the dataset that the run was trained on; None if it is missing, damaged or changed."""
        try:
            return self.open_dataset(workspace)
        except (DatasetError, RunError, UsageError):
            return None

    @classmethod
    def load(cls, folder: RunFolder) -> "RunDescription":
        """Read `config.json`.

        Raises:
            RunError: the file is missing, damaged, too large or of another version.
        """
        name = f"{folder.name}/{folder.config.name}"
        try:
            refuse_special_files(folder.path)
            with folder.config.open("rb") as file:
                content = file.read(MAX_CONFIG + 1)
        except OSError as error:
            raise RunError(
                f"{name} cannot be read: {error.strerror}.",
                "The folder is damaged: restore it from a copy, or make it again.",
            ) from error
        try:
            if len(content) > MAX_CONFIG:
                raise ValueError("too large to be read")
            return cls.model_validate_json(content)
        except ValueError as error:
            raise RunError(
                f"config.json of run “{folder.name}” was not written by this version: {_reason(error)}.",
                "Train the model again, or use the version of scriptforge that made it.",
            ) from error


def _reason(error: ValueError) -> str:
    """Describe what is wrong with a config in a few words, which quote nothing of it but a key."""
    if not isinstance(error, ValidationError):
        return str(error)
    problem = first_problem(error)
    if problem.kind == "json_invalid":
        return "it is not JSON"
    return f"{problem.key[:80]} {problem.words}"
