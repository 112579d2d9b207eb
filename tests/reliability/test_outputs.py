"""What goes out, attacked: secrets in what is printed, kept and sent, and texts that are more than text."""

from pathlib import Path

import pytest
from support.browser import Desk, chromium, needs_chromium
from support.campaign import failures
from support.room import served

from reliability import canaries, injected, pasted, printed_matter
from reliability.furnished import copied
from reliability.payloads import EVERYTHING, LINES, MARKUP, SHELL, STEERING, as_file_name


def test_every_command_is_watched() -> None:
    assert canaries.unwatched() == set()


@pytest.mark.slow
@pytest.mark.parametrize("command", canaries.SESSIONS)
def test_no_secret_leaves_its_place(furnished: Path, command: str) -> None:
    assert failures(canaries.attack(furnished, [command])) == []


@pytest.mark.soak
@pytest.mark.parametrize("place", canaries.PLACES)
@pytest.mark.parametrize("command", canaries.SESSIONS)
def test_no_secret_leaves_its_place_anywhere(furnished: Path, command: str, place: str) -> None:
    assert failures(canaries.attack(furnished, [command], [place], with_json=True)) == []


@pytest.mark.soak
def test_no_argument_steers_a_terminal(furnished: Path) -> None:
    assert failures(injected.attack(furnished, [EVERYTHING], laid=())) == []


@pytest.mark.slow
@pytest.mark.parametrize("what", injected.LAID)
def test_nothing_in_a_workspace_steers_a_terminal(furnished: Path, what: str) -> None:
    assert failures(injected.attack(furnished, [EVERYTHING, LINES["line"]], arguments=(), laid=[what])) == []


@pytest.mark.slow
def test_no_server_steers_a_terminal(furnished: Path) -> None:
    assert failures([injected.servers(furnished, [EVERYTHING])]) == []


@pytest.mark.slow
def test_printed_commands_are_only_themselves(furnished: Path) -> None:
    texts = [SHELL["substitution"], SHELL["quote"], STEERING["OSC 52, clipboard"], LINES["line"]]
    assert failures(pasted.attack(furnished, texts)) == []


@pytest.mark.soak
def test_nothing_steers_a_terminal_in_any_way() -> None:
    assert failures(injected.long_attack()) == []


@pytest.mark.soak
def test_all_printed_commands_are_only_themselves() -> None:
    assert failures(pasted.long_attack()) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", printed_matter.KINDS)
def test_in_files_foreign_text_is_text(furnished: Path, kind: str) -> None:
    assert failures(printed_matter.attack(furnished, [kind])) == []


@pytest.mark.soak
def test_in_files_all_foreign_text_is_text() -> None:
    assert failures(printed_matter.long_attack()) == []


ACTING = "script:not([src]), img, iframe, object, embed, [onerror], [onload], a[href^='javascript']"


@needs_chromium
@pytest.mark.slow
def test_on_the_page_of_a_room_foreign_text_is_text(furnished: Path, tmp_path: Path) -> None:
    workspace = copied(furnished, tmp_path / "workspace")
    (workspace / "runs" / "play").rename(workspace / "runs" / as_file_name(MARKUP["image"]))
    texts = [" ".join(text.split()) for text in (*MARKUP.values(), *SHELL.values())]
    with served(workspace, "--port", "0") as room, chromium() as browser:
        drafts = [room.draft(*texts, title=text) for text in texts]
        page = browser.new_page()
        page.add_init_script("window.PWN = () => { window.pwned = true }")
        desk = Desk(page, f"{room.base}?draft={drafts[-1]['id']}#token={room.token}")
        assert [text for _, text in desk.lines()] == texts
        desk.press("Alt+d")
        desk.until(f"document.body.textContent.includes({texts[0]!r})")
        assert desk.ask("acting => document.querySelectorAll(acting).length", ACTING) == 0
        assert desk.ask("() => window.pwned") is None
        assert not desk.problems
