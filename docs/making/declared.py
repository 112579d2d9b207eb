"""The pages made from declarations: commands, settings, formats, cards, exit codes and errors."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from examples import EXAMPLES, FITTING_CASES, TABLE_EXAMPLE
from meanings import VARIABLES
from pages import attributes, cell, first_line, page, quoted_rows, table
from printing import printed

from scriptforge import errors
from scriptforge.cli import errors as cli_errors
from scriptforge.cli.app import COMMANDS
from scriptforge.config import PRESETS, Settings, resolve
from scriptforge.corpus.cards import Card, HubDataset, LocalPath, StrictModel, WebFile, load_cards
from scriptforge.documents.kinds import DOCUMENT_WRITERS
from scriptforge.documents.kinds import KINDS as DOCUMENT_KINDS
from scriptforge.options import (
    DEFAULT_MINUTES,
    DEFAULT_VOICE_WITHOUT_SPEAKER_EMBEDDING,
    REPETITION_WINDOW,
    SAMPLING_RANGES,
    GenerateOptions,
)
from scriptforge.screenplay.formats import FORMATS, WRITERS, read
from scriptforge.screenplay.script import Element
from scriptforge.screenplay.table import Columns, documents, guess_columns
from scriptforge.training.settings import suggest_settings


def commands() -> str:
    """Return the page with every command's help."""
    parts = ["What `scriptforge COMMAND --help` says. `scriptforge --version` prints the version."]
    for heading, names in COMMANDS.items():
        parts.append(f"## {heading}")
        for name in names:
            help_text = printed([name, "--help"]).strip()
            parts.append(f"### {name}\n\n```text\n{help_text}\n```")
    return page("Commands", *parts)


def settings() -> str:
    """Return the page of a training run's settings, presets, fitted settings, and sampling options."""
    schema = Settings.model_json_schema()["properties"]
    suited = {
        heading: suggest_settings(tokens, size, machine, resolve({"minutes": minutes}))
        for heading, (tokens, size, machine, minutes) in FITTING_CASES.items()
    }
    every_fitted = list(next(iter(suited.values())))
    rows = [
        (f"`{key}`", *_kind_and_range(schema[key]), _default(key, schema[key], every_fitted), f.description)
        for key, f in Settings.model_fields.items()
    ]
    effects = {
        name: words.replace("`REPETITION_WINDOW`", str(REPETITION_WINDOW)).replace(
            "`DEFAULT_VOICE_WITHOUT_SPEAKER_EMBEDDING`", str(DEFAULT_VOICE_WITHOUT_SPEAKER_EMBEDDING)
        )
        for name, words in attributes(GenerateOptions).items()
        if name in SAMPLING_RANGES
    }
    changed = [key for key in Settings.model_fields if any(key in preset for preset in PRESETS.values())]
    return page(
        "Settings",
        "What shapes a training run. `--set KEY=VALUE` changes one, `--config FILE.toml` several, one a "
        "line; `--epochs`, `--minutes`, `--patience` and `--arch` are short for their settings. "
        "Each of these is stronger than the one before: fitted to the corpus, preset, file, flag, `--set`.",
        table(("setting", "type", "range", "default", "what it is"), rows),
        "Exactly one of `epochs` and `minutes` is set; naming one takes the other back.",
        "## Presets",
        "What `--preset` changes; a setting it does not name stays as it is.",
        table(
            ("setting", *PRESETS),
            ((f"`{key}`", *(cell(preset.get(key)) for preset in PRESETS.values())) for key in changed),
        ),
        "## Fitted to the corpus",
        "Before a training run the machine is measured for a second: which arithmetic it does fastest, and "
        "how many operations. The more it can compute in the time there is, the larger the model; the more "
        "often the text is then read, the more dropout. The table shows it for a million tokens of text, on "
        "two cores that make 240 billion operations a second, and on a GPU that makes a hundred times as "
        "many. Little text is less than 150,000 tokens to train on, started from scratch: English text "
        "starts from the base model, and has its sizes; char stands for any vocabulary of 600 "
        "tokens or fewer. `sequence_length` is smaller where the text has fewer than sixteen such stretches. "
        "With `--epochs` the size does not depend on the machine, and the dropout follows from them.",
        table(
            ("setting", *suited),
            ((f"`{key}`", *(cell(case[key]) for case in suited.values())) for key in every_fitted),
        ),
        "## Sampling",
        "The options of `generate` that decide how bold it is. They are applied in this order: voice, "
        "cache, repetition, temperature, top-k, top-p, typical, min-p.",
        table(
            ("option", "default", "what it does"),
            (
                (f"`--{field.name.replace('_', '-')}`", cell(field.default), effects[field.name])
                for field in fields(GenerateOptions)
                if field.name in SAMPLING_RANGES
            ),
        ),
    )


def formats() -> str:
    """Return the page of formats, each with an example and what the reader makes of it."""
    parts = [
        "A text is read in the format that explains most of its first lines, or in the one that its card "
        "names. What a format has no rule for is kept as action. Each example here was read by the reader.",
        table(("format", "what it looks like"), ((f"`{each.name}`", each.description) for each in FORMATS)),
    ]
    for each in FORMATS:
        text = re.sub("(?m)^ {8}", "", EXAMPLES[each.name])
        reading = read(text.splitlines())
        assert reading.format == each.name, f"the example of {each.name} is read as {reading.format}"
        reason = f"{reading.reason[0].lower()}{reading.reason[1:]}"
        parts += [
            f"## {each.name}",
            f"```text\n{text}```",
            f"Why it is taken for this format: {reason}",
            _elements(reading),
        ]
        if reading.title:
            parts.append(f"The title is “{reading.title}”.")
    header = list(TABLE_EXAMPLE[0])
    found = guess_columns(header)
    parts += [
        "## Tables",
        "Files named `.csv`, `.tsv`, `.json`, `.jsonl` and `.parquet`, and datasets on the Hub. The columns "
        "are recognised by the names that people usually give them, or named by the card.",
        table(header, (list(row.values()) for row in TABLE_EXAMPLE)),
        "Recognised: "
        + ", ".join(f"{role} is {_column(name)}" for role, name in asdict(found).items() if name)
        + ".",
    ]
    parts += [f"Document “{name}”:\n\n{_elements(lines)}" for name, lines in documents(TABLE_EXAMPLE, found)]
    parts += [
        "## Documents",
        "Files that are no plain text. They are known by what they hold, whatever their suffix, and need "
        "`pip install 'scriptforge-lm[documents]'`. Where a document only shows how text is laid out, it is "
        "read in one of the formats above.",
        table(
            ("kind", "what it is", "usual suffixes"),
            (
                (f"`{kind.name}`", kind.description, ", ".join(f"`{suffix}`" for suffix in kind.suffixes))
                for kind in DOCUMENT_KINDS
            ),
        ),
        "## Written formats",
        "What `convert` and `generate -o` write, and what the file's suffix is. Reading it gives the same "
        "script; a PDF has names and headings in capitals.",
        table(
            ("suffix", "how it is laid out"),
            (
                (f"`{suffix}`", first_line(writer))
                for suffix, writer in {**WRITERS, **DOCUMENT_WRITERS}.items()
            ),
        ),
    ]
    return page("Formats", *parts)


def cards() -> str:
    """Return the page of the keys of a card and the built-in cards."""
    known = load_cards()
    keys = {key: words for key, words in attributes(Card).items() if key != "name"}
    return page(
        "Cards",
        "A card says what is known of a corpus before it is fetched: a TOML file in the folder `corpora/` of "
        "the workspace, whose name without `.toml` is the corpus's. "
        "[Write a card](../how-to/write-a-card.md) shows one.",
        table(
            ("key", "must be there", "what it is"),
            (
                (f"`{key}`", "yes" if Card.model_fields[key].is_required() else "", words)
                for key, words in keys.items()
            ),
        ),
        "`[source]` is one of these three:",
        table(("a file or folder", ""), _described(LocalPath)),
        table(("each of `[[source.files]]`, on the web", ""), _described(WebFile)),
        table(("a dataset on the Hub", ""), _described(HubDataset)),
        "Roles of columns in `[columns]`, for tables:",
        table(("role", "what its column holds"), quoted_rows(attributes(Columns))),
        "## Built-in cards",
        table(
            ("name", "title", "level", "vocabulary", "licence", "rights"),
            (
                (f"`{c.name}`", c.title, c.level, cell(c.vocabulary_size), c.licence, c.rights)
                for c in known.cards.values()
            ),
        ),
    )


def exit_codes() -> str:
    """Return the page of exit codes, kinds of error, and environment variables."""
    codes = re.findall(r"^ {4}(\d+)\s+(.+)$", cli_errors.__doc__ or "", flags=re.MULTILINE)
    kinds: list[type[errors.ScriptforgeError]] = [
        errors.ScriptforgeError,
        *(each for each in errors.ScriptforgeError.__subclasses__() if each.__module__ == errors.__name__),
    ]
    return page(
        "Exit codes, errors and environment",
        table(("exit code", "meaning"), codes),
        "An error is two lines on stderr: what is wrong, and what to do. From Python it is an exception with "
        "`message` and `hint`.",
        table(
            ("exception", "exit code", "meaning"),
            ((f"`{kind.__name__}`", str(kind.exit_code), first_line(kind)) for kind in kinds),
        ),
        "## Environment",
        table(("variable", "what it does"), quoted_rows(VARIABLES)),
    )


def _described(kind: type[StrictModel]) -> Iterable[tuple[str, str]]:
    """Return rows on the keys of one kind of source; a kind with a single key describes it in its summary."""
    return quoted_rows(attributes(kind) or dict.fromkeys(kind.model_fields, first_line(kind)))


def _column(name: object) -> str:
    return " and ".join(name) if isinstance(name, tuple) else str(name)


def _elements(elements: Iterable[Element]) -> str:
    rows = ((each.kind, each.speaker, each.text.replace("\n", " ⏎ ")) for each in elements)
    return table(("kind", "speaker", "text"), rows)


def _kind_and_range(schema: Mapping[str, Any]) -> tuple[str, str]:
    """Return a setting's type and range, from its JSON schema."""
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    [kind] = kinds
    choices = kind.get("enum", [kind["const"]] if "const" in kind else [])
    if choices:
        return "text", ", ".join(f"`{choice}`" for choice in choices)
    names = {"integer": "whole number", "number": "number", "boolean": "true or false", "string": "text"}
    bounds = {
        "minimum": "from {}",
        "exclusiveMinimum": "above {}",
        "maximum": "to {}",
        "exclusiveMaximum": "below {}",
    }
    spoken = [words.format(_bound(kind[key])) for key, words in bounds.items() if key in kind]
    return names[kind["type"]], " ".join(spoken)


def _bound(value: float) -> str:
    return "2⁶³" if value == 2**63 else f"{value:,g}" if value < 1e6 else f"{value:g}"


def _default(key: str, schema: Mapping[str, Any], every_fitted: Sequence[str]) -> str:
    if key in every_fitted:
        return "fitted"
    if key == "minutes":
        return f"{DEFAULT_MINUTES:g}"
    return cell(schema.get("default")) or "none"
