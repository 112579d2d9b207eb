"""A session: texts from a trained run, from the options to files.

A session checks names against the run's cast, continues a saved state, writes, saves the state, and examines
how much was copied. It is what the command line and `scriptforge.generate` have in common. The module knows
nothing of the Hub: the run is found by the caller.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from scriptforge.copying import OriginalityReport, examine_texts, index_training
from scriptforge.dataset import Dataset
from scriptforge.errors import UsageError
from scriptforge.generation.cast import check_known
from scriptforge.generation.decoding import load_state, save_state
from scriptforge.generation.generate import GeneratedText, Generation
from scriptforge.options import GenerateOptions
from scriptforge.run.run import Run
from scriptforge.screenplay.formats import write
from scriptforge.screenplay.script import Script
from scriptforge.workspace import atomic_write

PLAIN_FORMAT = "txt"


class Session:
    """The writing of some texts with a run.

    Args:
        run: whose model writes.
        options: what to write.
        dataset: what the run was trained on; needed for `options.max_copy` and `originality`.
        continue_from: the file of a saved state, after which the one text begins. Its seed replaces that of
            the options.

    Raises:
        UsageError: the options do not suit the model.
        RunError: the state is missing, damaged, or of another model.
    """

    def __init__(
        self,
        run: Run,
        options: GenerateOptions,
        *,
        dataset: Dataset | None = None,
        continue_from: Path | None = None,
    ) -> None:
        if not run.vocabulary.plain:
            names = [*options.cast, *([options.next_speaker] if options.next_speaker else [])]
            check_known(names, run.vocabulary, run.description.dataset.cast)
        state, seed = (
            load_state(continue_from, weights=run.fingerprint) if continue_from else (None, options.seed)
        )
        self.run = run
        self.options = replace(options, seed=seed)
        self._dataset = dataset
        self._index = index_training(dataset) if dataset else None
        self._generation = Generation(run.model, run.vocabulary, self.options, after=state, index=self._index)

    @property
    def texts(self) -> list[GeneratedText]:
        """Return the texts, once they are written."""
        return self._generation.texts

    @property
    def relaxed(self) -> int:
        """Return how often more was copied than asked for, since nothing else could come."""
        return self._generation.relaxed

    def write(self) -> list[GeneratedText]:
        """Write all texts and return them."""
        for _ in self._generation:
            pass
        return self.texts

    def stream(self) -> Iterator[str]:
        """Write the one text asked for, and yield it as it comes."""
        return (news for (news,) in self._generation if news)

    def save_state(self, path: Path) -> None:
        """Save where the one text that was written ends; nothing can be written afterwards."""
        save_state(self._generation.pause(), path, weights=self.run.fingerprint, seed=self.options.seed)

    def originality(self) -> list[OriginalityReport]:
        """Return how much of each text is copied from the training text, beside what people copy."""
        assert self._dataset is not None, "a session that examines its texts needs the dataset"
        return examine_texts([text.lines for text in self.texts], self._dataset, self._index)


def lay_out(text: GeneratedText, format: str, *, plain: bool) -> str:
    """Return a text in a format.

    Args:
        text: what was written.
        format: a key of `scriptforge.screenplay.formats.WRITERS`.
        plain: whether the model writes plain text, which is no script.

    Raises:
        UsageError: plain text is asked for as a script.
    """
    if format == PLAIN_FORMAT:
        return text.text
    if plain:
        raise UsageError(
            f"This model writes plain text, which cannot be laid out as {format}.",
            "Leave --format out, or train on a corpus prepared without --plain.",
        )
    return write(Script.from_elements("", text.elements), format)


def write_files(
    path: Path, session: Session, layouts: Sequence[str], format: str, *, force: bool
) -> Iterator[str]:
    """Write each text into a file of its own; if there are several, the seed is in the file's name.

    Args:
        path: the file, or a folder.
        session: which wrote the texts.
        layouts: the texts, laid out.
        format: what they are laid out in.
        force: whether to replace files that exist.

    Yields:
        A line on each file.

    Raises:
        UsageError: there is a file of that name.
    """
    is_folder = len(layouts) > 1 or path.is_dir()
    for text, layout in zip(session.texts, layouts, strict=True):
        name = f"{session.run.folder.name}-seed-{text.seed}.{format}"
        file = path / name if is_folder else path
        if file.exists() and not force:
            raise UsageError(
                f"There is a file {file} already.", "Replace it with --force, or name another one."
            )
        atomic_write(file, layout)
        yield f"{file} (seed {text.seed})"
