"""The page that writes scripts, in a real browser: words are typed, a button pressed, a script appears."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from support import skips
from support.tiny import SPEAKERS, finish, prepared, small

from scriptforge.dataset import Dataset
from scriptforge.hub.space import space_files
from scriptforge.run.run import Run
from scriptforge.screenplay.formats import read
from scriptforge.training.trainer import start
from scriptforge.workspace import RunFolder

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason=skips.NO_CHROMIUM)]

# Opens the page in a frame, does with it what a person would, and sends what came of it to the server.
HARNESS = """<!doctype html><iframe id="frame" src="index.html" width="800" height="800"></iframe>
<script type="module">
const frame = document.getElementById("frame");
const until = async (isTrue) => { while (!isTrue()) await new Promise((go) => setTimeout(go, 20)); };
const byId = (id) => frame.contentDocument.getElementById(id);
await until(() => byId("write") && (!byId("write").disabled || byId("status").className === "wrong"));
const outcomes = [];
for (const asked of ASKED) {
  for (const [id, value] of Object.entries(asked)) byId(id).value = value;
  byId("write").click();
  await until(() => !byId("write").disabled);
  const lines = [...byId("script").children].map((line) => [line.className, line.textContent]);
  outcomes.push({ lines, status: byId("status").textContent, rate: Number(byId("script").dataset.rate) });
}
const speakers = [...byId("speaker").options].map((option) => option.text);
const name = frame.contentDocument.title;
await fetch("/", { method: "POST", body: JSON.stringify({ name, speakers, outcomes }) });
</script>"""


class Site(ThreadingHTTPServer):
    """A static server like any other, which also takes what the harness sends."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
        self.folder = folder
        self.outcome: Queue[dict[str, Any]] = Queue()
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()


class _Handler(SimpleHTTPRequestHandler):
    server: Site

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.outcome.put(json.loads(body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "site").mkdir()
    server = Site(tmp_path / "site")
    yield server
    server.shutdown()
    server.thread.join()
    server.server_close()


def seen(site: Site, run: Run, *asked: dict[str, Any]) -> dict[str, Any]:
    """What the page shows after each of several wishes."""
    for name, content in space_files(run, "ann/harbour").items():
        data = content.read_bytes() if isinstance(content, Path) else content
        (site.folder / name).write_bytes(data)
    (site.folder / "harness.html").write_text(HARNESS.replace("ASKED", json.dumps(asked)))
    assert BROWSER is not None
    browser = subprocess.Popen(
        [
            *(BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            f"--user-data-dir={site.folder.parent / 'profile'}",
            f"http://127.0.0.1:{site.server_port}/harness.html",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return site.outcome.get(timeout=90)
    finally:
        browser.terminate()
        browser.wait()


def texts(outcome: dict[str, Any]) -> list[str]:
    return [text for _, text in outcome["lines"]]


def test_a_script_appears_and_the_same_seed_gives_the_same(site: Site, tiny_run: RunFolder) -> None:
    wish = {"lines": "6", "seed": "7", "speaker": "0", "words": ""}
    shown = seen(site, Run(tiny_run), wish, {**wish, "seed": "8"}, wish)
    first, other, again = shown["outcomes"]
    assert shown["name"] == "harbour"
    assert set(shown["speakers"]) == {"anybody", *SPEAKERS}
    assert texts(first) == texts(again) != texts(other)
    assert len(first["lines"]) == 6
    assert texts(first)[0].startswith(f"{shown['speakers'][1]}: ")
    assert first["rate"] > 0
    elements = list(read(texts(first), "name-line"))
    assert [element.text for element in elements if element.kind == "dialogue"]


def test_the_page_writes_what_python_writes_at_temperature_zero(site: Site, tiny_run: RunFolder) -> None:
    from scriptforge.generation.generate import generate
    from scriptforge.options import GenerateOptions

    run = Run(tiny_run)
    place = str([token.name for token in run.vocabulary.speaker_tokens].index(SPEAKERS[0]))
    wish = {"lines": "5", "temperature": "0", "speaker": place}
    by_default, strengthened = seen(site, run, wish, {**wish, "voice": "4"})["outcomes"]
    request = GenerateOptions(prime=f"{SPEAKERS[0]}:", lines=5, temperature=0)
    for shown, voice in ((by_default, None), (strengthened, 4)):
        (text,) = generate(run.model, run.vocabulary, replace(request, voice=voice))
        assert texts(shown) == text.text.splitlines()
    assert texts(by_default) != texts(strengthened)


@pytest.mark.parametrize("level", ["bpe", "char"])
@pytest.mark.parametrize("plain", [False, True])
def test_every_level_is_written_as_python_writes_it(
    site: Site, tiny_text: Path, tmp_path: Path, level: str, plain: bool
) -> None:
    from scriptforge.generation.generate import generate
    from scriptforge.options import GenerateOptions

    options: dict[str, Any] = {"level": level, "plain": plain}
    if level == "bpe":
        options["vocabulary_size"] = 300
    dataset: Dataset = prepared(tiny_text, tmp_path / "data" / level, **options)
    folder = RunFolder(tmp_path / "runs" / level)
    finish(start(dataset, small(), folder, "cpu"))
    run = Run(folder)
    words = "The keeper's lamp"
    request = GenerateOptions(prime=words, lines=4, temperature=0)
    wish = {"lines": "4", "temperature": "0", "words": words, "speaker": ""}
    (shown,) = seen(site, run, wish)["outcomes"]
    if plain:
        (text,) = generate(run.model, run.vocabulary, request)
        assert "\n".join(texts(shown)).split() == text.text.split()
    else:
        assert words in texts(shown)[0]
        assert len(shown["lines"]) == 4


def test_a_word_that_was_not_learnt_is_said(site: Site, tiny_run: RunFolder) -> None:
    (shown,) = seen(site, Run(tiny_run), {"words": "xylophone"})["outcomes"]
    assert shown["status"] == "The model has not learnt “xylophone”."
