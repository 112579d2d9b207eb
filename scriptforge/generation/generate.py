"""Text from a model: `generate` returns whole texts, `stream` yields one as it is written.

What a person asks for takes one way: the prime is parsed and names are looked up (`cast.py`, `prompt.py`),
the prompt is given to the decoding loop (`decoding.py`), and the ids that come out become text
(`transcript.py`). `Generation` is that way for a model; `Session` adds what belongs to a run: it checks names
against the cast, continues and saves a state, and examines how much was copied. The module knows nothing of
training, of the command line, and of the Hub: the run is found by the caller.

Shape letters: B sequences of the batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scriptforge.dataset import Dataset
from scriptforge.errors import RunError, UsageError
from scriptforge.generation.assembly import best_of, new_copy_limit, new_loop, new_reader
from scriptforge.generation.cast import check_known, frequent_near, resolve_cast
from scriptforge.generation.decoding import DecodingLoop, DecodingState, load_state, save_state
from scriptforge.generation.grammar import Boundary
from scriptforge.generation.prompt import Given, Prime, build_prompt, check_options, parse_prime
from scriptforge.generation.rng import candidate_seeds, fresh_seed
from scriptforge.generation.transcript import SizedText, cut_back
from scriptforge.inference import Readable
from scriptforge.options import GenerateOptions
from scriptforge.run.history import read_history
from scriptforge.run.records import Habits
from scriptforge.run.run import Run
from scriptforge.screenplay.script import Element
from scriptforge.vocabulary import Vocabulary
from scriptforge.workspace import expand_home

if TYPE_CHECKING:
    from scriptforge.copying import Index, Line, OriginalityReport
    from scriptforge.generation.best_of import BestOf


@dataclass(frozen=True)
class GeneratedText:
    """One text that a model has written.

    Attributes:
        seed: what would make it again.
        text: laid out in lines, each with its line end.
        elements: the same as a script; none if the text is plain.
        continues: whether it goes on a saved text.
    """

    seed: int
    text: str
    elements: tuple[Element, ...]
    continues: bool = False

    @property
    def lines(self) -> "Iterator[Line]":
        """Return its lines, as originality examines them."""
        from scriptforge.copying import lines_of_script, lines_of_text

        return lines_of_script(self.elements) if self.elements else lines_of_text(self.text)


def generate(
    model: Readable, vocabulary: Vocabulary, options: GenerateOptions, index: "Index | None" = None
) -> list[GeneratedText]:
    """Write the texts asked for, all at once; the same options with a seed give the same texts.

    Args:
        model: what writes: a run, a model in training, or an inference model.
        vocabulary: the one it was trained with.
        options: what to write.
        index: of the training text, where `options.max_copy` asks for it.

    Raises:
        UsageError: the options do not suit the model; see `resolve_cast`, `parse_prime` and `build_prompt`.
    """
    return Generation(model, vocabulary, options, index=index).write()


def stream(
    model: Readable, vocabulary: Vocabulary, options: GenerateOptions, index: "Index | None" = None
) -> Iterator[str]:
    """Write the one text asked for, and yield it as it comes; what was yielded never changes.

    Arguments and errors are those of `generate`; the `count` must be 1.
    """
    return Generation(model, vocabulary, options, index=index).stream()


class Generation:
    """The writing of B texts, B the `count`: iterating over it writes them, and yields what is new in each.

    Args:
        model, vocabulary, options, index: as of `generate`.
        after: where an earlier generation of one text paused. One text without a seed continues its random
            numbers. If a seed is given, or several texts, or if lines are cut off, the text before is read
            again and all that follows is drawn anew.
        seed_before: the seed of that text, by which its exact continuation is known.
        habits: what people do in the training text.

    Attributes:
        options: what is written.
        seed: that of the first text, drawn where none was given.
        draws_anew: whether the seed decides what comes, and not the random numbers of the text before.

    Raises:
        UsageError: the options do not suit the model; see `resolve_cast`, `parse_prime` and `build_prompt`.
        RunError: `after` is of another model.
    """

    def __init__(
        self,
        model: Readable,
        vocabulary: Vocabulary,
        options: GenerateOptions,
        *,
        after: DecodingState | None = None,
        seed_before: int = 0,
        index: "Index | None" = None,
        habits: Habits | None = None,
    ) -> None:
        check_options(options, vocabulary)
        cast = resolve_cast(options, vocabulary)
        prime = parse_prime(options.prime, cast, vocabulary)
        self._check_names(_names(options, prime))
        before = _ids_before(after, options.back, vocabulary)
        self._prompt = build_prompt(
            options,
            cast,
            prime,
            vocabulary,
            continues=after is not None,
            source=_source_of(before, vocabulary),
        )
        self.options = options
        self.draws_anew = after is None or options.seed is not None or options.count > 1 or options.back > 0
        fresh = fresh_seed() if options.seed is None else options.seed
        self.seed = fresh if self.draws_anew else seed_before
        self._vocabulary = vocabulary
        self._seeds = range(self.seed, self.seed + options.count)
        self._sequences = [SizedText(options, vocabulary) for _ in self._seeds]
        self._copy_limit = new_copy_limit(index, vocabulary, options)
        reader = new_reader(model.inference("int8" if options.int8 else "fp32"), vocabulary, options)
        seeds = candidate_seeds(self._seeds, options.best_of)
        loop = new_loop(reader, vocabulary, options, cast, seeds, habits or Habits(), self._copy_limit)
        self._loop: DecodingLoop | BestOf = (
            best_of(loop, reader, vocabulary, options) if options.best_of > 1 else loop
        )
        if after:
            self._resume(after, before)

    def __iter__(self) -> Iterator[list[str]]:
        boundary: Boundary | None = None
        for part in self._prompt:
            if isinstance(part, Given):
                boundary = part.boundary
                self._loop.give(part.ids)
                yield [sequence.begin(part.ids) for sequence in self._sequences]
            else:
                drawn = self._loop.draw(part.choices)
                yield [sequence.begin(ids) for sequence, ids in zip(self._sequences, drawn, strict=True)]
        excluded_V = boundary.excluded(self._vocabulary) if boundary else None
        while not all(sequence.is_finished for sequence in self._sequences):
            drawn = self._loop.draw(excluded_V=excluded_V)
            excluded_V = None
            yield [sequence.push(ids) for sequence, ids in zip(self._sequences, drawn, strict=True)]

    def write(self) -> list[GeneratedText]:
        """Write all texts and return them."""
        for _ in self:
            pass
        return self.texts

    def stream(self) -> Iterator[str]:
        """Write the one text asked for, and yield it as it comes.

        Raises:
            UsageError: several are asked for.
        """
        if self.options.count > 1:
            raise UsageError("Only one text can be streamed.", "Leave count out, or use generate.")
        return (news for (news,) in self if news)

    @property
    def texts(self) -> list[GeneratedText]:
        """Return the texts, once they are written."""
        return [
            GeneratedText(seed, each.text, each.elements, each.continues)
            for seed, each in zip(self._seeds, self._sequences, strict=True)
        ]

    @property
    def relaxed(self) -> int:
        """Return how often more was copied than asked for, since nothing else could come."""
        return self._copy_limit.relaxed // self.options.best_of if self._copy_limit else 0

    def pause(self) -> DecodingState:
        """Return the state of the one text that was written; a generation `after` it continues seamlessly."""
        (sequence,) = self._sequences
        return self._loop.pause(rollback=not self._vocabulary.is_text[sequence.latest])

    def _check_names(self, names: Sequence[str]) -> None:
        """Check those whom a person named, where it is known who speaks in the training text."""

    def _resume(self, state: DecodingState, before: Sequence[int]) -> None:
        try:
            if self.draws_anew:
                self._loop.give_all(before)
            elif state.logits_BV.shape != (self.options.best_of, self._vocabulary.size):
                raise ValueError("the scores are not of this vocabulary")
            else:
                self._loop.resume(state)
            for sequence in self._sequences:
                sequence.resume(before)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise _unfit_state() from error


def _ids_before(state: DecodingState | None, back: int, vocabulary: Vocabulary) -> list[int]:
    """Return the ids of the text that a state continues, without the lines that are cut off; none of none."""
    if state is None:
        return []
    ids: list[int] = state.ids_TB[:, 0].tolist()
    try:
        return cut_back(ids, back, vocabulary) if back else ids
    except IndexError as error:
        raise _unfit_state() from error


def _unfit_state() -> RunError:
    return RunError(
        "The saved state does not match these options.",
        "Ask for the same --cache and --best-of as then, or start again and save with --save-state.",
    )


def _source_of(ids: Sequence[int], vocabulary: Vocabulary) -> str | None:
    """Return, in a mix, the corpus that a text is written like."""
    by_id = {id_: source for source, id_ in vocabulary.sources.items()}
    return next((by_id[id_] for id_ in reversed(ids) if id_ in by_id), None)


class Session(Generation):
    """The writing of some texts with a run.

    Args:
        run: whose model writes.
        options: what to write, after which saved state, and where to save the next one.
        dataset: what the run was trained on; needed for `options.max_copy` and `originality`.

    Attributes:
        notes: what a person should know before they read the texts, a line each.

    Raises:
        UsageError: the options do not suit the model.
        RunError: the state is missing, damaged, or of another model.
    """

    def __init__(self, run: Run, options: GenerateOptions, *, dataset: Dataset | None = None) -> None:
        state, seed = (
            load_state(expand_home(options.continue_from), weights=run.fingerprint)
            if options.continue_from
            else (None, 0)
        )
        self.run = run
        self.notes: list[str] = []
        self._dataset = dataset
        self._index = _index_of(dataset) if dataset else None
        super().__init__(
            run,
            run.vocabulary,
            options,
            after=state,
            seed_before=seed,
            index=self._index,
            habits=run.description.dataset.habits,
        )
        self.notes += [*_warn_of_little_training(run), *_warn_of_unknown_words(run, options)]

    def __iter__(self) -> Iterator[list[str]]:
        yield from super().__iter__()
        if self.options.save_state:
            self.save_state(expand_home(self.options.save_state))

    def save_state(self, path: Path) -> None:
        """Save where the one text that was written ends; nothing can be written afterwards."""
        save_state(self.pause(), path, weights=self.run.fingerprint, seed=self.seed)

    def originality(self) -> "list[OriginalityReport]":
        """Return how much of each text is copied from the training text, beside what people copy."""
        from scriptforge.copying import examine_texts

        assert self._dataset is not None, "a session that examines its texts needs the dataset"
        return examine_texts([text.lines for text in self.texts], self._dataset, self._index)

    def _check_names(self, names: Sequence[str]) -> None:
        """Check that each name is that of somebody, and question those that hardly speak."""
        check_known(names, self.run.vocabulary, self.run.description.dataset.cast)
        self.notes += _question_rare(names, self.run.vocabulary)


def _index_of(dataset: Dataset) -> "Index":
    from scriptforge.copying import index_training

    return index_training(dataset)


def _warn_of_unknown_words(run: Run, options: GenerateOptions) -> Iterator[str]:
    is_spelled = run.vocabulary.level != "word"
    if is_spelled and run.vocabulary.lexicon is None and not options.invent_words:
        yield (
            f"Run {run.folder.name} may invent words: it has no lexicon, and its dataset is not in this"
            " workspace."
        )


_LITTLE_EPOCHS, _LITTLE_STEPS = 0.1, 500
"""A model that has read less of its text, in fewer steps, writes the commonest words at best."""


def _names(options: GenerateOptions, prime: Prime) -> list[str]:
    """Return everybody whom a person named: in the cast, for a voice, as the next one, or in the prime."""
    named = [
        *options.cast,
        *options.voices,
        *([options.next_speaker] if options.next_speaker else []),
        *prime.speakers,
    ]
    return list(dict.fromkeys(named))


def _question_rare(names: Sequence[str], vocabulary: Vocabulary) -> Iterator[str]:
    """Yield a question for each name that hardly occurs and is nearly that of somebody who speaks often."""
    for name in names:
        meant = frequent_near(name, vocabulary)
        if meant:
            yield f"“{name}” has very few lines in the text. Did you mean {meant}?"


def _warn_of_little_training(run: Run) -> Iterator[str]:
    result = run.description.result
    read = [each.epochs for each in read_history(run.folder) if result and each.step == result.step]
    if result and read and read[-1] < _LITTLE_EPOCHS and result.step < _LITTLE_STEPS:
        yield (
            f"Run {run.folder.name} has read {read[-1]:.2f} epochs of its text, too little to write."
            f" Train it further: {run.folder.command_to_resume('--minutes', 5)}"
        )
