"""What hatchling puts into the package's metadata: the README, with links that also work on a package index.

In the repository links are relative to the page. Where the metadata is shown there are no pages beside it. So
they lead to the `Repository` among the `[project.urls]` of pyproject.toml; without one they become plain
text, since nothing would be at the other end.
"""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\n)*)\]\((?!https?:|#)([^)\s]+)\)")
"""A link or a picture that is relative: whether it is a picture, its text, its target."""


class ReadmeHook(MetadataHookInterface):
    """Sets the project's `readme`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Sets it, by the address that the metadata names."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        address = metadata.get("urls", {}).get("Repository")
        metadata["readme"] = {"content-type": "text/markdown", "text": readme_for_elsewhere(text, address)}


def readme_for_elsewhere(text: str, repository: str | None) -> str:
    """The text with its relative links made absolute, or made text where there is no address.

    Args:
        text: in Markdown.
        repository: the address of the repository; None if it has none.
    """

    def target(link: re.Match[str]) -> str:
        mark, words, path = link.groups()
        if repository is None:
            return f"*{words}*" if mark else words
        view = "raw" if mark else "blob"
        return f"{mark}[{words}]({repository.rstrip('/')}/{view}/HEAD/{path})"

    return _LINK.sub(target, text)
