"""Chromium, driven as a person would: pages on this machine, keys, and what stands on the screen."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from scriptforge.hub.space import space_files
from scriptforge.run.run import Run
from support import skips

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason=skips.NO_CHROMIUM)

_PATIENCE = 60.0
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window; Playwright's own is never asked for."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Site(ThreadingHTTPServer):
    """A static server like any other, of one folder."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
        self.folder = folder
        self.link = f"http://127.0.0.1:{self.server_port}/"
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def show(self, run: Run) -> None:
        """Lay out the page of a run."""
        for name, content in space_files(run, "ann/harbour").items():
            data = content.read_bytes() if isinstance(content, Path) else content
            (self.folder / name).write_bytes(data)

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


class Desk:
    """A page of the writing room, and the hands of whoever sits there.

    Attributes:
        problems: errors of the page's own code, which no test may leave behind.
    """

    def __init__(self, page: Page, link: str) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("pageerror", lambda problem: self.problems.append(f"{problem} {problem.stack}"))
        page.goto(link)
        self.settle()

    def settle(self) -> None:
        """Wait until a draft is open."""
        self.until("document.body.dataset.ready === 'yes'")

    def until(self, condition: str, patience: float = _PATIENCE) -> None:
        """Wait until an expression of JavaScript is true. (The page forbids what Playwright waits with.)"""
        end = time.monotonic() + patience
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, f"never: {condition}; {self.lines()}; {self.problems}"
            time.sleep(0.03)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def lines(self) -> list[tuple[str, str]]:
        """The elements of the script as the page shows them: kind and text, grey ones left out."""
        found = self.page.evaluate(
            "[...document.querySelectorAll('#script p[data-id]')].map(p => [p.className, p.textContent])"
        )
        return [(kind, text) for kind, text in found]

    def grey(self) -> list[str]:
        """What is grey: words after the caret, and the elements below."""
        found: list[str] = self.page.evaluate(
            "[...document.querySelectorAll('#script [data-ghost]')].map(p => p.dataset.ghost)"
            ".concat([...document.querySelectorAll('#script .ghost')].map(p => p.textContent))"
        )
        return found

    def answered(self) -> None:
        """Wait until the model has written a suggestion to its end."""
        self.until("!document.getElementById('take').hidden && document.getElementById('stop').hidden")

    def saved(self, state: str = "saved") -> None:
        """Wait until the bar says how things stand."""
        time.sleep(0.35)  # letters are gathered for a moment before they are sent
        self.until(f"document.getElementById('saved').dataset.state === '{state}'")

    def text(self, name: str) -> str:
        found: str = self.page.evaluate(f"document.getElementById('{name}').textContent")
        return found

    def ask(self, script: str, argument: Any = None) -> Any:
        """Evaluate a function of JavaScript in the page."""
        return self.page.evaluate(script, argument)


def desks(browser: Browser, link: str, setup: str = "") -> Iterator[Desk]:
    """Yield one page of the writing room in a profile of its own; `setup` runs before its code does."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    if setup:
        context.add_init_script(setup)
    desk = Desk(context.new_page(), link)
    yield desk
    context.close()
    assert not desk.problems
