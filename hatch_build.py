"""What hatchling puts into the metadata: the repository's address, and the README for a package index.

The address is that of the repository that builds the package. The release's workflow knows it and names it in
`REPOSITORY_URL`, so that a fork names itself. In the repository links are relative to the page. Where the
metadata is shown there are no pages beside it. So they lead to that address; without one they become plain
text, since nothing would be at the other end.
"""

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\n)*)\]\((?!https?:|#)([^)\s]+)\)")
"""A link or a picture that is relative: whether it is a picture, its text, its target."""


_PLACES = {
    "Repository": "",
    "Documentation": "/tree/HEAD/docs",
    "Changelog": "/blob/HEAD/CHANGELOG.md",
    "Issues": "/issues",
}
"""What is where in a repository on GitHub."""


class MetadataHook(MetadataHookInterface):
    """Sets the project's `readme` and its `urls`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Sets them, by the address that the environment names."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        address = os.environ.get("REPOSITORY_URL", "").rstrip("/")
        metadata["readme"] = {"content-type": "text/markdown", "text": readme_for_elsewhere(text, address)}
        metadata["urls"] = {name: address + place for name, place in _PLACES.items()} if address else {}


def readme_for_elsewhere(text: str, repository: str) -> str:
    """The text with its relative links made absolute, or made text where there is no address.

    Args:
        text: in Markdown.
        repository: the address of the repository, without a slash at its end; empty if it has none.
    """

    def target(link: re.Match[str]) -> str:
        mark, words, path = link.groups()
        if not repository:
            return f"*{words}*" if mark else words
        view = "raw" if mark else "blob"
        return f"{mark}[{words}]({repository}/{view}/HEAD/{path})"

    return _LINK.sub(target, text)
