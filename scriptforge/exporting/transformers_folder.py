"""A run as a folder that transformers loads without our code: model, fast tokenizer, generation config.

In scriptforge the layout is never text: it is added and removed outside the tokenizer. In transformers only
the tokenizer can know what a script looks like, so it reads and writes lines: `JERRY:` is Jerry's cue, and
the cue is written on a new line. Only `<end>` stays special, at both ends of a text.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from scriptforge.characters import markdown, markdown_code, shown
from scriptforge.errors import ExportError, UsageError
from scriptforge.exporting import Exported, new_folder, sizes_of, write_json
from scriptforge.exporting.parity import Parity, Reader, compare
from scriptforge.exporting.starcoder import LONGEST, starcoder_config, starcoder_weights
from scriptforge.generation.grammar import build_rules
from scriptforge.inference.configs import TransformerConfig
from scriptforge.options import GenerateOptions
from scriptforge.run.run import Run
from scriptforge.screenplay.name_line import MARKS
from scriptforge.vocabulary import Vocabulary
from scriptforge.vocabulary.layout import ACTION, CUE, END, HEADING, SAYS, TRANSITION
from scriptforge.vocabulary.word import SPACE
from scriptforge.workspace import parse_json

WEIGHTS, CARD = "model.safetensors", "README.md"
FILES = (
    "config.json", "generation_config.json", WEIGHTS, "tokenizer.json", "tokenizer_config.json", CARD,
)  # fmt: skip
"""All files of the folder."""

_MAX_NEW_TOKENS = 400


def export_transformers(run: Run, path: Path, *, force: bool = False) -> Exported:
    """Export a `transformer` for transformers, and check that it scores as the model does.

    Args:
        run: the run.
        path: the folder to make.
        force: whether to replace an earlier export.

    Raises:
        UsageError: the folder is not empty, or transformers is not installed.
        ExportError: transformers has no class for the model, or the copy differs.
    """
    config = _exportable(run)
    _require_transformers()
    from safetensors.numpy import save_file

    end = run.vocabulary.end
    with new_folder(path, FILES, force=force) as folder:
        write_json(folder / "config.json", starcoder_config(config, end))
        save_file(starcoder_weights(config, run.weights), folder / WEIGHTS, metadata={"format": "pt"})
        write_json(folder / "generation_config.json", _generation(run.vocabulary))
        tokenizer = fast_tokenizer(run.folder.tokenizer, run.vocabulary)
        (folder / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
        write_json(folder / "tokenizer_config.json", _tokenizer_config())
        parity = compare(run, _reader(folder), is_exact=True)
        (folder / CARD).write_text(_card(run, parity), encoding="utf-8")
        sizes = sizes_of(folder)
    return Exported("transformers", path, sizes, {WEIGHTS: parity})


def _exportable(run: Run) -> TransformerConfig:
    config = run.config
    if not isinstance(config, TransformerConfig):
        raise ExportError(
            f"No class of transformers implements the architecture {config.arch}.",
            "Use --onnx, or scriptforge itself; or train one: scriptforge train --arch transformer"
            " --set speaker_embedding=false",
        )
    if config.speakers:
        raise ExportError(
            f"Run “{run.folder.name}” is told at every step who speaks, which no class of transformers is.",
            "Train one that is not told: scriptforge train --arch transformer --set speaker_embedding=false",
        )
    return config


def _require_transformers() -> None:
    try:
        import transformers  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "--transformers needs transformers, which is not installed.",
            "Install it: pip install 'scriptforge-lm[transformers]'",
        ) from error


def _reader(folder: Path) -> Reader:
    """Return a reader that uses transformers, at the beginning of a text."""
    import torch
    from transformers import AutoModelForCausalLM

    with _no_bars():
        model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    past = None

    @torch.inference_mode()
    def read(id_: int) -> Any:
        nonlocal past
        said = model(torch.tensor([[id_]]), past_key_values=past, use_cache=True)
        past = said.past_key_values
        return said.logits[0, -1].numpy()

    return read


@contextmanager
def _no_bars() -> Iterator[None]:
    """Disable the progress bars of transformers within the block."""
    from transformers.utils import logging

    was_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if was_on:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _generation(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the default generation config: scriptforge's defaults, as far as transformers has them."""
    rules = build_rules(vocabulary)
    never = np.flatnonzero(~rules.allowed_PV.any(axis=0)).tolist()
    return {
        "do_sample": True,
        "temperature": GenerateOptions.temperature,
        "min_p": GenerateOptions.min_p,
        "top_k": 0,
        "max_new_tokens": _MAX_NEW_TOKENS,
        "bos_token_id": vocabulary.end,
        "eos_token_id": vocabulary.end,
        "pad_token_id": vocabulary.end,
        **({"suppress_tokens": never} if never else {}),
    }


def _tokenizer_config() -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END,
        "eos_token": END,
        "pad_token": END,
        "model_max_length": LONGEST,
        "clean_up_tokenization_spaces": False,
    }


def cue_texts(vocabulary: Vocabulary) -> dict[int, str]:
    """Return the text of each cue, by id: `JERRY:`, or `@JERRY:` if the former is taken.

    It may be taken by a token of text, or by a namesake from another source. If both are taken, the cue keeps
    the name of its token.
    """
    taken = set(vocabulary.tokens)
    found: dict[int, str] = {}
    for token in vocabulary.speaker_tokens:
        spellings = (f"{token.name}:", f"@{token.name}:", vocabulary.tokens[token.id])
        found[token.id] = next(each for each in spellings if each not in taken or each == spellings[-1])
        taken.add(found[token.id])
    return found


def fast_tokenizer(path: Path, vocabulary: Vocabulary) -> str:
    """Return a `tokenizer.json` that reads and writes the layout as lines.

    Args:
        path: the file of the vocabulary.
        vocabulary: the vocabulary in it.
    """
    from tokenizers import Tokenizer, decoders, processors

    cues = cue_texts(vocabulary)
    document = parse_json(path.read_bytes())
    names = {vocabulary.tokens[id_]: text for id_, text in cues.items()}
    document["model"]["vocab"] = {names.get(key, key): id_ for key, id_ in document["model"]["vocab"].items()}
    for entry in document["added_tokens"]:
        is_cue = entry["content"] in names
        entry["content"] = names.get(entry["content"], entry["content"])
        entry |= {"special": entry["content"] == END, "lstrip": is_cue, "rstrip": is_cue}
    tokenizer = Tokenizer.from_str(json.dumps(document))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{END} $A", special_tokens=[(END, vocabulary.end)]
    )
    tokenizer.decoder = decoders.Sequence([*_line_breaks(vocabulary, cues), tokenizer.decoder])
    return str(tokenizer.to_str(pretty=True))


def _line_breaks(vocabulary: Vocabulary, cues: dict[int, str]) -> list[Any]:
    """Return decoders that write each layout token as the beginning of a line."""
    from tokenizers import Regex, decoders

    if vocabulary.plain:
        return []
    space = SPACE if vocabulary.level == "word" else " "
    lines = {HEADING: f"\n{MARKS['heading']}", ACTION: f"\n{MARKS['action']}"}
    lines |= {TRANSITION: f"\n{MARKS['transition']}", CUE: "\n", SAYS: f":{space}"}
    lines |= {vocabulary.tokens[id_]: "" for id_ in vocabulary.sources.values()}
    written = [decoders.Replace(token, text) for token, text in lines.items()]
    if cues:
        any_cue = "|".join(map(re.escape, cues.values()))
        written.append(decoders.Replace(Regex(rf"\A(?=(?:{any_cue})\z)"), "\n"))
        written.append(decoders.Replace(Regex(r"\A\n[^\n]*:\K\z"), space))
    return written


def _card(run: Run, parity: Parity) -> str:
    name, cues = shown(run.folder.name), [shown(cue) for cue in cue_texts(run.vocabulary).values()]
    prompt = cues[0] if cues else ""
    known = ", ".join(map(markdown_code, cues[:40]))
    speakers = f"\n\nIt knows these speakers: {known}." if cues else ""
    what = "texts" if run.vocabulary.plain else "scripts"
    return f"""\
---
library_name: transformers
pipeline_tag: text-generation
tags:
- scriptforge
---

# {markdown(name)}

A small transformer that writes {what}, as a Starcoder2, the class of transformers that computes the same.
It was made with [scriptforge](https://pypi.org/project/scriptforge-lm/).
Over {parity.steps:,} tokens its scores differ from the original's by at most {parity.largest:.0e}.

```python
from transformers import pipeline

write = pipeline("text-generation", {json.dumps(name, ensure_ascii=False)})  # the path of this folder
print(write({prompt!r})[0]["generated_text"])
```{speakers}

What a script may look like is only known to the model here: scriptforge itself has a grammar that decides.
"""
