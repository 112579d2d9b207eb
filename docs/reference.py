"""Makes `docs/reference/` from the code, so that it cannot say anything else than the code does.

    python docs/reference.py [FOLDER]

Options, settings, formats and cards are read from where they are declared; the keys of the JSON documents and
the files of the folders from a small dataset and run that are made on the way and thrown away. What a key
means is said here; a key without a meaning, or a meaning without a key, is an error.
"""

import io
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, fields
from inspect import getdoc
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scriptforge import errors
from scriptforge.cli import edge
from scriptforge.cli.app import COMMANDS, run
from scriptforge.cli.train import DEFAULT_MINUTES
from scriptforge.config import PRESETS, Settings
from scriptforge.corpus.cards import Card, builtin_cards_path, load_cards
from scriptforge.corpus.locations import HubDataset, LocalPath, StrictModel, WebFile
from scriptforge.fitting import Machine, fitted
from scriptforge.generation import SamplingOptions
from scriptforge.generation.sampler import MEMORY
from scriptforge.screenplay.formats import FORMATS
from scriptforge.screenplay.formats.table import Columns, documents, guess_columns
from scriptforge.screenplay.reading import read
from scriptforge.screenplay.script import Element
from scriptforge.screenplay.writing import WRITERS
from scriptforge.training import checkpoint
from scriptforge.workspace import SPLITS, WORKSPACE_VARIABLE, DatasetFolder, RunFolder, Workspace

PAGES = Path(__file__).parent / "reference"
NOTICE = "<!-- Made from the code by docs/reference.py; `make docs` writes it anew. -->"

_LAPTOP, _GPU = Machine("cpu", "bf16", 2.4e11), Machine("cuda", "fp16", 2e13)
FITTING_CASES = {
    "little text": (50_000, 1000, _LAPTOP, 3.0),
    "little text, char": (50_000, 70, _LAPTOP, 3.0),
    "1 minute": (1_000_000, 2000, _LAPTOP, 1.0),
    "1 minute, char": (1_000_000, 70, _LAPTOP, 1.0),
    "5 minutes": (1_000_000, 2000, _LAPTOP, 5.0),
    "5 minutes, char": (1_000_000, 70, _LAPTOP, 5.0),
    "5 minutes, GPU": (1_000_000, 2000, _GPU, 5.0),
}
"""Headings of the table of fitted settings: training tokens, vocabulary, machine and minutes."""

EXAMPLES = {
    "name-line": """\
        INT. BOOTH ONE - MORNING
        walt: Any cars?
        dee (from the other booth): Not one.
        (Walt looks at the clock.)
        CUT TO:
        """,
    "shakespeare": """\
        SCENE I. A bridge.

        First Keeper:
        Who comes across the water at this hour,
        And has he forty cents?

        Enter a GOOSE
        """,
    "indented": """\
        INT. BOOTH ONE - MORNING

        Walt sits at the window. There
        are no cars.

                            DEE
                      (leaning out)
                Any cars? I thought
                I heard one.

                            WALT
                That was me.
        """,
    "fountain": """\
        Title: Exact Change

        INT. BOOTH ONE - MORNING

        Walt sits at the window. [[How old is he?]]

        DEE (O.S.)
        (hopeful)
        Any cars?

        > CUT TO:
        """,
    "fdx": """\
        <?xml version="1.0" encoding="UTF-8" standalone="no" ?>
        <FinalDraft DocumentType="Script" Template="No" Version="5">
        <Content>
        <Paragraph Type="Scene Heading"><Text>INT. BOOTH ONE - MORNING</Text></Paragraph>
        <Paragraph Type="Character"><Text>DEE (O.S.)</Text></Paragraph>
        <Paragraph Type="Dialogue"><Text>Any </Text><Text Style="Bold">cars?</Text></Paragraph>
        </Content>
        </FinalDraft>
        """,
    "xml-play": """\
        <PLAY>
        <TITLE>The Bridge</TITLE>
        <ACT><TITLE>ACT I</TITLE>
        <SCENE><TITLE>SCENE I. A bridge.</TITLE>
        <STAGEDIR>Enter a GOOSE</STAGEDIR>
        <SPEECH><SPEAKER>First Keeper</SPEAKER>
        <LINE>Who comes across the water at this hour,</LINE>
        <LINE>And has he forty cents?</LINE></SPEECH>
        </SCENE></ACT>
        </PLAY>
        """,
    "prose": """\
        The bridge had been there
        longer than the river.

        Nobody had paid since Tuesday.
        """,
}
"""For each format, a text in it."""

TABLE_EXAMPLE = (
    {"Season": "1", "Episode": "1", "Character": "Walt", "Line": "Any cars?"},
    {"Season": "1", "Episode": "1", "Character": "Dee", "Line": "Not one."},
    {"Season": "1", "Episode": "2", "Character": "Walt", "Line": "Forty cents."},
)

EXTENT = {
    "tokens": "tokens of the split",
    "characters": "characters of the text that they stand for",
}
FIGURES = {
    f"{protocol}.{unit}": f"{meaning}, {how}"
    for protocol, how in {
        "stream": "the state carried through the split in order",
        "cold_256": "in independent windows of 256 tokens from a zero state",
    }.items()
    for unit, meaning in {
        "nats_per_token": "mean negative log-likelihood of a token",
        "perplexity": "the same as its exponential",
        "nats_per_character": "total negative log-likelihood by character",
        "bits_per_character": "the same in bits",
    }.items()
}
ORIGIN = {
    "origin.card": "the card's name; null without one",
    "origin.licence": "as the card states it; null without one",
    "origin.rights": "who owns the words, as the card states it; null without one",
    "origin.hub": "id of a dataset on the Hub, or null",
    "origin.revision": "its commit, or null",
    "origin.files[].name": "name, or path inside the folder or repository; never a path of the machine",
    "origin.files[].sha256": "of its bytes, in hexadecimal",
    "origin.files[].size": "bytes",
    "origin.files[].url": "where on the web it is from, without user, password or query; or null",
}
DATASET = {
    "format": "version of this layout",
    "name": "name of the dataset",
    "created": "when, in UTC",
    **ORIGIN,
    "text_format": "the formats that the files were read as",
    "level": "`word`, `bpe` or `char`",
    "plain": "whether the text was taken as it stands",
    "lower": "whether everything was read in lower case",
    "vocabulary_size": "tokens in the vocabulary",
    "alphabet": "different characters in the training split",
    "documents": "documents in all",
    "division.by": "`document` or `block`",
    "division.documents[]": "by document: the split of each; else empty",
    "division.boundaries[]": "by block: the characters at which validation and test begin; else empty",
    "unparsed_share": "share of the characters that the format did not know and that became action, 0 to 1",
    "cast[].speaker": "name in its commonest spelling",
    "cast[].lines": "how many lines of dialogue",
    "cast[].words": "how many words in them",
    "cast[].source": "whose cast, in a mix that keeps casts apart; else null",
    "splits.train": "what the training split holds, repeated text of a mix counted again: the same keys as "
    "`splits.validation`",
    "splits.validation.documents": "documents that are in it, whole or in part",
    "splits.validation.lines": "elements, or lines of plain text",
    "splits.validation.characters": "characters of the text",
    "splits.validation.tokens": "token ids",
    "splits.validation.unknown": "how many of them are `<unk>`; 0 but at word level",
    "splits.validation.unknown_characters": "characters of the words that these stand for",
    "splits.test": "what the test split holds: the same keys",
    "sources[]": "the corpora of a mix, of which `origin` and `division` are null: of each `name`, `weight`, "
    "and its own `origin`, `text_format`, `documents`, `division`, `unparsed_share` and `splits`; else empty",
    "fingerprint": "changes when a token of any split, or the vocabulary, does",
    "notes[]": "what a person was told while it was prepared",
}
CONFIG = {
    "format": "version of this layout",
    "name": "name of the run",
    "created": "when, in UTC",
    "dataset.name": "the dataset it was trained on",
    **{f"dataset.{key}": meaning for key, meaning in ORIGIN.items()},
    "dataset.sources[]": "the corpora of a mix, of which `dataset.origin` is null: of each `name`, `weight` "
    "and `origin`; else empty",
    "dataset.level": "its level",
    "dataset.plain": "whether its text was taken as it stands",
    "dataset.lower": "whether it was read in lower case",
    "dataset.alphabet": "different characters in its training split",
    "dataset.cast[]": "everybody who speaks in it, most lines first",
    "dataset.fingerprint": "the dataset's fingerprint, by which another one is refused",
    "model": "the sizes from which the model is built",
    "settings": "every setting, by the names of [settings.md](settings.md)",
    "parameters": "trainable numbers in the model",
    "versions": "of scriptforge and torch",
    "parent": "the run of `--from`: `name`, `fingerprint` of its weights, `repository`, `revision`; or null",
    "result.best": "of the best weights on the validation split, as `evaluate` but without `run` and `split`",
    "result.step": "the optimizer step at which they stood",
    "result.seconds": "training time, validations included",
    "result.tokens_per_second": "over the steps alone",
    "result.verdict": "one sentence on how it went and what to try",
    "result.hardware": "what computed; empty in runs of earlier versions",
}
METRICS = {
    "step": "optimizer steps so far",
    "epochs": "how many times the text was read",
    "seconds": "training time so far",
    "training_nats_per_token": "training loss since the validation before",
    "nats_per_token": "validation loss, the split read in up to 16 lanes that each begin cold",
    "perplexity": "the same as its exponential",
    "nats_per_character": "the same by character",
    "bits_per_character": "the same in bits",
    "is_best": "whether these weights were kept",
}
DOCUMENTS = {
    "train": {
        "run": "name of the run",
        "best": "of the best weights on the validation split, as `evaluate`",
        "step": "the optimizer step at which they stood",
        "seconds": "training time, validations included",
        "tokens_per_second": "over the steps alone",
        "training_nats_per_token": "training loss before the last validation",
        "verdict": "one sentence on how it went and what to try",
    },
    "generate": {
        "run": "name of the run",
        "seed": "what makes this script again",
        "text": "the script, laid out in lines",
        "elements[].kind": "`heading`, `action`, `dialogue` or `transition`; plain text has no elements",
        "elements[].text": "what the line says, without the speaker",
        "elements[].speaker": "who says it; empty unless the kind is dialogue",
    },
    "inspect": {
        "format": "the formats met, joined by commas",
        "formats[].name": "a format; `table` for rows",
        "formats[].files": "how many files are in it",
        "formats[].reason": "why the first of them was taken to be",
        "documents": "how many documents",
        "scenes": "how many scenes; what stands before a document's first heading is one",
        "lines": "how many elements of each kind",
        "words": "all words, headings included and speakers not",
        "cast[].speaker": "name in its commonest spelling",
        "cast[].lines": "how many lines of dialogue",
        "cast[].words": "how many words in them",
        "cast[].first.document": "title of the document in which they speak first",
        "cast[].first.line": "that line's number among the document's elements, from 1",
        "cast[].spellings[]": "all spellings that count as one name, the commonest first",
        "close_names[]": "pairs of names one letter apart, of each `speaker`, `lines` and `close_to`",
        "unparsed_share": "share of the characters for which the format had no rule, 0 to 1",
        "unparsed[]": "a few of the lines that became action for that reason",
        "duplicates": "what is repeated among `documents`, `scenes` and long `lines`: of each a `count` and "
        "`examples`",
        "problems[]": "files left out, encodings and the like, one line each",
        "sample[]": "the first lines as `name: text`",
    },
    "originality": {
        "run": "name of the run",
        "words": "words of the text",
        "longest_copy.words": "words in the longest run that stands in the training text; 0 if none does",
        "longest_copy.text": "those words as they stand in the text",
        "longest_copy.source": "`document` and `line` of the training text in which they stand, or null",
        "novelty.4": "share of sequences of 4 words that the training text does not have; null if the text "
        "is too short",
        "novelty.6": "the same of 6 words",
        "novelty.8": "the same of 8 words",
        "human.novelty.4": "mean of the same over windows of held-out script; `human` is null if nothing is "
        "held out",
        "human.novelty.6": "the same of 6 words",
        "human.novelty.8": "the same of 8 words",
        "human.longest_copy.words": "median, over the windows, of the words in the longest copy",
        "human.longest_copy.most": "the longest copy of all windows, as `longest_copy`",
        "human.windows": "how many windows",
        "human.words": "words in each",
        "copied_share": "share of the words that are in `copies`",
        "copies[]": "every copy of 5 words or more: `words`, `text`, `source`, and `start` and `end`, each a "
        "`line` from 1 and a `character` from 0; none overlaps another",
    },
    "evaluate": {
        "run": "name of the run",
        "split": "`validation` or `test`",
        **EXTENT,
        **FIGURES,
    },
    "runs": {
        "[].run": "name of the run",
        "[].dataset": "the dataset it was trained on",
        "[].level": "its level",
        "[].plain": "whether its text was taken as it stands",
        "[].arch": "architecture of the model, or null where the run does not say",
        "[].parameters": "trainable numbers in the model",
        "[].nats_per_character": "of the best weights on the validation split; null until training has ended",
        "[].bits_per_character": "the same in bits",
        "[].seconds": "training time; null until training has ended",
        "[].created": "when, in UTC",
    },
    "tune": {
        "study": "name of the study",
        "dataset": "the dataset it is about",
        "trials[].number": "of the trial, from 0",
        "trials[].state": "`running`, `complete`, `pruned`, `failed` or `repeated`",
        "trials[].bits_per_character": "on the validation split, the last known; null before the first",
        "trials[].settings": "what was chosen for it",
        "trials[].seconds": "how long it took",
        "trials[].is_default": "whether it is what `train` would do",
        "trials[].reason": "why it was ended or failed; null otherwise",
        "best": "the best of the complete trials, as one of `trials`",
        "default_bits_per_character": "those of the default trial",
        "importance": "how much each choice decided, as shares by name; empty for few trials",
    },
    "corpora demo": {
        "name": "the card's name",
        "title": "the name for people",
        "description": "one or two sentences",
        "source": "where its files are; one of the three ways of [cards.md](cards.md)",
        "format": "the layout, where the card names it",
        "sort[]": "columns by which rows are put in order",
        "licence": "what the source states",
        "rights": "who owns the words",
        "language": "a language tag",
        "cast[]": "speakers worth naming",
        "level": "the level that suits it",
        "vocabulary_size": "the number of tokens that suits it, where the card names one",
    },
    "doctor": {
        "usable": "whether scriptforge can work here",
        "findings[].check": "what was looked at",
        "findings[].found": "what was found",
        "findings[].state": "`ok`, `advice` or `unusable`",
        "findings[].remedy": "what to do, or null",
    },
}
"""For each command that knows `--json`, the keys of its document and what they mean."""

NOTES = {
    "evaluate": "Of a mix there is also `sources`: by the name of each of its corpora `tokens`, "
    "`characters`, `stream` and `cold_256`, as here for all of them together. With `--int8` there is also "
    "`int8`, which is true.",
    "generate": "With `-n` greater than 1 it is a list of such documents. With `--check` each has "
    "`originality` too, which holds what [originality](#originality) says of it.",
    "runs": "With names, each document also has `best`, `step`, `tokens_per_second`, `verdict`, `settings` "
    "and `history`, whose rows are those of [metrics.jsonl](folders.md#metricsjsonl).",
    "tune": "With `--best` there are also `run`, its name, and `trained`, as `train` prints it.",
    "corpora demo": "Without a name it is a list of such documents. What a card leaves out is left out.",
}
PARQUET = {
    "document": "number of the document, from 0",
    "title": "its title",
    "kind": "`heading`, `action`, `dialogue`, `transition`, or `text` where the text is plain",
    "speaker": "who says it; empty unless the kind is dialogue",
    "text": "what it says",
    "characters": "characters that it stands for, its name and line end included",
    "source": "name of the corpus that it is from",
}
CHECKPOINT = {
    checkpoint.WEIGHTS: "The model's weights.",
    checkpoint.TENSORS: "The optimizer's moments, the state carried from batch to batch, torch's generators.",
    checkpoint.STATE: "Where the training is: step, time, history, and what must be the same to go on.",
    checkpoint.MANIFEST: "Size and SHA-256 of the other files; written last.",
}
VARIABLES = {
    WORKSPACE_VARIABLE: "the workspace, where `--workspace` does not name one",
    edge.DEBUG_VARIABLE: "if not empty, an error comes with its traceback",
    "NO_COLOR": "if not empty, there is no colour",
    "HF_HOME": "where downloads are kept; the Hub's own variables, `HF_TOKEN` and `HF_HUB_OFFLINE` too, work",
    "OMP_NUM_THREADS": "how many threads compute on a CPU; PyTorch's own",
}


def main() -> None:
    """Writes the pages into the folder named, or into `docs/reference`."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGES
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["COLUMNS"] = "80"
    with TemporaryDirectory() as name:
        trial = Trial(Path(name))
        pages = {
            "commands": commands(),
            "settings": settings(),
            "formats": formats(),
            "cards": cards(),
            "json": json_documents(trial),
            "folders": folders(trial),
            "exit-codes": exit_codes(),
        }
    pages["README"] = contents(pages)
    for page, text in pages.items():
        (folder / f"{page}.md").write_text(f"{NOTICE}\n\n{text}", encoding="utf-8")


class Trial:
    """A workspace in which the commands have been run, as small as can be.

    Args:
        root: an empty folder.
    """

    def __init__(self, root: Path) -> None:
        self.documents = {
            command: json.loads(_printed(f"{line} --json --workspace {root}".split()))
            for command, line in {
                "prepare": "prepare demo",
                "train": "train --cpu --epochs 0.02 --set hidden_size=8 --set validations=1",
                "generate": "generate --lines 1",
                "inspect": "inspect demo",
                "originality": f"originality {next(builtin_cards_path().glob('demo/*.fountain'))}",
                "evaluate": "evaluate",
                "runs": "runs",
                "tune": "tune --trials 1 --seconds 0.1 --cpu",
                "corpora demo": "corpora demo",
                "doctor": "doctor",
            }.items()
        }
        self.dataset = Workspace(root).dataset()
        self.description = json.loads(self.dataset.description.read_text(encoding="utf-8"))
        self.run = Workspace(root).run()


def contents(pages: Mapping[str, str]) -> str:
    """The list of the other pages by their headings."""
    lines = (f"- [{text.partition(chr(10))[0].lstrip('# ')}]({page}.md)" for page, text in pages.items())
    return _page("Reference", "Made from the code, so it says what the code does.", "\n".join(lines))


def commands() -> str:
    """Every command's help."""
    parts = ["What `scriptforge COMMAND --help` says. `scriptforge --version` prints the version."]
    for heading, functions in COMMANDS.items():
        parts.append(f"## {heading}")
        for function in functions:
            help_text = _printed([function.__name__, "--help"]).strip()
            parts.append(f"### {function.__name__}\n\n```text\n{help_text}\n```")
    return _page("Commands", *parts)


def settings() -> str:
    """Every setting of a training, the presets, what is fitted, and the options of sampling."""
    schema = Settings.model_json_schema()["properties"]
    suited = {
        heading: fitted(tokens, size, machine, minutes=minutes)
        for heading, (tokens, size, machine, minutes) in FITTING_CASES.items()
    }
    every_fitted = list(next(iter(suited.values())))
    rows = [
        (f"`{key}`", *_kind_and_range(schema[key]), _default(key, schema[key], every_fitted), f.description)
        for key, f in Settings.model_fields.items()
    ]
    effects = {
        name: words.replace("`MEMORY`", str(MEMORY)) for name, words in _attributes(SamplingOptions).items()
    }
    changed = [key for key in Settings.model_fields if any(key in preset for preset in PRESETS.values())]
    return _page(
        "Settings",
        "What shapes a training. `--set KEY=VALUE` changes one, `--config FILE.toml` several, one a line; "
        "`--epochs`, `--minutes`, `--patience` and `--arch` are short for their settings. "
        "Each of these is stronger than the one before: fitted to the corpus, preset, file, flag, `--set`.",
        _table(("setting", "type", "range", "default", "what it is"), rows),
        "Exactly one of `epochs` and `minutes` is set; naming one takes the other back.",
        "## Presets",
        "What `--preset` changes; a setting it does not name stays as it is.",
        _table(
            ("setting", *PRESETS),
            ((f"`{key}`", *(_cell(preset.get(key)) for preset in PRESETS.values())) for key in changed),
        ),
        "## Fitted to the corpus",
        "Before a training the machine is measured for a second: which arithmetic it does fastest, and how "
        "many operations. The more it can compute in the time there is, the larger the model; the more often "
        "the text is then read, the more dropout. The table shows it for a million tokens of text, on two "
        "cores that make 240 thousand million operations a second, and on a GPU that makes a hundred times "
        "as many. Little text is less than 150,000 tokens to train on; char stands for any vocabulary of 600 "
        "tokens or fewer. `sequence_length` is smaller where the text has fewer than sixteen such stretches. "
        "With `--epochs` the size does not depend on the machine, and the dropout follows from them.",
        _table(
            ("setting", *suited),
            ((f"`{key}`", *(_cell(case[key]) for case in suited.values())) for key in every_fitted),
        ),
        "## Sampling",
        "The options of `generate` that decide how bold it is. They are applied in this order: repetition, "
        "temperature, top-k, top-p, typical, min-p.",
        _table(
            ("option", "default", "what it does"),
            (
                (f"`--{field.name.replace('_', '-')}`", _cell(field.default), effects[field.name])
                for field in fields(SamplingOptions)
            ),
        ),
    )


def formats() -> str:
    """Every format with an example, and what the reader makes of it."""
    parts = [
        "A text is read in the format that explains most of its first lines, or in the one that its card "
        "names. What a format has no rule for is kept as action. Each example here was read by the reader.",
        _table(("format", "what it looks like"), ((f"`{each.name}`", each.description) for each in FORMATS)),
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
        _table(header, (list(row.values()) for row in TABLE_EXAMPLE)),
        "Recognised: "
        + ", ".join(f"{role} is {_column(name)}" for role, name in asdict(found).items() if name)
        + ".",
    ]
    parts += [f"Document “{name}”:\n\n{_elements(lines)}" for name, lines in documents(TABLE_EXAMPLE, found)]
    parts += [
        "## Written formats",
        "What `generate --format` writes, and what the file's suffix is. Whatever is read back is the same "
        "script; a page is for reading and printing alone.",
        _table(
            ("suffix", "how it is laid out"),
            ((f"`{suffix}`", _first_line(writer)) for suffix, writer in WRITERS.items()),
        ),
    ]
    return _page("Formats", *parts)


def cards() -> str:
    """The keys of a card and the cards that are built in."""
    known = load_cards()
    keys = {key: words for key, words in _attributes(Card).items() if key != "name"}
    return _page(
        "Cards",
        "A card says what is known of a corpus before it is fetched: a TOML file in the folder `corpora/` of "
        "the workspace, whose name without `.toml` is the corpus's. "
        "[Write a card](../how-to/write-a-card.md) shows one.",
        _table(
            ("key", "must be there", "what it is"),
            (
                (f"`{key}`", "yes" if Card.model_fields[key].is_required() else "", words)
                for key, words in keys.items()
            ),
        ),
        "`[source]` is one of these three:",
        _table(("a file or folder", ""), _described(LocalPath)),
        _table(("each of `[[source.files]]`, on the web", ""), _described(WebFile)),
        _table(("a dataset on the Hub", ""), _described(HubDataset)),
        "Roles of columns in `[columns]`, for tables:",
        _table(("role", "what its column holds"), _rows(_attributes(Columns))),
        "## Built-in cards",
        _table(
            ("name", "title", "level", "vocabulary", "licence", "rights"),
            (
                (f"`{c.name}`", c.title, c.level, _cell(c.vocabulary_size), c.licence, c.rights)
                for c in known.cards.values()
            ),
        ),
    )


def json_documents(trial: Trial) -> str:
    """The keys of every JSON document, from documents that the commands printed."""
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
    return _page("JSON documents", *parts)


def folders(trial: Trial) -> str:
    """The files of datasets and runs, from ones that the commands made."""
    import pyarrow.parquet

    config = json.loads(trial.run.config.read_text(encoding="utf-8"))
    metrics = json.loads(trial.run.metrics.read_text(encoding="utf-8").splitlines()[0])
    columns = dict.fromkeys(pyarrow.parquet.read_schema(trial.dataset.scripts).names, "")
    [step] = trial.run.checkpoint_steps()[:1]
    return _page(
        "Folders",
        "A workspace is a folder: the current one, or that of `--workspace`, or that of "
        f"`{WORKSPACE_VARIABLE}`. Weights and other tensors are safetensors, ids are NumPy arrays, parsed "
        "text is parquet, and everything else is JSON or plain text.",
        "```text\ncorpora/NAME.toml   cards of your own\ndata/NAME/          datasets\n"
        "runs/NAME/          runs\nstudies/NAME/       searches of `scriptforge tune`\n```",
        "## A dataset: `data/NAME/`",
        _files(trial.dataset),
        "### dataset.json",
        _keys(trial.description, DATASET),
        "### scripts.parquet",
        _keys(columns, PARQUET, with_types=False),
        "## A run: `runs/NAME/`",
        "`config.json`, `tokenizer.json` and `model.safetensors` suffice to use a run anywhere.",
        _files(trial.run),
        "### config.json",
        "`result` is null until the training has ended.",
        _keys(config, CONFIG),
        "### metrics.jsonl",
        _keys(metrics, METRICS),
        "### A checkpoint: `checkpoints/step-STEP/`",
        "The two newest are kept.",
        _table(
            ("file", "what is in it"),
            _explained({path.name for path in trial.run.checkpoint(step).iterdir()}, CHECKPOINT),
        ),
    )


def _described(kind: type[StrictModel]) -> Iterable[tuple[str, str]]:
    """The keys of one kind of source; a kind with a single key says what it is itself."""
    return _rows(_attributes(kind) or dict.fromkeys(kind.model_fields, _first_line(kind)))


def exit_codes() -> str:
    """Exit codes, the kinds of error, and the variables of the environment."""
    codes = re.findall(r"^ {4}(\d+)\s+(.+)$", edge.__doc__ or "", flags=re.MULTILINE)
    kinds: list[type[errors.ScriptforgeError]] = [
        errors.ScriptforgeError,
        *errors.ScriptforgeError.__subclasses__(),
    ]
    return _page(
        "Exit codes, errors and environment",
        _table(("exit code", "meaning"), codes),
        "An error is two lines on stderr: what is wrong, and what to do. From Python it is an exception with "
        "`message` and `hint`.",
        _table(
            ("exception", "exit code", "meaning"),
            ((f"`{kind.__name__}`", str(kind.exit_code), _first_line(kind)) for kind in kinds),
        ),
        "## Environment",
        _table(("variable", "what it does"), _rows(VARIABLES)),
    )


def _printed(arguments: list[str]) -> str:
    """What a command line prints on stdout; it must succeed."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(arguments)
    if code:
        raise SystemExit(f"scriptforge {' '.join(arguments)} ended with {code}:\n{err.getvalue()}")
    return out.getvalue()


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", *parts]) + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(_escaped(str(cell)) for cell in line)} |" for line in lines)


def _escaped(cell: str) -> str:
    return " ".join(cell.replace("|", "\\|").split())


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case int():
            return f"{value:,}"
        case _:
            return str(value)


def _column(name: object) -> str:
    return " and ".join(name) if isinstance(name, tuple) else str(name)


def _elements(elements: Iterable[Element]) -> str:
    rows = ((each.kind, each.speaker, each.text.replace("\n", " ⏎ ")) for each in elements)
    return _table(("kind", "speaker", "text"), rows)


def _kind_and_range(schema: Mapping[str, Any]) -> tuple[str, str]:
    """A setting's type and what it may be, from its JSON schema."""
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
    return _cell(schema.get("default")) or "none"


def _attributes(kind: type) -> dict[str, str]:
    """The `Attributes:` of a docstring, by name."""
    section = re.search(r"^Attributes:\n((?: {4}.*\n?|\n)+)", getdoc(kind) or "", flags=re.MULTILINE)
    entries = re.findall(
        r"^ {4}(\w+): ((?:.*\n?)(?: {8}.*\n?)*)", section[1] if section else "", re.MULTILINE
    )
    return {name: _without_none(" ".join(words.split())).rstrip(".") for name, words in entries}


def _without_none(words: str) -> str:
    """Words for those who write TOML, where a key that is None is left out."""
    return re.sub(r"\bNone\b", "leaving it out", words)


def _first_line(thing: object) -> str:
    return (getdoc(thing) or "").partition("\n")[0]


def _keys(document: Any, meanings: Mapping[str, str], with_types: bool = True) -> str:
    """A table of a document's keys, each with its meaning.

    A meaning for a table as a whole stands for all that is in it.
    """
    kinds = dict(_flattened(document, "", meanings))
    missing = set(kinds) ^ set(meanings)
    if missing:
        raise SystemExit(f"A key without a meaning, or a meaning without a key: {', '.join(sorted(missing))}")
    if not with_types:
        return _table(("column", "what it is"), _rows(meanings))
    rows = ((f"`{key}`", kinds[key], words) for key, words in meanings.items())
    return _table(("key", "type", "what it is"), rows)


def _flattened(value: Any, path: str, known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Every key of a document, with the type of what it holds."""
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
    """The files that there are in a folder, each with what the workspace says of it."""
    kind = type(folder)
    said = {
        getattr(folder, name).name: _first_line(member)
        for name, member in vars(kind).items()
        if isinstance(member, property) and isinstance(getattr(folder, name), Path)
    }
    said |= {f"{split}.npy": f"The token ids of the {split} split, memory-mapped." for split in SPLITS}
    there = {path.name for path in folder.path.iterdir() if not path.name.startswith(".")}
    return _table(("name", "what is in it"), _explained(there, {n: w for n, w in said.items() if n in there}))


def _explained(names: set[str], meanings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if names != set(meanings):
        raise SystemExit(f"A file without a meaning, or the reverse: {names ^ set(meanings)}")
    return _rows(meanings)


def _rows(meanings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((f"`{name}`", words) for name, words in meanings.items())


if __name__ == "__main__":
    main()
