"""What the sizes of a model may be, whether a setting or a stranger's `config.json` says them."""

from typing import Annotated

from pydantic import ConfigDict, Field

CLOSED = ConfigDict(extra="forbid", strict=True)
"""Of a config: no key but its own, and no value of another type."""

VocabularySize = Annotated[int, Field(ge=2, le=4_194_304)]
Size = Annotated[int, Field(ge=1, le=65_536)]
Layers = Annotated[int, Field(ge=1, le=8)]
Memory = Annotated[int, Field(ge=1, le=4096)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]
