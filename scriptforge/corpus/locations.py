"""Where the files of a corpus are: on the web, on the Hub or on this machine.

A location is data alone: nothing here reads a file or reaches a network.
"""

import re
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

FULL_REVISION = r"[0-9a-f]{40}"
OWN_FILE = "or give a file of your own with --from PATH"
"""What else a person can do where nothing can be read."""

Names: TypeAlias = tuple[Annotated[str, Field(min_length=1)], ...]


class StrictModel(BaseModel):
    """Data from a file that a person wrote: no unknown key, no conversion, no change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class WebFile(StrictModel):
    """One file on the web.

    Attributes:
        url: where it is; an http or https address.
        sha256: what its bytes must hash to; None where nobody has said.
    """

    url: str = Field(pattern=r"^https?://[^/\s]+")
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


class WebFiles(StrictModel):
    """Files on the web, in the order in which they are read."""

    files: tuple[WebFile, ...] = Field(min_length=1)


class HubDataset(StrictModel):
    """A dataset repository on the Hub.

    Attributes:
        hub: its id, `OWNER/NAME`.
        revision: a commit, branch or tag; None is the default branch. A card always names the full commit.
        files: the files to take, in this order; none named means all its tables, else all its texts.
    """

    hub: str = Field(pattern=r"^\w[\w.-]*/\w[\w.-]*$")
    revision: str | None = Field(default=None, min_length=1)
    files: Names = ()


class LocalPath(StrictModel):
    """A file or a folder on this machine."""

    path: Path


Location: TypeAlias = WebFiles | HubDataset | LocalPath


def _pinned(dataset: HubDataset) -> HubDataset:
    if not re.fullmatch(FULL_REVISION, dataset.revision or ""):
        raise ValueError("its revision must be a full commit of 40 hexadecimal digits")
    return dataset


def _variant(location: Any) -> str:
    """Which location the table of a card means, by the key that only that one has."""
    keys = location if isinstance(location, dict) else vars(location)
    return next((key for key in ("hub", "path") if key in keys), "files")


PinnedLocation: TypeAlias = Annotated[
    Annotated[WebFiles, Tag("files")]
    | Annotated[HubDataset, AfterValidator(_pinned), Tag("hub")]
    | Annotated[LocalPath, Tag("path")],
    Discriminator(_variant),
]
