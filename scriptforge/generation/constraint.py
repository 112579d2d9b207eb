"""What a rule on top of the grammar offers: a cast that may speak, a limit to copying.

Shape letters: B lanes, V vocabulary.
"""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor


class Constraint(Protocol):
    """A further rule on what may come next."""

    def forbid(self, forbidden_BV: Tensor) -> Tensor:
        """Adds to what must not come now; called once before each draw.

        Args:
            forbidden_BV: what the rules before this one forbid, true where forbidden.

        Returns:
            A mask of the same shape, in which each lane has something left.
        """
        ...

    def advance(self, ids: Sequence[int]) -> None:
        """Takes the id that came on each lane, whether it was drawn or given."""
        ...
