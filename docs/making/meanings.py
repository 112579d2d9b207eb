"""The meaning of each key of a document, file of a checkpoint and environment variable."""

from scriptforge.cli import errors as cli_errors
from scriptforge.training import checkpoint
from scriptforge.workspace import WORKSPACE_VARIABLE

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
    "warnings[]": "signs that a text was not read as what it is, or that measures deceive, one line each",
    "near_duplicates[]": "groups of scripts that are nearly the same, the longest first: of each "
    "`title`, `file` and `splits`, which is empty if the script was left out",
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
    "dataset.turns": "statistics of its training split: `same_again`, the share of the lines directly after "
    "another one that the same speaker says; `busiest`, the share of the busiest speaker among 50 lines; "
    "`newcomers`, the shares of the lines whose speaker has none of the 50 lines before, by how many lines "
    "came before; and `companions`, for each speaker with a token the numbers of the later ones who have a "
    "line within 50 lines of theirs; null if unknown",
    "dataset.echoes": "how often people say again what was said before, by how much of a page came before: "
    "`runs`, shares of the tokens that end a run of some length, and `lines`; null if unknown",
    "dataset.frequencies": "how often tokens of text are used there: the `ids` of the most frequent, "
    "and their `shares`; null if unknown",
    "dataset.marks": "how brackets and quotes are used there: `closed`, the pairs that are closed in the "
    "line in which they are opened, and `turning`, words as in `(to Kramer)`; null if unknown",
    "dataset.fingerprint": "the dataset's fingerprint, by which another one is refused",
    "model": "the sizes from which the model is built",
    "settings": "every setting, by the names of [settings.md](settings.md)",
    "parameters": "trainable numbers in the model",
    "versions": "of scriptforge and torch",
    "init_from": "the run of `--from`: `name`, `fingerprint`, `repository`, `revision`; or null",
    "measured": "of the machine before training by `--minutes`: `operations_per_second`, `threads`, and "
    "how many processors other programs kept `busy`; else null",
    "threads": "how many threads compute, or `adaptive` if the time of steps decides as it trains, on which "
    "the last bits of the model depend; null for a GPU",
    "result.best": "of the best weights on the validation split, as `evaluate` but without `run` and `split`",
    "result.step": "the optimizer step at which they stood",
    "result.seconds": "training time, validations included",
    "result.share": "how much of the validation split was read for `best`: less than 1 if time was short",
    "result.tokens_per_second": "over the steps alone",
    "result.diagnosis": "one sentence on how it went and what to try",
    "result.hardware": "what computed",
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
        "share": "how much of the validation split was read for it: less than 1 if time was short",
        "step": "the optimizer step at which they stood",
        "seconds": "training time, validations included",
        "tokens_per_second": "over the steps alone",
        "training_nats_per_token": "training loss before the last validation",
        "diagnosis": "one sentence on how it went and what to try",
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
        "near_duplicates[]": "groups of scripts that are nearly the same, the longest first: of each script "
        "`title` and `file`",
        "problems[]": "files left out, encodings and the like, one line each",
        "warnings[]": "signs that the text was not read as what it is, one line each",
        "sample[]": "the first lines as `name: text`",
    },
    "convert": {
        "files[].file": "a file that was written",
        "files[].format": "what it is laid out in",
        "files[].scripts": "how many scripts are in it",
        "files[].lines": "how many elements they have",
        "notes[]": "as what the source was read, and what was left out, one line each",
    },
    "originality": {
        "run": "name of the run",
        "words": "words of the text",
        "longest_copy.words": "words in the longest run that stands in the training text; 0 if none does",
        "longest_copy.text": "those words as they stand in the text",
        "longest_copy.source": "`document`, `line` and `scene` of the training text, or null",
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
        "[].share": "how much of the validation split was read for them: less than 1 if time was short",
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
    "corpora": {
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
    "push": {
        "[].repository": "where it goes, `OWNER/NAME`",
        "[].kind": "`model` or `space`",
        "[].files": "how many bytes each file has, by name",
        "[].card": "the README.md, with `--dry-run`; without it there are `url` and `commit` in its place",
    },
    "page": {
        "folder": "where the page is",
        "files[]": "the names of its files",
    },
    "export": {
        "[].target": "`onnx` or `transformers`",
        "[].folder": "where it is",
        "[].files": "how many bytes each file has, by name",
        "[].parity": "how exact each model is, by the name of its file: `steps` that were compared, "
        "`largest_difference` of a score from the run's, and by how many `nats_per_token` it is worse on "
        "average",
    },
    "drafts": {
        "[].id": "of the draft",
        "[].title": "its title",
        "[].run": "the run that it was written with last",
        "[].updated": "when it was changed last, in UTC",
        "[].revision": "how often its lines were changed",
        "[].elements": "how many lines it has",
    },
    "rename": {
        "renamed": "what had the name",
        "to": "what it is called now",
    },
    "remove": {
        "[]": "what was deleted, as `runs/NAME`",
    },
}
"""For each command with `--json`, the keys of its document and what they mean."""

NOTES = {
    "evaluate": "Of a mix there is also `sources`: by the name of each of its corpora `tokens`, "
    "`characters`, `stream` and `cold_256`, as here for all of them together. With `--int8` there is also "
    "`int8`, which is true. With `--ngram` there is also `ngram`: the `order`, the keys of `stream`, and of "
    "a mix `sources`. With `--profile` there is also `profile`: `share_within`, `lines`, `words`, "
    "`people_pages`, `model_pages`, and `figures`, each with its `unit`, `people`, `low`, `high`, `model`, "
    "`auc` and `is_within`; [the page on it](../explanation/profile.md) says what they are. With "
    "`--cache` there is also `stream_cached`, and with `--speakers` `voice`.",
    "generate": "With `-n` greater than 1 it is a list of such documents. With `--check` each has "
    "`originality` too, which holds what [originality](#originality) says of it.",
    "runs": "With names, each document also has `best`, `step`, `tokens_per_second`, `diagnosis`, `settings` "
    "and `history`, whose rows are those of [metrics.jsonl](folders.md#metricsjsonl).",
    "tune": "With `--best` there are also `run`, its name, and `trained`, as `train` prints it.",
    "corpora": "That is of `corpora NAME`. Without a name it is a list of such documents. What a card leaves "
    "out is left out.",
    "drafts": "With `--export` it is a list of the files that were written, with `--remove` one of the ids.",
}
OF_THE_HUB = {
    "pull": {
        "run": "name of the run that it became",
        "repository": "where it is from, `OWNER/NAME`",
        "commit": "of the repository",
    },
}
"""The same for commands that need a Hub."""

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
    cli_errors.DEBUG_VARIABLE: "if not empty, an error comes with its traceback",
    "NO_COLOR": "if not empty, there is no colour",
    "HF_HOME": "where downloads are kept; the Hub's own variables, `HF_TOKEN` and `HF_HUB_OFFLINE` too, work",
    "OMP_NUM_THREADS": "how many threads compute on a CPU; PyTorch's own, and fixed for `train` if set",
    "SCRIPTFORGE_KERNEL": "which variant of the C kernel computes, such as `avx2`; `none` computes in NumPy",
}
