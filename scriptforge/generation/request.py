"""Options that people set, held within what makes sense.

What is asked of a model: one frozen description of a piece or of many.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scriptforge.errors import UsageError
from scriptforge.screenplay.script import speaker_key

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def check_ranges(options: "DataclassInstance", ranges: Mapping[str, tuple[float, float]], whose: str) -> None:
    """Refuses what is out of its range, or no number.

    Args:
        options: a dataclass whose fields have defaults.
        ranges: the least and greatest value of every field.
        whose: what the options are of, as a sentence begins: `The cache's`.

    Raises:
        UsageError: a value is out of its range.
    """
    for each in dataclasses.fields(options):
        value = getattr(options, each.name)
        low, high = ranges[each.name]
        if not low <= value <= high:
            raise UsageError(
                f"{whose} {each.name.replace('_', ' ')} must be between {low} and {high}, not {value}.",
                f"Leave it out for what suits most models: {each.default}.",
            )


DEFAULT_LINES = 20
MEMORY = 256
"""How many text tokens back repetition is looked for."""
_SAMPLING_RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 100),
    "top_k": (0, 1_000_000),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "typical": (0, 1),
    "repetition_penalty": (1, 10),
    "no_repeat_ngram": (0, 32),
}
_CACHE_RANGES: dict[str, tuple[float, float]] = {
    "weight": (0, 0.99),
    "sharpness": (0, 1000),
    "window": (1, 65_536),
}
_MOST_SEEDS = 2**63


@dataclass(frozen=True)
class SamplingOptions:
    """How bold the choice of the next token is.

    Attributes:
        temperature: 0 takes the likeliest token always, 1 draws as the model says, more is wilder; 0 to 100.
        top_k: draw from the k likeliest tokens; 0 is off.
        top_p: draw from the likeliest tokens that together have this probability, 0 to 1; 1 is off.
        min_p: leave out tokens less likely than this share of the likeliest one's probability, 0 to 1; 0 is
            off.
        typical: draw from the tokens nearest to the expected surprise that together have this probability,
            0 to 1; 1 is off.
        repetition_penalty: how much less likely a text token becomes by having occurred lately, 1 to 10;
            1 is off.
        no_repeat_ngram: never write the same run of so many text tokens twice within `MEMORY` tokens,
            0 to 32; 0 is off.

    Raises:
        UsageError: a value is out of its range.
    """

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.05
    typical: float = 1.0
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0

    def __post_init__(self) -> None:
        check_ranges(self, _SAMPLING_RANGES, "The")


@dataclass(frozen=True)
class CacheOptions:
    """How strongly what has appeared comes back.

    With the defaults about as many words come back in what is written as in what people write. To expect what
    people write, twice the weight is better.

    Attributes:
        weight: λ, the cache's share of the probability, 0 to 0.99; 0 is off.
        sharpness: θ, how alike two places must be: at 0 every position counts the same, the higher the more
            only the likest count; 0 to 1000.
        window: W, how many tokens back it remembers, 1 to 65,536.

    Raises:
        UsageError: a value is out of its range.
    """

    weight: float = 0.1
    sharpness: float = 12.0
    window: int = 2000

    def __post_init__(self) -> None:
        check_ranges(self, _CACHE_RANGES, "The cache's")


@dataclass(frozen=True)
class Casting:
    """What a person settles about the cast.

    Attributes:
        cast: names of those who may speak; empty for everybody.
        next_speaker: who speaks first of all that is drawn; empty leaves it to the model.
        stage_directions: whether there may be actions, and asides in brackets.
    """

    cast: tuple[str, ...] = ()
    next_speaker: str = ""
    stage_directions: bool = True

    def __bool__(self) -> bool:
        return bool(self.cast or self.next_speaker or not self.stage_directions)

    def admits(self, speaker: str) -> bool:
        """Whether a speaker, however spelled, is of the cast."""
        return not self.cast or speaker_key(speaker) in map(speaker_key, self.cast)


@dataclass(frozen=True)
class Request:
    """What is asked of a model.

    Attributes:
        prime: how the text begins; see `scriptforge.generation.prompt`.
        scene: the heading under which a script begins; empty for none.
        source: of a mixed dataset, the corpus in whose voice to write; empty leaves it to the model.
        lines: how many lines the text has, the prime's included: elements in a script, lines that are not
            blank in plain text.
        turns: how many lines of dialogue a script has, the prime's included.
        length: after how many drawn tokens the text ends, once the line it is on is finished. Where none of
            `lines`, `turns` and `length` is given, `DEFAULT_LINES` come.
        count: how many pieces.
        seed: decides what is drawn for the first piece; the others have the seeds that follow.
        sampling: how bold to be.
        casting: who may speak and who speaks next.
        cache: how strongly what has appeared comes back; None for not at all.
        max_copy: how many words in a row may be copied from the training text; None for any number.
        int8: whether to multiply with eight bits: faster, and not quite what the model says.

    Raises:
        UsageError: a value is out of its range, or two contradict each other.
    """

    prime: str = ""
    scene: str = ""
    source: str = ""
    lines: int | None = None
    turns: int | None = None
    length: int | None = None
    count: int = 1
    seed: int = 0
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    casting: Casting = field(default_factory=Casting)
    cache: CacheOptions | None = None
    max_copy: int | None = None
    int8: bool = False

    def __post_init__(self) -> None:
        sizes = [name for name in ("lines", "turns", "length") if getattr(self, name) is not None]
        if len(sizes) > 1:
            raise UsageError(
                f"A text cannot have both {sizes[0]} and {sizes[1]} asked for.", "Ask for one of them."
            )
        for name in (*sizes, "count", *(["max_copy"] if self.max_copy is not None else [])):
            if getattr(self, name) < 1:
                words = name.replace("_", " ")
                raise UsageError(
                    f"The {words} must be 1 or more, not {getattr(self, name)}.", "Ask for at least 1."
                )
        if not 0 <= self.seed <= _MOST_SEEDS - self.count:
            raise UsageError(f"The seed cannot be {self.seed}.", "Take a number from 0 to 9 quintillions.")

    @property
    def asks_for_script(self) -> str:
        """The first thing asked for that only a script has; empty if there is none."""
        wanted = {
            "a cast": self.casting,
            "a scene": self.scene,
            "a source": self.source,
            "turns": self.turns,
        }
        return next((name for name, value in wanted.items() if value), "")
