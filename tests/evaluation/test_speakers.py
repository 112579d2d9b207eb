import json
import random
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from support.tiny import prepared

from scriptforge.dataset import Dataset
from scriptforge.errors import DatasetError
from scriptforge.evaluation.speakers import measure_recognition, recognition_of_run
from scriptforge.options import GenerateOptions
from scriptforge.run.run import Run
from scriptforge.screenplay.script import Element
from scriptforge.workspace import RunFolder

WORDS = {
    "Ada": ["engine", "wheel", "number", "loom", "brass", "crank", "table", "proof"],
    "Bo": ["goose", "pond", "feather", "bread", "quack", "reeds", "nest", "egg"],
    "Cy": ["ledger", "penny", "toll", "barge", "lock", "rope", "harbour", "tide"],
}


def lines(count: int, seed: int, cast: dict[str, list[str]] = WORDS) -> list[Element]:
    """So many lines of each of a cast, in turns, in words that are theirs alone."""
    draw = random.Random(seed)
    return [
        Element("dialogue", " ".join(draw.choices(words, k=6)), speaker)
        for _ in range(count)
        for speaker, words in cast.items()
    ]


def swapped(elements: list[Element]) -> list[Element]:
    """The same lines, each said by the one who comes next."""
    following = dict(zip(WORDS, [*list(WORDS)[1:], "Ada"], strict=True))
    return [Element("dialogue", element.text, following[element.speaker]) for element in elements]


TRAINING, HELD_OUT = lines(100, 1), lines(10, 2)


def test_voices_of_their_own_are_recognised() -> None:
    voice = measure_recognition(TRAINING, HELD_OUT, lines(20, 3))
    assert voice.training_lines == 300
    assert voice.chance == pytest.approx(1 / 3)
    assert list(voice.held_out.speakers) == list(voice.generated.speakers) == ["Ada", "Bo", "Cy"]
    assert (voice.held_out.lines, voice.generated.lines) == (30, 60)
    assert voice.held_out.balanced_accuracy > 0.95
    assert voice.generated.balanced_accuracy > 0.95


def test_borrowed_voices_are_found_out() -> None:
    voice = measure_recognition(TRAINING, HELD_OUT, swapped(lines(20, 3)))
    assert voice.held_out.balanced_accuracy > 0.95
    assert voice.generated.balanced_accuracy < 0.05


def test_one_voice_for_all_is_chance() -> None:
    everyone = {speaker: [*WORDS["Ada"], *WORDS["Bo"], *WORDS["Cy"]] for speaker in WORDS}
    generated = measure_recognition(TRAINING, HELD_OUT, lines(200, 3, everyone)).generated
    assert abs(generated.balanced_accuracy - 1 / 3) < 3 * generated.margin


def test_a_lopsided_cast_does_not_move_the_balanced_accuracy() -> None:
    own, borrowed = lines(4, 5), swapped(lines(4, 5))
    half = measure_recognition(TRAINING, HELD_OUT, [*own, *borrowed]).generated
    by_bo = [element for element in (*own, *borrowed) if element.speaker == "Bo"]
    lopsided = measure_recognition(TRAINING, HELD_OUT, [*own, *borrowed, *own, *by_bo * 10]).generated
    assert half.accuracy == half.balanced_accuracy == pytest.approx(0.5)
    assert lopsided.speakers["Bo"].share == pytest.approx((4 * 11 + 4) / (8 * 11 + 4))
    shares = [recall.share for recall in lopsided.speakers.values()]
    assert lopsided.balanced_accuracy == pytest.approx(sum(shares) / 3)
    assert lopsided.majority == pytest.approx(92 / 116)


def test_who_says_nothing_is_no_failure() -> None:
    without_cy = [element for element in lines(5, 3) if element.speaker != "Cy"]
    generated = measure_recognition(TRAINING, HELD_OUT, without_cy).generated
    assert asdict(generated.speakers["Cy"]) == {"lines": 0, "share": 0.0}
    assert generated.balanced_accuracy > 0.95


def test_the_fewer_the_lines_the_wider_the_margin() -> None:
    few, many = (measure_recognition(TRAINING, HELD_OUT, lines(count, 3)).generated for count in (2, 200))
    assert 0 < many.margin < few.margin / 5


def test_only_lines_of_some_words_by_those_who_speak_enough_count() -> None:
    noise = [
        Element("dialogue", "the goose has", "Bo"),
        Element("action", "wheel wheel wheel wheel", ""),
        *[Element("dialogue", "who would know me by this", "Dot")] * 9,
    ]
    with_noise = measure_recognition([*TRAINING, *noise], [*HELD_OUT, *noise], [*lines(20, 3), *noise])
    assert with_noise == measure_recognition(TRAINING, HELD_OUT, lines(20, 3))


def test_spellings_of_a_name_are_one_speaker() -> None:
    shouted = [Element("dialogue", element.text, element.speaker.upper()) for element in lines(20, 3)]
    assert measure_recognition(TRAINING, HELD_OUT, shouted) == measure_recognition(
        TRAINING, HELD_OUT, lines(20, 3)
    )


def test_who_hardly_speaks_beside_the_others_is_left_out() -> None:
    others = [element for element in lines(1000, 1) if element.speaker != "Cy"]
    a_few = [element for element in lines(99, 4) if element.speaker == "Cy"]
    voice = measure_recognition([*others, *a_few], HELD_OUT, lines(5, 3))
    assert list(voice.generated.speakers) == ["Ada", "Bo"]


def test_with_one_speaker_there_is_nothing_to_tell_apart() -> None:
    def generated() -> Iterator[Element]:
        raise AssertionError("nothing needs to be written for this")
        yield

    for training, held_out in ((lines(49, 1), HELD_OUT), (TRAINING, lines(4, 2)), ([], [])):
        with pytest.raises(DatasetError, match="Fewer than two speakers"):
            measure_recognition(training, held_out, generated())


def test_silence_is_no_voice() -> None:
    with pytest.raises(DatasetError, match="None of the speakers"):
        measure_recognition(TRAINING, HELD_OUT, [Element("dialogue", "and who are you then", "Dot")])


def test_a_run_is_measured_against_its_dataset(tiny_run: RunFolder, tiny_dataset: Dataset) -> None:
    run = Run(tiny_run)
    voice = recognition_of_run(run, tiny_dataset, GenerateOptions(seed=4), lines=80)
    assert set(voice.generated.speakers) == {"ELAINE", "Bo", "Mrs Ash"}
    assert voice.generated.lines > 20
    assert recognition_of_run(run, tiny_dataset, GenerateOptions(seed=4), lines=80) == voice
    other = recognition_of_run(run, tiny_dataset, GenerateOptions(seed=5), lines=80)
    assert other.generated != voice.generated
    assert json.loads(json.dumps(asdict(voice)))["held_out"]["speakers"]["Bo"]["lines"] > 4


def test_in_plain_text_nobody_speaks(tiny_run: RunFolder, tiny_text: Path, tmp_path: Path) -> None:
    plain = prepared(tiny_text, tmp_path / "data", plain=True, level="char")
    with pytest.raises(DatasetError, match="nobody speaks") as caught:
        recognition_of_run(Run(tiny_run), plain)
    assert "--plain" in caught.value.hint
