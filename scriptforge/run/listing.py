"""What a list of runs shows of a `config.json`, whichever version wrote it.

Keys that a list does not show may be missing or unknown, but what it shows is checked, since a stranger may
have made the file; `scriptforge.run.records` reads all of it. Imports nothing heavy: listing runs must not
wait for NumPy or PyTorch.
"""

from typing import Annotated, Self, TypeAlias

from pydantic import ConfigDict, Field, ValidationError

from scriptforge.errors import RunError
from scriptforge.validation import Amount, ClosedModel, Count, first_problem
from scriptforge.workspace import RunFolder, read_json

_Words: TypeAlias = Annotated[str, Field(max_length=200)]
_Sentences: TypeAlias = Annotated[str, Field(max_length=2000)]
_Rate: TypeAlias = Annotated[float, Field(ge=0, lt=2**63)]
_Setting: TypeAlias = bool | Annotated[int, Field(ge=-(2**63), lt=2**63)] | float | _Words | None
_Figures: TypeAlias = dict[_Words, Amount]


class _Open(ClosedModel):
    """A part of the file, in which unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore")


class ListedDataset(_Open):
    """The dataset of a run; see `scriptforge.run.records.DatasetRecord`."""

    name: _Words
    level: _Words
    plain: bool


class ListedEvaluation(_Open):
    """The loss of a run; see `scriptforge.run.records.Evaluation`."""

    tokens: Count | None = None
    characters: Count | None = None
    stream: _Figures
    cold_256: _Figures = Field(default_factory=dict)


class ListedResult(_Open):
    """The outcome of a training run; see `scriptforge.run.records.Result`."""

    best: ListedEvaluation
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    step: Count | None = None
    seconds: _Rate | None = None
    tokens_per_second: _Rate | None = None
    diagnosis: _Sentences | None = None


class ListedRun(_Open):
    """A run; see `scriptforge.run.records.RunDescription`."""

    dataset: ListedDataset
    settings: dict[_Words, _Setting] | None = None
    parameters: Count
    created: _Words
    result: ListedResult | None

    @classmethod
    def load(cls, folder: RunFolder) -> Self:
        """Read the `config.json` of a run.

        Raises:
            RunError: the file is missing or damaged.
        """
        document = read_json(folder.config)
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            problem = first_problem(error)
            what = f"{problem.key[:80]} {problem.words}".strip()
            raise RunError(
                f"{folder.name}/{folder.config.name} was not written by scriptforge: {what}.",
                "Restore it from a copy, or train the model again.",
            ) from error
