import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptforge.config import Settings, resolve
from scriptforge.errors import UsageError
from scriptforge.tuning.space import DEFAULT_SPACE, Choices, Fixed, Range, Space, training_settings


class First:
    """Draws the first or least that it is offered."""

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return choices[0]

    def suggest_int(self, name: str, low: int, high: int, *, step: int, log: bool) -> int:
        return low

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None, log: bool) -> float:
        return low


def parsed(toml: str) -> Space:
    return Space.parsed(tomllib.loads(toml))


class TestDefault:
    def test_it_is_what_is_printed(self) -> None:
        assert Space.default() == parsed(DEFAULT_SPACE)

    def test_what_it_draws_are_settings(self) -> None:
        chosen = Space.default().draw(First(), "char")
        assert (chosen["level"], chosen["bpe_vocabulary_size"]) == ("bpe", 500)
        assert resolve({"epochs": 1}, training_settings(chosen)).hidden_size == 128


class TestDrawing:
    def test_a_plain_value_is_that_of_every_trial(self) -> None:
        space = parsed("hidden_size = 64\nlayers = {choices = [2, 1]}")
        assert space.draw(First(), "char") == {"hidden_size": 64, "layers": 2}

    @pytest.mark.parametrize(
        ("level", "sizes"),
        [("bpe", {"bpe_vocabulary_size": 300}), ("word", {"word_vocabulary_size": 900}), ("char", {})],
    )
    def test_only_the_size_of_the_own_level_is_drawn(self, level: Any, sizes: dict[str, int]) -> None:
        space = parsed(
            "bpe_vocabulary_size = 300\nlayers = {choices = [1]}\n"
            "word_vocabulary_size = {low = 900, high = 999}"
        )
        assert space.draw(First(), level) == {**sizes, "layers": 1}

    def test_the_level_drawn_decides(self) -> None:
        space = parsed('bpe_vocabulary_size = {choices = [500]}\nlevel = {choices = ["char", "bpe"]}')
        assert space.draw(First(), "bpe") == {"level": "char"}

    def test_nothing_between_layers_where_there_is_one(self) -> None:
        space = parsed("dropout_between = {low = 0.0, high = 0.5}\nlayers = {choices = [1, 2]}")
        assert space.draw(First(), "bpe") == {"layers": 1}

    @pytest.mark.parametrize(
        ("arch", "others"),
        [
            ("transformer", {"heads": 4}),
            ("lstm", {"dropout_recurrent": 0.0, "members": 2}),
            ("lstm-attention", {"dropout_recurrent": 0.0}),
        ],
    )
    def test_only_what_the_architecture_has_is_drawn(self, arch: str, others: dict[str, Any]) -> None:
        space = parsed(
            "dropout_recurrent = {low = 0.0, high = 0.5}\nheads = 4\nmembers = {choices = [2]}\n"
            f'arch = {{choices = ["{arch}"]}}'
        )
        assert space.draw(First(), "bpe") == {"arch": arch, **others}

    @pytest.mark.parametrize("name", ["heads", "threads"])
    def test_a_setting_that_may_be_left_out_has_a_range(self, name: str) -> None:
        space = parsed(f"{name} = {{low = 2, high = 8}}")
        assert space.offered({name: None}) == {} and space.offered({name: 4}) == {name: 4}
        chosen = space.draw(First(), "char")
        assert chosen == {name: 2} and isinstance(chosen[name], int)
        assert getattr(resolve({"epochs": 1}, training_settings(chosen)), name) == 2

    def test_how_often_the_text_is_read_at_most_can_be_searched(self) -> None:
        chosen = parsed("max_epochs = {low = 2, high = 8}").draw(First(), "char")
        assert resolve({"minutes": 1}, training_settings(chosen)).max_epochs == 2

    @given(
        low=st.integers(1, 500),
        steps=st.integers(1, 50),
        step=st.integers(1, 64),
        value=st.integers(0, 5000),
    )
    def test_a_range_of_whole_numbers_has_those_on_its_steps(
        self, low: int, steps: int, step: int, value: int
    ) -> None:
        high = low + steps * step
        space = parsed(f"hidden_size = {{low = {low}, high = {high}, step = {step}}}")
        entry = space.entries["hidden_size"]
        assert isinstance(entry, Range)
        assert (value in entry) == (value in range(low, high + 1, step))

    @given(tenths=st.integers(0, 9))
    def test_decimal_steps_are_taken_as_they_are_written(self, tenths: int) -> None:
        entry = parsed("dropout_output = {low = 0.0, high = 0.9, step = 0.1}").entries["dropout_output"]
        assert isinstance(entry, Range)
        assert float(f"0.{tenths}") in entry and float(f"0.{tenths}5") not in entry


class TestTelling:
    @given(
        st.dictionaries(
            st.sampled_from(["hidden_size", "layers", "batch_size"]),
            st.lists(st.integers(1, 4), min_size=1, unique=True),
            min_size=1,
        )
    )
    def test_spaces_that_are_the_same_have_the_same_text(self, choices: dict[str, list[int]]) -> None:
        document = {name: {"choices": values} for name, values in choices.items()}
        again = dict(reversed(document.items()))
        assert Space.parsed(document).text == Space.parsed(again).text
        other = {**document, "sequence_length": {"choices": [8]}}
        assert Space.parsed(document).text != Space.parsed(other).text
        assert json.loads(Space.parsed(document).text).keys() == document.keys()

    def test_kinds_of_entries(self) -> None:
        space = parsed(
            "tied = true\nlayers = {choices = [1, 1, 2]}\nlearning_rate = {low = 1, high = 2, log = true}"
        )
        assert space.entries["tied"] == Fixed(True)
        assert space.entries["layers"] == Choices((1, 2))
        assert space.entries["learning_rate"] == Range(1.0, 2.0, log=True)
        assert not space.entries["learning_rate"].is_whole


@pytest.mark.parametrize(
    ("toml", "problem", "hint"),
    [
        ("hiden_size = 5", "“hiden_size”", "hidden_size"),
        ("epochs = 3", "epochs cannot be searched", "--seconds"),
        ("seed = {choices = [1, 2]}", "seed cannot be searched", "--seed"),
        ("layers = {choices = []}", "layers: there are no choices", "choices ="),
        ("layers = {choices = 2}", "layers: there are no choices", "choices ="),
        ("layers = {choices = [1, 99]}", "layers must be", "layers: "),
        ("layers = {choices = [1], low = 1}", "choices and low", "one of them"),
        ("hidden_size = {low = 64}", "high is missing", "high = NUMBER"),
        ("hidden_size = {low = 64, hgih = 128}", "“hgih”", "high"),
        ("hidden_size = {low = 64, high = 64}", "not below high", "hidden_size = 64"),
        ("hidden_size = {low = 0, high = 64}", "hidden_size must be", "Units"),
        ("hidden_size = {low = 64.5, high = 80}", "hidden_size must be", "Units"),
        ("hidden_size = {low = 64, high = 128, step = 0.5}", "must be a whole number", "whole step"),
        ("hidden_size = {low = 64, high = 100, step = 32}", "do not lead", "divides their difference"),
        ("hidden_size = {low = 64, high = 128, step = 0}", "do not lead", "above 0"),
        ("hidden_size = {low = 64, high = 128, log = 1}", "log is 1", "log = true"),
        ("dropout_output = {low = 0.0, high = 0.5, log = true}", "logarithmic range", "Set low above 0"),
        ("learning_rate = {low = 0.1, high = 0.5, log = true, step = 0.1}", "used together", "one of them"),
        ("learning_rate = {low = 0.1, high = 50}", "learning_rate must be", "Peak"),
        ("learning_rate = {low = 0.1, high = nan}", "learning_rate must be", "Peak"),
        ('optimizer = {low = "adam", high = "muon"}', "only numbers", "choices"),
        ("tied = {low = false, high = true}", "only numbers", "choices"),
        ('level = {choices = ["bpe", "letters"]}', "no level 'letters'", "char"),
        ("bpe_vocabulary_size = {choices = [1]}", "not a number of tokens", "2 or more"),
        ("bpe_vocabulary_size = true", "not a number of tokens", "2 or more"),
        ("hidden_size = 64", "nothing to search", "choices"),
        ("", "nothing to search", "choices"),
    ],
)  # fmt: skip
def test_what_is_no_space_is_refused(toml: str, problem: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parsed(toml)
    assert problem in caught.value.message and hint in caught.value.hint


class TestFile:
    def test_it_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "space.toml").write_text(DEFAULT_SPACE)
        assert Space.read(tmp_path / "space.toml") == Space.default()

    def test_it_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="cannot be read") as caught:
            Space.read(tmp_path / "space.toml")
        assert "--space" in caught.value.hint

    def test_it_is_not_toml(self, tmp_path: Path) -> None:
        (tmp_path / "space.toml").write_text("hidden_size: 64")
        with pytest.raises(UsageError, match="is not TOML") as caught:
            Space.read(tmp_path / "space.toml")
        assert "--print-space" in caught.value.hint


def test_every_setting_but_those_of_a_length_can_stand_in_a_space() -> None:
    defaults = resolve({"epochs": 1}).model_dump()
    refused = {"epochs", "minutes", "validations", "patience", "seed"}
    for name in Settings.model_fields:
        if name not in refused:
            space = Space.parsed({name: {"choices": [defaults[name]]}})
            assert defaults[name] in space.drawn[name]
