"""What the `config.json` of a run says: a closed form, which a stranger may have filled in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scriptforge.architectures import ARCHITECTURES
from scriptforge.config import Settings
from scriptforge.dataset import Dataset, Origin
from scriptforge.errors import DatasetError, RunError, UsageError
from scriptforge.run.echoes import EchoHabits, measure_echoes
from scriptforge.run.frequencies import TokenFrequencies, measure_frequencies
from scriptforge.run.marks import MarkHabits, measure_marks
from scriptforge.run.turns import TurnHabits, measure_turns
from scriptforge.validation import first_problem
from scriptforge.vocabulary import Level
from scriptforge.workspace import RunFolder, Workspace, atomic_write

LARGEST_CONFIG = 4_000_000
"""The most bytes that a config may have."""

_FORMAT = 1
_TOKENS: dict[Level, str] = {"word": "word", "bpe": "piece of a word", "char": "character"}

_CLOSED = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)
_Count = Annotated[int, Field(ge=0, lt=2**63)]
_Figure = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class TrainedOnSource(BaseModel):
    """One corpus of a mix that a run was trained on; as of `scriptforge.dataset.SourceDescription`."""

    model_config = _CLOSED

    name: str
    weight: _Figure
    origin: Origin


class Habits(NamedTuple):
    """What people do in the training text, to which a model's text is held; None leaves it to the model.

    Attributes:
        turns: how they take turns.
        echoes: how often they say something again.
        names: everybody who speaks; of none, the model may invent names.
        marks: how they use brackets and quotes.
        frequencies: how often they use each token.
    """

    turns: TurnHabits | None = None
    echoes: EchoHabits | None = None
    names: Sequence[str] = ()
    marks: MarkHabits | None = None
    frequencies: TokenFrequencies | None = None


class TrainedOn(BaseModel):
    """The dataset that a run was trained on, as far as its user needs to know it.

    Attributes:
        origin: where its text came from; None of a mix, whose `sources` have one each.
        cast: everybody who speaks in it, most lines first.
        turns: how turns are taken in its training split; None where that is not known.
        echoes: how often people say something again there; None where that is not known.
        marks: how brackets and quotes are used there; None where that is not known.
        frequencies: how often tokens are used there; None where that is not known.
    """

    model_config = _CLOSED

    name: str
    origin: Origin | None
    sources: list[TrainedOnSource] = []
    level: Level
    plain: bool
    lower: bool
    alphabet: _Count
    cast: list[str] = []
    turns: TurnHabits | None = None
    echoes: EchoHabits | None = None
    marks: MarkHabits | None = None
    frequencies: TokenFrequencies | None = None
    fingerprint: str

    @property
    def habits(self) -> Habits:
        """Return what people do, as far as it is known."""
        return Habits(self.turns, self.echoes, self.cast, self.marks, self.frequencies)

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Return what a run records of the dataset that it is trained on."""
        about = dataset.description
        return cls(
            name=dataset.name,
            origin=about.origin,
            sources=[
                TrainedOnSource(name=source.name, weight=source.weight, origin=source.origin)
                for source in about.sources
            ],
            level=about.level,
            plain=about.plain,
            lower=about.lower,
            alphabet=about.alphabet,
            cast=list(dict.fromkeys(member.speaker for member in about.cast)),
            turns=measure_turns(dataset.ids("train"), dataset.vocabulary),
            echoes=measure_echoes(dataset.ids("train"), dataset.vocabulary),
            marks=measure_marks(dataset.ids("train"), dataset.vocabulary),
            frequencies=measure_frequencies(dataset.ids("train"), dataset.vocabulary),
            fingerprint=about.fingerprint,
        )


@dataclass(frozen=True)
class Figures:
    """One loss in four units.

    Attributes:
        nats_per_token: mean negative log-likelihood of a token.
        perplexity: the same as its exponential.
        nats_per_character: mean negative log-likelihood of a character of the text that the tokens stand for.
        bits_per_character: the same in bits.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    nats_per_token: _Figure
    perplexity: _Figure
    nats_per_character: _Figure
    bits_per_character: _Figure


@dataclass(frozen=True)
class Evaluation:
    """The loss on a text under the two protocols of `scriptforge.evaluation.loss`.

    Attributes:
        tokens: tokens of the text.
        characters: characters of the text.
        stream: the recurrent state is carried through the text.
        cold_256: windows of 256 tokens are read independently, each from a zero state.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    tokens: _Count
    characters: _Count
    stream: Figures
    cold_256: Figures


class Result(BaseModel):
    """What came out of a training.

    Attributes:
        best: the best weights' `Evaluation` on the validation split.
        share: how much of that split was read for it, from the beginning.
        step: the optimizer step at which they stood.
        seconds: training time, validations included.
        tokens_per_second: over the steps alone.
        diagnosis: how it went and what to try, in a few sentences.
        hardware: what computed; empty in runs of earlier versions.
    """

    model_config = _CLOSED

    best: Evaluation
    share: float = Field(1.0, gt=0, le=1)
    step: _Count
    seconds: _Figure
    tokens_per_second: _Figure
    diagnosis: str
    hardware: str = ""


class InitFrom(BaseModel):
    """The run whose weights another one began with.

    Attributes:
        name: what it was called.
        fingerprint: the SHA-256 of its weights.
        repository: where on the Hub it was pulled from.
        revision: its commit there.
    """

    model_config = _CLOSED

    name: str
    fingerprint: str
    repository: str | None = None
    revision: str | None = None


class HubRecord(BaseModel):
    """What `hub.json` says about a run that was pulled.

    Attributes:
        repository: its id, as it was requested.
        owner: who owned it.
        revision: the commit, 40 hexadecimal digits.
        files: the SHA-256 of each file, by name.
    """

    model_config = _CLOSED

    repository: str
    owner: str
    revision: str
    files: dict[str, str]

    @classmethod
    def load(cls, folder: RunFolder) -> Self | None:
        """Return the record of a run; None if it was not pulled, or the record is damaged."""
        try:
            return cls.model_validate_json(folder.hub.read_bytes())
        except (OSError, ValidationError):
            return None


class Measured(BaseModel):
    """What was measured of a machine before a training, for which the size of its model was chosen.

    Attributes:
        operations_per_second: floating-point operations of a training.
        threads: with how many of a CPU; None of a GPU.
        busy: how many processors other programs kept busy meanwhile.
    """

    model_config = _CLOSED

    operations_per_second: _Figure
    threads: _Count | None
    busy: _Figure

    def __str__(self) -> str:
        """Return it in a sentence."""
        of_cpu = (
            f" with {self.threads} {'thread' if self.threads == 1 else 'threads'}" if self.threads else ""
        )
        others = f", while other programs kept {self.busy:.1f} processors busy" if self.busy >= 0.1 else ""
        return (
            f"Measured {self.operations_per_second / 1e9:,.1f} billion operations a second{of_cpu}{others}."
        )


class RunDescription(BaseModel):
    """What `config.json` says."""

    model_config = _CLOSED

    format: int = Field(_FORMAT, ge=_FORMAT, le=_FORMAT)
    name: str
    created: str
    dataset: TrainedOn
    model: dict[str, Any]
    settings: Settings
    parameters: _Count
    versions: dict[str, str]
    init_from: InitFrom | None = None
    measured: Measured | None = None
    result: Result | None = None

    @property
    def origins(self) -> dict[str, Origin]:
        """Return where its text came from: of a mix, of each of its corpora, by name."""
        if self.dataset.origin is not None:
            return {self.dataset.name: self.dataset.origin}
        return {source.name: source.origin for source in self.dataset.sources}

    @property
    def summary(self) -> str:
        """Return what the model is, in two sentences."""
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
        """Raise an error for any dataset but the one that the run was trained on.

        Raises:
            RunError: it is another one, or was prepared anew in another way.
        """
        if self.dataset.fingerprint != dataset.description.fingerprint:
            raise RunError(
                f"Dataset “{dataset.name}” is not what run “{self.name}” was trained on.",
                "Prepare it as it was then, or train a new run on it.",
            )

    def open_dataset(self, workspace: Workspace) -> Dataset:
        """Return the dataset that the run was trained on.

        Raises:
            DatasetError: it is not in this workspace.
            RunError: what has its name there was prepared in another way.
        """
        dataset = Dataset(workspace.dataset(self.dataset.name))
        self.refuse_other_dataset(dataset)
        return dataset

    def dataset_at_hand(self, workspace: Workspace) -> Dataset | None:
        """Return the dataset that the run was trained on, if it is there and unchanged; else None."""
        try:
            return self.open_dataset(workspace)
        except (DatasetError, RunError, UsageError):
            return None

    @classmethod
    def load(cls, folder: RunFolder) -> "RunDescription":
        """Read `config.json`.

        Raises:
            RunError: the file is missing, damaged, enormous or of another version.
        """
        name = f"{folder.name}/{folder.config.name}"
        try:
            with folder.config.open("rb") as file:
                content = file.read(LARGEST_CONFIG + 1)
        except OSError as error:
            raise RunError(
                f"{name} cannot be read: {error.strerror}.",
                "The folder is damaged: restore it from a copy, or make it again.",
            ) from error
        try:
            if len(content) > LARGEST_CONFIG:
                raise ValueError("too large to be read")
            return cls.model_validate_json(content)
        except ValueError as error:
            raise RunError(
                f"config.json of run “{folder.name}” is not one that this version writes: {_reason(error)}.",
                "Train the model again, or use the version of scriptforge that made it.",
            ) from error


def _reason(error: ValueError) -> str:
    """Return what is wrong with a config in a few words, which quote nothing of it but known keys."""
    if not isinstance(error, ValidationError):
        return str(error)
    problem = first_problem(error)
    if problem.kind == "json_invalid":
        return "it is not JSON"
    return f"{problem.key[:80]} {problem.words}"
