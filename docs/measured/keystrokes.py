"""Types into a long script in the writing room and measures the frames; writes keystrokes.md.

    python docs/measured/keystrokes.py WORKSPACE RUN

RUN is a run of the workspace. It needs Debian's chromium and Playwright; nothing else should run meanwhile.
"""

import os
import sys
import threading
import time
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, sync_playwright

from scriptforge.hub.space import write_page
from scriptforge.run.run import Run
from scriptforge.workspace import Workspace

PAGE = Path(__file__).with_suffix(".md")
CHROMIUM = "/usr/bin/chromium"
SCENES, LETTERS, PER_SECOND, ROUNDS = 750, 120, 12, 3
SCENE = """INT. ROOM {0} - DAY

Somebody comes into room {0}, and looks at the harbour for a while before anything is said.

JERRY
What do you want from me, number {0}? I have been here since the morning.

ELAINE
I never said that, {0}.
"""
SAID = "the quick brown fox jumps over a lazy dog and then nobody says anything about the harbour for long "
PASTE = """(text) => {
  const data = new DataTransfer();
  data.setData("text/plain", text);
  const paste = new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
  document.querySelector("#script").dispatchEvent(paste);
}"""
WATCH = """() => {
  window.frames_seen = [];
  let last = performance.now();
  const next = () => {
    const now = performance.now();
    frames_seen.push(now - last);
    last = now;
    requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
}"""


class Handler(SimpleHTTPRequestHandler):
    """Serves files, and says nothing of it."""

    def log_message(self, *_: object) -> None:
        """See `BaseHTTPRequestHandler`."""


def main(workspace: Path, name: str) -> None:
    """Measures some rounds, and writes the page."""
    with TemporaryDirectory() as folder:
        write_page(Run(Workspace(workspace).run(name)), Path(folder) / "page")
        handler = partial(Handler, directory=str(Path(folder) / "page"))
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            found = []
            for _ in range(ROUNDS):
                page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
                page.goto(f"http://127.0.0.1:{server.server_port}/")
                page.wait_for_selector("body[data-ready]")
                found.append((paste(page), longest_frame(page)))
                page.close()
            version = browser.version
        server.shutdown()
    elements, frames = found[0][0], ", ".join(f"{frame:.0f}" for _, frame in found)
    PAGE.write_text(f"""# Typing into a long script

<!-- Written by docs/measured/keystrokes.py. -->

Measured on {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores, in Chromium {version} without a GPU.

```
python docs/measured/keystrokes.py WORKSPACE RUN
```

Into the middle of a script of {elements:,} elements, {LETTERS} letters are typed at {PER_SECOND} a second.
The longest time between two frames, which is to be at most 50 ms: {frames} ms in {ROUNDS} rounds.
""")


def paste(page: Page) -> int:
    """Paste a long script, and return how many elements it has."""
    page.click("#script")
    page.evaluate(PASTE, "\n".join(SCENE.format(number) for number in range(SCENES)))
    page.wait_for_timeout(3000)
    return int(page.evaluate("document.querySelectorAll('#script p').length"))


def longest_frame(page: Page) -> float:
    """Type in the middle, and return the longest time between two frames in milliseconds."""
    page.evaluate(f"document.querySelector('#scenes li:nth-child({SCENES // 2}) button').click()")
    page.keyboard.press("Enter")
    page.wait_for_timeout(1500)
    page.evaluate(WATCH)
    for number in range(LETTERS):
        letter = SAID[number % len(SAID)]
        page.keyboard.press("Space" if letter == " " else letter)
        time.sleep(1 / PER_SECOND)
    return float(page.evaluate("Math.max(...frames_seen)"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
