import json
import sys
from dataclasses import asdict

import pytest

from scriptforge.dataset import Dataset
from scriptforge.errors import UsageError
from scriptforge.evaluation import evaluate, evaluate_cached, evaluate_split, recognition_of_run
from scriptforge.generation.neural_cache import CacheParameters
from scriptforge.models import TensorAdapter
from scriptforge.options import EvaluateOptions, GenerateOptions
from scriptforge.run.run import Run
from scriptforge.workspace import RunFolder


def test_the_loss_on_the_test_split_is_what_is_measured_by_default(
    tiny_run: RunFolder, tiny_dataset: Dataset
) -> None:
    run = Run(tiny_run)
    document = evaluate(run, tiny_dataset).document()
    expected = asdict(evaluate_split(run.model, tiny_dataset, "test"))
    assert document == {"run": "harbour", "split": "test", **expected}


def test_each_option_adds_its_part_to_the_document(tiny_run: RunFolder, tiny_dataset: Dataset) -> None:
    run = Run(tiny_run)
    options = EvaluateOptions(split="validation", cache=0.2, int8=True, speakers=True)
    document = evaluate(run, tiny_dataset, options).document()
    model = TensorAdapter(run.inference("int8"))
    cache = CacheParameters(0.2)
    assert json.loads(json.dumps(document)) == {
        "run": "harbour",
        "split": "validation",
        **asdict(evaluate_split(model, tiny_dataset, "validation")),
        "int8": True,
        "stream_cached": {
            "weight": 0.2,
            "sharpness": cache.sharpness,
            "window": cache.window,
            **asdict(evaluate_cached(model, tiny_dataset, "validation", cache)),
        },
        "voice": asdict(recognition_of_run(run, tiny_dataset, GenerateOptions(int8=True))),
    }
    assert list(document)[2:] == [
        "tokens", "characters", "stream", "cold_256", "int8", "stream_cached", "voice",
    ]  # fmt: skip


def test_without_scikit_learn_there_are_no_voices(
    tiny_run: RunFolder, tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert evaluate(Run(tiny_run), tiny_dataset).speakers is None
    with pytest.raises(UsageError, match="--speakers needs scikit-learn") as caught:
        evaluate(Run(tiny_run), tiny_dataset, EvaluateOptions(speakers=True))
    assert "scriptforge-lm[evaluate]" in caught.value.hint
