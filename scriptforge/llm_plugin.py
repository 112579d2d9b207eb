"""A plugin for Simon Willison's `llm`: `llm -m scriptforge/NAME "elaine:"` generates text with a run.

`llm` finds it by its entry point and imports it at every start, so nothing heavy is imported until a model
generates, and no folder is changed. The options are fields of `GenerateOptions`, which defines their defaults
and ranges. Names, errors and texts may come from a stranger's model, and `llm` prints them as they are.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, get_args

import llm
from pydantic import Field, create_model

from scriptforge.characters import redact, safe
from scriptforge.errors import ScriptforgeError, disk_error
from scriptforge.options import GenerateOptions
from scriptforge.workspace import Workspace

if TYPE_CHECKING:
    from scriptforge.api import Model

_NOT_OFFERED = frozenset({"prime", "count", "continue_from", "back", "save_state", "voices"})
"""The prompt itself, and options that are of no use for a single text on a terminal."""


@llm.hookimpl
def register_models(register: Callable[..., None]) -> None:
    """Register every run of the workspace that is named by the environment, or else is the current folder.

    If that cannot be read, none is registered: every command of `llm` calls this.
    """
    with suppress(OSError):
        for run in Workspace.locate().runs():
            register(RunModel(run.name))


def _options() -> type[llm.Options]:
    """Return the class of the options, all of them optional; a cast is given as comma-separated names."""
    described = _descriptions(cleandoc(GenerateOptions.__doc__ or ""))
    offered: dict[str, Any] = {}
    for field in fields(GenerateOptions):
        if field.name not in _NOT_OFFERED:
            kind = str if field.name == "cast" else _kind(field.type)
            offered[field.name] = (kind | None, Field(default=None, description=described.get(field.name)))
    made: type[llm.Options] = create_model("Options", __base__=llm.Options, **offered)
    return made


def _kind(declared: Any) -> type:
    """Return the type of a field, without None."""
    kinds = [kind for kind in get_args(declared) or (declared,) if kind is not type(None)]
    return kinds[0]  # type: ignore[no-any-return]


def _descriptions(docstring: str) -> dict[str, str]:
    """Return the description of each attribute in a docstring, up to the first semicolon or full stop."""
    found = re.findall(r"^    (\w+): (.*?)(?=^    \w+: |^\S|\Z)", docstring, re.MULTILINE | re.DOTALL)
    return {name: re.split(r"[;.] |; see|\.$", " ".join(text.split()))[0] for name, text in found}


class RunModel(llm.Model):
    """A run as a model of `llm`, without conversations: every prompt starts a new text."""

    can_stream = True
    supports_conversation = False
    Options = _options()  # type: ignore[assignment]

    def __init__(self, name: str) -> None:
        self.model_id = f"scriptforge/{_printable(name)}"
        self._name = name
        self._model: Model | None = None

    def execute(
        self,
        prompt: llm.Prompt,
        stream: bool,
        response: llm.Response,
        conversation: llm.Conversation | None,
    ) -> Iterator[str]:
        """Yield a text as it is generated; its seed is recorded in the log of `llm`.

        Raises:
            ModelError: there is a system prompt, an option is out of range, a speaker is unknown, or the run
                cannot be used.
        """
        from scriptforge.api import load
        from scriptforge.api import stream as write
        from scriptforge.generation.rng import fresh_seed

        if prompt.system:
            raise llm.ModelError(
                "Models of scriptforge do not follow instructions: leave out the system prompt."
            )
        chosen = {name: value for name, value in prompt.options if value is not None}
        if "cast" in chosen:
            chosen["cast"] = tuple(filter(None, map(str.strip, chosen["cast"].split(","))))
        chosen.setdefault("seed", fresh_seed())
        response.response_json = {"seed": chosen["seed"]}
        try:
            self._model = self._model or load(self._name)
            yield from map(safe, write(self._model, prime=prompt.prompt or "", **chosen))
        except (ScriptforgeError, OSError) as error:
            raise llm.ModelError(_printable(_explanation(error))) from error


def _explanation(error: ScriptforgeError | OSError) -> str:
    explained = error if isinstance(error, ScriptforgeError) else disk_error(error)
    return str(error) if explained is None else f"{explained.message} {explained.hint}"


def _printable(text: str) -> str:
    """Return a text as the command line prints messages: on one line, safe, and without private data."""
    return safe(redact(" ".join(text.split())))
