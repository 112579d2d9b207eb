"""The page in a real browser, with keys and files, as whoever writes there has it."""

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from support.browser import Desk, Site, desks, needs_chromium
from support.room import ServedRoom, put, served
from support.tiny import SPEAKERS

from scriptforge.run.run import Run
from scriptforge.screenplay.formats import read
from scriptforge.workspace import RunFolder

PAGE = Path(str(files("scriptforge") / "serve" / "page"))
AXE = Path(str(files("axe_playwright_python") / "axe.min.js"))
MODULES = Path(__file__).with_name("page_modules.js")
FOUNTAIN = (
    "Title: Gulls\n\nINT. BOATHOUSE - DAWN\n\nThe tide is out.\n\nELAINE\n(low)\nSomebody took the oars.\n"
)

pytestmark = needs_chromium


def dropped(desk: Desk, name: str, text: str) -> None:
    """Drop a file onto the page."""
    desk.ask(
        """([name, text]) => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([text], name));
          const happens = { dataTransfer, bubbles: true, cancelable: true };
          document.body.dispatchEvent(new DragEvent("drop", happens));
        }""",
        [name, text],
    )


def write_a_speech(desk: Desk) -> None:
    desk.type("int. harbour - night")
    desk.press("Enter")
    desk.type("Fog.")
    desk.press("Enter", "Tab")
    desk.type("el")
    assert desk.grey() == ["AINE"]
    desk.press("Enter")
    desk.type("Who is there?")


SPEECH = [
    ("heading", "int. harbour - night"),
    ("action", "Fog."),
    ("character", "elAINE"),
    ("dialogue", "Who is there?"),
]


def test_a_model_in_the_browser_writes_along_and_all_is_there_tomorrow(
    browser: Browser, tiny_run: RunFolder, tmp_path: Path
) -> None:
    site = Site(tmp_path)
    site.show(Run(tiny_run))
    try:
        for desk in desks(browser, site.link):
            write_a_speech(desk)
            assert desk.lines() == SPEECH
            desk.press("Control+Enter")
            desk.answered()
            assert desk.grey() and desk.lines() == SPEECH
            desk.press("Tab")
            written = desk.lines()
            assert written[:4] == SPEECH and len(written) > 4 and not desk.grey()
            desk.press("Control+z")
            assert desk.lines() == SPEECH
            desk.press("Control+Shift+z")
            assert desk.lines() == written
            desk.saved()
            desk.page.reload()
            desk.settle()
            assert desk.lines() == written
    finally:
        site.stop()


def test_changes_can_be_taken_back_and_nobody_is_written_over(browser: Browser, tmp_path: Path) -> None:
    site = Site(PAGE)
    page = browser.new_page()
    try:
        page.goto(f"{site.link}icon.svg")
        failures = page.evaluate(MODULES.read_text(encoding="utf-8"))
    finally:
        page.close()
        site.stop()
    assert failures == []


@pytest.mark.slow
def test_suggestions_are_taken_changed_and_dropped(desk: Desk) -> None:
    write_a_speech(desk)
    desk.press("Alt+2")
    desk.answered()
    first = desk.grey()
    second = desk.ask("document.querySelectorAll('#cast button')[1].dataset.name")
    assert desk.ask("document.querySelector('#script .ghost.character').textContent") == second
    assert second in SPEAKERS[1:]
    desk.press("ArrowDown")
    desk.answered()
    desk.press("ArrowUp")
    assert desk.grey() == first
    desk.press("Escape")
    assert not desk.grey() and desk.lines() == SPEECH
    desk.press("Control+Shift+Enter")
    desk.until("document.querySelectorAll('.take').length === 3 && !document.querySelector('.take.coming')")
    takes = desk.ask("[...document.querySelectorAll('.take')].map(take => take.textContent)")
    desk.press("2")
    assert "".join(text for _, text in desk.lines()[4:]) == takes[1]
    origins = desk.ask("[...document.querySelectorAll('#script p')].map(p => p.dataset.origin ?? '')")
    assert origins[:4] == [""] * 4 and all(origin.startswith("harbour") for origin in origins[4:])
    desk.type(" Indeed.")
    desk.until("document.querySelector('#script p:last-child').dataset.origin.endsWith('edited')")


@pytest.mark.slow
def test_keys_and_input_methods_make_and_join_elements(desk: Desk) -> None:
    desk.type("Fog")
    composing = desk.page.context.new_cdp_session(desk.page)
    for text in ("に", "にほ", "日本"):
        held = {"text": text, "selectionStart": len(text), "selectionEnd": len(text)}
        composing.send("Input.imeSetComposition", held)
    composing.send("Input.insertText", {"text": "日本"})
    desk.type(".")
    assert desk.lines() == [("action", "Fog日本.")]
    desk.press("Enter", "Tab")
    desk.type("bo")
    desk.press("Enter")
    desk.type("(low)")
    desk.press("Enter")
    desk.type("Yes")
    assert desk.lines()[2:] == [("parenthetical", "(low)"), ("dialogue", "Yes")]
    desk.press("Control+a", "Backspace")
    for kind in ("character", "transition", "heading", "action"):
        desk.press("Tab")
        assert desk.lines() == [(kind, "")]
    desk.type("one two")
    desk.press("Enter")
    desk.type("three")
    desk.press("Home", "Backspace")
    assert desk.lines() == [("action", "one twothree")]
    desk.press("Control+z", "Control+Home", "End", "Delete")
    assert desk.lines() == [("action", "one twothree")]
    desk.press("Control+Backspace")
    assert desk.lines() == [("action", "one three")]
    desk.press("Enter")
    assert desk.lines() == [("action", "one"), ("action", "three")]


@pytest.mark.slow
def test_a_long_script_is_whole_at_both_ends(desk: Desk) -> None:
    lines = "\n\n".join(f"Wave {number}." for number in range(500))
    desk.ask(
        """text => {
          const clipboardData = new DataTransfer();
          clipboardData.setData("text/plain", text);
          const happens = { clipboardData, bubbles: true, cancelable: true };
          document.getElementById("script").dispatchEvent(new ClipboardEvent("paste", happens));
        }""",
        lines,
    )
    desk.press("Control+Home")
    desk.type("First. ")
    desk.press("Control+End")
    desk.type(" Last.")
    written = [text for _, text in desk.lines()]
    assert written == ["First. Wave 0.", *(f"Wave {number}." for number in range(1, 499)), "Wave 499. Last."]
    desk.press("Control+Home", "Control+Shift+End", "Delete")
    assert desk.lines() == [("action", "")]
    desk.press("Control+z")
    desk.saved()
    desk.page.reload()
    desk.settle()
    assert [text for _, text in desk.lines()] == written


@pytest.mark.slow
def test_somebody_else_speaks_where_a_name_stands_already(desk: Desk) -> None:
    desk.press("Tab")
    desk.type("Nobody")
    desk.press("Enter", "Alt+1")
    desk.answered()
    desk.press("Tab")
    first = desk.ask("document.querySelector('#cast button').dataset.name")
    assert [text for kind, text in desk.lines() if kind == "character"] == [first]
    desk.press("Control+z")
    assert desk.lines() == [("character", "Nobody"), ("dialogue", "")]


@pytest.mark.slow
def test_what_follows_is_kept_as_a_branch_and_comes_back(desk: Desk) -> None:
    write_a_speech(desk)
    desk.press("Enter", "Tab")
    desk.type("Bo")
    desk.press("Enter")
    desk.type("Nobody.")
    before = desk.lines()
    desk.press("ArrowUp", "ArrowUp", "End", "Alt+Enter")
    desk.answered()
    assert [text for _, text in desk.lines()] == [text for _, text in before[:3]]
    desk.press("Tab")
    instead = desk.lines()
    assert instead[:3] == before[:3] and instead != before
    desk.until("document.querySelectorAll('#branches li').length === 1")
    desk.page.click("#branches [data-act=back]")
    assert desk.lines() == before
    desk.press("Control+z")
    assert desk.lines() == instead
    desk.saved()
    desk.page.reload()
    desk.settle()
    assert desk.lines() == instead
    desk.until("document.querySelectorAll('#branches li').length === 1")


@pytest.mark.slow
def test_a_server_that_is_killed_loses_nothing(browser: Browser, workspace: Path) -> None:
    first = ServedRoom(workspace, "harbour", "--port", "0")
    for desk in desks(browser, first.link):
        desk.type("Before the storm.")
        desk.saved()
        desk.type(" And then")
        first.kill()
        desk.press("Enter")
        desk.type("in the dark.")
        desk.saved("local")
        assert "does not answer" in desk.text("saved")
        desk.press("Enter")
        desk.page.evaluate("dispatchEvent(new Event('pagehide'))")
        with served(workspace, "harbour", "--port", str(first.port)) as second:
            desk.saved()
            (draft,) = second.client.get("api/drafts").json()
            assert second.texts(draft["id"]) == ["Before the storm. And then", "in the dark.", ""]
            desk.page.reload()
            desk.settle()
            assert [text for _, text in desk.lines()] == ["Before the storm. And then", "in the dark.", ""]


@pytest.mark.slow
def test_words_that_were_not_sent_outlive_the_page(browser: Browser, workspace: Path) -> None:
    first = ServedRoom(workspace, "harbour", "--port", "0")
    context = browser.new_context()
    desk = Desk(context.new_page(), first.link)
    desk.type("Kept.")
    desk.saved()
    first.kill()
    desk.type(" And this, too.")
    desk.saved("local")
    desk.page.close()
    with served(workspace, "harbour", "--port", str(first.port)) as second:
        later = Desk(context.new_page(), second.base)
        later.saved()
        assert later.lines() == [("action", "Kept. And this, too.")]
        (draft,) = second.client.get("api/drafts").json()
        assert second.texts(draft["id"]) == ["Kept. And this, too."]
    context.close()


@pytest.mark.slow
def test_a_file_comes_in_and_goes_out(desk: Desk, tmp_path: Path) -> None:
    dropped(desk, "gulls.fountain", f"{FOUNTAIN}\n.#2#\n\nRain.\n")
    desk.until("document.querySelectorAll('#script p').length === 7")
    kinds = ["heading", "action", "character", "parenthetical", "dialogue", "heading", "action"]
    assert [kind for kind, _ in desk.lines()] == kinds
    for suffix, form in (("fountain", "fountain"), ("fdx", "fdx")):
        desk.press("Alt+e")
        with desk.page.expect_download() as download:
            desk.page.click(f"#export-menu [data-format={suffix}]")
        path = tmp_path / f"out.{suffix}"
        download.value.save_as(path)
        elements = list(read(path.read_text(encoding="utf-8").splitlines(), form))
        assert [(each.kind, each.text) for each in elements] == [
            ("heading", "INT. BOATHOUSE - DAWN"),
            ("action", "The tide is out."),
            ("dialogue", "(low) Somebody took the oars."),
            ("heading", ""),
            ("action", "Rain."),
        ]
    desk.ask("document.getElementById('script').focus()")
    desk.press("Control+z")
    assert desk.lines() == [("action", "")]


@pytest.mark.slow
def test_a_file_that_came_in_is_described_and_every_answer_can_be_read(desk: Desk) -> None:
    desk.type("Fog.")
    dropped(desk, "gulls.fountain", FOUNTAIN)
    desk.until("document.getElementById('imported').open")
    assert desk.text("said") == "Read “gulls.fountain”: 1 scene, 1 speech."
    for width in (1280, 390):
        desk.page.set_viewport_size({"width": width, "height": 800})
        assert desk.ask("""() => {
          const dialog = document.getElementById("imported");
          return dialog.scrollWidth <= dialog.clientWidth && dialog.querySelectorAll("button").length === 3;
        }""")
    desk.page.click("#imported [value='']")
    assert desk.lines() == [("action", "Fog.")]


@pytest.mark.slow
def test_two_tabs_see_each_other_and_neither_loses_a_word(browser: Browser, room: ServedRoom) -> None:
    context = browser.new_context()
    link = room.linked("One.", "Two.")
    draft = link.partition("draft=")[2].partition("#")[0]
    left, right = Desk(context.new_page(), link), Desk(context.new_page(), link)
    left.page.bring_to_front()
    left.press("Control+End")
    left.type(" And a half.")
    left.saved()
    right.until("document.querySelector('#script p:last-child').textContent === 'Two. And a half.'")
    left.press("Enter")
    left.type("Three.")
    left.saved()
    right.until("document.querySelectorAll('#script p').length === 3")
    revision = room.client.get(f"api/drafts/{draft}").json()["revision"]
    right.page.route("**/changes", lambda route: route.abort())
    right.page.bring_to_front()
    right.press("Control+Home", "End")
    right.type(" Mine.")
    right.saved("local")
    assert room.change(draft, revision, "theirs", put("0", "One. Theirs.", after=None)).status_code == 200
    right.page.unroute("**/changes")
    right.page.evaluate("dispatchEvent(new Event('online'))")
    for desk in (left, right):
        desk.until("document.querySelectorAll('#script p').length === 4")
        texts = ["One. Theirs.", "One. Mine.", "Two. And a half.", "Three."]
        assert [text for _, text in desk.lines()] == texts
    assert room.texts(draft) == texts
    assert not left.problems + right.problems
    context.close()


@pytest.mark.slow
def test_everything_is_reached_by_keys(desk: Desk) -> None:
    write_a_speech(desk)
    focused: Callable[[], str] = lambda: desk.ask("document.activeElement.id")  # noqa: E731
    desk.press("F6")
    assert focused() == "go-on"
    desk.press("Shift+F6")
    assert focused() == "script"
    desk.press("F1")
    assert desk.ask("document.getElementById('keys').open")
    assert "Who speaks next" in desk.text("key-list")
    desk.press("Escape")
    desk.press("Control+f")
    desk.type("there")
    desk.until("document.getElementById('find-count').textContent === '1 of 1'")
    desk.press("Tab", "Tab", "Tab")
    desk.type("here")
    desk.press("Tab", "Tab", "Enter")
    desk.until("document.querySelector('#script p:last-child').textContent === 'Who is here?'")
    desk.press("Escape")
    assert focused() == "script"
    desk.press("Control+6")
    assert desk.lines()[-1][0] == "transition"
    desk.press("Control+z", "Control+z")
    assert desk.lines() == SPEECH
    desk.press("Alt+p")
    assert focused() == "run"
    desk.press("F6", "F6")
    desk.press("Alt+w")
    assert desk.ask("document.body.classList.contains('authors')")
    desk.press("Alt+d")
    desk.until("document.querySelectorAll('#drafts .open').length > 0")
    desk.page.focus("#new-draft")
    desk.press("Enter")
    desk.until("document.querySelectorAll('#script p').length === 1")
    assert desk.lines() == [("action", "")]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_out(browser: Browser, room: ServedRoom, scheme: str) -> None:
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light", bypass_csp=True)
    desk = Desk(context.new_page(), room.linked())
    write_a_speech(desk)
    desk.press("Control+Enter")
    desk.answered()
    desk.page.evaluate(AXE.read_text(encoding="utf-8"))

    def found() -> list[str]:
        results = desk.ask("axe.run({ resultTypes: ['violations'] })")
        serious = [each for each in results["violations"] if each["impact"] in ("serious", "critical")]
        return [json.dumps([each["id"], [node["html"] for node in each["nodes"]]]) for each in serious]

    assert not found()
    desk.press("Tab", "Control+Shift+Enter")
    desk.until("document.querySelectorAll('.take').length === 3 && !document.querySelector('.take.coming')")
    assert not found()
    desk.press("Escape", "Alt+p", "Alt+w", "Control+f")
    assert not found()
    for key in ("F1", "Alt+d"):
        desk.press(key)
        assert not found()
        desk.press("Escape")
    context.close()


@pytest.mark.slow
def test_a_browser_without_javascript_is_told_what_is_missing(browser: Browser, room: ServedRoom) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(room.base)
    assert "needs JavaScript" in page.inner_text("body")
    context.close()


@pytest.mark.slow
def test_a_full_disk_is_said_and_the_words_stay(browser: Browser, workspace: Path) -> None:
    small = ("bash", "-c", 'ulimit -f 600; exec "$0" "$@"')
    context = browser.new_context()
    with served(workspace, "harbour", "--port", "0", wrapper=small) as room:
        desk = Desk(context.new_page(), room.link)
        desk.type("Before. ")
        desk.saved()
        for number in range(40):
            desk.page.keyboard.insert_text(f"{number} " + "tide " * 3000)
            desk.press("Enter")
            desk.until("document.getElementById('saved').dataset.state !== 'saving'")
            if "full" in desk.text("saved"):
                break
        assert "full" in desk.text("saved") and "kept in this browser" in desk.text("saved")
        written = desk.lines()
        port = room.port
    with served(workspace, "harbour", "--port", str(port)) as room:
        desk.page.evaluate("dispatchEvent(new Event('online'))")
        desk.saved()
        (draft,) = room.client.get("api/drafts").json()
        assert room.texts(draft["id"]) == [text for _, text in written]
    assert not desk.problems
    context.close()


@pytest.mark.slow
def test_a_password_opens_the_room(browser: Browser, workspace: Path) -> None:
    (workspace / "password").write_text("open sesame\n", encoding="utf-8")
    with served(workspace, "harbour", "--port", "0", "--password-file", "password") as room:
        page = browser.new_page()
        page.goto(room.base)
        page.fill("#password", "wrong word")
        page.press("#password", "Enter")
        page.wait_for_selector("#login-wrong:not(:empty)")
        page.fill("#password", "open sesame")
        page.press("#password", "Enter")
        page.wait_for_selector("body[data-ready]")
        page.close()


@pytest.mark.slow
def test_visitors_write_and_their_drafts_stay_with_them(browser: Browser, workspace: Path) -> None:
    context = browser.new_context()
    with served(workspace, "harbour", "--port", "0", "--read-only", "--for-anyone") as room:
        desk = Desk(context.new_page(), room.base)
        write_a_speech(desk)
        desk.press("Control+Enter")
        desk.answered()
        desk.press("Tab")
        written = desk.lines()
        assert len(written) > len(SPEECH)
        desk.saved()
        desk.page.reload()
        desk.settle()
        assert desk.lines() == written and not desk.problems
    assert not (workspace / "room").exists()
    context.close()
