"""A run as a folder with which ONNX Runtime can write scripts: in browsers, on phones, in any language.

It holds the graph in fp32 and in 8-bit integers, the tokenizer, the grammar as tables, a short program that
writes a script, and a card that describes inputs and outputs.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scriptforge.architectures import ARCHITECTURES
from scriptforge.characters import markdown
from scriptforge.errors import ExportError, UsageError
from scriptforge.exporting import Exported, new_folder, sizes_of, write_json
from scriptforge.exporting.parity import Parity, Reader, compare
from scriptforge.exporting.recurrent_graph import build_graph
from scriptforge.generation.tables import grammar_tables, text_tables
from scriptforge.inference import Arithmetic
from scriptforge.inference.configs import RecurrentConfig
from scriptforge.run.records import RunDescription
from scriptforge.run.run import Run

GRAPHS: dict[str, Arithmetic] = {"model.onnx": "fp32", "model.int8.onnx": "int8"}
"""The arithmetic of each graph, by file name."""
TABLES, TOKENIZER, PROGRAM, CARD = "grammar.json", "tokenizer.json", "write.py", "README.md"

WRITE = """\
import base64, json, re, sys
import numpy as np
import onnxruntime

about = json.load(open("grammar.json", encoding="utf-8"))
session = onnxruntime.InferenceSession("model.int8.onnx")
shape = len(about["limits"]), len(about["pieces"])
packed = [np.frombuffer(base64.b64decode(about[name]), "u1") for name in ("allowed", "closing", "next")]
allowed, closing = (np.unpackbits(table)[: shape[0] * shape[1]].reshape(shape) for table in packed[:2])
follow = packed[2].view("<i2").reshape(shape)
sizes = {each.name: [size if size != "batch" else 1 for size in each.shape] for each in session.get_inputs()}
state = {name: np.zeros(sizes[name], "i8" if name == "speakers" else "f4") for name in sizes if name != "ids"}
ids = [about["end"]] + [id_ for name in sys.argv[1:] for id_ in about["speakers"][name]]
place, length, rng = about["start"], 0, np.random.default_rng()
for step in range(600):
    logits, *after = session.run(None, {"ids": [ids[step]], **state})
    state, to = dict(zip(state, after)), follow[place, ids[step]]
    place, length = (~to, 0) if to < 0 else (to, length + 1)
    if step + 1 == len(ids):  # nothing that is forbidden, nor 20 times less likely than what is likeliest
        mask = (closing if length >= about["limits"][place] else allowed)[place]
        scores = np.where(mask, logits[0] / 0.8, -np.inf)
        scores[scores < scores.max() - 3] = -np.inf
        ids.append(int((scores + rng.gumbel(size=scores.size)).argmax()))
text = about["joint"].join(about["pieces"][id_] for id_ in ids).encode("latin-1").decode("utf-8", "replace")
for pattern, other in about["replace"]:
    text = re.sub(pattern, other, text)
print(text.rpartition("\\n")[0].strip())
"""
"""The program in the folder, which the card shows too."""


def export_onnx(run: Run, path: Path, *, force: bool = False) -> Exported:
    """Export a recurrent model for ONNX Runtime, and check that it scores as the model does.

    Args:
        run: the run.
        path: the folder to make.
        force: whether to replace an earlier export.

    Raises:
        UsageError: the folder is not empty, or onnx or onnxruntime is not installed.
        ExportError: the architecture cannot be exported, or the copy differs.
    """
    _require_onnx()
    config = run.config
    if not isinstance(config, RecurrentConfig):
        known = [name for name, each in ARCHITECTURES.items() if each.config_class() is RecurrentConfig]
        raise ExportError(
            f"Only {', '.join(known[:-1])} and {known[-1]} can be exported to ONNX, not {config.arch}.",
            "Train one: scriptforge train --arch lstm"
            + ("; or use --transformers." if config.arch == "transformer" else ""),
        )
    parity = {}
    with new_folder(path, [*GRAPHS, TABLES, TOKENIZER, PROGRAM, CARD], force=force) as folder:
        for name, arithmetic in GRAPHS.items():
            graph = build_graph(config, run.weights, arithmetic).SerializeToString()
            parity[name] = compare(run, _reader(graph), is_exact=arithmetic == "fp32")
            (folder / name).write_bytes(graph)
        write_json(folder / TABLES, _tables(run))
        run.vocabulary.save(folder / TOKENIZER)
        (folder / PROGRAM).write_text(WRITE, encoding="utf-8")
        card = _card(run.description, config, parity, sizes_of(folder))
        (folder / CARD).write_text(card, encoding="utf-8")
        sizes = sizes_of(folder)
    return Exported("onnx", path, sizes, parity)


def _require_onnx() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"--onnx needs {error.name}, which is not installed.",
            "Install it: pip install 'scriptforge-lm[onnx]'",
        ) from error


def _reader(graph: bytes) -> Reader:
    """Return a reader that uses ONNX Runtime, at the beginning of a text."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
    state = {
        each.name: np.zeros([size if isinstance(size, int) else 1 for size in each.shape], kinds[each.type])
        for each in session.get_inputs()[1:]
    }

    def read(id_: int) -> Any:
        logits_1V, *after = session.run(None, {"ids": np.array([id_]), **state})
        state.update(zip(state, after, strict=True))
        return logits_1V[0]

    return read


def _tables(run: Run) -> dict[str, Any]:
    vocabulary = run.vocabulary
    return {"end": vocabulary.end, **grammar_tables(vocabulary), **text_tables(vocabulary)}


def _card(
    about: RunDescription, config: RecurrentConfig, parity: Mapping[str, Parity], sizes: Mapping[str, int]
) -> str:
    exact, rounded = (parity[name] for name in GRAPHS)
    hidden = f"float32 ({config.layers}, batch, {config.hidden_size})"
    states = [("hidden", hidden)] + ([("cell", hidden)] if config.arch == "lstm" else [])
    states += [("speakers", "int64 (2, batch)")] if config.speakers else []
    rows = "\n".join(f"| `{name}` | `next_{name}` | {shape} |" for name, shape in states)
    files = "\n".join(f"- `{name}`: {size:,} bytes" for name, size in sizes.items())
    what = "texts" if about.dataset.plain else "scripts"
    return f"""\
# {markdown(about.name)}

A small {ARCHITECTURES[config.arch].label} that writes {what}, for ONNX Runtime. It was made with
[scriptforge](https://pypi.org/project/scriptforge-lm/).

{files}

Over {exact.steps:,} tokens its scores differ from the original's by at most {exact.largest:.0e} in
`model.onnx` and {rounded.largest:.1g} in `model.int8.onnx`, whose loss differs by {rounded.nats:+.4f} nats
a token.

## What goes in and comes out

One token a call, for each sequence of a batch; every text begins with token 0, `<end>`, and a state of zeros.

| in | out | |
|---|---|---|
| `ids` | | int64 (batch,) |
| | `logits` | float32 (batch, {config.vocabulary_size}) |
{rows}

## Write a script

`pip install onnxruntime`; in this folder, `python {PROGRAM}` or `python {PROGRAM} SPEAKER`:

```python
{WRITE}```
"""
