"""The site: every page is in its navigation, every link on it leads somewhere, and it can be built."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from website import REPOSITORY, pages_in, stage

ADDRESS = "https://example.org/ann/forge"


def staged(folder: Path, repository: str = "") -> dict[str, str]:
    stage(folder, repository, "")
    pages = folder / "pages"
    return {path.relative_to(pages).as_posix(): path.read_text("utf-8") for path in pages.rglob("*.md")}


@pytest.mark.parametrize("repository", ["", ADDRESS])
def test_no_link_leads_out_of_the_site_but_to_an_address(tmp_path: Path, repository: str) -> None:
    for name, text in staged(tmp_path, repository).items():
        for path in re.findall(
            r"\]\((?!https?:|#)([^)#\s]+)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        ):
            target = (tmp_path / "pages" / name).parent.joinpath(path).resolve()
            assert target.is_file() and target.is_relative_to(tmp_path), f"{name}: {path}"


def test_what_is_no_page_is_in_the_repository_and_so_are_the_pages_of_old_versions(tmp_path: Path) -> None:
    pages = staged(tmp_path, ADDRESS)
    assert f"({ADDRESS}/blob/HEAD/corpora/README.md)" in pages["about/CONTRIBUTING.md"]
    assert f"## [0.2.0]({ADDRESS}/tree/v0.2.0/docs)" in pages["about/CHANGELOG.md"]
    assert (
        "(README.md#install)" not in pages["tutorial.md"]
        and "(about/README.md#install)" in pages["tutorial.md"]
    )
    assert f'repo_url = "{ADDRESS}"' in (tmp_path / "zensical.toml").read_text("utf-8")
    without = staged(tmp_path)
    assert ADDRESS not in "".join(without.values())


def test_the_landing_page_opens_with_the_script_of_the_readme(tmp_path: Path) -> None:
    pages = staged(tmp_path)
    scripts = [
        re.search(r"```text\n(.*?)```", pages[name], re.DOTALL) for name in ("README.md", "about/README.md")
    ]
    landing, readme = (script and script[1] for script in scripts)
    assert landing == readme
    assert len(pages["README.md"].partition("```")[0].splitlines()) < 5


def test_a_page_must_be_in_the_navigation(tmp_path: Path) -> None:
    assert list(pages_in(["a.md", {"B": ["b.md", {"C": "c.md"}]}])) == ["a.md", "b.md", "c.md"]
    staged(tmp_path)  # which fails if one is not


@pytest.mark.slow
def test_it_is_built_and_not_with_a_dead_link(tmp_path: Path) -> None:
    maker = [sys.executable, str(REPOSITORY / "docs" / "making" / "website.py"), str(tmp_path)]
    subprocess.run(maker, check=True, capture_output=True)
    index = (tmp_path / "site" / "index.html").read_text("utf-8")
    script = (REPOSITORY / "docs" / "README.md").read_text("utf-8").partition("```text\n")[2]
    assert script.partition("\n")[0] in index and (tmp_path / "site" / "search.json").stat().st_size > 100_000
    tutorial = tmp_path / "pages" / "tutorial.md"
    tutorial.write_text(tutorial.read_text("utf-8") + "\n[gone](gone.md)\n", encoding="utf-8")
    build = [
        sys.executable,
        "-m",
        "zensical",
        "build",
        "--strict",
        "--config-file",
        str(tmp_path / "zensical.toml"),
    ]
    assert subprocess.run(build, check=False, capture_output=True).returncode != 0
