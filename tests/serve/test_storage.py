"""What the page keeps in the browser, whatever is in its storage, and where that is full or blocked."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from support.browser import CHROMIUM, FLAGS, Desk, Site, needs_chromium

from scriptforge.run.run import Run
from scriptforge.serve.responses import PAGE
from scriptforge.workspace import RunFolder

REOPENED = Path(__file__).with_name("page_reopened.js")
FULL = Path(__file__).with_name("page_full.js")
LEFT = Path(__file__).with_name("page_left.js")
COUNTS = [1, 50, 51, 60, 199, 200, 201, 260]

# Fills the storage for texts by name to the last character.
FILL = """() => {
  let size = 4_000_000;
  for (let number = 0; size >= 1; number++) {
    try { localStorage.setItem(`other ${number}`, "x".repeat(size)); }
    catch { size = Math.floor(size / 2); }
  }
}"""
BLOCKED = {"profile": {"default_content_setting_values": {"cookies": 2}}}

pytestmark = needs_chromium


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a site with the page's modules, which runs none of them yet."""
    site = Site(PAGE)
    opened = browser.new_page()
    try:
        opened.goto(f"{site.link}icon.svg")
        yield opened
    finally:
        opened.close()
        site.stop()


@pytest.fixture
def site(tiny_run: RunFolder, tmp_path: Path) -> Iterator[Site]:
    """The exported page of a run."""
    (tmp_path / "site").mkdir()
    server = Site(tmp_path / "site")
    server.show(Run(tiny_run))
    yield server
    server.stop()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A profile of one's own."""
    opened = browser.new_context()
    yield opened
    opened.close()


@pytest.fixture
def blocked(browser: Browser, tmp_path: Path) -> Iterator[BrowserContext]:
    """A profile that blocks what sites store."""
    preferences = tmp_path / "profile" / "Default" / "Preferences"
    preferences.parent.mkdir(parents=True)
    preferences.write_text(json.dumps(BLOCKED))
    opened = browser.browser_type.launch_persistent_context(
        preferences.parents[1], executable_path=CHROMIUM, args=FLAGS
    )
    yield opened
    opened.close()


def limit(page: Page, size: int | None) -> None:
    """Limit the bytes that the site of a page may store in databases; None lifts the limit."""
    quota = {"origin": page.evaluate("origin")} | ({} if size is None else {"quotaSize": size})
    page.context.new_cdp_session(page).send("Storage.overrideQuotaForOrigin", quota)


def exported(desk: Desk) -> str:
    """Save the draft as a Fountain file, and return what is in it."""
    with desk.page.expect_download() as download:
        desk.press("Control+s")
    return Path(download.value.path()).read_text(encoding="utf-8")


def test_a_draft_opens_again_after_however_many_changes(page: Page) -> None:
    assert page.evaluate(REOPENED.read_text(encoding="utf-8"), COUNTS) == []


def test_what_closed_tabs_left_unsent_is_all_there(page: Page) -> None:
    assert page.evaluate(LEFT.read_text(encoding="utf-8")) == []


def test_a_draft_opens_where_the_storage_is_full_and_is_saved_when_it_is_not(page: Page) -> None:
    limit(page, 3_000_000)
    assert page.evaluate(FULL.read_text(encoding="utf-8")) == [True, 507]
    limit(page, None)
    assert page.evaluate("save()") is True


@pytest.mark.slow
def test_a_first_draft_that_cannot_be_stored_is_written_and_exported(
    context: BrowserContext, site: Site
) -> None:
    page = context.new_page()
    page.goto(f"{site.link}icon.svg")
    limit(page, 1)
    desk = Desk(page, site.link)
    assert "full" in desk.text("problem-words")
    desk.type("Fog.")
    desk.saved("failed")
    assert exported(desk).endswith("\n\nFog.\n")
    limit(page, None)
    desk.press("Alt+d")
    desk.page.click("#new-draft")
    desk.until("!document.getElementById('shelf').open")
    assert desk.lines() == [("action", "")]
    desk.press("Alt+d")
    desk.until("document.querySelectorAll('#drafts .open').length === 2")
    desk.page.click("#drafts .open:not([aria-current])")
    desk.until("document.querySelector('#script p').textContent === 'Fog.'")
    desk.saved()
    assert not desk.problems


@pytest.mark.slow
def test_a_full_storage_of_texts_keeps_no_draft_closed(context: BrowserContext, site: Site) -> None:
    page = context.new_page()
    page.goto(f"{site.link}icon.svg")
    page.evaluate(FILL)
    desk = Desk(page, site.link)
    desk.press("Alt+p")
    desk.page.select_option("#theme", "dark")
    desk.ask("document.getElementById('script').focus()")
    desk.type("Fog.")
    desk.saved()
    desk.page.reload()
    desk.settle()
    assert desk.lines() == [("action", "Fog.")] and not desk.problems


@pytest.mark.slow
def test_where_storage_is_blocked_a_script_is_written_and_exported(
    blocked: BrowserContext, site: Site
) -> None:
    desk = Desk(blocked.new_page(), site.link)
    assert "keeps nothing" in desk.text("problem-words")
    desk.press("Alt+p")
    desk.page.select_option("#theme", "dark")
    desk.ask("document.getElementById('script').focus()")
    desk.type("Fog.")
    desk.press("Control+Enter")
    desk.answered()
    desk.press("Escape")
    desk.saved("failed")
    assert "keeps nothing" in desk.text("saved")
    assert exported(desk).endswith("\n\nFog.\n")
    assert desk.lines() == [("action", "Fog.")] and not desk.problems
