"""What the pages refer to: links that lead somewhere, commands that can be typed, pages that can be found."""

import re
import shlex
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from scriptforge.cli.app import app

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
OWN_PAGES = [page for page in PAGES if page.parent.name != "reference"]
CONTRIBUTING = REPOSITORY / "CONTRIBUTING.md"
BESIDE = [CONTRIBUTING, *(REPOSITORY / name for name in ("SECURITY.md", "CHANGELOG.md", "corpora/README.md"))]
"""Pages that are no part of the documentation."""


def named(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize("page", [*PAGES, *BESIDE], ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", page.read_text("utf-8")):
        linked = page.parent / target if target else page
        assert linked.exists(), f"{target} is not there"
        if anchor:
            assert anchor in _anchors(linked), f"{target} has no heading #{anchor}"


@pytest.mark.parametrize("page", OWN_PAGES, ids=named)
def test_commands_can_be_typed(page: Path) -> None:
    group: Any = get_command(app)
    for line in _command_lines(page.read_text("utf-8")):
        _, name, *arguments = shlex.split(line, comments=True)
        if name.islower() and not name.startswith("-"):  # neither `scriptforge COMMAND` nor an option
            group.get_command(None, name).make_context(name, arguments)


def test_modules_that_contributors_are_sent_to_are_there() -> None:
    modules = set(re.findall(r"[\w./-]+\.py\b", CONTRIBUTING.read_text("utf-8")))
    roots = (REPOSITORY, REPOSITORY / "scriptforge")
    lost = {name for name in modules if not any((root / name).exists() for root in roots)}
    assert {name for name in lost if "NAME" not in name} == set()


def test_every_page_can_be_found() -> None:
    linked = chain.from_iterable(_links(page) for page in OWN_PAGES)
    reference = _links(REPOSITORY / "docs" / "reference" / "README.md")
    found = {REPOSITORY / "README.md", *linked, *reference}
    assert [named(page) for page in PAGES if page not in found] == []


def _links(page: Path) -> set[Path]:
    targets = re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text("utf-8"))
    return {(page.parent / target).resolve() for target in targets}


def _anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub turns them into anchors."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _command_lines(markdown: str) -> list[str]:
    """Command lines in blocks, alone or at the end of a pipe, and in running text."""
    blocks = "".join(re.findall(r"^```(?:sh|console)\n(.*?)^```$", markdown, flags=re.MULTILINE | re.DOTALL))
    in_blocks = re.findall(r"^(?:\$ )?(?:.* \| )?(scriptforge .+)$", blocks, flags=re.MULTILINE)
    in_text = re.findall(r"`(scriptforge [^`]+)`", markdown)
    return [re.split(" [<>] ", line)[0] for line in in_blocks] + in_text
