import math
from pathlib import Path
from typing import Any

import pytest

from scriptforge.architectures import ARCHITECTURES
from scriptforge.config import (
    PRESETS,
    Settings,
    parse_assignment,
    read_settings_file,
    resolve,
)
from scriptforge.errors import UsageError

CHANGED: dict[str, Any] = {
    "arch": "lstm-attention",
    "layers": 2,
    "hidden_size": 100,
    "embedding_size": 50,
    "heads": 3,
    "memory": 99,
    "tied": True,
    "members": 2,
    "speaker_embedding": False,
    "dropout_input": 0.1,
    "dropout_between": 0.2,
    "dropout_output": 0.3,
    "dropout_recurrent": 0.15,
    "sampled_softmax": 64,
    "batch_size": 3,
    "sequence_length": 7,
    "reset_probability": 0.5,
    "optimizer": "adam",
    "matrix_learning_rate": 0.02,
    "momentum": 0.9,
    "learning_rate": 0.001,
    "warmup": 0.1,
    "final_learning_rate": 0.5,
    "beta1": 0.8,
    "beta2": 0.95,
    "weight_decay": 0.1,
    "matrix_weight_decay": 0.2,
    "gradient_clip": 0.5,
    "epochs": 2.5,
    "minutes": 1.5,
    "max_epochs": 2.5,
    "validations": 4,
    "patience": 2,
    "precision": "bf16",
    "seed": 7,
    "threads": 2,
}


def test_every_setting_is_tried_here() -> None:
    assert CHANGED.keys() == Settings.model_fields.keys()


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize("key", CHANGED)
def test_every_setting_can_be_set(key: str) -> None:
    value = CHANGED[key]
    written = str(value).lower() if isinstance(value, bool) else value
    length = {"minutes": 1} if key == "max_epochs" else {"epochs": 1}
    settings = resolve(length, dict([parse_assignment(f"{key}={written}")]))
    assert getattr(settings, key) == value


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("layers=2", ("layers", 2)),
        (" layers = 2 ", ("layers", 2)),
        ("learning_rate=1e-3", ("learning_rate", 0.001)),
        ("tied=true", ("tied", True)),
        ("optimizer=adam", ("optimizer", "adam")),
        ('optimizer="adam"', ("optimizer", "adam")),
        ("seed=", ("seed", "")),
        ("a=b=c", ("a", "b=c")),
        ("layers=2\nseed=3", ("layers", "2\nseed=3")),
        ("layers=" + "[" * 5000, ("layers", "[" * 5000)),
        ("layers=" + "9" * 5000, ("layers", "9" * 5000)),
    ],
)
def test_an_assignment(assignment: str, expected: tuple[str, Any]) -> None:
    assert parse_assignment(assignment) == expected


def test_an_assignment_of_nothing() -> None:
    with pytest.raises(UsageError, match="“layers” is not KEY=VALUE") as caught:
        parse_assignment("layers")
    assert "KEY=VALUE" in caught.value.hint


class TestResolving:
    def test_later_sources_are_stronger(self) -> None:
        settings = resolve({"hidden_size": 1, "layers": 1, "epochs": 1}, {"hidden_size": 2}, {"layers": 3})
        assert (settings.hidden_size, settings.layers) == (2, 3)

    def test_a_length_takes_the_other_back(self) -> None:
        assert resolve({"minutes": 3}, {"epochs": 5}).minutes is None
        assert resolve({"epochs": 5}, {"minutes": 3}).epochs is None

    def test_what_was_resolved_resolves_to_itself(self) -> None:
        settings = resolve({"epochs": 5}, PRESETS["best"])
        assert resolve(settings.model_dump()) == settings
        assert resolve(settings.model_dump(), {"minutes": 2}).epochs is None

    def test_epochs_take_back_how_often_the_text_is_read_at_most(self) -> None:
        assert resolve({"minutes": 3, "max_epochs": 8}, {"epochs": 12}).max_epochs is None
        assert resolve({"max_epochs": 8}, {"minutes": 3}).max_epochs == 8

    @pytest.mark.parametrize("lengths", [{}, {"epochs": 1, "minutes": 1}, {"epochs": 1, "max_epochs": 2}])
    def test_there_is_one_length(self, lengths: dict[str, int]) -> None:
        with pytest.raises(UsageError, match="Only one of epochs and minutes"):
            resolve(lengths)

    def test_an_unknown_setting_brings_the_nearest(self) -> None:
        with pytest.raises(UsageError, match="no setting named “hiden_size”") as caught:
            resolve({"hiden_size": 100})
        assert "hidden_size" in caught.value.hint

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("hidden_size", 0),
            ("hidden_size", 65_537),
            ("hidden_size", 1.5),
            ("hidden_size", "many"),
            ("layers", 9),
            ("memory", 0),
            ("memory", 4097),
            ("heads", 0),
            ("arch", "lsmt"),
            ("dropout_output", 1),
            ("learning_rate", 0),
            ("learning_rate", math.nan),
            ("gradient_clip", math.inf),
            ("epochs", math.inf),
            ("epochs", -1),
            ("minutes", 0),
            ("minutes", math.inf),
            ("optimizer", "sgd"),
            ("seed", 2**63),
        ],
    )
    def test_out_of_bounds(self, key: str, value: Any) -> None:
        with pytest.raises(UsageError, match=f"^{key} must be ") as caught:
            resolve({"epochs": 1}, {key: value})
        assert "\n" not in caught.value.message
        assert caught.value.hint.startswith(f"{key}: ")

    def test_an_unknown_choice_brings_all_of_them_and_the_nearest(self) -> None:
        with pytest.raises(UsageError) as caught:
            resolve({"epochs": 1}, {"arch": "lstm-atention"})
        assert all(f"'{arch}'" in caught.value.message for arch in ARCHITECTURES)
        assert caught.value.hint == "arch: did you mean lstm-attention?"

    def test_a_choice_like_no_other_brings_what_the_setting_is(self) -> None:
        with pytest.raises(UsageError) as caught:
            resolve({"epochs": 1}, {"optimizer": 7})
        assert caught.value.hint == "optimizer: Optimizer."


class TestSettingsFile:
    def test_reading(self, tmp_path: Path) -> None:
        path = tmp_path / "settings.toml"
        path.write_text('hidden_size = 512\noptimizer = "adam"\n')
        assert read_settings_file(path) == {"hidden_size": 512, "optimizer": "adam"}

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="cannot be read: No such file"):
            read_settings_file(tmp_path / "missing.toml")

    @pytest.mark.parametrize(
        "content", [b"hidden_size 512", b"\xff\xfe", b"a = 1\na = 2\n", b"a = " + b"[" * 5000, b"9" * 5000]
    )
    def test_not_toml(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "settings.toml"
        path.write_bytes(content)
        with pytest.raises(UsageError, match="is not TOML") as caught:
            read_settings_file(path)
        assert "one setting a line" in caught.value.hint
