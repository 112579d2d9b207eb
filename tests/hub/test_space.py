"""A model in the browser: what the page's worker writes is what Python writes, from the same weights."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from safetensors.numpy import load_file, save_file
from support.browser import Desk, Site, chromium, needs_chromium
from support.tiny import SPEAKERS, comedy, finish, mixed, prepared, small

from scriptforge.dataset import Dataset
from scriptforge.generation.generate import Session
from scriptforge.options import GenerateOptions
from scriptforge.run.run import Run
from scriptforge.screenplay.formats import read
from scriptforge.serve.prompt import SuggestionRequest, encode_request
from scriptforge.serve.runs import LoadedRun
from scriptforge.serve.writing import Writing
from scriptforge.training.trainer import start
from scriptforge.workspace import RunFolder

pytestmark = [pytest.mark.slow, needs_chromium]

# Has the page's worker write for each of several wishes: lists of lines, each `NAME: text`.
WRITE = """async (wishes) => {
  const space = await (await fetch("space.json")).json();
  const common = { count: 1, elements: [], open: null, next: null, source: null, cast: [], temperature: 0 };
  const worker = new Worker("/worker.js", { type: "module" });
  worker.postMessage({ space });
  const written = [];
  for (const [place, wish] of wishes.entries()) {
    let { speaker = "", text = "" } = wish.open ?? {};
    const lines = [];
    await new Promise((resolve, reject) => {
      worker.onmessage = ({ data: { line = {}, problem, isOver } }) => {
        if (problem) reject(new Error(problem));
        if (isOver) resolve();
        if (line.begin) [speaker, text] = [line.begin.speaker, ""];
        text += line.add ?? "";
        if (line.element) lines.push(speaker ? `${speaker}: ${text}` : text);
      };
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.postMessage({ request: place + 1, ...common, voice: space.voice, seed: 1, ...wish });
    });
    written.push(lines);
  }
  worker.terminate();
  return written;
}"""
WORDS = "The keeper's lamp"
FIRST = {"speaker": SPEAKERS[0]}


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


@pytest.fixture(scope="module")
def mix(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on two plays, each with people of its own."""
    place = tmp_path_factory.mktemp("mix")
    (place / "harbour.txt").write_text(comedy(200))
    bridge = comedy(200, seed=1).replace("ELAINE:", "Kit:").replace("Bo:", "Zoe:").replace("Mrs Ash:", "Tom:")
    (place / "bridge.txt").write_text(bridge)
    files = [str(place / "harbour.txt"), str(place / "bridge.txt")]
    dataset = mixed(files, place / "data" / "mix", level="word")
    folder = RunFolder(place / "runs" / "mix")
    finish(start(dataset, small(), folder, "cpu"))
    return Run(folder)


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that spells names, and in whose play everybody has a token."""
    place = tmp_path_factory.mktemp("letters")
    (place / "harbour.txt").write_text(comedy(200))
    dataset = prepared(place / "harbour.txt", place / "data" / "harbour", level="char")
    folder = RunFolder(place / "runs" / "harbour")
    finish(start(dataset, small(), folder, "cpu"))
    return Run(folder)


def written(browser: Browser, site: Site, run: Run, *wishes: dict[str, Any]) -> list[list[str]]:
    """What the page's worker writes for each wish; at temperature 0 unless told otherwise."""
    site.show(run)
    page = browser.new_page()
    page.goto(f"{site.link}README.md")
    found: list[list[str]] = page.evaluate(WRITE, list(wishes))
    page.close()
    return found


def suggested(run: Run, **wish: Any) -> list[str]:
    """What the server of the room suggests for a wish, at temperature 0."""
    request = SuggestionRequest.model_validate({"run": run.folder.name, "temperature": 0, **wish})
    writing = Writing(LoadedRun(run), encode_request(request, run.vocabulary, seed=1))
    elements = [event["element"] for events in writing for event in events if "element" in event]
    if "open" in wish:
        elements[0]["text"] = wish["open"]["text"] + elements[0]["text"]
    return [f"{each['speaker']}: {each['text']}" if each["speaker"] else each["text"] for each in elements]


def test_the_same_seed_gives_the_same(browser: Browser, site: Site, tiny_run: RunFolder) -> None:
    wish = {"lines": 6, "seed": 7, "next": FIRST, "temperature": 0.9}
    first, other, again = written(browser, site, Run(tiny_run), wish, {**wish, "seed": 8}, wish)
    assert first == again != other
    assert len(first) == 6
    elements = list(read(first, "name-line"))
    assert {element.speaker for element in elements if element.kind == "dialogue"} <= set(SPEAKERS)


def test_the_page_writes_what_python_writes_at_temperature_zero(
    browser: Browser, site: Site, tiny_run: RunFolder
) -> None:
    run = Run(tiny_run)
    (shown,) = written(browser, site, run, {"lines": 5, "next": FIRST})
    (text,) = Session(run, GenerateOptions(prime=f"{SPEAKERS[0]}:", lines=5, temperature=0)).write()
    assert shown == text.text.splitlines()


@pytest.mark.parametrize("cast", [["MARA", "Ivo"], ["MARA", SPEAKERS[0].lower()]])
def test_those_whom_the_model_does_not_know_may_be_all_who_speak(
    browser: Browser, site: Site, letters: Run, cast: list[str]
) -> None:
    wish = {"cast": cast, "lines": 6}
    (shown,) = written(browser, site, letters, wish)
    assert shown == suggested(letters, **wish)
    spoken = {line.partition(":")[0].lower() for line in shown if ":" in line}
    assert spoken and spoken <= {name.lower() for name in cast}


def test_a_line_whose_full_stop_was_missing_is_followed_by_another(
    browser: Browser, site: Site, tiny_run: RunFolder
) -> None:
    run = Run(tiny_run)
    opened = {"kind": "dialogue", "text": "The ferryman lost a bell again", "speaker": "Bo"}
    wish: dict[str, Any] = {"lines": 1, "open": opened}
    (shown,) = written(browser, site, run, wish)
    assert shown == suggested(run, **wish)
    assert len(shown) == 2


def test_voices_are_strengthened_as_on_the_server(browser: Browser, site: Site, tiny_run: RunFolder) -> None:
    run = Run(tiny_run)
    page = [{"kind": "character", "text": "BO"}, {"kind": "dialogue", "text": "The ferryman lost a bell."}]
    wishes: list[dict[str, Any]] = [
        {"lines": 5, "voice": 4, "next": FIRST, "elements": page[:count]} for count in (0, 2)
    ]
    plain, *shown = written(browser, site, run, {"lines": 5, "next": FIRST}, *wishes)
    assert shown == [suggested(run, **wish) for wish in wishes]
    assert shown[0] != plain


def test_a_scene_without_a_heading_begins_as_in_python(
    browser: Browser, site: Site, tiny_run: RunFolder, tmp_path: Path
) -> None:
    shutil.copytree(tiny_run.path, folder := tmp_path / "hasty")
    run = Run(RunFolder(folder))
    weights = load_file(run.folder.weights)
    weights["head.bias"][: run.vocabulary.layout_size] += (
        9  # lines end, and scenes begin, as soon as they may
    )
    save_file(weights, run.folder.weights)
    run = Run(RunFolder(folder))
    page = [{"kind": "character", "text": "BO"}, {"kind": "dialogue", "text": "The ferryman lost a bell."}]
    wishes: list[dict[str, Any]] = [
        {"lines": 4, "elements": page, "next": {"kind": "heading"}},
        {"lines": 4, "elements": [*page, {"kind": "heading", "text": ""}, *page]},
    ]
    shown = written(browser, site, run, *wishes)
    assert shown == [suggested(run, **wish) for wish in wishes]
    assert shown[0][0] == "" and all(len(lines) == 4 for lines in shown)


@pytest.mark.parametrize("plain", [False, True])
def test_a_line_that_the_model_would_end_at_once_is_added_to_as_on_the_server(
    browser: Browser, site: Site, tiny_text: Path, tmp_path: Path, plain: bool
) -> None:
    dataset = prepared(tiny_text, tmp_path / "data" / "harbour", level="char", plain=plain)
    folder = RunFolder(tmp_path / "runs" / "harbour")
    finish(start(dataset, small(), folder, "cpu"))
    run = Run(folder)
    weights = load_file(folder.weights)
    breaks = [id_ for id_, text in enumerate(run.vocabulary.token_texts) if "\n" in text]
    weights["head.bias"][[*range(run.vocabulary.layout_size), *breaks]] += 9
    save_file(weights, folder.weights)
    run = Run(folder)
    kinds = ["action"] if plain else ["action", "dialogue", "heading"]
    opened = [{"kind": kind, "speaker": "BO" if kind == "dialogue" else "", "text": WORDS} for kind in kinds]
    wishes: list[dict[str, Any]] = [{"lines": 2, "open": each} for each in opened]
    shown = written(browser, site, run, *wishes)
    assert shown == [suggested(run, **wish) for wish in wishes]
    assert all(len(lines[0].partition(WORDS)[2]) > 0 for lines in shown)


@pytest.mark.parametrize("kind", ["parenthetical", "dialogue"])
def test_a_part_of_a_speech_that_nobody_says_is_continued_as_on_the_server(
    browser: Browser, site: Site, tiny_run: RunFolder, kind: str
) -> None:
    wish = {
        "lines": 2,
        "open": {"kind": kind, "text": "( The mayor" if kind == "parenthetical" else "The mayor"},
    }
    run = Run(tiny_run)
    assert written(browser, site, run, wish) == [suggested(run, **wish)]


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
    kind, speaker = ("action", "") if plain else ("dialogue", SPEAKERS[0])
    opened = {"kind": kind, "speaker": speaker, "text": WORDS}
    (shown,) = written(browser, site, run, {"lines": 4, "open": opened})
    prime = WORDS if plain else f"{speaker}: {WORDS}"
    (text,) = Session(run, GenerateOptions(prime=prime, lines=4, temperature=0)).write()
    assert "\n".join(shown).split() == text.text.split()


def test_people_take_turns_and_echo_as_python_lets_them(
    browser: Browser, site: Site, tiny_run: RunFolder, tmp_path: Path
) -> None:
    shutil.copytree(tiny_run.path, folder := tmp_path / "strict")
    description = json.loads((folder / "config.json").read_text("utf-8"))
    strict = {
        "turns": {
            "same_again": 0.0,
            "busiest": 0.2,
            "newcomers": [0.9, 0.4, 0.2, 0.1, 0.05],
            "companions": [[1], [], []],
        },
        "echoes": {"runs": [[0.0] * 5] * 3, "lines": [0.0] * 5},
        "frequencies": {"ids": [30, 31, 32], "shares": [0.01, 0.01, 0.01]},
    }
    described = {**description, "dataset": {**description["dataset"], **strict}}
    (folder / "config.json").write_text(json.dumps(described), encoding="utf-8")
    wish = {"lines": 30, "next": FIRST}
    (loose,) = written(browser, site, Run(tiny_run), wish)
    (shown,) = written(browser, site, run := Run(RunFolder(folder)), wish)
    (text,) = Session(run, GenerateOptions(prime=f"{SPEAKERS[0]}:", lines=30, temperature=0)).write()
    lines = [f"{each.speaker}: {each.text}" if each.speaker else each.text for each in text.elements]
    assert [line.split() for line in shown] == [line.split() for line in lines]
    assert len(set(shown)) > len(set(loose))


def test_words_that_were_not_learnt_are_passed_over(
    browser: Browser, site: Site, tiny_run: RunFolder
) -> None:
    opened = {"kind": "dialogue", "speaker": SPEAKERS[0], "text": "The xylophone"}
    (shown,) = written(browser, site, Run(tiny_run), {"lines": 2, "open": opened})
    assert len(shown) == 2 and shown[0].startswith(f"{SPEAKERS[0]}: The xylophone")


@pytest.mark.parametrize(
    "wish",
    [
        {"next": {"speaker": "Kit"}},
        {"open": {"kind": "dialogue", "speaker": "Kit", "text": "The mayor"}},
        {
            "elements": [
                {"kind": "character", "text": "Zoe"},
                {"kind": "dialogue", "text": "Nobody hid my hat."},
            ],
            "next": {"kind": "dialogue"},
        },
        {"next": {"speaker": "ELAINE"}, "source": "harbour"},
        {},
    ],
)
def test_a_script_of_a_mix_is_of_the_source_of_who_speaks_as_on_the_server(
    browser: Browser, site: Site, mix: Run, wish: dict[str, Any]
) -> None:
    wish = {"lines": 3, **wish}
    assert written(browser, site, mix, wish) == [suggested(mix, **wish)]


def test_a_source_is_chosen_with_its_people(browser: Browser, site: Site, mix: Run) -> None:
    site.show(mix)
    page = browser.new_page()
    desk = Desk(page, site.link)
    desk.press("Alt+p")
    page.select_option("#source-of", "bridge")
    names = "[...document.querySelectorAll('#cast button')].map((each) => each.dataset.name).sort().join()"
    desk.until(f"{names} === 'Kit,Tom,Zoe'")
    desk.page.close()
    assert not desk.problems


def test_a_script_of_people_of_its_own_is_left_to_them(browser: Browser, site: Site, letters: Run) -> None:
    site.show(letters)
    desk = Desk(browser.new_page(), site.link)
    for name, words in (("MARA", "One ticket to the island."), ("IVO", "No boat."), ("MARA", "Always one.")):
        desk.press("Tab")
        desk.type(name)
        desk.press("Enter")
        desk.type(words)
        desk.press("Enter")
    first = "[...document.querySelectorAll('#cast button')].slice(0, 2)"
    desk.until(f"{first}.map((each) => each.dataset.name).join() === 'MARA,IVO'")
    desk.until(f"{first}[0].title.includes('78 % of the words so far')")
    chosen = "[...document.querySelectorAll('#only :checked')].map(({ value }) => value).join()"
    desk.until(f"{chosen} === 'MARA,IVO'")
    desk.press("Control+Enter")
    desk.answered()
    assert not {words.lower() for words in desk.grey()} & {name.lower() for name in SPEAKERS}
    desk.press("Alt+p")
    desk.page.click("#everybody")
    desk.until(f"{chosen} === ''")
    desk.page.close()
    assert not desk.problems
