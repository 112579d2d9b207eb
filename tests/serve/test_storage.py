"""What the page keeps in the browser, whatever is in its storage, and where that is full or blocked."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from support.browser import Site, needs_chromium

from scriptforge.serve.answers import PAGE

REOPENED = Path(__file__).with_name("page_reopened.js")
COUNTS = [1, 50, 51, 60, 199, 200, 201, 260]

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


def test_a_draft_opens_again_after_however_many_changes(page: Page) -> None:
    assert page.evaluate(REOPENED.read_text(encoding="utf-8"), COUNTS) == []
