import json
import math
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.architectures import CONFIGS

from scriptforge.errors import RunError, UsageError
from scriptforge.inference import ModelConfig, config_from_json
from scriptforge.inference.configs import (
    MAX_MEMORY,
    LSTMAttentionConfig,
    RecurrentConfig,
    TransformerConfig,
)

shares = st.floats(0, 1, exclude_max=True)
sizes = st.integers(1, 65_536)
recurrent: dict[str, Any] = {
    "vocabulary_size": st.integers(2, 4_194_304),
    "embedding_size": sizes,
    "layers": st.integers(1, 8),
    "dropout_input": shares,
    "dropout_between": shares,
    "dropout_output": shares,
    "dropout_recurrent": shares,
    "tied": st.booleans(),
}
configs = st.one_of(
    st.builds(RecurrentConfig, **recurrent, hidden_size=sizes, arch=st.sampled_from(["lstm", "gru", "rnn"])),
    st.builds(
        LSTMAttentionConfig,
        **recurrent,
        hidden_size=st.integers(1, MAX_MEMORY // 4096),
        memory=st.integers(1, 4096),
    ),
    st.builds(
        TransformerConfig,
        vocabulary_size=st.integers(2, 4_194_304),
        hidden_size=st.integers(1, 8).map(lambda units: 24 * units),
        layers=st.integers(1, 8),
        heads=st.sampled_from([None, 1, 3, 12]),
        memory=st.integers(1, MAX_MEMORY // (8 * 8 * 24)),
        dropout_between=shares,
        tied=st.booleans(),
    ),
)
every_config = pytest.mark.parametrize("good", CONFIGS.values(), ids=CONFIGS.keys())


@given(configs)
def test_json_gives_the_config_back(config: ModelConfig) -> None:
    assert config_from_json(json.loads(json.dumps(asdict(config)))) == config


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_size": 0},
        {"hidden_size": 65_537},
        {"hidden_size": 10**30},
        {"hidden_size": 7.5},
        {"hidden_size": "../weights"},
        {"hidden_size": None},
        {"hidden_size": [7]},
        {"vocabulary_size": 1},
        {"vocabulary_size": math.inf},
        {"layers": 9},
        {"dropout_output": 1.0},
        {"dropout_output": -0.1},
        {"dropout_output": math.nan},
        {"tied": "perhaps"},
        {"auto_map": {"AutoModel": "somewhere.Model"}},
    ],
    ids=repr,
)
@every_config
def test_what_we_would_not_write_is_refused(good: ModelConfig, change: dict[str, Any]) -> None:
    with pytest.raises(RunError, match="settings are invalid"):
        config_from_json({**asdict(good), **change})


@pytest.mark.parametrize("arch", ["lstm-attention", "transformer"])
@pytest.mark.parametrize(
    "change",
    [
        {"memory": 0},
        {"memory": 4097},
        {"memory": 10**30},
        {"memory": 12.0},
        {"memory": 4096, "hidden_size": 1024, "layers": 8},
        {"memory": 33, "hidden_size": 65_536},
    ],
    ids=repr,
)
def test_a_memory_that_would_take_gigabytes_is_refused(arch: str, change: dict[str, Any]) -> None:
    with pytest.raises(RunError, match="settings are invalid"):
        config_from_json({**asdict(CONFIGS[arch]), **change})


@pytest.mark.parametrize(
    "change", [{"heads": 0}, {"heads": 3}, {"heads": 1025}, {"hidden_size": 7}], ids=repr
)
def test_heads_share_the_units_evenly(change: dict[str, Any]) -> None:
    with pytest.raises(RunError):
        config_from_json({**asdict(CONFIGS["transformer"]), **change})


@pytest.mark.parametrize(("size", "heads"), [(2, 1), (62, 1), (128, 4), (192, 6), (100, 2), (384, 12)])
def test_heads_that_nobody_chose_have_about_32_units(size: int, heads: int) -> None:
    assert TransformerConfig(11, size).head_count == heads


def test_heads_that_somebody_chose_stay() -> None:
    assert TransformerConfig(11, 128, heads=2).head_count == 2


@every_config
def test_a_missing_key_is_refused(good: ModelConfig) -> None:
    with pytest.raises(RunError):
        config_from_json({key: value for key, value in asdict(good).items() if key != "hidden_size"})


@pytest.mark.parametrize("arch", ["lsmt", None, 3, ["lstm"], {}])
def test_an_unknown_architecture_is_refused(arch: object) -> None:
    with pytest.raises(UsageError, match="no architecture named") as caught:
        config_from_json({**asdict(CONFIGS["lstm"]), "arch": arch})
    assert "lstm" in caught.value.hint
