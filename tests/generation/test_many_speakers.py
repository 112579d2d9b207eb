"""A stranger's model may name thousands of sources and speakers: what is not used of them takes no memory."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from support.command import scriptforge
from support.memory import MEGABYTE, peak

from scriptforge.inference import config_from_json
from scriptforge.vocabulary import Vocabulary
from scriptforge.workspace import RunFolder

CASTS = {
    "2,000 sources": {f"s{number}": ["Bo"] if not number else [] for number in range(2000)},
    "20,000 speakers": {"one": [f"Bo {number}" for number in range(20_000)]},
    "a mix of 40 sources with 200 speakers each": {
        f"s{number}": [f"Bo {number} {other}" for other in range(200)] for number in range(40)
    },
}


def crowd(cast: dict[str, list[str]], tiny_run: RunFolder, workspace: Path) -> None:
    """Make a run whose vocabulary has a cast, and whose model has nearly no weights."""
    folder = RunFolder(workspace / "runs" / "crowd")
    folder.path.mkdir(parents=True)
    vocabulary = Vocabulary.train(["so it is said ."] * 9, "word", sources=cast)
    vocabulary.save(folder.tokenizer)
    document = json.loads(tiny_run.config.read_text())
    sizes = {"vocabulary_size": vocabulary.size, "hidden_size": 1, "embedding_size": 1, "tied": True}
    document["model"] |= {**sizes, "layout_size": 0, "speakers": 0}
    shapes = config_from_json(document["model"]).weight_shapes()
    document["parameters"] = sum(map(math.prod, shapes.values()))
    speakers = len(vocabulary.speaker_tokens)
    document["dataset"]["turns"]["companions"] = [[min(each + 1, speakers - 1)] for each in range(speakers)]
    document["dataset"] |= {"cast": [], "frequencies": None}
    folder.config.write_text(json.dumps(document))
    save_file({name: np.zeros(shape, np.float32) for name, shape in shapes.items()}, folder.weights)


@pytest.mark.parametrize("cast", CASTS.values(), ids=CASTS)
def test_a_large_cast_takes_little_memory(
    cast: dict[str, list[str]], tiny_run: RunFolder, tmp_path: Path
) -> None:
    crowd(cast, tiny_run, tmp_path)
    assert peak("generate", "crowd", "--lines", "9", "--seed", "1", workspace=tmp_path) < 250 * MEGABYTE


def test_a_grammar_too_large_to_be_written_out_is_refused(tiny_run: RunFolder, tmp_path: Path) -> None:
    crowd(CASTS["2,000 sources"], tiny_run, tmp_path)
    done = scriptforge("page", "crowd", workspace=tmp_path, memory=2**31)
    assert (done.returncode, done.stdout) == (1, "")
    message, hint = done.stderr.splitlines()
    assert "A mix of 2,000 sources" in message and "scriptforge generate" in hint
