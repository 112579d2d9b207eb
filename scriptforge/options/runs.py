"""The options of what trains and uses models: train, tune, generate, evaluate, push, export and serve."""

import math
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
"""The training time if neither epochs nor minutes are given."""

DEFAULT_LINES = 20
"""The number of lines of a text if none of lines, turns and length is given."""

MAX_COUNT = 10_000
"""The largest number of texts that are generated at a time."""

DEFAULT_VOICE_WITHOUT_SPEAKER_EMBEDDING = 1.5
"""The default of `GenerateOptions.voice` for a model without a speaker embedding.

A model with one, trained for some minutes, needs none: a classifier recognises its speakers as often as those
of human text.
"""

REPETITION_WINDOW = 256
"""The number of preceding text tokens in which repetition is looked for."""

LOOPBACK = "127.0.0.1"
"""The loopback address, which only this machine can reach."""

_MIN_PASSWORD_LENGTH = 8  # characters; whoever reaches the server can guess
MAX_SEEDS = 2**63
"""The number of seeds, from 0."""


def _check_some(name: str, number: int) -> None:
    if number < 1:
        raise UsageError(
            f"The {name.replace('_', ' ')} must be 1 or more, not {number}.", "Ask for at least 1."
        )


def _check_range(name: str, value: float, low: float, high: float, default: object) -> None:
    if not low <= value <= high:
        raise UsageError(
            f"The {name.replace('_', ' ')} must be between {low} and {high}, not {value}.",
            f"Leave it out to use what suits most models: {default}.",
        )


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How a new model is trained.

    Attributes:
        epochs: number of times to read the text.
        minutes: how long to train; if neither this nor `epochs` is given, the preset or `DEFAULT_MINUTES`
            decides.
        preset: a named group of settings to start from.
        arch: the architecture, a key of `scriptforge.architectures.ARCHITECTURES`; None is `lstm`, unless a
            file or the run to start from says otherwise.
        patience: number of validations without a better one after which training stops.
        settings: further settings by name, which override all of the above; see
            `scriptforge.config.Settings`.
        config: a TOML file of settings, which override the preset and are overridden by the fields above.
        device: where to train; `auto` takes a CUDA GPU if there is one, else the CPU.
        init_from: the run, or `OWNER/NAME` on the Hub, whose weights to start from; `none` starts from random
            weights, and None from the base model if there is little text.
        track: the program for which to write a log in addition to the run's own.
        began: the reading of `time.perf_counter` from which `minutes` count; None counts from the call.

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
class TuneOptions:
    """How settings are searched.

    Attributes:
        trials: total number of trials, including those of other processes and earlier searches.
        seconds: training time of each trial.
        pruner: the method of finding unpromising trials.
        seed: seed of the choices and of every training run.
        device: where to train.

    Raises:
        UsageError: there are no trials, or the training time is not a positive, finite number.
    """

    trials: int = 20
    seconds: float = 30.0
    pruner: Pruner = "median"
    seed: int = 1
    device: Device = "auto"

    def __post_init__(self) -> None:
        _check_some("trials", self.trials)
        if not (self.seconds > 0 and math.isfinite(self.seconds)):
            raise UsageError(
                f"A trial cannot last {self.seconds:g} seconds.", "Give a number above 0: --seconds 30"
            )


@dataclass(frozen=True, kw_only=True)
class GenerateOptions:
    """How texts are generated.

    Attributes:
        prime: how the text begins; see `scriptforge.generation.prompt`. A space at its end asks for another
            word on the same line, a line break ends the line.
        prime_open: whether the model may extend the last word of the prime, such as `bank` to `banker`.
        scene: the scene heading with which a script begins; empty for none.
        source: the corpus of a mixed dataset in whose style to write; empty leaves it to the model.
        lines: number of lines of the text, including those of the prime: elements of a script, or lines of
            plain text that are not blank.
        turns: number of lines of dialogue of a script, including those of the prime.
        length: number of sampled tokens after which the text ends, once its current line is finished. If none
            of `lines`, `turns` and `length` is given, the text has `DEFAULT_LINES` lines.
        count: number of texts, 1 to `MAX_COUNT`.
        best_of: number of candidates for each line, 1 to 64, of which the one is kept that follows best from
            the lines before and repeats the fewest phrases; see `scriptforge.generation.best_of`.
        seed: seed of the first text; the other texts have the seeds that follow. None draws a new seed each
            time, which every generated text records.
        continue_from: a file that `save_state` wrote, whose text to continue. A single text without `seed`
            and `back` continues exactly as if it had never stopped; otherwise new random numbers are drawn.
        back: number of lines to remove from the end of that text before it is continued.
        save_state: the file in which to save the state at the end of the only text, to continue it later. It
            replaces a saved state, and no other file.
        cast: names of the speakers who may speak; empty for all.
        next_speaker: speaker of the first line of dialogue after the prime; empty leaves it to the model.
        stage_directions: whether actions and parentheticals are allowed.
        voice: how strongly each speaker's own way of talking is exaggerated, 0 to 5; 0 is off, as is
            None, but `DEFAULT_VOICE_WITHOUT_SPEAKER_EMBEDDING` for a model without a speaker embedding (Ho
            and Salimans 2022, arXiv:2207.12598).
        voices: the same for single speakers, by name.
        temperature: 0 always takes the likeliest token, 1 samples from the model's distribution, and more is
            more random; 0 to 100 (Ackley et al. 1985).
        top_k: sample from the k likeliest tokens; 0 is off (Fan et al. 2018, arXiv:1805.04833).
        top_p: nucleus sampling: sample from the likeliest tokens whose probabilities add up to this, 0 to 1;
            1 is off (Holtzman et al. 2020, arXiv:1904.09751).
        min_p: leave out tokens less likely than this share of the likeliest one's probability, 0 to 1; 0 is
            off (Nguyen et al. 2024, arXiv:2407.01082).
        typical: locally typical sampling: sample from the most typical tokens whose probabilities add up to
            this, 0 to 1; 1 is off (Meister et al. 2023, arXiv:2202.00666).
        repetition_penalty: how much less likely a text token becomes by having occurred within
            `REPETITION_WINDOW` tokens, 1 to 10; 1 is off (Keskar et al. 2019, arXiv:1909.05858).
        no_repeat_ngram: never repeat an n-gram of so many text tokens within `REPETITION_WINDOW` tokens, 0 to
            32; 0 is off (Paulus et al. 2018, arXiv:1705.04304).
        cache: the neural cache's share of the probability, 0 to 0.99; 0 is off, 0.1 is usual.
        max_copy: maximum number of words in a row copied from the training text; None for no limit.
        invent_words: whether words and names may be spelled that do not occur in the training text.
        int8: whether to compute in 8-bit integers: faster, slightly less accurate.

    Raises:
        UsageError: a value is out of range, or options contradict each other.
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
        for name in (*sizes, *(["max_copy"] if self.max_copy is not None else [])):
            _check_some(name, getattr(self, name))
        _check_range("count", self.count, 1, MAX_COUNT, type(self).count)
        if self.seed is not None and not 0 <= self.seed <= MAX_SEEDS - self.count:
            raise UsageError(f"The seed cannot be {self.seed}.", "Give a number from 0 to 9 quintillion.")
        self._check_state()
        for name, (low, high) in SAMPLING_RANGES.items():
            if name != "voice":
                _check_range(name, getattr(self, name), low, high, getattr(type(self), name))
        if self.best_of > 1 and self.temperature == 0:
            raise UsageError(
                "At temperature 0 all candidates of a line are the same.",
                "Leave out the best of several, or choose another temperature.",
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
    """How a model is evaluated.

    Attributes:
        split: the held-out split to evaluate on.
        cache: the neural cache's share of the probability, 0 to 0.99, for measuring the loss of the stream
            once more; None leaves that out.
        int8: whether to evaluate the model in 8-bit integers.
        ngram: whether to evaluate an n-gram model of the same tokens, too.
        speakers: whether to measure how often a classifier recognises the speaker of a line.
        profile: whether to compare what a reader notices on pages by the model and by people.
        writing: how these pages are generated; the profile decides their number and length.

    Raises:
        UsageError: a value is out of range, or `writing` sets what a profile decides or is given without one.
    """

    split: HeldOut = "test"
    cache: float | None = None
    int8: bool = False
    ngram: bool = False
    speakers: bool = False
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
                    f"The {name} of a profile's pages cannot be set.",
                    "Leave it out: how many they are and how long depend on the held-out text.",
                )


@dataclass(frozen=True, kw_only=True)
class PushOptions:
    """How a run is shared on the Hugging Face Hub.

    Attributes:
        repository: the repository, `OWNER/NAME`; None takes the user's name and the run's.
        private: whether a newly created repository is private.
        create_pr: whether to open a pull request on an existing repository.
        revision: the branch to change; None is the main one.
        message: the commit message; None takes a standard one.
        space: whether to also create a Space, a page that runs the model in the browser.
    """

    repository: str | None = None
    private: bool = False
    create_pr: bool = False
    revision: str | None = None
    message: str | None = None
    space: bool = False


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """For which other programs a run is exported.

    Attributes:
        onnx: the folder to create for ONNX Runtime; None leaves it out.
        transformers: the folder to create for transformers; None leaves it out.
        force: whether to replace an earlier export.

    Raises:
        UsageError: no folder is given.
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
        host: the address to listen on; `LOOPBACK` accepts no connections from other machines.
        port: the port; None is the one used last, or the usual one; 0 is any free port.
        password: what others must type, 8 characters or more; None for no password.
        names: host names under which it is reached from outside, such as that of a proxy.
        read_only: whether it is for visitors, who keep their drafts in their browsers.
        for_anyone: whether visitors need no password.

    Raises:
        UsageError: others could connect without a password, the password is too short, or `for_anyone` is set
            without `read_only`.
    """

    host: str = LOOPBACK
    port: int | None = None
    password: str | None = None
    names: tuple[str, ...] = ()
    read_only: bool = False
    for_anyone: bool = False

    def __post_init__(self) -> None:
        if self.password is not None and len(self.password) < _MIN_PASSWORD_LENGTH:
            raise UsageError(
                f"The password has fewer than {_MIN_PASSWORD_LENGTH} characters.", "Choose a longer one."
            )
        if self.for_anyone and not self.read_only:
            raise UsageError(
                "Only visitors can come in without a password.", "Add --read-only, or leave --for-anyone out."
            )
        if self.host != LOOPBACK and self.password is None and not self.for_anyone:
            raise UsageError(
                f"Others could reach the room at {self.host}, and read and change every draft.",
                "Give them a password: --password-file FILE; what is sent can be intercepted, so put a"
                " proxy with TLS in front.",
            )
