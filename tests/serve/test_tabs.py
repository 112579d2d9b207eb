"""Drafts on the page that are opened, described and changed faster than a server answers, or in two tabs."""

import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Route
from support.browser import Desk, Site, needs_chromium
from support.room import ServedRoom, put

from scriptforge.serve.responses import PAGE

STORAGE = Path(__file__).with_name("page_storage.js")
_PATIENCE = 15.0

pytestmark = needs_chromium


def slide(desk: Desk, temperature: float) -> None:
    """Move the slider of the temperature."""
    desk.ask(
        """value => {
          const slider = document.getElementById("temperature");
          slider.value = value;
          slider.dispatchEvent(new Event("input", { bubbles: true }));
        }""",
        temperature,
    )


def temperature_of(room: ServedRoom, draft: str) -> Any:
    return room.client.get(f"api/drafts/{draft}").json()["settings"].get("temperature")


def test_drafts_of_the_browser_tell_other_tabs_and_are_loaded_anew(browser: Browser) -> None:
    site = Site(PAGE)
    page = browser.new_page()
    try:
        page.goto(f"{site.link}icon.svg")
        failures = page.evaluate(STORAGE.read_text(encoding="utf-8"))
    finally:
        page.close()
        site.stop()
    assert failures == []


@pytest.mark.slow
def test_a_slider_that_moves_on_before_the_answer_stays_there(desk: Desk, room: ServedRoom) -> None:
    draft = desk.page.url.partition("draft=")[2].partition("#")[0]
    held: list[Route] = []

    def hold_first(route: Route) -> None:
        if route.request.method == "PATCH" and not held:
            held.append(route)
        else:
            route.continue_()

    desk.page.route("**/api/drafts/*", hold_first)
    slide(desk, 1.2)
    end = time.monotonic() + _PATIENCE
    while not held:
        desk.page.wait_for_timeout(20)
        assert time.monotonic() < end
    slide(desk, 0.5)
    held[0].continue_()
    while temperature_of(room, draft) != 0.5:
        desk.page.wait_for_timeout(20)
        assert time.monotonic() < end, temperature_of(room, draft)
    desk.saved()
    assert temperature_of(room, draft) == 0.5
    assert desk.ask("document.getElementById('temperature').value") == "0.5"


@pytest.mark.slow
def test_a_title_that_is_being_typed_is_left_alone(browser: Browser, room: ServedRoom) -> None:
    context = browser.new_context()
    link = room.linked("One.")
    left, right = Desk(context.new_page(), link), Desk(context.new_page(), link)
    left.page.bring_to_front()
    left.page.fill("#title", "The Goose")
    slide(right, 1.2)
    left.until("document.getElementById('temperature').value === '1.2'", _PATIENCE)
    assert left.ask("document.getElementById('title').value") == "The Goose"
    assert not left.problems + right.problems
    context.close()


HOLD_LOCKS = """() => {
  const query = navigator.locks.query.bind(navigator.locks);
  navigator.locks.query = async () => {
    await new Promise((resolve) => (window.release = resolve));
    return query();
  };
}"""
HOLD_DRAFT = """(id) => {
  const fetch = window.fetch.bind(window);
  window.fetch = async (address, ...more) => {
    const isHeld = String(address).endsWith(id) && !window.release;
    if (isHeld) await new Promise((resolve) => (window.release = resolve));
    return fetch(address, ...more);
  };
}"""


@pytest.mark.slow
@pytest.mark.parametrize("hold", [HOLD_LOCKS, HOLD_DRAFT], ids=["locks", "draft"])
def test_what_is_typed_while_another_draft_is_opened_is_not_of_that_one(
    desk: Desk, room: ServedRoom, hold: str
) -> None:
    first = desk.page.url.partition("draft=")[2].partition("#")[0]
    other = room.draft("Fog.", title="Other", run="harbour")["id"]
    button = f"#drafts .open[data-id='{other}']"
    desk.press("Alt+d")
    desk.until(f'document.querySelector("{button}")')
    desk.ask(hold, other)
    desk.ask("(name) => document.querySelector(name).click()", button)
    desk.until("Boolean(window.release)")
    desk.press("Escape")
    desk.until("document.activeElement.id === 'script'")
    desk.type("Late.")
    slide(desk, 1.2)
    desk.ask("() => window.release()")
    desk.until("document.getElementById('title').value === 'Other'")
    desk.saved()
    assert desk.lines() == [("action", "Fog.")]
    end = time.monotonic() + _PATIENCE
    while room.texts(first) != ["Late."] or temperature_of(room, first) != 1.2:
        desk.page.wait_for_timeout(20)
        assert time.monotonic() < end, (room.texts(first), temperature_of(room, first))
    assert room.texts(other) == ["Fog."] and temperature_of(room, other) != 1.2


@pytest.mark.slow
def test_a_draft_is_made_once_and_only_the_open_one_is_followed(desk: Desk, room: ServedRoom) -> None:
    first, second = (room.draft(text, title=text, run="harbour")["id"] for text in ("A.", "B."))
    listed = f"document.querySelector(\"#drafts [data-id='{first}']\")"
    closed = "!document.getElementById('shelf').open"

    def press(*buttons: str) -> None:
        desk.press("Alt+d")
        desk.until(listed)
        desk.ask("(names) => names.forEach((name) => document.querySelector(name).click())", list(buttons))
        desk.until(closed)

    one, other = (f"#drafts .open[data-id='{id_}']" for id_ in (first, second))
    press(one, one)
    desk.until("document.getElementById('title').value === 'A.'")
    press(one, other)
    desk.until("document.getElementById('title').value === 'B.'")
    assert room.change(first, 1, "stray", put("x", "Stray.", after="0")).status_code == 200
    assert room.change(second, 1, "own", put("0", "Own.", after=None)).status_code == 200
    desk.until("document.querySelector('#script p').textContent === 'Own.'", _PATIENCE)
    assert desk.lines() == [("action", "Own.")]
    before = len(room.client.get("api/drafts").json())
    press("#new-draft", "#new-draft")
    desk.until("document.getElementById('title').value === 'Untitled'")
    assert desk.lines() == [("action", "")]
    assert len(room.client.get("api/drafts").json()) == before + 1
