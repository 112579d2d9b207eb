"""Text from a model: `generate` returns whole texts, `stream` yields one as it is written.

What a person asks for takes one way: the prime is parsed and names are looked up (`cast.py`, `prompt.py`),
the prompt is given to the decoding loop (`decoding.py`), and the ids that come out become text
(`transcript.py`). `Generation` is that way for a model; `Session` adds what belongs to a run: it checks names
against the cast, continues and saves a state, and examines how much was copied. The module knows nothing of
training, of the command line, and of the Hub: the run is found by the caller.

Shape letters: B sequences of the batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from scriptforge.copying import (
    Index,
    Line,
    OriginalityReport,
    examine_texts,
    index_training,
    lines_of_script,
    lines_of_text,
)
from scriptforge.dataset import Dataset
from scriptforge.errors import RunError, UsageError
from scriptforge.generation.cast import CastConstraint, ResolvedCast, check_known, resolve_cast
from scriptforge.generation.copy_limit import CopyLimit
from scriptforge.generation.decoding import DecodingLoop, DecodingState, ModelDecoder, load_state, save_state
from scriptforge.generation.grammar import Constraint, Grammar
from scriptforge.generation.neural_cache import CachedDecoder, CacheParameters
from scriptforge.generation.prompt import Given, build_prompt, check_options
from scriptforge.generation.sampling import Sampler
from scriptforge.generation.transcript import new_transcript
from scriptforge.models import LanguageModel, inference_model
from scriptforge.options import DEFAULT_LINES, GenerateOptions
from scriptforge.run.run import Run
from scriptforge.screenplay.formats import write
from scriptforge.screenplay.script import Element, Script
from scriptforge.vocabulary import Vocabulary
from scriptforge.workspace import atomic_write


@dataclass(frozen=True)
class GeneratedText:
    """One text that a model has written.

    Attributes:
        seed: what would make it again.
        text: laid out in lines, each with its line end.
        elements: the same as a script; none if the text is plain.
    """

    seed: int
    text: str
    elements: tuple[Element, ...]

    @property
    def lines(self) -> Iterator[Line]:
        """Return its lines, as originality examines them."""
        return lines_of_script(self.elements) if self.elements else lines_of_text(self.text)


def generate(
    model: LanguageModel, vocabulary: Vocabulary, options: GenerateOptions, index: Index | None = None
) -> list[GeneratedText]:
    """Write the texts asked for, all at once; the same options give the same texts.

    Args:
        model: in evaluation mode.
        vocabulary: the one it was trained with.
        options: what to write.
        index: of the training text, where `options.max_copy` asks for it.

    Raises:
        UsageError: the options do not suit the model; see `resolve_cast` and `build_prompt`.
    """
    return Generation(model, vocabulary, options, index=index).write()


def stream(
    model: LanguageModel, vocabulary: Vocabulary, options: GenerateOptions, index: Index | None = None
) -> Iterator[str]:
    """Write the one text asked for, and yield it as it comes; what was yielded never changes.

    Arguments and errors are those of `generate`; the `count` must be 1.
    """
    return Generation(model, vocabulary, options, index=index).stream()


class Generation:
    """The writing of B texts, B the `count`: iterating over it writes them, and yields what is new in each.

    Args:
        model, vocabulary, options, index: as of `generate`.
        after: where an earlier generation of one text paused. Its random numbers are continued, and the seed
            of the options is only what the text is known by.

    Raises:
        UsageError: the options do not suit the model; see `resolve_cast` and `build_prompt`.
        RunError: `after` is of another model.
    """

    def __init__(
        self,
        model: LanguageModel,
        vocabulary: Vocabulary,
        options: GenerateOptions,
        *,
        after: DecodingState | None = None,
        index: Index | None = None,
    ) -> None:
        check_options(options, vocabulary)
        cast = resolve_cast(options, vocabulary)
        self._prompt = build_prompt(
            options, cast, vocabulary, continues=after is not None, source=_source_of(after, vocabulary)
        )
        self._vocabulary = vocabulary
        self._seeds = range(options.seed, options.seed + options.count)
        self._sequences = [_Sequence(options, vocabulary) for _ in self._seeds]
        self._copy_limit = (
            CopyLimit(index, vocabulary, options.max_copy, options.count)
            if index is not None and options.max_copy is not None
            else None
        )
        self._loop = DecodingLoop(
            _decoder(model, vocabulary, options),
            Grammar(vocabulary),
            _constraints(self._copy_limit, cast, options, vocabulary),
            Sampler(options, self._seeds, torch.from_numpy(vocabulary.is_text)),
            int((~vocabulary.is_text).sum()),
            options.count,
        )
        if after:
            self._resume(after)

    def __iter__(self) -> Iterator[list[str]]:
        for part in self._prompt:
            if isinstance(part, Given):
                self._loop.give(part.ids)
                yield [sequence.begin(part.ids) for sequence in self._sequences]
            else:
                drawn = self._loop.draw(part.choices)
                yield [sequence.begin([id_]) for sequence, id_ in zip(self._sequences, drawn, strict=True)]
        while not all(sequence.is_finished for sequence in self._sequences):
            drawn = self._loop.draw()
            yield [sequence.push(id_) for sequence, id_ in zip(self._sequences, drawn, strict=True)]

    def write(self) -> list[GeneratedText]:
        """Write all texts and return them."""
        for _ in self:
            pass
        return self.texts

    def stream(self) -> Iterator[str]:
        """Write the one text asked for, and yield it as it comes."""
        return (news for (news,) in self if news)

    @property
    def texts(self) -> list[GeneratedText]:
        """Return the texts, once they are written."""
        return [sequence.result(seed) for sequence, seed in zip(self._sequences, self._seeds, strict=True)]

    @property
    def relaxed(self) -> int:
        """Return how often more was copied than asked for, since nothing else could come."""
        return self._copy_limit.relaxed if self._copy_limit else 0

    def pause(self) -> DecodingState:
        """Return the state of the one text that was written; a generation `after` it continues seamlessly."""
        (sequence,) = self._sequences
        return self._loop.pause(rollback=not self._vocabulary.is_text[sequence.latest])

    def _resume(self, state: DecodingState) -> None:
        (sequence,) = self._sequences
        try:
            if state.logits_BV.shape != (1, self._vocabulary.size):
                raise ValueError("the scores are not of this vocabulary")
            self._loop.resume(state)
            sequence.resume(state.ids_TB[:, 0].tolist())
        except (RuntimeError, ValueError, KeyError, IndexError) as error:
            raise RunError(
                "The saved state does not match these options.",
                "Ask for the same --cache as then, or start again and save with --save-state.",
            ) from error


def _source_of(state: DecodingState | None, vocabulary: Vocabulary) -> str | None:
    """Return, in a mix, the corpus that the text of a state is written like."""
    by_id = {id_: source for source, id_ in vocabulary.sources.items()}
    ids = state.ids_TB[:, 0].tolist() if state else []
    return next((by_id[id_] for id_ in reversed(ids) if id_ in by_id), None)


def _decoder(model: LanguageModel, vocabulary: Vocabulary, options: GenerateOptions) -> ModelDecoder:
    exact_or_int8 = inference_model(model, "int8" if options.int8 else "fp32")
    if options.cache:
        return CachedDecoder(exact_or_int8, options.count, CacheParameters(options.cache), vocabulary)
    return ModelDecoder(exact_or_int8, options.count)


def _constraints(
    copy_limit: CopyLimit | None, cast: ResolvedCast, options: GenerateOptions, vocabulary: Vocabulary
) -> list[Constraint]:
    constraints: list[Constraint] = [copy_limit] if copy_limit else []
    must_speak = options.turns is not None
    if cast.restricts or must_speak:
        constraints.append(CastConstraint(cast, vocabulary, options.count, must_speak=must_speak))
    return constraints


class _Sequence:
    """One text while it is written, and whether it is as long as asked for."""

    def __init__(self, options: GenerateOptions, vocabulary: Vocabulary) -> None:
        self._length = options.length or 1
        self._turns = options.turns or 0
        is_sized = options.length or options.turns or options.lines
        self._lines = (options.lines or 1) if is_sized else DEFAULT_LINES
        self._end = vocabulary.end
        self._transcript = new_transcript(vocabulary)
        self._past_lines = self._past_turns = self._drawn = 0
        self._text: list[str] = []
        self.latest = vocabulary.end
        self.is_finished = False

    def result(self, seed: int) -> GeneratedText:
        """Return what was written, without the text before that was continued."""
        elements = tuple(self._transcript.elements[self._past_lines :])
        return GeneratedText(seed, "".join(self._text), elements)

    def resume(self, ids: Sequence[int]) -> None:
        """Take what was written and shown before, up to the end of a line."""
        for id_ in (*ids, self._end):
            self._transcript.push(id_)
        self._past_lines, self._past_turns = self._transcript.lines, self._transcript.turns

    def begin(self, ids: Sequence[int]) -> str:
        """Take ids of the prompt, and return the text that can now be shown."""
        news = "".join(map(self._transcript.push, ids))
        self._text.append(news)
        return news

    def push(self, id_: int) -> str:
        """Take an id that was drawn, and return the text that can now be shown."""
        if self.is_finished:
            return ""
        self.latest = id_
        self._drawn += 1
        news = self._transcript.push(id_)
        self._text.append(news)
        self.is_finished = (
            self._transcript.is_between_lines
            and self._transcript.lines - self._past_lines >= self._lines
            and self._transcript.turns - self._past_turns >= self._turns
            and self._drawn >= self._length
        )
        return news


PLAIN_FORMAT = "txt"


class Session(Generation):
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
        super().__init__(run.model, run.vocabulary, self.options, after=state, index=self._index)

    def save_state(self, path: Path) -> None:
        """Save where the one text that was written ends; nothing can be written afterwards."""
        save_state(self.pause(), path, weights=self.run.fingerprint, seed=self.options.seed)

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
