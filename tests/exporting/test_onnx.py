"""A run for ONNX Runtime: it says what the model says, and a program without scriptforge writes with it."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tiny import SPEAKERS, finish, prepared, small
from torch import Tensor

import scriptforge
from scriptforge.dataset import Dataset
from scriptforge.errors import ExportError, UsageError
from scriptforge.exporting import export, new_folder
from scriptforge.exporting.onnx_folder import GRAPHS, WRITE
from scriptforge.exporting.parity import compare
from scriptforge.exporting.recurrent_graph import build_graph
from scriptforge.generation.tables import text_tables
from scriptforge.inference import Arithmetic
from scriptforge.inference.configs import RecurrentConfig
from scriptforge.kernel import Unit
from scriptforge.models import TrainableModel, build
from scriptforge.options import ExportOptions
from scriptforge.run.run import Run
from scriptforge.screenplay.formats import read
from scriptforge.training.trainer import start
from scriptforge.vocabulary import Level, Vocabulary
from scriptforge.workspace import RunFolder

V = 40
LAYOUT = 9


def model(config: RecurrentConfig, members: int = 1) -> TrainableModel:
    """A model in which every weight matters."""
    torch.manual_seed(0)
    whole = build(config, members).whole().eval()
    with torch.no_grad():
        for weight in whole.parameters():
            weight.mul_(1.5) if weight.any() else weight.normal_()
    return whole


def graph_of(whole: TrainableModel, arithmetic: Arithmetic = "fp32") -> bytes:
    names = whole.config.weight_shapes()
    weights = {name: each.numpy() for name, each in whole.state_dict().items() if name in names}
    assert isinstance(whole.config, RecurrentConfig)
    graph: bytes = build_graph(whole.config, weights, arithmetic).SerializeToString()
    return graph


def scores(graph: bytes, ids_BT: Tensor) -> np.ndarray[Any, Any]:
    """What ONNX Runtime says after each token."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()[1:]
    shapes = {each.name: [size if size != "batch" else len(ids_BT) for size in each.shape] for each in inputs}
    state = {name: np.zeros(shape, "i8" if name == "speakers" else "f4") for name, shape in shapes.items()}
    said = []
    for ids_B in ids_BT.numpy().T:
        logits_BV, *after = session.run(None, {"ids": ids_B, **state})
        state = dict(zip(state, after, strict=True))
        said.append(logits_BV)
    return np.stack(said, axis=1)


@pytest.mark.parametrize(
    ("tied", "speakers", "members"), [(False, 0, 1), (True, 3, 1), (True, 3, 2), (False, 0, 2)]
)
@pytest.mark.parametrize("arch", ["lstm", "gru", "rnn"])
def test_a_graph_says_what_the_model_says(arch: Unit, tied: bool, speakers: int, members: int) -> None:
    layout = LAYOUT if speakers else 0
    config = RecurrentConfig(V, 12, 16, layers=2, tied=tied, layout_size=layout, speakers=speakers, arch=arch)
    whole = model(config, members)
    ids_BT = torch.randint(0, V, (3, 50))
    ids_BT[:, ::4] = torch.randint(0, LAYOUT, (3, 13))
    with torch.no_grad():
        expected_BTV, _ = whole(ids_BT, whole.initial_state(3))
    exact, rounded = (graph_of(whole, arithmetic) for arithmetic in GRAPHS.values())
    assert np.abs(scores(exact, ids_BT) - expected_BTV.numpy()).max() < 1e-5
    said_BTV = scores(rounded, ids_BT)
    spread = float(expected_BTV.std())
    assert np.abs(said_BTV - expected_BTV.numpy()).max() < 0.2 * spread
    np.testing.assert_allclose(said_BTV[1:2], scores(rounded, ids_BT[1:2]), atol=1e-5)


def test_what_is_zero_beside_members_is_not_kept() -> None:
    """A matrix of two members has half as many numbers as a whole one."""
    config = RecurrentConfig(V, 64, 64)
    sizes = [len(graph_of(model(config, members))) for members in (1, 2)]
    assert sizes[0] - sizes[1] == pytest.approx(4 * 2 * (4 * 64 * 64) / 2, rel=0.05)


@pytest.fixture(scope="module")
def folder(tiny_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "harbour"
    export(Run(tiny_run), ExportOptions(onnx=path))
    return path


def written(folder: Path, *speakers: str) -> str:
    """What the program beside the model prints from one seed, in a process that imports nothing of ours."""
    blocked = (
        "import runpy, sys\nimport numpy.random as random\n"
        "for name in ('scriptforge', 'torch', 'tokenizers'): sys.modules[name] = None\n"
        "random.default_rng = lambda: random.Generator(random.PCG64(1))\n"
    )
    start = f"{blocked}sys.argv = {['write.py', *speakers]}\nrunpy.run_path('write.py')"
    done = subprocess.run(
        [sys.executable, "-c", start], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_program_beside_the_model_writes_a_script(folder: Path) -> None:
    lines = written(folder, "ELAINE").splitlines()
    elements = list(read(lines, "name-line"))
    assert len(elements) == len(lines) > 5
    assert lines[0].startswith("ELAINE: ")
    assert {element.speaker for element in elements} <= set(SPEAKERS)
    assert all(element.kind == "dialogue" and element.text for element in elements)


def test_the_guide_shows_the_program() -> None:
    guide = Path(__file__).parents[2] / "docs" / "how-to" / "run-it-elsewhere.md"
    assert f"```python\n{WRITE}```" in guide.read_text(encoding="utf-8")


def test_the_card_shows_the_program_and_the_figures(folder: Path) -> None:
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f"```python\n{WRITE}```" in card and (folder / "write.py").read_text(encoding="utf-8") == WRITE
    assert re.search(r"Over 1,000 tokens .* at most \de-\d\d in\n", card)
    assert "| `speakers` | `next_speakers` | int64 (2, batch) |" in card


@pytest.mark.parametrize("level", ["char", "bpe"])
@pytest.mark.slow
def test_it_writes_at_every_level_and_plain_text(level: Level, tiny_text: Path, tmp_path: Path) -> None:
    for plain in (False, True):
        path = tmp_path / f"{level} {plain}"
        dataset = prepared(tiny_text, path / "data" / "play", level=level, plain=plain)
        run = RunFolder(path / "runs" / "play")
        finish(start(dataset, small(arch="gru", epochs=1, validations=1), run, "cpu"))
        export(Run(run), ExportOptions(onnx=path / "out"))
        said = written(path / "out")
        assert said  # a model of one epoch may write blanks as plain text
        if not plain:
            assert said.strip()
            assert all(element.text for element in read(said.splitlines(), "name-line"))


@pytest.mark.parametrize("level", ["word", "bpe", "char"])
@given(text=st.text(st.sampled_from("ab é花 .,()-\"!<>'"), max_size=40).map(str.strip))
@settings(max_examples=60)
def test_pieces_come_together_as_the_vocabulary_says(level: Level, text: str) -> None:
    vocabulary = Vocabulary.train(
        ['ab é花 ba a b .,()-"!<>\' (a) b-a "b"'] * 3, level, size=400, speakers=SPEAKERS
    )
    tables = text_tables(vocabulary)
    ids = [vocabulary.speaker_tokens[0].id, *vocabulary.encode(text)]
    joined = tables["joint"].join(tables["pieces"][id_] for id_ in ids)
    joined = joined.encode("latin-1").decode("utf-8", "replace")
    for pattern, other in tables["replace"]:
        joined = re.sub(pattern, other, joined)
    expected = vocabulary.decode(ids[1:])
    assert joined.strip() == f"{SPEAKERS[0]}: {expected}".strip()


def test_a_copy_that_says_something_else_is_refused(tiny_run: RunFolder) -> None:
    run = Run(tiny_run)
    with pytest.raises(ExportError, match=r"differs from run “harbour” by \d"):
        compare(run, lambda _: np.zeros(run.vocabulary.size, np.float32), is_exact=True)


def test_another_export_is_replaced_when_asked_and_nothing_else_ever(
    folder: Path, tiny_run: RunFolder, tmp_path: Path
) -> None:
    run = Run(tiny_run)
    with pytest.raises(UsageError, match="already"):
        export(run, ExportOptions(onnx=folder))
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(UsageError, match=r"holds thesis\.doc"):
        export(run, ExportOptions(onnx=tmp_path, force=True))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]
    with pytest.raises(UsageError, match="is a file"):
        export(run, ExportOptions(onnx=tmp_path / "thesis.doc", force=True))
    before = (folder / "model.onnx").read_bytes()
    (done,) = export(run, ExportOptions(onnx=folder, force=True))
    assert (folder / "model.onnx").read_bytes() == before
    assert done.files == {path.name: path.stat().st_size for path in folder.iterdir()}
    assert done.parity["model.onnx"].largest <= 1e-4


def test_why_a_folder_cannot_be_written_is_said_in_the_words_of_a_library(tmp_path: Path) -> None:
    with (
        pytest.raises(ExportError, match="cannot be written: the graph is too large"),
        new_folder(tmp_path / "out", [], force=False),
    ):
        raise OSError("the graph is too large")


def test_an_architecture_that_cannot_be_exported_is_named(
    tiny_dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(tmp_path / "runs" / "t")
    chosen = {"arch": "lstm-attention", "epochs": 0.2, "validations": 1}
    finish(start(tiny_dataset, small(**chosen), run, "cpu"))
    with pytest.raises(ExportError, match=r"Only lstm, gru and rnn .* not lstm-attention"):
        scriptforge.export(run.path, onnx=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError, match="onnxruntime, which is not installed") as caught:
        scriptforge.export(run.path, onnx=tmp_path / "out")
    assert "scriptforge-lm[onnx]" in caught.value.hint


def test_nothing_asked_for_is_an_error() -> None:
    with pytest.raises(UsageError, match="No folder is named"):
        ExportOptions()
