"""Reading a `tokenizer.json`, which may be damaged or come from a stranger.

A tokenizer file can carry regular expressions that never end. So nothing of it is run before its
pipeline proves to be, field by field, one that this package writes; only words, merges and layout tokens
may differ.
"""

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from scriptforge.errors import DatasetError
from scriptforge.options import Level
from scriptforge.vocabulary.layout import layout_tokens, sources_in, speaker_tokens_in
from scriptforge.vocabulary.levels import LEVELS, untrained

_HINT = "Prepare the dataset again, or fetch the run again."


def read(path: Path) -> tuple[Tokenizer, Level, bool, list[str]]:
    """Return the tokenizer in a file, once it is known to be one of ours.

    Returns:
        The tokenizer, its level, whether it reads in lower case, and its layout tokens by id.

    Raises:
        DatasetError: if the file is missing, damaged or foreign.
    """
    name = f"{path.parent.name}/{path.name}"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(f"{name} cannot be read: {error.strerror}.", _HINT) from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{name} is damaged: it is not JSON.", _HINT) from error
    try:
        level, lower = _pipeline_of(document)
        layout = _layout_of(document)
        tokenizer = Tokenizer.from_str(json.dumps(document))
    except Exception as error:  # of many kinds, tokenizers raising bare ones
        raise DatasetError(f"{name} is not a vocabulary that scriptforge wrote.", _HINT) from error
    return tokenizer, level, lower, layout


def _pipeline_of(document: dict[str, Any]) -> tuple[Level, bool]:
    found = _skeleton(document)
    for level in LEVELS:
        for lower in (False, True):
            if found == _skeleton(json.loads(untrained(level, lower=lower).to_str())):
                return level, lower
    raise ValueError("its pipeline is a foreign one")


def _skeleton(document: dict[str, Any]) -> dict[str, Any]:
    """Return all of a tokenizer but what it learned."""
    learned = {"vocab", "merges"}
    model = {name: value for name, value in document["model"].items() if name not in learned}
    return {**document, "model": model, "added_tokens": []}


def _layout_of(document: dict[str, Any]) -> list[str]:
    ids = document["model"]["vocab"]
    if sorted(ids.values()) != list(range(len(ids))):
        raise ValueError("its ids have gaps")
    layout = [entry["content"] for entry in document["added_tokens"]]
    speakers: list[str] = []
    sources: dict[str, list[str]] = {source: [] for source in sources_in(layout)}
    for token in speaker_tokens_in(layout):
        (speakers if token.source is None else sources[token.source]).append(token.name)
    if layout != layout_tokens(speakers, plain=len(layout) == 1, sources=sources):
        raise ValueError("its layout tokens are foreign ones")
    if document["added_tokens"] != [_entry(id_, token) for id_, token in enumerate(layout)]:
        raise ValueError("its layout tokens are not special")
    if [ids.get(token) for token in layout] != list(range(len(layout))):
        raise ValueError("its layout tokens do not come first")
    return layout


def _entry(id_: int, token: str) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": id_, "content": token, **flags}
