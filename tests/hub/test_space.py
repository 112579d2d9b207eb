"""A model in the browser: what the page's decoder writes is what Python writes, from the same weights."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from support.browser import Site, chromium, needs_chromium
from support.tiny import SPEAKERS, finish, prepared, small

from scriptforge.dataset import Dataset
from scriptforge.generation.generate import Session
from scriptforge.options import GenerateOptions
from scriptforge.run.run import Run
from scriptforge.screenplay.formats import read
from scriptforge.training.trainer import start
from scriptforge.workspace import RunFolder

pytestmark = [pytest.mark.slow, needs_chromium]

# Has the page's modules write for each of several wishes: lists of [kind, line], or the words of an error.
WRITE = """async (wishes) => {
  const [{ LSTM, readTensors }, { Vocabulary }, { write }] =
    await Promise.all(["/model.js", "/vocabulary.js", "/writer.js"].map((name) => import(name)));
  const about = await (await fetch("space.json")).json();
  const weights = await (await fetch("model.safetensors")).arrayBuffer();
  const model = new LSTM(about.model, readTensors(weights)), vocabulary = new Vocabulary(about);
  return wishes.map((wish) => {
    const common = { words: "", lines: 20, temperature: 0.9, voice: about.voice, seed: 1 };
    const speaker = about.voices[wish.speaker] ?? null, lines = [];
    let last = null;
    try {
      const asked = { ...common, ...wish, speaker };
      for (const { kind, speaker: name, text, isWhole } of write(about, model, vocabulary, asked)) {
        last = [kind, name ? `${name}: ${text}` : text];
        if (isWhole) lines.push(last);
      }
    } catch (problem) {
      return problem.message;
    }
    return about.plain ? last[1].split("\\n").filter(Boolean).map((line) => ["plain", line]) : lines;
  });
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "site").mkdir()
    server = Site(tmp_path / "site")
    yield server
    server.stop()


def written(browser: Browser, site: Site, run: Run, *wishes: dict[str, Any]) -> list[Any]:
    """What the page's decoder writes for each wish."""
    site.show(run)
    page = browser.new_page()
    page.goto(f"{site.link}README.md")
    found: list[Any] = page.evaluate(WRITE, list(wishes))
    page.close()
    return found


def texts(lines: list[list[str]]) -> list[str]:
    return [text for _, text in lines]


def test_the_same_seed_gives_the_same(browser: Browser, site: Site, tiny_run: RunFolder) -> None:
    wish = {"lines": 6, "seed": 7, "speaker": 0}
    first, other, again = written(browser, site, Run(tiny_run), wish, {**wish, "seed": 8}, wish)
    assert texts(first) == texts(again) != texts(other)
    assert len(first) == 6
    elements = list(read(texts(first), "name-line"))
    assert {element.speaker for element in elements if element.kind == "dialogue"} <= set(SPEAKERS)


def test_the_page_writes_what_python_writes_at_temperature_zero(
    browser: Browser, site: Site, tiny_run: RunFolder
) -> None:
    run = Run(tiny_run)
    place = [token.name for token in run.vocabulary.speaker_tokens].index(SPEAKERS[0])
    wish = {"lines": 5, "temperature": 0, "speaker": place}
    by_default, strengthened = written(browser, site, run, wish, {**wish, "voice": 4})
    request = GenerateOptions(prime=f"{SPEAKERS[0]}:", lines=5, temperature=0)
    for shown, voice in ((by_default, None), (strengthened, 4)):
        (text,) = Session(run, replace(request, voice=voice)).write()
        assert texts(shown) == text.text.splitlines()
    assert texts(by_default) != texts(strengthened)


@pytest.mark.parametrize("level", ["bpe", "char"])
@pytest.mark.parametrize("plain", [False, True])
def test_every_level_is_written_as_python_writes_it(
    browser: Browser, site: Site, tiny_text: Path, tmp_path: Path, level: str, plain: bool
) -> None:
    options: dict[str, Any] = {"level": level, "plain": plain}
    if level == "bpe":
        options["vocabulary_size"] = 300
    dataset: Dataset = prepared(tiny_text, tmp_path / "data" / level, **options)
    folder = RunFolder(tmp_path / "runs" / level)
    finish(start(dataset, small(), folder, "cpu"))
    run = Run(folder)
    words = "The keeper's lamp"
    request = GenerateOptions(prime=words, lines=4, temperature=0)
    (shown,) = written(browser, site, run, {"lines": 4, "temperature": 0, "words": words, "speaker": None})
    if plain:
        (text,) = Session(run, request).write()
        assert "\n".join(texts(shown)).split() == text.text.split()
    else:
        assert words in texts(shown)[0]
        assert len(shown) == 4


def test_people_take_turns_and_echo_as_python_lets_them(
    browser: Browser, site: Site, tiny_run: RunFolder, tmp_path: Path
) -> None:
    shutil.copytree(tiny_run.path, folder := tmp_path / "strict")
    description = json.loads((folder / "config.json").read_text("utf-8"))
    strict = {
        "turns": {"same_again": 0.0, "busiest": 0.2},
        "echoes": {"runs": [[0.0] * 5] * 3, "lines": [0.0] * 5},
        "frequencies": {"ids": [30, 31, 32], "shares": [0.01, 0.01, 0.01]},
    }
    described = {**description, "dataset": {**description["dataset"], **strict}}
    (folder / "config.json").write_text(json.dumps(described), encoding="utf-8")
    wish = {"lines": 40, "temperature": 0, "speaker": 0}
    (loose,) = written(browser, site, Run(tiny_run), wish)
    (shown,) = written(browser, site, run := Run(RunFolder(folder)), wish)
    name = run.vocabulary.speaker_tokens[0].name
    request = GenerateOptions(prime=f"{name}:", lines=40, temperature=0)
    (text,) = Session(run, request).write()
    assert texts(shown) == text.text.splitlines()
    assert len(set(texts(shown))) > len(set(texts(loose)))


def test_a_word_that_was_not_learnt_is_said(browser: Browser, site: Site, tiny_run: RunFolder) -> None:
    (said,) = written(browser, site, Run(tiny_run), {"words": "xylophone", "speaker": None})
    assert said == "The model has not learnt “xylophone”."
