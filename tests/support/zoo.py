"""Hostile repositories: each is a run of ours, changed in one way that a stranger might think of."""

import json
import math
import pickle
import struct
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from safetensors.numpy import load, save

CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "model.safetensors"
LEXICON = "lexicon.txt"

Files: TypeAlias = Mapping[str, bytes]
Change: TypeAlias = Callable[[Files], Files]


def replaced(name: str, content: bytes) -> Change:
    """Another content of one file."""
    return lambda files: {**files, name: content}


def changed(name: str, change: Callable[[Any], Any]) -> Change:
    """A JSON file with one thing changed in place."""

    def apply(files: Files) -> Files:
        document = json.loads(files[name])
        change(document)
        return {**files, name: json.dumps(document).encode()}

    return apply


def model(**values: Any) -> Change:
    """Another model in the config."""
    return changed(CONFIG, lambda config: config["model"].update(values))


def config(**values: Any) -> Change:
    """Other values at the top of the config."""
    return changed(CONFIG, lambda document: document.update(values))


def tokenizer(**values: Any) -> Change:
    """Other parts of the tokenizer's pipeline."""
    return changed(TOKENIZER, lambda document: document.update(values))


def edited(name: str, old: bytes, new: bytes) -> Change:
    """Bytes of a file replaced by others, as no JSON writer would."""

    def apply(files: Files) -> Files:
        assert old in files[name]
        return {**files, name: files[name].replace(old, new, 1)}

    return apply


def weights(change: Callable[[dict[str, np.ndarray[Any, Any]]], None]) -> Change:
    """Other tensors, rightly packed."""

    def apply(files: Files) -> Files:
        tensors = load(files[WEIGHTS])
        change(tensors)
        return {**files, WEIGHTS: save(tensors)}

    return apply


def header(change: Callable[[dict[str, Any]], None]) -> Change:
    """A header of the weights that says something else than is there."""

    def apply(files: Files) -> Files:
        content = files[WEIGHTS]
        (size,) = struct.unpack("<Q", content[:8])
        document = json.loads(content[8 : 8 + size])
        change(document)
        text = json.dumps(document).encode()
        return {**files, WEIGHTS: struct.pack("<Q", len(text)) + text + content[8 + size :]}

    return apply


def without(name: str) -> Change:
    """A file that is missing."""
    return lambda files: {other: content for other, content in files.items() if other != name}


def fill(value: float) -> Callable[[dict[str, np.ndarray[Any, Any]]], None]:
    """Puts one number into a tensor."""

    def change(tensors: dict[str, np.ndarray[Any, Any]]) -> None:
        tensors["head.bias"][0] = value

    return change


def lose(tensors: dict[str, np.ndarray[Any, Any]]) -> None:
    """Leaves a tensor out."""
    del tensors["head.bias"]


def widen(tensors: dict[str, np.ndarray[Any, Any]]) -> None:
    """Turns all tensors into doubles."""
    tensors.update({name: tensor.astype(np.float64) for name, tensor in tensors.items()})


def huge(document: dict[str, Any]) -> None:
    """Asks for 481 GB of weights, and says so consistently."""
    sizes = {"hidden_size": 65_536, "embedding_size": 65_536, "layers": 4, "tied": False}
    document["model"].update(sizes)
    vocabulary, side = document["model"]["vocabulary_size"], 65_536
    document["parameters"] = 2 * vocabulary * side + 4 * (8 * side * side + 8 * side) + vocabulary


class Bomb:
    """What runs code as soon as it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('the pickle ran')",))


NESTED = b"[" * 200_000 + b"]" * 200_000
BOMB = pickle.dumps(Bomb())
PATTERN = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}

ZOO: dict[str, Change] = {
    "no config at all": without(CONFIG),
    "no tokenizer": without(TOKENIZER),
    "no weights": without(WEIGHTS),
    "weights as a pickle under its own name only": lambda files: {
        **without(WEIGHTS)(files),
        "pytorch_model.bin": BOMB,
    },
    "a config that is empty": replaced(CONFIG, b""),
    "a config that is no JSON": replaced(CONFIG, b"hidden_size: 512"),
    "a config that is not UTF-8": replaced(CONFIG, b'{"name": "\xff\xfe"}'),
    "a config that is a list": replaced(CONFIG, b"[]"),
    "a config that breaks off": lambda files: {**files, CONFIG: files[CONFIG][:-40]},
    "a config nested until the stack ends": replaced(CONFIG, NESTED),
    "a config of five megabytes": lambda files: {**files, CONFIG: files[CONFIG] + b" " * 5_000_000},
    "a config with a key that nobody knows": config(extra=1),
    "a config that names code to run": config(auto_map={"AutoModel": "evil.Model"}),
    "a config that names a path": model(weights="/etc/passwd"),
    "a config of another format": config(format=2),
    "a config without a dataset": changed(CONFIG, lambda document: document.pop("dataset")),
    "a loss that is no number": edited(CONFIG, b'"perplexity":', b'"perplexity": NaN, "x":'),
    "a time that is infinite": changed(CONFIG, lambda document: document["result"].update(seconds=math.inf)),
    "a time of 1e999 seconds": edited(CONFIG, b'"seconds":', b'"seconds": 1e999, "x":'),
    "true for the number one": model(layers=True),
    "a size in words": model(hidden_size="16"),
    "a size below zero": model(layers=-1),
    "a size with four hundred digits": model(hidden_size=10**400),
    "a share of 150 %": model(dropout_output=1.5),
    "an architecture that is a command": model(arch="os.system"),
    "an attention that remembers a billion steps": model(arch="lstm-attention", memory=10**9),
    "an attention that remembers gigabytes": model(arch="lstm-attention", memory=4096, hidden_size=65_536),
    "heads that do not fit": config(
        model={"arch": "transformer", "vocabulary_size": 1500, "hidden_size": 16, "layers": 1, "heads": 7}
    ),
    "sizes of another architecture": model(arch="numpy-rnn"),
    "more weights than there is memory in the house": changed(CONFIG, huge),
    "sizes that contradict the count of weights": model(hidden_size=4096),
    "a count of weights that contradicts the sizes": config(parameters=1),
    "a seed beyond all bounds": changed(CONFIG, lambda document: document["settings"].update(seed=2**80)),
    "a level that the tokenizer has not": changed(
        CONFIG, lambda document: document["dataset"].update(level="char")
    ),
    "a vocabulary larger than the tokenizer's": model(vocabulary_size=4_000_000),
    "a tokenizer that is no JSON": replaced(TOKENIZER, b"<html>"),
    "a tokenizer nested until the stack ends": replaced(TOKENIZER, NESTED),
    "a tokenizer of seventy megabytes": lambda files: {
        **files,
        TOKENIZER: files[TOKENIZER] + b" " * 70_000_000,
    },
    "a pattern that never ends": tokenizer(pre_tokenizer=PATTERN),
    "a normaliser of their own": tokenizer(
        normalizer={"type": "Replace", "pattern": {"Regex": "(.*)*x"}, "content": ""}
    ),
    "a post-processor of their own": tokenizer(
        post_processor={"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True}
    ),
    "a kind of tokenizer that we do not write": changed(
        TOKENIZER, lambda document: document["model"].update(type="Unigram")
    ),
    "ids with a gap": changed(
        TOKENIZER, lambda document: document["model"]["vocab"].update({"gap": 10_000_000})
    ),
    "an id below zero": changed(TOKENIZER, lambda document: document["model"]["vocab"].update({"low": -1})),
    "layout that ordinary text can spell": changed(
        TOKENIZER, lambda document: document["added_tokens"][0].update(special=False)
    ),
    "layout that is not ours": changed(
        TOKENIZER, lambda document: document["added_tokens"][1].update(content="<script>")
    ),
    "a lexicon that is not UTF-8": replaced(LEXICON, b"jerry\xff\n"),
    "a lexicon of sentences": replaced(LEXICON, b"rm -rf /\n"),
    "a lexicon of twenty megabytes": replaced(LEXICON, b"a" * 20_000_000 + b"\n"),
    "a lexicon that says one word five million times": replaced(LEXICON, b"aa\n" * 5_000_000),
    "weights that are empty": replaced(WEIGHTS, b""),
    "weights that are a pickle": replaced(WEIGHTS, BOMB),
    "weights that are a zip file": replaced(WEIGHTS, b"PK\x03\x04" + bytes(1000)),
    "weights that are a pointer": replaced(WEIGHTS, b"version https://git-lfs.github.com/spec/v1\noid x\n"),
    "a header of a quintillion bytes": lambda files: {
        **files,
        WEIGHTS: struct.pack("<Q", 2**60) + files[WEIGHTS][8:],
    },
    "a header that is no JSON": lambda files: {
        **files,
        WEIGHTS: files[WEIGHTS][:8] + b"?" + files[WEIGHTS][9:],
    },
    "a tensor beyond the end of the file": header(
        lambda document: document["head.bias"].update(data_offsets=[0, 10**9])
    ),
    "tensors on top of each other": header(
        lambda document: document["head.bias"].update(
            data_offsets=document["embedding.weight"]["data_offsets"]
        )
    ),
    "a tensor of another shape": weights(
        lambda tensors: tensors.update({"head.bias": np.zeros(3, np.float32)})
    ),
    "a tensor more": weights(lambda tensors: tensors.update(more=np.zeros(3, np.float32))),
    "a tensor less": weights(lose),
    "numbers twice as wide": weights(widen),
    "a weight that is no number": weights(fill(math.nan)),
    "a weight that is infinite": weights(fill(math.inf)),
    "weights that break off": lambda files: {**files, WEIGHTS: files[WEIGHTS][:-4]},
    "weights with something behind them": lambda files: {**files, WEIGHTS: files[WEIGHTS] + b"\0" * 64},
}
"""What each one tries, and how."""
