import json
import math
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptforge.errors import RunError, UsageError
from scriptforge.models import config_from_json
from scriptforge.models.lstm import LSTMConfig

shares = st.floats(0, 1, exclude_max=True)
sizes = st.integers(1, 65_536)
configs = st.builds(
    LSTMConfig,
    vocabulary_size=st.integers(2, 4_194_304),
    embedding_size=sizes,
    hidden_size=sizes,
    layers=st.integers(1, 4),
    dropout_input=shares,
    dropout_between=shares,
    dropout_output=shares,
    dropout_recurrent=shares,
    tied=st.booleans(),
)
GOOD: dict[str, Any] = asdict(LSTMConfig(vocabulary_size=11, embedding_size=5, hidden_size=7))


@given(configs)
def test_json_gives_the_config_back(config: LSTMConfig) -> None:
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
        {"layers": 5},
        {"dropout_output": 1.0},
        {"dropout_output": -0.1},
        {"dropout_output": math.nan},
        {"tied": "perhaps"},
        {"auto_map": {"AutoModel": "somewhere.Model"}},
    ],
    ids=repr,
)
def test_what_we_would_not_write_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RunError, match="not ones that scriptforge writes"):
        config_from_json({**GOOD, **change})


def test_a_missing_key_is_refused() -> None:
    with pytest.raises(RunError):
        config_from_json({key: value for key, value in GOOD.items() if key != "hidden_size"})


@pytest.mark.parametrize("arch", ["lsmt", None, 3, ["lstm"], {}])
def test_an_unknown_architecture_is_refused(arch: object) -> None:
    with pytest.raises(UsageError, match="no architecture named") as caught:
        config_from_json({**GOOD, "arch": arch})
    assert "lstm" in caught.value.hint
