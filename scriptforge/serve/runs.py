"""The runs that a room offers, and those of them that are loaded.

A name from the page is looked up among the existing runs and never becomes part of a path.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from scriptforge.errors import ScriptforgeError, unknown_name
from scriptforge.generation.voice import default_voice
from scriptforge.inference import config_from_json
from scriptforge.run.records import RunDescription
from scriptforge.run.run import Run
from scriptforge.serve.batching import BatchingModel
from scriptforge.serve.prefix_cache import PrefixCache
from scriptforge.vocabulary import Vocabulary
from scriptforge.workspace import RunFolder, Workspace

_MAX_LOADED = 2
"""Maximum number of models in memory at once."""


@dataclass(frozen=True)
class OfferedRuns:
    """The runs that the page may use.

    Attributes:
        workspace: the workspace that has the runs.
        only: the single run that is offered; None offers all.
    """

    workspace: Workspace
    only: RunFolder | None = None

    @property
    def folders(self) -> dict[str, RunFolder]:
        """Return the offered runs by name, the latest first."""
        found = [self.only] if self.only else self.workspace.runs()
        return {folder.name: folder for folder in found}

    def folder(self, name: str) -> RunFolder:
        """Return the offered run of that name.

        Raises:
            UsageError: there is none.
        """
        folders = self.folders
        if name not in folders:
            raise unknown_name("run", name, folders)
        return folders[name]


class LoadedRun:
    """A loaded run: its model, shared by all threads that write, and a cache of the texts it has read.

    Attributes:
        vocabulary: vocabulary of the run.
        statistics: those of its training text that constrain what is generated.
        model: the model, which several threads may use at once.
        prefix_cache: cache of the texts that the model has read.
    """

    def __init__(self, run: Run) -> None:
        self.vocabulary = run.vocabulary
        self.statistics = run.description.dataset.statistics
        model = run.inference()
        self.model = BatchingModel(model)
        self.prefix_cache = PrefixCache(model, run.vocabulary, self.statistics.turns)


class Runs:
    """The offered runs, of which those used last are loaded. Its methods may be called from any thread.

    Args:
        offered: the runs that the page may use.
    """

    def __init__(self, offered: OfferedRuns) -> None:
        self.offered = offered
        self._lock = threading.Lock()
        self._loaded: OrderedDict[tuple[str, int], LoadedRun] = OrderedDict()
        self._summaries: dict[tuple[str, int], dict[str, Any] | None] = {}

    def summaries(self) -> list[dict[str, Any]]:
        """Return a summary of each usable run for the page."""
        found = []
        for folder in self.offered.folders.values():
            key = _key(folder)
            if key not in self._summaries:
                self._summaries[key] = _summarise(folder)
            if about := self._summaries[key]:
                found.append({**about, "training": folder.training_process() is not None})
        return found

    def load(self, name: str) -> LoadedRun:
        """Return a run, and load it if necessary.

        Raises:
            UsageError: there is no run of that name.
            RunError: it has no weights yet, or is damaged.
        """
        folder = self.offered.folder(name)
        key = _key(folder)
        with self._lock:
            if key not in self._loaded:
                self._loaded[key] = LoadedRun(Run(folder))
                while len(self._loaded) > _MAX_LOADED:
                    self._loaded.popitem(last=False)
            self._loaded.move_to_end(key)
            return self._loaded[key]

    def describe(self, name: str) -> RunDescription:
        """Return the description of a run.

        Raises:
            UsageError: there is no run of that name.
            RunError: it is damaged.
        """
        return RunDescription.load(self.offered.folder(name))


def _key(folder: RunFolder) -> tuple[str, int]:
    """Return a cache key for a run, which changes when the run is trained further."""
    try:
        return folder.name, folder.weights.stat().st_mtime_ns
    except OSError:
        return folder.name, 0


def _summarise(folder: RunFolder) -> dict[str, Any] | None:
    """Return a summary of a run for the page; None if it has no weights yet or is damaged."""
    try:
        if not folder.weights.is_file():
            return None
        description = RunDescription.load(folder)
        vocabulary = Vocabulary.load(folder.tokenizer)
        voice = default_voice(config_from_json(description.model))
    except (ScriptforgeError, OSError):
        return None
    return {
        "name": folder.name,
        "description": description.summary,
        "plain": vocabulary.plain,
        "sources": list(vocabulary.sources),
        "cast": [{"name": token.name, "source": token.source} for token in vocabulary.speaker_tokens],
        "voice": voice,
        "spells": not vocabulary.plain and vocabulary.level != "word",
    }
