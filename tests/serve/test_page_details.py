"""Single moves on the page in a real browser: dragging, finding, keys of a Mac, what is said, odd numbers."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser
from support.browser import Desk, Site, desks, needs_chromium
from support.room import ServedRoom

from scriptforge.run.run import Run
from scriptforge.workspace import RunFolder

MAC = 'Object.defineProperty(Navigator.prototype, "platform", { get: () => "MacIntel" });'
MENU_IS_OPEN = "document.getElementById('export-menu').matches(':popover-open')"
TAKES_ARE_DONE = "document.querySelectorAll('.take').length === 3 && !document.querySelector('.take.coming')"

pytestmark = [needs_chromium, pytest.mark.slow]


def select(desk: Desk, words: str) -> tuple[float, float, float]:
    """Select words of the script; return their left and right end and their middle, from top to bottom."""
    left, right, middle = desk.ask(
        """words => {
          const walker = document.createTreeWalker(document.getElementById("script"), NodeFilter.SHOW_TEXT);
          while (!walker.nextNode().data.includes(words));
          const from = walker.currentNode.data.indexOf(words);
          getSelection().setBaseAndExtent(walker.currentNode, from, walker.currentNode, from + words.length);
          const { left, right, top, bottom } = getSelection().getRangeAt(0).getBoundingClientRect();
          return [left, right, (top + bottom) / 2];
        }""",
        words,
    )
    return left, right, middle


def drag(desk: Desk, words: str, before: str) -> None:
    """Drag words in front of others with the mouse."""
    mouse = desk.page.mouse
    to_left, _, to_middle = select(desk, before)
    left, right, middle = select(desk, words)
    mouse.move((left + right) / 2, middle)
    mouse.down()
    mouse.move(to_left + 30, to_middle)
    mouse.move(to_left + 1, to_middle)
    mouse.up()


def test_what_is_dragged_moves_in_one_step(desk: Desk) -> None:
    desk.type("one two three")
    desk.press("Enter")
    desk.type("four five")
    drag(desk, "two ", before="one")
    assert desk.lines() == [("action", "two one three"), ("action", "four five")]
    drag(desk, "three", before="five")
    assert desk.lines() == [("action", "two one "), ("action", "four threefive")]
    desk.press("Control+z")
    assert desk.lines() == [("action", "two one three"), ("action", "four five")]
    desk.press("Control+z")
    assert desk.lines() == [("action", "one two three"), ("action", "four five")]


def test_words_are_dropped_from_another_program(desk: Desk) -> None:
    desk.type("one three")
    left, _, middle = select(desk, "three")
    tab = desk.page.context.new_cdp_session(desk.page)
    held = {"items": [{"mimeType": "text/plain", "data": "two "}], "dragOperationsMask": 1}
    for type_ in ("dragEnter", "dragOver", "drop"):
        tab.send("Input.dispatchDragEvent", {"type": type_, "x": left + 1, "y": middle, "data": held})
    desk.until("document.querySelector('#script p').textContent === 'one two three'")


def test_a_damaged_entry_of_unsent_words_does_not_keep_a_draft_closed(desk: Desk) -> None:
    desk.type("Kept.")
    desk.saved()
    draft = desk.ask("localStorage.getItem('scriptforge-last')")
    for entry in ("{", "null", '{"changes": 1}'):
        desk.ask(
            "([key, entry]) => localStorage.setItem(key, entry)", [f"scriptforge-unsent {draft} gone", entry]
        )
        desk.page.reload()
        desk.settle()
        assert desk.lines() == [("action", "Kept.")]


def test_one_after_another_is_replaced_by_words_that_have_it_in_them(desk: Desk) -> None:
    desk.type("The cat sat. A cat in İzmir.")
    desk.press("Control+f")
    desk.type("CAT")
    desk.until("document.getElementById('find-count').textContent === '1 of 2'")
    desk.page.fill("#replace-words", "cats")
    desk.page.click("#replace-one")
    desk.page.click("#replace-one")
    assert desk.lines() == [("action", "The cats sat. A cats in İzmir.")]


def test_escape_closes_the_export_menu(desk: Desk) -> None:
    desk.press("Alt+e")
    assert desk.ask(MENU_IS_OPEN)
    desk.press("Escape")
    assert not desk.ask(MENU_IS_OPEN)


def test_a_mac_has_keys_of_its_own_and_says_them(browser: Browser, room: ServedRoom) -> None:
    for desk in desks(browser, room.linked(), MAC):
        desk.press("Alt+e")
        assert not desk.ask(MENU_IS_OPEN)
        desk.press("Control+f")
        assert desk.ask("document.getElementById('find').hidden")
        desk.press("Control+Alt+e")
        assert desk.ask(MENU_IS_OPEN)
        desk.press("Escape", "Meta+f")
        assert not desk.ask("document.getElementById('find').hidden")
        assert desk.ask("document.getElementById('open-export').title") == "Export (⌃⌥E)"
        assert desk.text("go-on").endswith("⌘Enter")
        assert "Command and Enter" in desk.text("script-help")


def test_scenes_are_listed_in_a_browser_without_idle_callbacks(browser: Browser, room: ServedRoom) -> None:
    for desk in desks(browser, room.linked(), "delete globalThis.requestIdleCallback;"):
        desk.type("int. harbour - night")
        desk.until("document.querySelectorAll('#scenes li').length === 1", 10)


def test_what_a_line_becomes_is_announced(desk: Desk) -> None:
    desk.press("Tab")
    desk.until("document.getElementById('live').textContent === 'Character'", 10)
    desk.press("Control+1")
    desk.until("document.getElementById('live').textContent === 'Scene heading'", 10)
    assert desk.ask("document.getElementById('said').hidden")


def test_what_is_wrong_stays_until_it_is_closed(browser: Browser, room: ServedRoom) -> None:
    draft = room.draft("It rains.", run="gone")
    shown = "document.getElementById('problem').checkVisibility()"
    for desk in desks(browser, f"{room.base}?draft={draft['id']}#token={room.token}"):
        desk.press("Control+Enter")
        assert desk.ask(shown) and "gone" in desk.text("problem-words")
        assert "gone" not in desk.text("live")
        desk.press("Escape")
        assert not desk.ask(shown)
        desk.press("Control+Enter")
        assert desk.ask(shown)
        desk.page.click("#problem-close")
        assert not desk.ask(shown)


def test_a_number_of_lines_that_is_none_is_the_nearest(desk: Desk) -> None:
    desk.press("Alt+p")
    for number in ("20", "2.5", "0"):
        desk.page.fill("#lines", number)
        desk.ask("document.getElementById('script').focus()")
        desk.press("Control+Enter")
        desk.answered()
        desk.press("Escape")


def test_three_more_takes_are_others_with_a_seed(desk: Desk) -> None:
    desk.press("Alt+p")
    desk.page.fill("#seed", "5")
    desk.ask("document.getElementById('script').focus()")
    desk.press("Control+Shift+Enter")
    desk.until(TAKES_ARE_DONE)
    takes = "[...document.querySelectorAll('.take')].map((take) => take.textContent)"
    first = desk.ask(takes)
    desk.page.click("#more-takes")
    desk.until(TAKES_ARE_DONE)
    others = desk.ask(takes)
    assert first != others
    desk.press("1")
    assert "".join(text for _, text in desk.lines()) == others[0]


def test_a_model_that_cannot_start_is_said_each_time(
    browser: Browser, tiny_run: RunFolder, tmp_path: Path
) -> None:
    site = Site(tmp_path)
    site.show(Run(tiny_run))
    (tmp_path / "worker.js").unlink()
    try:
        for desk in desks(browser, site.link):
            for _ in range(2):
                desk.press("Control+Enter")
                desk.until("!document.getElementById('problem').hidden", 10)
                assert "could not be started" in desk.text("problem-words")
                desk.page.click("#problem-close")
                desk.ask("document.getElementById('script').focus()")
    finally:
        site.stop()
