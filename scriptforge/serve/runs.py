"""The runs that a room offers: what the page shows of them, and those that are open.

A name from the page is looked up among the runs that there are and never becomes part of a path.
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

_MOST_OPEN = 2
"""Models in memory at once."""


@dataclass(frozen=True)
class Offer:
    """The runs that a page may use.

    Attributes:
        workspace: where they are.
        only: the one run that is offered; None offers all.
    """

    workspace: Workspace
    only: RunFolder | None = None

    @property
    def folders(self) -> dict[str, RunFolder]:
        """Return the runs by name, the latest first."""
        found = [self.only] if self.only else self.workspace.runs()
        return {folder.name: folder for folder in found}

    def folder(self, name: str) -> RunFolder:
        """Return the run of a name.

        Raises:
            UsageError: none is offered under it.
        """
        folders = self.folders
        if name not in folders:
            raise unknown_name("run", name, folders)
        return folders[name]


class OpenRun:
    """A run that is used: its model for all who write, and what it has read.

    Attributes:
        vocabulary: the run's.
        habits: what people do in its training text.
        model: what several threads may use at once.
        read: the texts that it has read.
    """

    def __init__(self, run: Run) -> None:
        self.vocabulary = run.vocabulary
        self.habits = run.description.dataset.habits
        model = run.inference()
        self.model = BatchingModel(model)
        self.read = PrefixCache(model, run.vocabulary, self.habits.turns)


class Runs:
    """The runs of an offer, of which the ones used last are open; methods may be called in any thread.

    Args:
        offer: which there are.
    """

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[str, int], OpenRun] = OrderedDict()
        self._about: dict[tuple[str, int], dict[str, Any] | None] = {}

    def about(self) -> list[dict[str, Any]]:
        """Return what the page shows of each run that can be used."""
        found = []
        for folder in self.offer.folders.values():
            key = _key(folder)
            if key not in self._about:
                self._about[key] = _about(folder)
            if about := self._about[key]:
                found.append({**about, "training": folder.trainer() is not None})
        return found

    def open(self, name: str) -> OpenRun:
        """Return a run, opened.

        Raises:
            UsageError: there is none of that name.
            RunError: it has no weights yet, or is damaged.
        """
        folder = self.offer.folder(name)
        key = _key(folder)
        with self._lock:
            if key not in self._open:
                run = Run(folder)
                run.find_words(self.offer.workspace)
                self._open[key] = OpenRun(run)
                while len(self._open) > _MOST_OPEN:
                    self._open.popitem(last=False)
            self._open.move_to_end(key)
            return self._open[key]

    def describe(self, name: str) -> RunDescription:
        """Return what is known of a run.

        Raises:
            UsageError: there is none of that name.
            RunError: it is damaged.
        """
        return RunDescription.load(self.offer.folder(name))


def _key(folder: RunFolder) -> tuple[str, int]:
    """Return what changes when a run is trained further."""
    try:
        return folder.name, folder.weights.stat().st_mtime_ns
    except OSError:
        return folder.name, 0


def _about(folder: RunFolder) -> dict[str, Any] | None:
    """Return what the page shows of a run; None if it cannot be used yet, or at all."""
    if not folder.weights.is_file():
        return None
    try:
        description = RunDescription.load(folder)
        vocabulary = Vocabulary.load(folder.tokenizer)
        voice = default_voice(config_from_json(description.model))
    except ScriptforgeError:
        return None
    return {
        "name": folder.name,
        "description": description.summary,
        "plain": vocabulary.plain,
        "sources": list(vocabulary.sources),
        "cast": [{"name": token.name, "source": token.source} for token in vocabulary.speaker_tokens],
        "voice": voice,
    }
