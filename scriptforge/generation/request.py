"""What is asked of a model: one frozen description of a piece or of many."""

from dataclasses import dataclass, field

from scriptforge.errors import UsageError
from scriptforge.generation.cache import CacheOptions
from scriptforge.generation.casting import Casting
from scriptforge.generation.sampler import SamplingOptions

DEFAULT_LINES = 20
_MOST_SEEDS = 2**63


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
