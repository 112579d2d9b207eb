from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptforge.architectures import ARCHITECTURES
from scriptforge.config import PRESETS, resolve
from scriptforge.inference import config_from_settings
from scriptforge.training.machine import Machine, operations_per_token
from scriptforge.training.settings import suggest_settings

LAPTOP = Machine("cpu", "fp32", 1e11)


def suggest(tokens: int, vocabulary_size: int, machine: Machine = LAPTOP, **requested: Any) -> dict[str, Any]:
    """What is suggested for a training of which this is requested."""
    return suggest_settings(tokens, vocabulary_size, machine, resolve(requested))


machines = st.builds(
    Machine,
    st.sampled_from(("cpu", "cuda", "mps")),
    st.sampled_from(("fp32", "bf16", "fp16")),
    st.floats(1e8, 1e15),
)


@given(
    arch=st.sampled_from([*ARCHITECTURES]),
    tokens=st.integers(1, 10**9),
    vocabulary_size=st.integers(2, 10**5),
    minutes=st.none() | st.floats(0.01, 1e4),
    machine=machines,
)
@pytest.mark.parametrize("preset", [None, *PRESETS])
def test_whatever_the_corpus_and_machine_settings_are_found(
    preset: Any,
    arch: str,
    tokens: int,
    vocabulary_size: int,
    minutes: float | None,
    machine: Machine,
) -> None:
    length = {"epochs": 1} if minutes is None else {"minutes": minutes}
    suggested = suggest(tokens, vocabulary_size, machine, arch=arch, **length)
    settings = resolve(suggested, {"minutes": 3, "arch": arch}, PRESETS.get(preset, {}))
    assert config_from_settings(settings, vocabulary_size).arch == arch
    assert settings.epochs is None or preset == "classroom"
    assert settings.sequence_length <= max(1, tokens) or preset == "classroom"
    assert settings.precision == ("fp32" if arch == "numpy-rnn" else machine.precision)


@given(
    st.floats(0.1, 100),
    st.floats(1, 100),
    st.sampled_from((70, 2000)),
    st.sampled_from([*ARCHITECTURES]),
)
def test_more_time_or_a_faster_machine_never_makes_the_model_smaller(
    minutes: float, factor: float, vocabulary_size: int, arch: str
) -> None:
    def size(minutes: float, speed: float) -> int:
        machine = Machine("cpu", "fp32", speed)
        return int(suggest(1_000_000, vocabulary_size, machine, arch=arch, minutes=minutes)["hidden_size"])

    usual = size(minutes, 1e11)
    assert usual <= size(minutes * factor, 1e11) == size(minutes, 1e11 * factor)


def test_a_text_that_is_read_often_meets_more_dropout() -> None:
    shares = [suggest(tokens, 70, minutes=5)["dropout_output"] for tokens in (10**5, 10**6, 10**7)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[-1]


def test_what_a_transformer_adds_is_dropped_now_and_then_where_a_text_is_read_often() -> None:
    once, often = (suggest(10**6, 70, arch="transformer", epochs=epochs) for epochs in (1, 30))
    assert 0 < once["dropout_between"] < often["dropout_between"] < 0.3
    assert suggest(10**6, 70, epochs=30)["dropout_between"] == 0


def test_epochs_say_how_often_a_text_is_read() -> None:
    once, often = (suggest(10**6, 70, epochs=epochs) for epochs in (1, 30))
    assert once["dropout_output"] < often["dropout_output"]
    assert once["dropout_recurrent"] == 0 < often["dropout_recurrent"]
    assert once["hidden_size"] == often["hidden_size"]


def test_the_course_has_the_dropout_of_the_course() -> None:
    suggested = suggest(40_000, 1000, epochs=5)
    settings = resolve(suggested, PRESETS["classroom"])
    assert not settings.tied
    assert settings.dropout_between == 0.5
    assert settings.dropout_input == settings.dropout_recurrent == settings.dropout_output == 0


def test_a_small_text_gets_a_small_model_however_long_it_trains() -> None:
    suggested = suggest(40_000, 1000, minutes=600)
    assert suggested["hidden_size"] / suggested["members"] <= 256


def test_a_text_that_would_be_read_often_is_read_by_two_half_as_often() -> None:
    short, long, longest = (suggest(10**6, 70, minutes=minutes) for minutes in (5, 40, 500))
    assert [each["members"] for each in (short, long, longest)] == [1, 2, 2]
    alone = suggest(10**6, 70, minutes=20, members=1)
    assert (long["hidden_size"], long["embedding_size"]) == (2 * alone["hidden_size"], 128)
    assert long["dropout_output"] == alone["dropout_output"]


@pytest.mark.parametrize(
    "asked", [{"members": 1}, {"hidden_size": 512}, {"arch": "transformer"}, {"minutes": None, "epochs": 50}]
)
def test_one_network_learns_where_that_or_its_size_was_asked_for(asked: dict[str, Any]) -> None:
    assert suggest(10**6, 70, **{"minutes": 60, **asked})["members"] == 1


@pytest.mark.parametrize("tokens", [40_000, 400_000, 10**7])
def test_a_pretrained_model_reads_a_text_eight_times_at_most(tokens: int) -> None:
    timed, counted = (resolve({length: 60}) for length in ("minutes", "epochs"))
    assert suggest_settings(tokens, 1000, LAPTOP, timed, is_pretrained=True)["max_epochs"] == 8
    assert "max_epochs" not in suggest_settings(tokens, 1000, LAPTOP, counted, is_pretrained=True)
    assert "max_epochs" not in suggest_settings(tokens, 1000, LAPTOP, timed)


def test_matrices_forget_after_as_many_epochs_whatever_the_text_and_the_time() -> None:
    short, long, larger = (
        suggest(10**6, 70, minutes=1),
        suggest(10**6, 70, epochs=90),
        suggest(10**7, 70, epochs=1),
    )
    decays = [each["matrix_weight_decay"] for each in (short, long, larger)]
    assert decays[0] == decays[1] == pytest.approx(10 * decays[2], rel=0.05)
    assert suggest(100, 70, epochs=1)["matrix_weight_decay"] == 1


def test_a_large_vocabulary_shares_its_embedding_with_the_head() -> None:
    assert suggest(10**6, 2000, minutes=3)["tied"]
    assert not suggest(10**6, 70, minutes=3)["tied"]


def test_operations_are_six_for_each_weight_that_a_token_is_multiplied_with() -> None:
    lstm = ARCHITECTURES["lstm"].suggestion
    assert operations_per_token(lstm, vocabulary_size=10, embedding_size=2, hidden_size=3) == 6 * (
        4 * 3 * (2 + 3) + 10 * 3
    )
