"""A profile tells pages of people from others, and survives whatever a model writes."""

import json
import random
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support.tiny import prepared

from scriptforge.dataset import Dataset
from scriptforge.errors import DatasetError, UsageError
from scriptforge.evaluation import Profile, draw_profile, evaluate
from scriptforge.evaluation.next_line import NextLineClassifier
from scriptforge.evaluation.page import MEASURES, turns
from scriptforge.evaluation.profile import (
    MIN_LINES,
    MIN_PAGES,
    Figure,
    profile,
    profile_of_run,
    profile_of_text,
)
from scriptforge.options import EvaluateOptions, GenerateOptions
from scriptforge.run.run import Run
from scriptforge.screenplay.script import Element
from scriptforge.workspace import RunFolder

WORDS = {
    "Ada": ["engine", "wheel", "number", "loom", "brass", "crank", "table", "proof"],
    "Bo": ["goose", "pond", "feather", "bread", "quack", "reeds", "nest", "egg"],
}


def talk(count: int, seed: int) -> list[Element]:
    """Ada and Bo in turns; who answers says the last word again."""
    draw = random.Random(seed)
    lines: list[Element] = []
    for number in range(count):
        speaker = list(WORDS)[number % 2]
        said = lines[-1].text.split()[-1].strip("?.") if lines else "well"
        words = [said, *draw.choices(WORDS[speaker], k=draw.randint(2, 8))]
        lines.append(Element("dialogue", f"{' '.join(words)}{draw.choice('.?')}", speaker))
    return lines


TRAINING, HELD_OUT = talk(1200, 1), talk(1600, 2)


def people(count: int, lines: int) -> Iterable[Sequence[Element]]:
    return (talk(lines, 100 + seed) for seed in range(count))


def test_pages_of_people_are_within_their_own_spread() -> None:
    measured = profile(TRAINING, HELD_OUT, people)
    assert (measured.lines, measured.people_pages, measured.model_pages) == (150, 10, 32)
    assert measured.share_within > 0.9  # of ten pages, the means of others may be at the edge
    # Nobody speaks in capitals, and no page has an aside; whatever else can be told is told.
    assert {each.name for each in MEASURES} - measured.figures.keys() == {
        "capital_letters", "lines_that_begin_with_a_capital",
    }  # fmt: skip
    followed = measured.figures["lines_that_follow_from_the_one_before"]
    recognised = measured.figures["speakers_recognised"]
    assert followed.people > 0.9 and recognised.people > 0.95
    assert followed.model == pytest.approx(followed.people, abs=0.05)


def test_what_is_spoilt_is_found() -> None:
    def spoilt(count: int, lines: int) -> Iterable[Sequence[Element]]:
        for page in people(count, lines):
            shuffled = random.Random(5).sample(list(page), len(page))
            yield [Element("dialogue", f"zyx {line.text}", "Bo") for line in shuffled]

    figures = profile(TRAINING, HELD_OUT, spoilt).figures
    assert figures["unknown_words"].people == 0 and figures["lines_with_an_unknown_word"].model == 1
    found = {name for name, figure in figures.items() if not figure.is_within}
    assert found >= {
        "unknown_words",
        "lines_with_an_unknown_word",
        "same_speaker_again",
        "speakers",
        "speakers_recognised",
        "share_of_the_busiest_speaker",
        "distance_from_the_usual_cast",
        "lines_that_follow_from_the_one_before",
        "questions_that_somebody_else_answers",
    }
    assert figures["same_speaker_again"].auc == 1
    assert "questions" not in found


def test_a_model_that_lets_nobody_speak_has_a_profile() -> None:
    measured = profile(TRAINING, HELD_OUT, lambda count, _: [[Element("action", "It rains.")]] * count)
    assert measured.figures["questions"].model is None
    assert not measured.figures["questions"].is_within
    assert measured.figures["stage_directions"].model == 1
    nothing = profile(TRAINING, HELD_OUT, lambda count, _: [[]] * count)
    assert nothing.figures["stage_directions"].auc is None
    assert json.loads(json.dumps(nothing.document()))["figures"]["questions"]["model"] is None


def test_of_one_speaker_nobody_is_told_apart() -> None:
    alone = [Element("dialogue", line.text, "Ada") for line in TRAINING]
    figures = profile(alone[:900], alone[900:], people).figures
    assert "speakers_recognised" not in figures
    assert figures["same_speaker_again"].people == 1


def test_without_spaces_no_word_is_unknown() -> None:
    def written(count: int, seed: int) -> list[Element]:
        draw = random.Random(seed)
        return [
            Element("dialogue", "".join(draw.choices("天地玄黄宇宙洪荒", k=9)), "日") for _ in range(count)
        ]

    figures = profile(
        written(300, 1), written(200, 2), lambda count, lines: [written(lines, 3)] * count
    ).figures
    assert "unknown_words" not in figures
    assert figures["questions"].is_within


def test_too_little_held_out_text_says_nothing_about_people() -> None:
    with pytest.raises(DatasetError, match="95 held-out lines are too few") as caught:
        profile(TRAINING, HELD_OUT[: MIN_PAGES * MIN_LINES - 1], people)
    assert "--validation" in caught.value.hint
    assert profile(TRAINING, HELD_OUT[: MIN_PAGES * MIN_LINES], people).lines == MIN_LINES


def test_a_classifier_learns_what_follows() -> None:
    classifier = NextLineClassifier(list(turns(TRAINING)))
    held_out = list(turns(HELD_OUT))
    mixed_up = [
        (before, line) for (before, _), (_, line) in zip(held_out[::2], held_out[100::2], strict=False)
    ]
    follows, negatives = classifier.preference(held_out), classifier.preference(mixed_up)
    assert follows is not None and follows > 0.9
    assert negatives is not None and abs(negatives - 0.5) < 0.06
    assert classifier.preference([]) is None
    with pytest.raises(DatasetError, match="too few to learn"):
        NextLineClassifier(held_out[:199])


def test_a_negative_is_another_line() -> None:
    """Each speaker has two lines: with the line itself as half of the negatives, 75 % would be the best."""
    lines = [
        Element("dialogue", f"a{number} is what I said about it", f"Guest {number // 2}")
        for number in range(300)
    ]
    pairs = [(Element("dialogue", f"So what about {line.text.split()[0]}", "Host"), line) for line in lines]
    follows = NextLineClassifier(pairs).preference(pairs)
    assert follows is not None and follows > 0.9


@pytest.fixture
def run(tiny_run: RunFolder, tmp_path: Path) -> Run:
    """A run of its own, which may be given files."""
    return Run(RunFolder(shutil.copytree(tiny_run.path, tmp_path / "harbour")))


@pytest.fixture(scope="module")
def long_held_out(tiny_text: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The tiny dataset has 40 held-out lines."""
    return prepared(tiny_text, tmp_path_factory.mktemp("profile") / "data", validation=0.2, test=0.2)


def test_a_run_keeps_its_profile_as_long_as_it_has_these_weights(run: Run, long_held_out: Dataset) -> None:
    assert Profile.load(run) is None
    cold = EvaluateOptions(profile=True, writing=GenerateOptions(temperature=0.0))
    report = evaluate(run, long_held_out, cold)
    assert report.profile and report.profile.figures["different_words"].auc == 1
    assert Profile.load(run) is None
    report = evaluate(run, long_held_out, EvaluateOptions(profile=True))
    assert report.profile is not None
    assert Profile.load(run) == report.profile == profile_of_run(run, long_held_out)
    document = report.document()["profile"]
    assert document["figures"]["words_in_a_line"]["unit"] == "words"
    assert 0 < document["share_within"] < 1

    other = profile_of_run(run, long_held_out, GenerateOptions(seed=7))
    assert other.figures != report.profile.figures
    other.model_copy(update={"weights": "of another model"}).save(run.folder)
    assert Profile.load(run) is None
    shutil.rmtree(run.folder.path)
    with pytest.raises(FileNotFoundError):
        other.save(run.folder)
    assert not run.folder.path.exists()


def test_a_text_has_a_profile_of_its_own(long_held_out: Dataset, tiny_text: Path, tmp_path: Path) -> None:
    held_out = [row.element for row in long_held_out.rows("test")]
    shouted = [replace(line, text=f"{line.text.upper()} (points)") for line in held_out[:20]]
    for text, is_within in ((held_out[:20], True), (shouted, False), ([*shouted, *shouted], False)):
        measured = profile_of_text(text, long_held_out)
        assert measured and (measured.lines, measured.model_pages) == (20, len(text) // 20)
        assert measured.figures["capital_letters"].is_within == is_within
        assert "speakers_recognised" not in measured.figures
    short = profile_of_text(held_out[:MIN_LINES], long_held_out)
    assert short and short.lines == MIN_LINES
    assert profile_of_text(held_out[: MIN_LINES - 1], long_held_out) is None
    plain = prepared(tiny_text, tmp_path / "data", plain=True, level="char")
    assert profile_of_text(held_out, plain) is None


def test_a_profile_that_scriptforge_did_not_write_is_none(run: Run) -> None:
    figure = {"people": 0.1, "low": 0.0, "high": 0.2, "model": 0.3, "auc": 0.9}
    sound = {
        "weights": run.fingerprint, "lines": 9, "words": 9, "people_pages": 8, "model_pages": 8,
        "figures": {"questions": figure},
    }  # fmt: skip
    run.folder.profile.write_text(json.dumps(sound))
    assert Profile.load(run) is not None
    broken_ones: list[object] = [
        {**sound, "figures": {}},
        {**sound, "figures": {"<script>": figure}},
        {**sound, "figures": {"questions": {**figure, "model": "0.3"}}},
        {**sound, "figures": {"questions": {**figure, "people": float("nan")}}},
        {**sound, "lines": -1},
        {**sound, "padding": "x" * 100},
        [],
    ]
    for broken in broken_ones:
        run.folder.profile.write_text(json.dumps(broken))
        assert Profile.load(run) is None
    run.folder.profile.write_bytes(b"\xff")
    assert Profile.load(run) is None


def test_plain_text_has_no_profile(tiny_run: RunFolder, tiny_text: Path, tmp_path: Path) -> None:
    plain = prepared(tiny_text, tmp_path / "data", plain=True, level="char")
    with pytest.raises(DatasetError, match="plain text") as caught:
        profile_of_run(Run(tiny_run), plain)
    assert "--plain" in caught.value.hint


@pytest.mark.parametrize(
    "writing", [GenerateOptions(lines=7), GenerateOptions(turns=7), GenerateOptions(count=7)]
)
def test_how_much_is_written_is_not_asked_for(writing: GenerateOptions) -> None:
    with pytest.raises(UsageError, match="profile's pages cannot be set"):
        EvaluateOptions(profile=True, writing=writing)


def test_what_is_not_measured_is_not_written() -> None:
    with pytest.raises(UsageError, match="only the pages of a profile"):
        EvaluateOptions(writing=GenerateOptions(temperature=1.0))


def figures(**changes: float | None) -> dict[str, Figure]:
    figure = Figure(people=0.2, low=0.1, high=0.3, model=0.2, auc=0.5)
    names = [measure.name for measure in MEASURES]
    return {names[0]: figure, names[1]: replace(figure, **changes)}  # type: ignore[arg-type]


def pictured(**changes: float | None) -> tuple[ElementTree.Element, str]:
    """The picture of a profile with two figures: the first within, the second with some changes."""
    measured = Profile(lines=9, words=9, people_pages=8, model_pages=8, figures=figures(**changes))
    drawn = draw_profile(measured, "<Bo> & I")
    assert drawn == draw_profile(measured, "<Bo> & I")
    return ElementTree.fromstring(drawn), drawn


@pytest.mark.parametrize(
    ("changes", "shape", "state", "row"),
    [
        ({}, "circle", "within", "20.0 % (20.0 %)"),
        ({"model": 0.4, "auc": 0.7}, "circle", "outside", "40.0 % (20.0 %)"),
        ({"model": 0.9, "auc": 1.0}, "path", "outside", "90.0 % (20.0 %)"),
        ({"model": 0.9, "auc": 0.54}, "path", "within", "90.0 % (20.0 %)"),
        ({"low": 0.2, "high": 0.2}, "circle", "within", "20.0 % (20.0 %)"),
        ({"low": 0.0, "high": 0.0, "people": 0.0, "auc": 1.0}, "path", "outside", "20.0 % (0.0 %)"),
    ],
)
def test_the_picture_shows_where_the_model_is(
    changes: dict[str, float | None], shape: str, state: str, row: str
) -> None:
    picture, drawn = pictured(**changes)
    marks = [each for each in picture.iter() if each.get("class") == state and not each.tag.endswith("text")]
    assert marks[-1].tag.endswith(shape)
    assert row in [text.text for text in picture.iter() if text.tag.endswith("text")]
    assert "&lt;Bo&gt; &amp; I" in drawn


def test_a_figure_that_the_model_has_not_is_drawn_as_a_dash() -> None:
    picture, _ = pictured(model=None, auc=None)
    assert sum(each.tag.endswith("circle") for each in picture.iter()) == 1
    assert "– (20.0 %)" in [each.text for each in picture.iter()]
