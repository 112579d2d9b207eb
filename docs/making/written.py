"""The pages made from a small dataset and run: JSON documents and folders."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from meanings import CHECKPOINT, CONFIG, DATASET, DOCUMENTS, METRICS, NOTES, OF_THE_HUB, PARQUET
from pages import attributes, page, quoted_rows, table
from printing import printed

from scriptforge.cli.app import COMMANDS
from scriptforge.corpus.cards import builtin_cards_path
from scriptforge.serve.drafts import Drafts
from scriptforge.workspace import SPLITS, WORKSPACE_VARIABLE, DatasetFolder, RunFolder, Workspace


class SampleWorkspace:
    """A workspace in which the commands have been run, as small as possible.

    Args:
        root: an empty folder.
    """

    def __init__(self, root: Path) -> None:
        draft = Drafts(Workspace(root).room.drafts)
        draft.create("Evening", "demo", [])
        draft.close()
        self.documents = {
            command: json.loads(printed(f"{line} --json --workspace {root}".split()))
            for command, line in {
                "prepare": "prepare demo",
                "train": "train --cpu --epochs 0.02 --set hidden_size=8 --set validations=1 --set threads=1",
                "generate": "generate --lines 1",
                "inspect": "inspect demo",
                "convert": f"convert demo {root}/demo.fountain",
                "originality": f"originality {next(builtin_cards_path().glob('demo/*.fountain'))}",
                "evaluate": "evaluate",
                "runs": "runs",
                "tune": "tune --trials 1 --seconds 0.1 --cpu",
                "corpora": "corpora demo",
                "doctor": "doctor",
                "push": "push --repo ann/demo --dry-run",
                "page": f"page --output {root}/page",
                "export": f"export --onnx {root}/onnx",
                "drafts": "drafts",
                "rename": "rename studies/demo evening",
                "remove": "remove studies/evening --yes",
            }.items()
        }
        self.dataset = Workspace(root).dataset()
        self.description = json.loads(self.dataset.description.read_text(encoding="utf-8"))
        self.run = Workspace(root).run()


def json_documents(trial: SampleWorkspace) -> str:
    """Return the page of the keys of every JSON document, from documents that the commands printed."""
    parts = [
        "What commands print with `--json`: one document on stdout, and nothing beside it but warnings and "
        "errors on stderr. A dot leads into a table, `[]` into a list.",
        "## prepare",
        "What [`dataset.json`](folders.md#datasetjson) holds.",
    ]
    if trial.documents["prepare"] != trial.description:
        raise SystemExit("prepare --json prints something else than dataset.json holds")
    for command, meanings in DOCUMENTS.items():
        parts += [f"## {command}", _keys(trial.documents[command], meanings)]
        if command in NOTES:
            parts.append(NOTES[command])
    for command, meanings in OF_THE_HUB.items():
        rows = ((f"`{key}`", "text", words) for key, words in meanings.items())
        parts += [f"## {command}", table(("key", "type", "what it is"), rows)]
    undescribed = set(_with_json()) - {"prepare", *DOCUMENTS, *OF_THE_HUB}
    if undescribed:
        raise SystemExit(f"Commands with --json of which nothing is said: {', '.join(sorted(undescribed))}")
    return page("JSON documents", *parts)


def _with_json() -> Iterator[str]:
    """Yield the commands that have `--json`."""
    for name in (name for names in COMMANDS.values() for name in names):
        if name != "help" and "--json" in printed([name, "--help"]):
            yield name


def folders(trial: SampleWorkspace) -> str:
    """Return the page of the files of datasets and runs, from ones that the commands made."""
    import pyarrow.parquet

    config = json.loads(trial.run.config.read_text(encoding="utf-8"))
    metrics = json.loads(trial.run.metrics.read_text(encoding="utf-8").splitlines()[0])
    columns = dict.fromkeys(pyarrow.parquet.read_schema(trial.dataset.scripts).names, "")
    [step] = trial.run.checkpoint_steps()[:1]
    return page(
        "Folders",
        "A workspace is a folder: the current one, or that of `--workspace`, or that of "
        f"`{WORKSPACE_VARIABLE}`. Weights and other tensors are safetensors, ids are NumPy arrays, parsed "
        "text is parquet, and everything else is JSON or plain text.",
        "```text\ncorpora/NAME.toml   cards of your own\ndata/NAME/          datasets\n"
        "runs/NAME/          runs\nstudies/NAME/       searches of `scriptforge tune`\n"
        "room/               drafts of `scriptforge serve`, its secret, and the port of the last time\n```",
        "## A dataset: `data/NAME/`",
        _files(trial.dataset),
        "### dataset.json",
        _keys(trial.description, DATASET),
        "### scripts.parquet",
        _keys(columns, PARQUET, with_types=False),
        "## A run: `runs/NAME/`",
        "`config.json`, `tokenizer.json` and `model.safetensors` suffice to use a run anywhere, and with"
        " `lexicon.txt` it invents no words.",
        _files(trial.run),
        "### config.json",
        "`result` is null until the training has ended.",
        _keys(config, CONFIG),
        "### metrics.jsonl",
        _keys(metrics, METRICS),
        "### A checkpoint: `checkpoints/step-STEP/`",
        "The two newest are kept.",
        table(
            ("file", "what is in it"),
            _explained({path.name for path in trial.run.checkpoint(step).iterdir()}, CHECKPOINT),
        ),
    )


def _keys(document: Any, meanings: Mapping[str, str], with_types: bool = True) -> str:
    """Return a table of a document's keys, each with its meaning.

    The meaning of a whole table covers all keys in it.
    """
    kinds = dict(_flattened(document, "", meanings))
    missing = set(kinds) ^ set(meanings)
    if missing:
        raise SystemExit(f"A key without a meaning, or a meaning without a key: {', '.join(sorted(missing))}")
    if not with_types:
        return table(("column", "what it is"), quoted_rows(meanings))
    rows = ((f"`{key}`", kinds[key], words) for key, words in meanings.items())
    return table(("key", "type", "what it is"), rows)


def _flattened(value: Any, path: str, known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield every key of a document, with the type of its value."""
    match value:
        case dict() if path not in known:
            for key, inner in value.items():
                yield from _flattened(inner, f"{path}.{key}" if path else key, known)
        case list() if f"{path}[]" in known or not any(isinstance(item, dict) for item in value):
            yield f"{path}[]", _type(value[0]) if value else "list"
        case list():
            yield from _flattened(value[0], f"{path}[]", known)
        case _:
            yield path, _type(value)


def _type(value: Any) -> str:
    match value:
        case bool():
            return "true or false"
        case int():
            return "whole number"
        case float():
            return "number"
        case dict():
            return "table"
        case _:
            return "text"


def _files(folder: DatasetFolder | RunFolder) -> str:
    """Return a table of the files that a folder may have, described by the workspace's docstrings."""
    said = {
        getattr(folder, name).name: f"{words[:1].upper()}{words[1:]}."
        for name, words in attributes(type(folder)).items()
        if isinstance(getattr(folder, name), Path)
    }
    if isinstance(folder, DatasetFolder):
        said |= {f"{split}.npy": f"The token ids of the {split} split, memory-mapped." for split in SPLITS}
    there = {path.name for path in folder.path.iterdir()}
    if not there <= set(said):
        raise SystemExit(f"A file without a meaning: {there - set(said)}")
    return table(
        ("name", "what is in it"), quoted_rows({n: w for n, w in said.items() if not n.startswith(".")})
    )


def _explained(names: set[str], meanings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if names != set(meanings):
        raise SystemExit(f"A file without a meaning, or the reverse: {names ^ set(meanings)}")
    return quoted_rows(meanings)
