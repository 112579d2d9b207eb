"""Settings are suggested for text and machine, and what was asked for is stronger."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from support.half_precision import has_bf16
from support.tiny import prepared

from scriptforge.architectures import ARCHITECTURES
from scriptforge.config import PRESETS, Settings, complete, resolve
from scriptforge.dataset import Dataset
from scriptforge.errors import UsageError
from scriptforge.options import DEFAULT_MINUTES, Preset, TrainOptions
from scriptforge.run.records import RunDescription
from scriptforge.training.events import Notice
from scriptforge.training.machine import MUCH_LOAD, Machine, can_train
from scriptforge.training.settings import suggest_settings
from scriptforge.training_runs.train import choose_settings, train
from scriptforge.workspace import Workspace

MACHINE = Machine("cpu", "fp32", 1e11)
WHOLE_TIME = {"minutes": 1}


def completed(dataset: Dataset, *asked: Mapping[str, Any]) -> Settings:
    """What was asked for, completed for a training of a minute."""
    asked = (WHOLE_TIME, *asked)
    tokens = dataset.description.splits["train"].tokens
    return complete(suggest_settings(tokens, dataset.vocabulary.size, MACHINE, resolve(*asked)), *asked)


@pytest.fixture(scope="module")
def many_words(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A dataset of a thousand words."""
    folder = tmp_path_factory.mktemp("many-words")
    text = folder / "text.txt"
    words = [f"word{chr(97 + i // 26 % 26)}{chr(97 + i % 26)}{i // 676}x" for i in range(1000)]
    lines = (" ".join(words[i : i + 10]) for i in range(0, 1000, 10))
    text.write_text("".join(f"Bo: {line}\n" for line in lines) * 3)
    return prepared(text, folder / "data" / "many", min_count=1)


def test_embedding_that_is_the_head_goes_with_the_size_asked_for(many_words: Dataset) -> None:
    settings = completed(many_words, {"hidden_size": 96})
    assert settings.tied
    assert (settings.hidden_size, settings.embedding_size) == (96, 96)


@pytest.mark.parametrize("preset", ["fast", "best"])
def test_presets_name_the_size_of_both(many_words: Dataset, preset: Preset) -> None:
    settings = completed(many_words, PRESETS[preset])
    assert settings.embedding_size == settings.hidden_size == PRESETS[preset]["hidden_size"]


def test_embedding_asked_for_is_taken(many_words: Dataset) -> None:
    settings = completed(many_words, {"hidden_size": 96, "embedding_size": 48})
    assert (settings.hidden_size, settings.embedding_size) == (96, 48)


@pytest.mark.parametrize("is_tied", [True, False])
def test_what_counts_is_whether_the_head_is_the_embedding_in_the_end(
    many_words: Dataset, tiny_dataset: Dataset, is_tied: bool
) -> None:
    suggested_otherwise = tiny_dataset if is_tied else many_words
    as_suggested = completed(suggested_otherwise, {"members": 1})
    assert as_suggested.tied != is_tied
    settings = completed(suggested_otherwise, {"hidden_size": 96, "tied": is_tied})
    assert settings.embedding_size == (96 if is_tied else as_suggested.embedding_size)


def test_embedding_of_few_tokens_does_not_go_with_the_size(tiny_dataset: Dataset) -> None:
    as_suggested = completed(tiny_dataset, {"members": 1})
    settings = completed(tiny_dataset, {"hidden_size": 96})
    assert not settings.tied
    assert settings.embedding_size == as_suggested.embedding_size


def test_later_sources_are_stronger(tiny_dataset: Dataset) -> None:
    settings = completed(tiny_dataset, {"layers": 3}, {"layers": 2, "epochs": 4})
    assert (settings.layers, settings.epochs, settings.minutes) == (2, 4, None)


def test_training_has_a_length_if_nobody_names_one(tiny_dataset: Dataset) -> None:
    assert choose_settings(tiny_dataset, TrainOptions(), "cpu").settings.minutes == DEFAULT_MINUTES
    course = TrainOptions(preset="classroom")
    assert choose_settings(tiny_dataset, course, "cpu").settings.epochs == PRESETS["classroom"]["epochs"]


def test_what_a_person_chose_beats_the_preset(tiny_dataset: Dataset) -> None:
    options = TrainOptions(preset="classroom", settings={"learning_rate": 0.5})
    assert choose_settings(tiny_dataset, options, "cpu").settings.learning_rate == 0.5


def test_settings_of_another_architecture_are_refused(tiny_dataset: Dataset) -> None:
    with pytest.raises(UsageError, match="memory"):
        choose_settings(tiny_dataset, TrainOptions(settings={"memory": 64}), "cpu")


def test_a_preset_is_weaker_than_a_file_a_file_than_options_and_these_than_what_is_set(
    tiny_dataset: Dataset, tmp_path: Path
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("minutes = 9\nlayers = 3\nhidden_size = 24\npatience = 7\n")
    options = TrainOptions(
        preset="best", config=file, epochs=2, patience=4, settings={"layers": 1, "dropout_output": 0.2}
    )
    settings = choose_settings(tiny_dataset, options, "cpu").settings
    assert (settings.epochs, settings.minutes, settings.patience) == (2, None, 4)
    assert (settings.layers, settings.hidden_size) == (1, 24)
    assert (settings.dropout_output, settings.dropout_recurrent) == (
        0.2,
        PRESETS["best"]["dropout_recurrent"],
    )


def test_an_unknown_preset_brings_the_nearest(tiny_dataset: Dataset) -> None:
    with pytest.raises(UsageError, match="no preset named “clasroom”") as caught:
        choose_settings(tiny_dataset, TrainOptions(preset=cast("Preset", "clasroom")), "cpu")
    assert "classroom" in caught.value.hint


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_precision_is_refused_where_the_processor_has_no_kernel(tiny_dataset: Dataset, arch: str) -> None:
    assert can_train(arch, "fp32", "cpu")
    assert can_train(arch, "bf16", "cpu") == has_bf16(arch)
    assert not can_train(arch, "fp16", "cpu")
    with pytest.raises(UsageError, match=f"architecture {arch} in fp16") as caught:
        choose_settings(tiny_dataset, TrainOptions(arch=arch, settings={"precision": "fp16"}), "cpu")
    assert "precision=fp32" in caught.value.hint


def test_what_so_many_epochs_train_does_not_depend_on_the_load(
    tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> float:
        raise AssertionError("a clock was read")

    monkeypatch.setattr("time.perf_counter", read)
    monkeypatch.setattr("time.process_time", read)
    chosen = choose_settings(tiny_dataset, TrainOptions(epochs=1), "cpu")
    assert chosen.machine.measured is None
    assert chosen.settings == choose_settings(tiny_dataset, TrainOptions(epochs=1), "cpu").settings


@pytest.mark.parametrize(
    ("options", "is_sized"),
    [
        (TrainOptions(minutes=1), True),
        (TrainOptions(minutes=1, preset="classroom"), False),
        (TrainOptions(minutes=1, settings={"hidden_size": 64}), False),
    ],
)
def test_a_busy_machine_is_blamed_only_for_a_size_that_it_chose(
    tiny_dataset: Dataset, options: TrainOptions, is_sized: bool
) -> None:
    machine = Machine("cpu", "fp32", operations_per_second=1e9, threads=1, busy=2.0)
    note = choose_settings(tiny_dataset, options, "cpu", machine=machine).note
    assert note is not None and "2.0 processors busy" in note
    assert ("hidden_size" in note) == is_sized


def test_what_was_measured_for_so_many_minutes_is_said_and_recorded(
    tiny_dataset: Dataset, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path)
    options = TrainOptions(minutes=0.01, settings={"threads": 1})
    events = [*train(tiny_dataset, options, workspace, name="quick")]
    measured = RunDescription.load(workspace.run("quick")).measured
    assert measured is not None and measured.threads == 1 and measured.operations_per_second > 1e6
    (said,) = [each.message for each in events if isinstance(each, Notice) and "operations" in each.message]
    assert said.startswith(f"Measured {measured.operations_per_second / 1e9:,.1f} billion")
    assert ("hidden_size" in said) == (measured.busy > MUCH_LOAD)
