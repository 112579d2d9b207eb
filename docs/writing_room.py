"""Make the screenshots of the writing room in `docs/images`: one with a suggestion, one with three takes.

    python docs/writing_room.py WORKSPACE RUN

RUN is a run of the workspace on the corpus of the demo. Needs Chromium and Playwright. The script on the page
is the one below; the model writes the grey text and the takes.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
SIZE = {"width": 1280, "height": 800}
SEED = 8
SCRIPT = (
    ("heading", "INT. TOLL BOOTH - MORNING"),
    ("action", "Fog on the river. PRU counts coins into a jar that has no bottom."),
    ("character", "PRU"),
    ("dialogue", "Forty cents. Thirty-nine, if you don't like the king."),
    ("character", "LEO"),
    ("parenthetical", "(from under the desk)"),
    ("dialogue", "Has the goose paid?"),
    ("character", "PRU"),
    ("dialogue", "The goose never pays. The goose looks at you."),
    ("heading", "EXT. BRIDGE - CONTINUOUS"),
    ("action", "Margo stands at the barrier with a piano on a handcart."),
    ("character", "MARGO"),
    ("dialogue", "One piano. Do I pay by the wheel, or by the key?"),
    ("character", "PRU"),
    ("dialogue", "By the tune. Is it a sad one?"),
)


def main(workspace: Path, run: str) -> None:
    """Serve the run, write with it on the page, and save screenshots."""
    command = [sys.executable, "-m", "scriptforge", "serve", run, "--port", "0", "--no-browser"]
    server = subprocess.Popen(command, cwd=workspace, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        base, _, token = server.stdout.readline().strip().partition("#token=")
        link = f"{base}?draft={_draft(base, token, run)}#token={token}"
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
            _suggestion(browser, link)
            _takes(browser, link)
            browser.close()
    finally:
        server.terminate()
        server.wait()


def _chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def _draft(base: str, token: str, run: str) -> Any:
    """Create a draft of the script, and return its id."""
    elements = [{"id": str(number), "kind": kind, "text": text} for number, (kind, text) in enumerate(SCRIPT)]
    with httpx.Client(base_url=base, headers={"authorization": f"Bearer {token}"}, timeout=60) as client:
        draft = {"title": "The Goose Pays", "run": run, "elements": elements}
        id_ = client.post("api/drafts", json=draft).json()["id"]
        client.patch(f"api/drafts/{id_}", json={"settings": {"seed": SEED}}).raise_for_status()
    return id_


def _opened(browser: Browser, link: str, scheme: Any) -> Page:
    page = browser.new_context(viewport=SIZE, color_scheme=scheme, reduced_motion="reduce").new_page()
    page.goto(link)
    page.wait_for_selector("body[data-ready]")
    return page


def _suggestion(browser: Browser, link: str) -> None:
    """Let Leo speak next, save a screenshot of the suggestion, and accept it."""
    page = _opened(browser, link, "light")
    page.click("#cast button[data-name=LEO]")
    page.wait_for_selector("#take")
    page.wait_for_selector("#stop", state="hidden")
    page.mouse.move(640, 300)  # away from the buttons, so that none is highlighted
    page.screenshot(path=IMAGES / "writing-room.png")
    page.click("#take")
    page.wait_for_timeout(500)  # changes are sent after a short delay
    page.wait_for_selector("#saved[data-state=saved]")
    page.close()


def _takes(browser: Browser, link: str) -> None:
    page = _opened(browser, link, "dark")
    page.keyboard.press("Control+Shift+Enter")
    page.wait_for_selector("#takes:not([hidden]):not(:has(.coming))")
    page.screenshot(path=IMAGES / "writing-room-takes.png")
    page.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2])
