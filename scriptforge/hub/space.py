"""A Space: a web page that runs a model in the browser, without a server of its own.

The page needs the weights file as it is, and one JSON document made here with the tokens, the words, and the
grammar as tables. The JavaScript in `serve/page`, which the writing room uses too, reads both. Nothing is
fetched from other sites, so the page works on any static server.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scriptforge.architectures import ARCHITECTURES
from scriptforge.errors import HubError
from scriptforge.generation.brackets import MAX_OPEN_TOKENS
from scriptforge.generation.cast import spell
from scriptforge.generation.grammar import Boundary
from scriptforge.generation.speaker_rules import OPENING_BRACKETS
from scriptforge.generation.tables import encode_base64, grammar_tables
from scriptforge.generation.voice import PLAUSIBLE, contrasts, default_voice
from scriptforge.inference import config_from_json
from scriptforge.options import GenerateOptions
from scriptforge.run.run import Run
from scriptforge.text_statistics.repetition import LENGTHS, WINDOWS
from scriptforge.vocabulary import Vocabulary
from scriptforge.workspace import output_folder, parse_json

_ASSETS = Path(__file__).parents[1] / "serve" / "page"


def space_files(run: Run, repository: str) -> dict[str, Path | bytes]:
    """Return all files of a Space, by name.

    Args:
        run: the run whose model it shows.
        repository: the id of the model's repository, `OWNER/NAME`.

    Raises:
        HubError: the page cannot run the architecture of the model.
    """
    return {**page_files(run, repository.partition("/")[2]), "README.md": _card(repository).encode()}


def write_page(run: Run, folder: Path, *, force: bool = False) -> list[str]:
    """Write the page of a run into a folder that any static server can serve; return the names of its files.

    Args:
        run: the run whose model it shows.
        folder: the folder for the files; it is created, or replaced as a whole.
        force: whether to replace an earlier page.

    Raises:
        UsageError: the folder has an earlier page and `force` is false, or it has other files.
        HubError: the page cannot run the architecture of the model.
    """
    files = page_files(run, run.folder.name)
    with output_folder(folder, files, "a page", force=force) as temporary:
        for name, content in files.items():
            (temporary / name).write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    return sorted(files)


def page_files(run: Run, title: str) -> dict[str, Path | bytes]:
    """Return all files of the page of a run, by name.

    Args:
        run: the run whose model it shows.
        title: the name of the model on the page.

    Raises:
        HubError: the page cannot run the architecture of the model.
    """
    arch = run.description.model["arch"]
    if not ARCHITECTURES[arch].runs_in_browser:
        shown = " or ".join(name for name, each in ARCHITECTURES.items() if each.runs_in_browser)
        raise HubError(
            f"A page can only run an {shown}; the architecture of run “{run.folder.name}” is {arch}.",
            "The model itself can be shared: scriptforge push, without --space.",
        )
    page = {path.name: path for path in sorted(_ASSETS.iterdir())}
    about = json.dumps(space_document(run, title), ensure_ascii=False, separators=(",", ":"))
    return {**page, "space.json": about.encode(), run.folder.weights.name: run.folder.weights}


def space_document(run: Run, title: str) -> dict[str, Any]:
    """Return the JSON document that the page needs besides the weights."""
    vocabulary = run.vocabulary
    return {
        "name": title,
        "description": run.description.summary,
        "model": run.description.model,
        "minimum": GenerateOptions.min_p,
        "voice": default_voice(config_from_json(run.description.model)),
        "plausible": PLAUSIBLE,
        **_layout(vocabulary),
        **_tokens(parse_json(run.folder.tokenizer.read_bytes()), vocabulary),
        "grammar": grammar_tables(vocabulary),
        "words": _words(vocabulary),
        "continuing": encode_base64(np.packbits(Boundary.WORD.excluded(vocabulary))),
        **_statistics(run),
    }


def _statistics(run: Run) -> dict[str, Any]:
    """Return the statistics of the training text that the page uses, as far as they are known."""
    vocabulary, statistics = run.vocabulary, run.description.dataset.statistics
    level = vocabulary.level
    echoes = statistics.repetition and {
        **statistics.repetition.model_dump(),
        "lengths": LENGTHS[level],
        "window": WINDOWS[level],
    }
    frequencies = statistics.frequencies and {
        **statistics.frequencies.model_dump(),
        "rest": statistics.frequencies.rest(vocabulary),
    }
    if vocabulary.plain:
        return {"echoes": echoes, "frequencies": frequencies}
    spelled = [name for name in statistics.names if vocabulary.speaker_id(name) is None]
    plain = [name for name in spelled if not any(each in name for each in OPENING_BRACKETS)]
    names = {spell(name, vocabulary) for name in plain}
    marks = statistics.brackets and {"closed": statistics.brackets.closed, "longest": MAX_OPEN_TOKENS[level]}
    return {
        "names": sorted(names - {()}) if statistics.names else None,
        "marks": marks,
        "turns": statistics.turns and statistics.turns.model_dump(),
        "echoes": echoes,
        "frequencies": frequencies,
    }


def _layout(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the layout tokens and the role of each."""
    kinds = ("heading", "action", "transition", "cue", "says")
    others = contrasts(vocabulary)
    voices = [
        {
            "id": voice.id,
            "name": voice.name,
            "source": vocabulary.sources.get(voice.source or ""),
            "others": others[voice.id],
        }
        for voice in vocabulary.speaker_tokens
    ]
    return {
        "plain": vocabulary.plain,
        "mixed": bool(vocabulary.sources),
        "sources": [{"name": name, "id": id_} for name, id_ in vocabulary.sources.items()],
        "layout": vocabulary.layout_size,
        "end": vocabulary.end,
        **({} if vocabulary.plain else {kind: getattr(vocabulary, kind) for kind in kinds}),
        "voices": voices,
    }


def _tokens(document: Mapping[str, Any], vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the tokens by id, and the merges or patterns for encoding, from `tokenizer.json`."""
    ids = document["model"]["vocab"]
    about: dict[str, Any] = {
        "level": vocabulary.level,
        "lower": vocabulary.lower,
        "tokens": sorted(ids, key=ids.__getitem__),
    }
    if vocabulary.level != "word":
        return {**about, "merges": document["model"]["merges"]}
    *_, unusual, missing = document["normalizer"]["normalizers"]
    patterns = {
        "unusual_space": unusual,
        "missing_space": missing,
        "token": document["pre_tokenizer"],
        "no_space": document["decoder"]["decoders"][2],
    }
    return {**about, "patterns": {name: _script_pattern(part) for name, part in patterns.items()}}


def _script_pattern(part: Mapping[str, Any]) -> str:
    """Return a pattern of the tokenizer in the syntax of JavaScript."""
    return str(part["pattern"]["Regex"]).replace(r"\A", "^").replace(r"\z", "$")


def _words(vocabulary: Vocabulary) -> dict[str, str] | None:
    """Return the spellings of all words and the unusual characters; None if unknown or at word level."""
    lexicon = vocabulary.lexicon
    if lexicon is None or vocabulary.level == "word":
        return None
    return {
        "spellings": b"\n".join(lexicon.spellings).decode(),
        "characters": "".join(sorted(lexicon.characters)),
    }


def _card(repository: str) -> str:
    """Return the Space's card, with the metadata that the Hub needs and a link to the model."""
    name = repository.partition("/")[2]
    return (
        f"---\ntitle: {json.dumps(name)}\nsdk: static\napp_file: index.html\nmodels:\n- {repository}\n"
        f"tags:\n- scriptforge\n---\n\nWrites scripts with [{name}](https://huggingface.co/{repository}),"
        " in the browser of whoever opens it.\n"
    )
