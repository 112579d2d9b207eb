"""Make the site of these pages: stage them, build them with Zensical, and fail if a link or a page is lost.

    python docs/making/website.py [FOLDER]

FOLDER is `build` by default; the site is in FOLDER/site. Zensical, which its authors develop as the successor
of Material for MkDocs, takes plain Markdown, which the repository's host shows, too.

The pages below docs/ are staged, and those at the root of the repository as `about/`. A link to anything but
a page leads to the repository that builds the site (`REPOSITORY_URL`); without one it becomes plain text.
`SITE_URL` is the address of the site.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent.parent
ABOUT = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
PICTURES = (".svg", ".png")
STYLE = "site.css"

_CODE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?)\[([^\[\]]*)\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")
"""A relative link or picture: the `!` of a picture, the text, the path, the anchor."""


def main() -> None:
    """Make the site in the given folder."""
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "build")


def build(root: Path) -> None:
    """Stage the pages in a folder and build the site there; exit if a link or a page is lost."""
    stage(root, os.environ.get("REPOSITORY_URL", "").rstrip("/"), os.environ.get("SITE_URL", ""))
    shutil.rmtree(root / "site", ignore_errors=True)
    zensical = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run([*zensical, "--config-file", str(root / "zensical.toml")], check=False)
    if done.returncode:
        sys.exit("The site has not been built: a link leads nowhere, or Zensical failed, as it says above.")


def stage(root: Path, repository: str, address: str) -> None:
    """Write the pages and the configuration from which Zensical builds.

    Args:
        root: the folder; pages staged there before are deleted.
        repository: the address of the repository; empty if it has none.
        address: the address of the site; empty if it is not known.
    """
    places = staged_places()
    config = (REPOSITORY / "zensical.toml").read_text("utf-8")
    if lost := set(places.values()) ^ set(pages_in(tomllib.loads(config)["project"]["nav"])):
        sys.exit(f"In the navigation of zensical.toml and among the pages these differ: {sorted(lost)}")
    shutil.rmtree(root / "pages", ignore_errors=True)
    for source, place in places.items():
        text = (REPOSITORY / source).read_text("utf-8")
        if source == "CHANGELOG.md" and repository:
            text = re.sub(
                r"^## \[([\d.]+)\]", rf"## [\1]({repository}/tree/v\1/docs)", text, flags=re.MULTILINE
            )
        target = root / "pages" / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_linked(text, source, places, repository), encoding="utf-8")
    for picture in sorted((REPOSITORY / "docs").rglob("*")):
        if picture.suffix in PICTURES:
            target = root / "pages" / picture.relative_to(REPOSITORY / "docs")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(picture, target)
    shutil.copy(REPOSITORY / "docs" / "making" / STYLE, root / "pages" / STYLE)
    known = {"site_url": address, "repo_url": repository}
    lines = "".join(f'{key} = "{value}"\n' for key, value in known.items() if value)
    (root / "zensical.toml").write_text(config.replace("[project]\n", f"[project]\n{lines}", 1), "utf-8")


def staged_places() -> dict[str, str]:
    """Return each page's path on the site, by its path in the repository."""
    below = sorted(path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "docs").rglob("*.md"))
    return {name: f"about/{name}" for name in ABOUT} | {name: name.removeprefix("docs/") for name in below}


def pages_in(navigation: list[Any]) -> Iterator[str]:
    """Yield the pages that a navigation lists, at any depth."""
    for entry in navigation:
        if isinstance(entry, str):
            yield entry
        else:
            for inner in entry.values():
                yield from pages_in(inner if isinstance(inner, list) else [inner])


def _linked(text: str, source: str, places: dict[str, str], repository: str) -> str:
    """Return a page with its links changed to work on the site; code is left alone."""
    here = Path(places[source]).parent

    def target(link: re.Match[str]) -> str:
        mark, words, path, anchor = link.groups(default="")
        file = Path(os.path.normpath(Path(source).parent / path)).as_posix()
        if file in places:
            return f"{mark}[{words}]({_way(here, places[file])}{anchor})"
        if file.startswith("docs/") and file.endswith(PICTURES):
            return f"{mark}[{words}]({_way(here, file.removeprefix('docs/'))})"
        return f"{mark}[{words}]({repository}/blob/HEAD/{file}{anchor})" if repository else words

    parts = _CODE.split(text)
    return "".join(part if part.startswith("```") else _LINK.sub(target, part) for part in parts)


def _way(folder: Path, file: str) -> str:
    return Path(os.path.relpath(file, folder)).as_posix()


if __name__ == "__main__":
    main()
