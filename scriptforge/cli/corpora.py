"""`scriptforge corpora`: the corpora that can be prepared by name."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from scriptforge.characters import redact
from scriptforge.cli.completion import corpus_names
from scriptforge.cli.output import Output
from scriptforge.cli.parameters import AsJSON, Quiet, WorkspacePath
from scriptforge.cli.tables import facts, table

if TYPE_CHECKING:
    from scriptforge.corpus.cards import Card


def corpora(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Show this one's whole card.", autocompletion=corpus_names),
    ] = None,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """List the corpora that can be prepared by name, built-in and your own."""
    output = Output(as_json, quiet)

    from scriptforge.corpus.cards import load_cards
    from scriptforge.workspace import Workspace

    loaded = load_cards(Workspace.find(workspace_path).cards)
    if name is not None:
        card = loaded.card(name)
        output.result(_document(card), lambda: facts(_facts(card)))
        return
    for problem in loaded.broken.values():
        output.warn(problem.message)
    cards = list(loaded.cards.values())
    output.result(
        [_document(card) for card in cards],
        lambda: table(
            ("name", "title", "level", "licence"),
            [(card.name, card.title, card.level, card.licence) for card in cards],
        ),
    )


def _document(card: "Card") -> dict[str, Any]:
    document: dict[str, Any] = card.model_dump(mode="json", exclude_none=True, warnings=False)
    if path := document["source"].get("path"):
        document["source"]["path"] = redact(path)
    return document


def _facts(card: "Card") -> list[tuple[str, str]]:
    return [(key, text) for key, value in _document(card).items() if (text := _text(value))]


def _text(value: object) -> str:
    """Format a value of a card: lists joined by commas, tables as `key: value`."""
    if isinstance(value, dict):
        return "; ".join(f"{key}: {text}" for key, inner in value.items() if (text := _text(inner)))
    if isinstance(value, list):
        return ", ".join(_text(inner) for inner in value)
    return str(value)
