"""What bytes hash to, and whether a file from the Hub is the one that its commit names."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_as_promised(path: Path, sibling: "RepoSibling") -> bool:
    """Whether a file is the one of a commit: by its SHA-256 where it is large, else by what git calls it.

    Args:
        path: the file.
        sibling: what the Hub says of it, metadata included.
    """
    if sibling.lfs:
        return sha256_of(path) == sibling.lfs.sha256
    content = path.read_bytes()
    named = hashlib.sha1(b"blob %d\0%s" % (len(content), content), usedforsecurity=False).hexdigest()
    return named == sibling.blob_id
