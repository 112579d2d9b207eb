"""The model card: a description of a model for its users, with metadata for the Hub.

It has a sample of the model's text, how much of the sample is copied if the dataset is available, and the
profile of the model's pages if one is saved with the run.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from scriptforge.characters import markdown, markdown_code, shown
from scriptforge.copying import OriginalityReport, examine_texts
from scriptforge.copying.view import figure_rows
from scriptforge.dataset import Dataset
from scriptforge.evaluation import Profile
from scriptforge.generation.generate import Session
from scriptforge.net.client import REPOSITORY
from scriptforge.options import GenerateOptions
from scriptforge.run.records import InitFrom, RunDescription
from scriptforge.run.run import Run

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

_LINES = 100
_SEED = 1
_SAMPLE_LINES = 24
_LANGUAGE_MODEL = "text-generation"
_FENCE = "````"
_LIMITS = (
    "It imitates how such texts sound and understands nothing of what they say: use it for play and for"
    " study. It can repeat its training text word for word; `scriptforge originality` shows where. What"
    " it writes may be as rude as its source."
)


def model_card(run: Run, repository: str, dataset: Dataset | None) -> str:
    """Return the card of a finished run: metadata for the Hub, then Markdown for people.

    Args:
        run: the run.
        repository: the repository that the card is for, `OWNER/NAME`.
        dataset: the dataset of the run, so that the card can say how much the model copies; None omits that.

    Raises:
        DatasetError: the text of the dataset is missing or damaged.
    """
    about = run.description.model_copy(update={"name": run.folder.name})  # it may have been renamed
    (sample,) = Session(run, GenerateOptions(lines=_LINES, seed=_SEED)).write()
    report = examine_texts([sample.lines], dataset)[0] if dataset else None
    profile = Profile.load(run)
    parts = [
        f"# {repository.partition('/')[2]}",
        markdown(about.summary),
        "## A sample",
        _sample(sample.text, repository),
        "## Use it",
        _use(repository, about),
        "## What it was trained on",
        _training_text(about),
        "## How good it is",
        _figures(about),
        *(("## What a reader notices", _profile(profile)) if profile else ()),
        *(("## How much it copies", _originality(report)) if report else ()),
        "## How it was trained",
        _training(about),
        "## Limits",
        _LIMITS,
    ]
    return shown(f"---\n{_metadata(about, report)}\n---\n\n" + "\n\n".join(parts) + "\n")


def _metadata(about: RunDescription, report: OriginalityReport | None) -> str:
    from huggingface_hub import ModelCardData

    hubs = [origin.hub for origin in about.origins.values() if _is_repository(origin.hub)]
    details: dict[str, Any] = {"datasets": hubs} if hubs else {}
    if about.init_from and _is_repository(about.init_from.repository):
        details["base_model"] = about.init_from.repository
    data = ModelCardData(
        library_name="scriptforge",
        pipeline_tag=_LANGUAGE_MODEL,
        tags=["scriptforge", str(about.model["arch"]), about.dataset.level, "scripts"],
        model_name=about.name,
        eval_results=_results(about, report),
        **details,
    )
    return data.to_yaml()


def _is_repository(id_: str | None) -> bool:
    """Return whether a name from a config, which may be a stranger's, is a valid repository id."""
    return REPOSITORY.fullmatch(id_ or "") is not None


def _results(about: RunDescription, report: OriginalityReport | None) -> "list[EvalResult]":
    from huggingface_hub import EvalResult

    assert about.result
    stream = about.result.best.stream
    figures: list[tuple[str, str, float | None]] = [
        ("perplexity", "perplexity per token", stream.perplexity),
        ("bits_per_character", "bits per character", stream.bits_per_character),
        ("nats_per_character", "nats per character", stream.nats_per_character),
    ]
    if report:
        figures += [
            (f"novelty_{words}", f"share of new sequences of {words} words", share)
            for words, share in report.novelty.items()
        ]
    return [
        EvalResult(
            task_type=_LANGUAGE_MODEL,
            dataset_type="scriptforge",
            dataset_name=f"{about.dataset.name}, validation split",
            metric_type=kind,
            metric_name=name,
            metric_value=round(value, 4),
        )
        for kind, name, value in figures
        if value is not None
    ]


def _sample(text: str, repository: str) -> str:
    """Return the beginning of the generated text in a code block, below the command that generates it."""
    lines = text.strip().split("\n")[:_SAMPLE_LINES]
    sample = "\n".join(lines).replace(_FENCE, "'''")
    return (
        f"`scriptforge generate {repository} --seed {_SEED}` starts with:\n\n{_FENCE}text\n{sample}\n{_FENCE}"
    )


def _use(repository: str, about: RunDescription) -> str:
    speakers = about.dataset.cast[:1]
    prime = f' --prime "{speakers[0].lower()}"' if speakers and speakers[0].isalpha() else ""
    return f"```sh\npip install scriptforge-lm\nscriptforge generate {repository}{prime}\n```"


def _training_text(about: RunDescription) -> str:
    lines = []
    for name, origin in about.origins.items():
        if _is_repository(origin.hub):
            source = f"dataset [{origin.hub}](https://huggingface.co/datasets/{origin.hub})"
        else:
            addresses = [file.url or file.name for file in origin.files]
            source = ", ".join(map(markdown, addresses[:3])) or "a text of its author's own"
        at = f" at {markdown_code(origin.revision)}" if origin.revision else ""
        licence = markdown(origin.licence or "not stated").rstrip(".")
        rights = markdown(origin.rights or "not stated: those of whoever wrote the text").rstrip(".")
        lines.append(f"- **{markdown(name)}**: {source}{at}. Licence: {licence}. Rights: {rights}.")
    if about.dataset.cast:
        lines.append(f"- Speakers: {markdown(', '.join(about.dataset.cast[:12]))}.")
    return "\n".join(lines)


def _figures(about: RunDescription) -> str:
    assert about.result
    best = about.result.best
    headings = "| | nats per character | bits per character | perplexity per token |"
    rows = [
        (
            name,
            f"{figures.nats_per_character:.4f}",
            f"{figures.bits_per_character:.4f}",
            f"{figures.perplexity:.2f}",
        )
        for name, figures in (("read in order", best.stream), ("256 tokens at a time", best.cold_256))
    ]
    share = about.result.share
    part = f"{100 * share:.0f} % of the validation split" if share < 1 else "the validation split"
    words = f"On {part}, {best.characters:,} characters that it was not trained on:"
    return f"{words}\n\n{_table(headings, rows)}"


def _originality(report: OriginalityReport) -> str:
    return (
        f"{report.words:,} words that it wrote, compared with its training text; beside them as many"
        " words of human text that it was not trained on:\n\n"
    ) + _table("| | this model | human text |", figure_rows(report))


def _profile(profile: Profile) -> str:
    words = (
        f"{profile.model_pages} pages of {profile.lines} lines that it wrote, beside pages by people that it"
        f" was not trained on. {100 * profile.share_within:.0f} % of the figures are within people's spread:"
    )
    headings = "| on a page | human text | nine pages of ten | this model | |"
    return f"{words}\n\n{_table(headings, profile.table)}"


def _table(headings: str, rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; the row of headings is given as Markdown."""
    rule = "|" + "---|" * (headings.count("|") - 1)
    return "\n".join((headings, rule, *(f"| {' | '.join(row)} |" for row in rows)))


def _training(about: RunDescription) -> str:
    assert about.result
    settings = about.settings
    ours, torch = (markdown(about.versions.get(name, "?")) for name in ("scriptforge", "torch"))
    unit, count = ("minute", settings.minutes) if settings.minutes else ("epoch", settings.epochs)
    length = f"{count:g} {unit}{'' if count == 1 else 's'}"
    init_from = (
        f" It began with the weights of {markdown(_init_from(about.init_from))}." if about.init_from else ""
    )
    return (
        f"{settings.layers} x {settings.hidden_size} units, {settings.optimizer}, {settings.precision},"
        f" batches of {settings.batch_size} x {settings.sequence_length} tokens, {length};"
        f" {about.result.seconds:,.0f} seconds at {about.result.tokens_per_second:,.0f} tokens a second"
        f" on {markdown(about.result.hardware)}.{init_from}"
        f" scriptforge {ours}, torch {torch}."
        " All settings are in `config.json`."
    )


def _init_from(init_from: InitFrom) -> str:
    if init_from.repository is None:
        return init_from.name
    return f"{init_from.repository} at {init_from.revision}" if init_from.revision else init_from.repository
