"""The search space: the settings that a trial may choose, and their values.

Each entry is a list of choices, a range, or a fixed value for every trial. A setting without an entry is left
to `train`. Besides the settings of a training run there are `level` and, for levels where it can be chosen,
the size of the vocabulary. A setting that has no effect with the other choices is not drawn.
"""

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeAlias, get_args, get_origin

from scriptforge.architectures import ARCHITECTURES
from scriptforge.config import Settings, read_toml, resolve
from scriptforge.errors import UsageError, unknown_name
from scriptforge.inference import foreign_settings
from scriptforge.vocabulary import Level
from scriptforge.vocabulary.levels import LEVELS
from scriptforge.workspace import parse_toml


class _Trial(Protocol):
    """The methods with which a trial of Optuna draws values."""

    def suggest_categorical(self, name: str, choices: Any) -> Any: ...

    def suggest_int(self, name: str, low: int, high: int, *, step: int, log: bool) -> int: ...

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None, log: bool
    ) -> float: ...


@dataclass(frozen=True)
class Fixed:
    """A value that is the same in every trial."""

    value: Any


@dataclass(frozen=True)
class Choices:
    """A set of values without an order."""

    values: tuple[Any, ...]

    def __contains__(self, value: Any) -> bool:
        return value in self.values

    def draw(self, name: str, trial: _Trial) -> Any:
        """Draw one of the values."""
        return trial.suggest_categorical(name, self.values)


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`, both included; integers if these are.

    Attributes:
        low: the smallest number.
        high: the largest number.
        log: whether to draw evenly on a logarithmic scale.
        step: the distance between neighbours; None means 1 for integers, and any distance otherwise.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def is_whole(self) -> bool:
        """Return whether the numbers are integers."""
        return isinstance(self.low, int)

    def __contains__(self, value: Any) -> bool:
        return _is_number(value) and self.low <= value <= self.high and self._is_on_the_way(value)

    def draw(self, name: str, trial: _Trial) -> float:
        """Draw one of the numbers."""
        if self.is_whole:
            step = 1 if self.step is None else int(self.step)
            return trial.suggest_int(name, int(self.low), int(self.high), step=step, log=self.log)
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    def check(self, name: str) -> None:
        """Raise an error if the range is invalid.

        Raises:
            UsageError: it is empty, `step` does not divide it, or `log` is used with a step or without
                positive numbers.
        """
        if self.low >= self.high:
            raise UsageError(
                f"{name}: low is {self.low}, which is not below high, {self.high}.",
                f"Write a plain value to fix it: {name} = {self.low}",
            )
        if self.log and self.low <= 0:
            raise UsageError(
                f"{name}: low is {self.low}, but a logarithmic range must be above 0.",
                "Set low above 0, or leave log out.",
            )
        if self.log and self.step is not None:
            raise UsageError(f"{name}: log and step cannot be used together.", "Give one of them.")
        if self.step is not None and (self.step <= 0 or not self._is_on_the_way(self.high)):
            raise UsageError(
                f"{name}: steps of {self.step} do not lead from {self.low} to {self.high}.",
                "Give a step above 0 that divides their difference.",
            )

    def _is_on_the_way(self, value: float) -> bool:
        """Return whether whole steps lead to a value, in decimal arithmetic as the user wrote it."""
        if self.step is None:
            return True
        return not (Decimal(str(value)) - Decimal(str(self.low))) % Decimal(str(self.step))


Drawn: TypeAlias = Choices | Range
Entry: TypeAlias = Fixed | Drawn

LEVEL = "level"
SIZES: Mapping[Level, str] = {"bpe": "bpe_vocabulary_size", "word": "word_vocabulary_size"}
"""Name of the vocabulary size at each level where it can be chosen."""

DEFAULT_SPACE = """\
# What `scriptforge tune` draws the settings of a trial from.
#
#   hidden_size = {choices = [256, 384, 512]}                    one of these
#   hidden_size = {low = 128, high = 768, step = 64}             from low to high, in steps
#   learning_rate = {low = 1e-3, high = 2e-2, log = true}        evenly on a logarithmic scale
#   hidden_size = 512                                            the same for every trial
#
# Every setting of `scriptforge train` can stand here, except those of a training's length. What is left out
# is as `train` would have it. Without --space, and where `train` would start from the base model, level,
# vocabulary, size and layers are left out: they are the base model's.

level = {choices = ["bpe", "word", "char"]}
bpe_vocabulary_size = {choices = [500, 1000, 2000, 4000]}
word_vocabulary_size = {choices = [2000, 5000, 10000, 20000]}

hidden_size = {low = 128, high = 1024, step = 64}
layers = {choices = [1, 2]}
batch_size = {choices = [8, 16, 32, 64]}
sequence_length = {low = 16, high = 128, step = 16}

learning_rate = {low = 1e-3, high = 4e-2, log = true}
matrix_learning_rate = {low = 5e-3, high = 6e-2, log = true}

dropout_input = {low = 0.0, high = 0.5, step = 0.05}
dropout_between = {low = 0.0, high = 0.5, step = 0.05}
dropout_recurrent = {low = 0.0, high = 0.5, step = 0.05}
dropout_output = {low = 0.0, high = 0.6, step = 0.05}
"""

_OF_THE_STUDY = {
    "epochs": "--seconds sets how long a trial is.",
    "minutes": "--seconds sets how long a trial is.",
    "validations": "Every trial has the same number, so that they can be compared.",
    "patience": "Unpromising trials are stopped early anyway: --pruner says how.",
    "seed": "--seed sets that of every trial.",
}
_VOCABULARY_SETTINGS = (LEVEL, *SIZES.values())
ARCH, MEMBERS = "arch", "members"
_ONLY_WITH: Mapping[str, tuple[str, Container[Any]]] = {
    **{size: (LEVEL, (level,)) for level, size in SIZES.items()},
    "dropout_between": ("layers", range(2, 1_000)),
    "matrix_learning_rate": ("optimizer", ("muon",)),
    "matrix_weight_decay": ("optimizer", ("muon",)),
    "momentum": ("optimizer", ("muon",)),
    MEMBERS: (ARCH, [name for name, each in ARCHITECTURES.items() if each.suggestion.has_members]),
}
"""Settings that have an effect only if another setting has one of some values."""

_RANGE_KEYS = ("low", "high", "log", "step")


@dataclass(frozen=True)
class Space:
    """A validated search space.

    Attributes:
        entries: entries by the name of the setting.
    """

    entries: Mapping[str, Entry]

    @classmethod
    def default(cls) -> "Space":
        """Return the default space."""
        return cls.parsed(parse_toml(DEFAULT_SPACE))

    @classmethod
    def read(cls, path: Path) -> "Space":
        """Return the space that a TOML file describes.

        Raises:
            UsageError: the file is missing or not TOML, or `parsed` raises one.
        """
        hint = "Start from what scriptforge tune --print-space prints."
        return cls.parsed(read_toml(path, "--space", hint))

    @classmethod
    def parsed(cls, document: Mapping[str, Any]) -> "Space":
        """Return the space of a TOML document.

        Raises:
            UsageError: an entry is invalid, or there is nothing to search.
        """
        space = cls({name: _entry(name, value) for name, value in document.items()})
        if not space.drawn:
            raise UsageError(
                "The search space leaves nothing to search.",
                "Give a setting choices or a range: hidden_size = {choices = [256, 512]}",
            )
        return space

    @property
    def fixed(self) -> dict[str, Any]:
        """Return the values that are the same in every trial."""
        return {name: entry.value for name, entry in self.entries.items() if isinstance(entry, Fixed)}

    @property
    def drawn(self) -> dict[str, Drawn]:
        """Return the entries in which trials differ."""
        return {name: entry for name, entry in self.entries.items() if not isinstance(entry, Fixed)}

    @property
    def text(self) -> str:
        """Return the space in one line, equal for equal spaces."""
        return json.dumps({name: repr(entry) for name, entry in self.entries.items()}, sort_keys=True)

    def without(self, held: Mapping[str, Any]) -> "Space":
        """Return the space without some settings, whose values are given, and those without effect then."""
        entries = self.entries.items()
        return Space({name: entry for name, entry in entries if name not in held and has_effect(name, held)})

    def offered(self, choices: Mapping[str, Any]) -> dict[str, Any]:
        """Return those choices that a trial could draw."""
        return {
            name: choices[name]
            for name, entry in self.drawn.items()
            if name in choices and choices[name] in entry
        }

    def draw(self, trial: _Trial, level: Level) -> dict[str, Any]:
        """Return the choices of one trial, fixed ones included.

        Args:
            trial: the trial that draws.
            level: the level of the dataset, for a space without one.
        """
        chosen = {LEVEL: level, **self.fixed}
        drawn = self.drawn
        for name in sorted(drawn, key=lambda name: (name != ARCH, name in _ONLY_WITH)):
            if has_effect(name, chosen):
                chosen[name] = drawn[name].draw(name, trial)
        return {name: chosen[name] for name in self.entries if has_effect(name, chosen)}


def has_effect(name: str, choices: Mapping[str, Any]) -> bool:
    """Return whether a setting has an effect with other choices, such as a vocabulary size at a level."""
    other, values = _ONLY_WITH.get(name, (name, ()))
    if name in _ONLY_WITH and other in choices and choices[other] not in values:
        return False
    return ARCH not in choices or name not in foreign_settings(choices[ARCH])


def training_settings(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a trial's choices that are settings of training, not of the dataset."""
    return {name: value for name, value in chosen.items() if name not in _VOCABULARY_SETTINGS}


def _entry(name: str, value: Any) -> Entry:
    """Return the validated entry for a value of a TOML document."""
    known = [*Settings.model_fields, *_VOCABULARY_SETTINGS]
    if name not in known:
        raise unknown_name("setting", name, [key for key in known if key not in _OF_THE_STUDY])
    if name in _OF_THE_STUDY:
        raise UsageError(f"{name} cannot be searched.", _OF_THE_STUDY[name])
    if not isinstance(value, dict):
        _check_value(name, value)
        return Fixed(value)
    return _choices(name, value) if "choices" in value else _range(name, value)


def _choices(name: str, table: Mapping[str, Any]) -> Choices:
    if others := sorted(set(table) - {"choices"}):
        raise UsageError(f"{name}: choices and {others[0]} cannot be used together.", "Give one of them.")
    values = table["choices"]
    if not isinstance(values, list) or not values:
        raise UsageError(
            f"{name}: there are no choices.", f"List them: {name} = {{choices = [VALUE, VALUE]}}"
        )
    for value in values:
        _check_value(name, value)
    return Choices(tuple(dict.fromkeys(values)))


def _range(name: str, table: Mapping[str, Any]) -> Range:
    for key in table:
        if key not in _RANGE_KEYS:
            raise unknown_name("key of an entry", key, ["choices", *_RANGE_KEYS])
    if missing := {"low", "high"} - set(table):
        raise UsageError(
            f"{name}: {missing.pop()} is missing.", f"Write {name} = {{low = NUMBER, high = NUMBER}}"
        )
    low, high, step, log = table["low"], table["high"], table.get("step"), table.get("log", False)
    for number in (low, high):
        _check_value(name, number)
    if not all(_is_number(number) for number in (low, high, 1 if step is None else step)):
        raise UsageError(
            f"{name}: only numbers have a range.", f"List choices: {name} = {{choices = [VALUE, VALUE]}}"
        )
    if not isinstance(log, bool):
        raise UsageError(f"{name}: log is {log!r}.", "Write log = true, or leave it out.")
    is_whole = name in SIZES.values() or _takes_whole_numbers(name)
    found = Range(low, high, log, step) if is_whole else Range(float(low), float(high), log, step)
    found.check(name)
    if is_whole and isinstance(step, float):
        raise UsageError(f"{name}: the step must be a whole number, not {step}.", "Give a whole step.")
    return found


def _check_value(name: str, value: Any) -> None:
    """Raise an error for a value that the setting cannot have."""
    if name == LEVEL:
        if value not in LEVELS:
            raise UsageError(f"level: there is no level {value!r}.", f"Levels: {', '.join(LEVELS)}.")
    elif name in SIZES.values():
        if not isinstance(value, int) or isinstance(value, bool) or value < 2:
            raise UsageError(
                f"{name}: {value!r} is not a number of tokens.", "Give a whole number, 2 or more."
            )
    else:
        resolve({"minutes": 1}, {name: value})


def _takes_whole_numbers(name: str) -> bool:
    """Return whether a setting is an integer, perhaps an optional one, as `heads` is."""
    annotation: Any = Settings.model_fields[name].annotation
    kinds = get_args(annotation) or (annotation,)
    return int in (get_args(kind)[0] if get_origin(kind) is Annotated else kind for kind in kinds)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
