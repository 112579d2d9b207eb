"""What may be asked of the verbs that train models and use them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from scriptforge.errors import UsageError

Preset = Literal["classroom", "fast", "best"]
Device = Literal["auto", "gpu", "cpu"]
Tracker = Literal["tensorboard", "trackio"]
HeldOut = Literal["validation", "test"]
Pruner = Literal["median", "hyperband", "none"]

DEFAULT_MINUTES = 3.0
"""How long a training run takes where neither epochs nor minutes were asked for."""

DEFAULT_LINES = 20
"""How many lines a text has where neither lines, turns nor length were asked for."""

DEFAULT_VOICE_WITHOUT_SPEAKER_EMBEDDING = 1.5
"""How much voices are strengthened by default in a model that is not told at every step who speaks.

Trained for some minutes, a model that is told has voices of its own, recognised as often as people's.
"""

REPETITION_WINDOW = 256
"""How many text tokens back repetition is looked for."""

LOCAL = "127.0.0.1"
"""The address under which only this machine can come in."""

_SHORTEST_PASSWORD = 8  # characters; anybody may try
_MOST_SEEDS = 2**63


def _check_range(name: str, value: float, low: float, high: float, default: object) -> None:
    if not low <= value <= high:
        raise UsageError(
            f"The {name.replace('_', ' ')} must be between {low} and {high}, not {value}.",
            f"Leave it out for what suits most models: {default}.",
        )


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How a new model is trained.

    Attributes:
        epochs: how many times the text is read.
        minutes: how long to train; where neither this nor `epochs` is given, the preset or
            `DEFAULT_MINUTES` decides.
        preset: a named group of settings to begin with.
        arch: the architecture, a key of `scriptforge.models.ARCHITECTURES`; None is `lstm`.
        patience: stop after so many validations without a better one.
        settings: further settings by name, stronger than all of the above; see `scriptforge.config.Settings`.
        config: a TOML file of settings, weaker than the fields above and stronger than the preset.
        device: what computes; `auto` takes a GPU if there is one.
        init_from: the run, or `OWNER/NAME` on the Hub, with whose weights to begin; `none` begins with random
            ones, and None with those of the model in the package where there is little text.
        track: the program for which to keep a log beside what the run keeps.
        began: since when the minutes count, on the clock of `time.perf_counter`; None counts from the call.

    Raises:
        UsageError: both `epochs` and `minutes` are given.
    """

    epochs: float | None = None
    minutes: float | None = None
    preset: Preset | None = None
    arch: str | None = None
    patience: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    config: Path | None = None
    device: Device = "auto"
    init_from: str | None = None
    track: Tracker | None = None
    began: float | None = None

    def __post_init__(self) -> None:
        if self.epochs is not None and self.minutes is not None:
            raise UsageError("--epochs and --minutes cannot be used together.", "Give one of them.")


@dataclass(frozen=True, kw_only=True)
class GenerateOptions:
    """What a model is asked to write.

    Attributes:
        prime: how the text begins; see `scriptforge.generation.prompt`. A space at its end asks for another
            word on the same line, a line break ends the line.
        prime_open: whether the last word of the prime may go on: `at the bank` as `at the banker`.
        scene: the heading under which a script begins; empty for none.
        source: of a mixed dataset, the corpus in whose voice to write; empty leaves it to the model.
        lines: how many lines the text has, the prime's included: elements in a script, lines that are not
            blank in plain text.
        turns: how many lines of dialogue a script has, the prime's included.
        length: after how many drawn tokens the text ends, once the line it is on is finished. Where none of
            `lines`, `turns` and `length` is given, `DEFAULT_LINES` lines come.
        count: how many texts.
        best_of: how many candidates are written for each line, 1 to 64, of which the one is kept that follows
            best from the lines before and says what is not on the page; see `scriptforge.generation.best_of`.
        seed: decides what is drawn for the first text; the others have the seeds that follow. None takes
            another one each time, so that only texts with a seed can be had again; a text that is written
            knows its own.
        continue_from: the file of a state that `save_state` wrote, after which the texts go on. One text
            without a seed goes on exactly as if there had been no pause; several, those with a seed, and
            those that are cut back are drawn anew.
        back: how many lines to cut off the end of that text before it goes on.
        save_state: the file in which to save where the one text ends, to continue it later.
        cast: names of those who may speak; empty for everybody.
        next_speaker: who speaks first of all that is drawn; empty leaves it to the model.
        stage_directions: whether there may be actions, and asides in brackets.
        voice: how much what a speaker would rather say than others is strengthened, 0 to 5; 0 is off, None
            is off, too, but `DEFAULT_VOICE_WITHOUT_SPEAKER_EMBEDDING` in a model that is not told at every
            step who speaks (Ho and Salimans 2022, arXiv:2207.12598).
        voices: the same for some speakers, by name.
        temperature: 0 always takes the likeliest token, 1 draws as the model says, more is wilder; 0 to 100
            (Ackley et al. 1985).
        top_k: draw from the k likeliest tokens; 0 is off (Fan et al. 2018, arXiv:1805.04833).
        top_p: nucleus sampling: draw from the likeliest tokens whose probabilities add up to this, 0 to 1;
            1 is off (Holtzman et al. 2020, arXiv:1904.09751).
        min_p: leave out tokens less likely than this share of the likeliest one's probability, 0 to 1; 0 is
            off (Nguyen et al. 2024, arXiv:2407.01082).
        typical: locally typical sampling: draw from the most typical tokens whose probabilities add up to
            this, 0 to 1; 1 is off (Meister et al. 2023, arXiv:2202.00666).
        repetition_penalty: how much less likely a text token becomes by having occurred within
            `REPETITION_WINDOW` tokens, 1 to 10; 1 is off (Keskar et al. 2019, arXiv:1909.05858).
        no_repeat_ngram: never write the same run of so many text tokens twice within `REPETITION_WINDOW`
            tokens, 0 to 32; 0 is off (Paulus et al. 2018, arXiv:1705.04304).
        cache: the neural cache's share of the probability, 0 to 0.99; 0 is off, 0.1 is usual.
        max_copy: how many words in a row may be copied from the training text; None for any number.
        invent_words: whether words and names may be spelled that the training text does not have.
        int8: whether to compute in 8-bit integers: faster, slightly less accurate.

    Raises:
        UsageError: a value is out of its range, or two contradict each other.
    """

    prime: str = ""
    prime_open: bool = False
    scene: str = ""
    source: str = ""
    lines: int | None = None
    turns: int | None = None
    length: int | None = None
    count: int = 1
    best_of: int = 1
    seed: int | None = None
    continue_from: str | Path | None = None
    back: int = 0
    save_state: str | Path | None = None
    cast: tuple[str, ...] = ()
    next_speaker: str = ""
    stage_directions: bool = True
    voice: float | None = None
    voices: Mapping[str, float] = field(default_factory=dict)
    temperature: float = 0.9
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.05
    typical: float = 1.0
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0
    cache: float = 0.0
    max_copy: int | None = None
    invent_words: bool = False
    int8: bool = False

    def __post_init__(self) -> None:
        sizes = [name for name in ("lines", "turns", "length") if getattr(self, name) is not None]
        if len(sizes) > 1:
            raise UsageError(f"{sizes[0]} and {sizes[1]} cannot be used together.", "Ask for one of them.")
        for name in (*sizes, "count", *(["max_copy"] if self.max_copy is not None else [])):
            if getattr(self, name) < 1:
                raise UsageError(
                    f"The {name.replace('_', ' ')} must be 1 or more, not {getattr(self, name)}.",
                    "Ask for at least 1.",
                )
        if self.seed is not None and not 0 <= self.seed <= _MOST_SEEDS - self.count:
            raise UsageError(f"The seed cannot be {self.seed}.", "Give a number from 0 to 9 quintillion.")
        self._check_state()
        for name, (low, high) in SAMPLING_RANGES.items():
            if name != "voice":
                _check_range(name, getattr(self, name), low, high, getattr(type(self), name))
        if self.best_of > 1 and self.temperature == 0:
            raise UsageError(
                "At temperature 0 all candidates of a line are the same.",
                "Leave out the best of several, or take another temperature.",
            )
        for voice in (self.voice or 0, *self.voices.values()):
            _check_range("voice", voice, *SAMPLING_RANGES["voice"], 0)

    def _check_state(self) -> None:
        if self.save_state and self.count > 1:
            raise UsageError("Only one script can be saved to be continued.", "Leave -n out.")
        if self.back < 0:
            raise UsageError(
                f"A script cannot be cut back by {self.back} lines.", "Say how many to leave out: --back 2"
            )
        if self.back and not self.continue_from:
            raise UsageError(
                "Only a saved script can be cut back.", "Name its state: --continue FILE --back 2"
            )


SAMPLING_RANGES: dict[str, tuple[float, float]] = {
    "best_of": (1, 64),
    "voice": (0, 5),
    "temperature": (0, 100),
    "top_k": (0, 1_000_000),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "typical": (0, 1),
    "repetition_penalty": (1, 10),
    "no_repeat_ngram": (0, 32),
    "cache": (0, 0.99),
}


_SET_BY_PROFILE = ("lines", "turns", "length", "count", "continue_from", "back", "save_state")


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """What is measured of a model.

    Attributes:
        split: which held-out text is read.
        cache: the neural cache's share of the probability with which to measure the stream once more, 0 to
            0.99; None leaves that out.
        int8: whether to measure the model in 8-bit integers.
        ngram: whether to measure an n-gram model of the same tokens beside it.
        voice: whether to measure how often a classifier recognises who says a line.
        profile: whether to measure what a reader notices, on pages of the model and of people.
        writing: how the model writes these pages; how many and how long they are is not asked here.

    Raises:
        UsageError: a value is out of its range, or `writing` asks for what a profile decides, or for nothing.
    """

    split: HeldOut = "test"
    cache: float | None = None
    int8: bool = False
    ngram: bool = False
    voice: bool = False
    profile: bool = False
    writing: GenerateOptions = field(default_factory=GenerateOptions)

    def __post_init__(self) -> None:
        if self.cache is not None:
            _check_range("cache", self.cache, *SAMPLING_RANGES["cache"], GenerateOptions.cache)
        if self.writing != GenerateOptions() and not self.profile:
            raise UsageError(
                "--set changes only the pages of a profile.", "Add --profile, or leave --set out."
            )
        for name in _SET_BY_PROFILE:
            if getattr(self.writing, name) != getattr(GenerateOptions, name):
                raise UsageError(
                    f"The pages of a profile take no {name}.",
                    "Leave it out: how many they are and how long depends on the held-out text.",
                )


@dataclass(frozen=True, kw_only=True)
class PushOptions:
    """How a run goes to the Hugging Face Hub.

    Attributes:
        repository: where to, `OWNER/NAME`; None is the person's name and the run's.
        private: whether a repository that is made now is for its owner alone.
        create_pr: whether to propose the change in a pull request, to a repository that exists.
        revision: the branch to change; None is the main one.
        message: what the commit says; None leaves it to scriptforge.
        space: whether to make a page as well that runs the model in the browser of its readers.
    """

    repository: str | None = None
    private: bool = False
    create_pr: bool = False
    revision: str | None = None
    message: str | None = None
    space: bool = False


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """For which other programs a run is written.

    Attributes:
        onnx: the folder to make for ONNX Runtime; None leaves it out.
        transformers: the folder to make for transformers; None leaves it out.
        force: whether to replace an earlier export.

    Raises:
        UsageError: nothing is asked for.
    """

    onnx: Path | None = None
    transformers: Path | None = None
    force: bool = False

    def __post_init__(self) -> None:
        if self.onnx is None and self.transformers is None:
            raise UsageError("No folder is named.", "Name one: --onnx FOLDER or --transformers FOLDER")


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """How the writing room is served.

    Attributes:
        host: the address to listen at; `LOCAL` lets in nobody from other machines.
        port: the port; None is the one of the last time, or the usual one; 0 is any that is free.
        password: what others must type, 8 characters or more; None where nobody else can come in.
        names: names under which it is called from outside, such as that of a proxy.
        read_only: whether it is for visitors, who keep their drafts in their browser.
        for_anyone: whether visitors need no password.

    Raises:
        UsageError: others could come in without a password, or with a short one.
    """

    host: str = LOCAL
    port: int | None = None
    password: str | None = None
    names: tuple[str, ...] = ()
    read_only: bool = False
    for_anyone: bool = False

    def __post_init__(self) -> None:
        if self.password is not None and len(self.password) < _SHORTEST_PASSWORD:
            raise UsageError(
                f"The password has less than {_SHORTEST_PASSWORD} characters.", "Take a longer one."
            )
        if self.for_anyone and not self.read_only:
            raise UsageError("Only visitors need no password.", "Add --read-only, or leave --for-anyone out.")
        if self.host != LOCAL and self.password is None and not self.for_anyone:
            raise UsageError(
                f"Others could reach the room at {self.host}, and read and change every draft.",
                "Give them a password: --password-file FILE; what is sent can be read on the way, so put a"
                " proxy with TLS in front.",
            )
