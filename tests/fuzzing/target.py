"""What can be fuzzed: bytes that a reader of ours gets, and bytes to begin with."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

Read = Callable[[bytes], object]

FOUND = Path(__file__).resolve().parent / "found"
"""What was once read wrongly: a folder a target, a file an input."""


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        name: what it is called, also as a folder.
        seeds: returns sound inputs.
        open: prepares an empty folder, and returns what reads an input there.
        needs_torch: whether it imports PyTorch.
    """

    name: str
    seeds: Callable[[], Iterable[bytes]]
    open: Callable[[Path], Read]
    needs_torch: bool = False

    @property
    def found(self) -> list[Path]:
        """Return the inputs that it once read wrongly."""
        return sorted(path for path in (FOUND / self.name).glob("*") if path.is_file())
