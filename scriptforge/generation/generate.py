"""Text from a model: `Generation` with any model, `Session` with that of a run.

Every request takes the same steps: names are looked up and the prime is parsed (`cast.py`, `prompt.py`), the
prompt is given to the decoding loop (`decoding.py`), and the ids drawn become text (`transcript.py`).
`Session` adds what needs a run: it checks names against the cast, resumes and saves states, and measures
how much was copied. The module does not depend on training, the command line or the Hub: the caller finds
the run.

Shape letters: B sequences of the batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scriptforge.dataset import Dataset
from scriptforge.errors import RunError, UsageError, nearest
from scriptforge.generation.assembly import best_of, new_copy_limit, new_decoder, new_loop
from scriptforge.generation.cast import check_known, find_strangers, frequent_near, resolve_cast, tidy_name
from scriptforge.generation.decoding_state import DecodingState, check_state_path, load_state, save_state
from scriptforge.generation.grammar import Boundary
from scriptforge.generation.prompt import (
    Given,
    Prime,
    build_prompt,
    check_options,
    check_size,
    parse_prime,
)
from scriptforge.generation.rng import candidate_seeds, fresh_seed
from scriptforge.generation.transcript import SizedText, cut_back, new_transcript
from scriptforge.inference import SupportsInference
from scriptforge.options import GenerateOptions
from scriptforge.run.history import read_history
from scriptforge.run.run import Run
from scriptforge.screenplay.script import Element, speaker_key
from scriptforge.text_statistics import TextStatistics
from scriptforge.vocabulary import Vocabulary
from scriptforge.workspace import expand_home

if TYPE_CHECKING:
    from scriptforge.copying import Index, Line, OriginalityReport
    from scriptforge.generation.best_of import TextLoop


@dataclass(frozen=True)
class GeneratedText:
    """One text that a model has written.

    Attributes:
        seed: seed with which it can be written again.
        text: the text as lines, each with its line end.
        elements: the same as elements of a script; empty for plain text.
        continues: whether it continues a saved text.
    """

    seed: int
    text: str
    elements: tuple[Element, ...]
    continues: bool = False

    @property
    def lines(self) -> "Iterator[Line]":
        """Return its lines, as `scriptforge.copying` examines them."""
        from scriptforge.copying import lines_of_script, lines_of_text

        return lines_of_script(self.elements) if self.elements else lines_of_text(self.text)


class Generation:
    """The generation of B texts, B the `count`: iterating generates them, and yields what is new in each.

    Args:
        model: a run, a model in training, or an inference model.
        vocabulary: the vocabulary that it was trained with.
        options: generation options; the same ones with a seed give the same texts.
        after: state of an earlier generation of one text to continue. One text without a seed continues with
            its random numbers. With a seed or several texts, or if lines are cut off, the earlier text is
            read again and everything after it is drawn anew.
        seed_before: seed of that text, which is also that of its exact continuation.
        index: index of the training text; needed for `options.max_copy`.
        statistics: statistics of the training text; rules that compare with it are off without them.

    Attributes:
        options: generation options.
        seed: seed of the first text, drawn if none was given.
        draws_anew: whether random numbers come from the seed, rather than continue those of an earlier text.

    Raises:
        UsageError: the options do not fit the model; see `resolve_cast` and the functions of `prompt.py`.
        RunError: `after` is of another model.
    """

    def __init__(
        self,
        model: SupportsInference,
        vocabulary: Vocabulary,
        options: GenerateOptions,
        *,
        after: DecodingState | None = None,
        seed_before: int = 0,
        index: "Index | None" = None,
        statistics: TextStatistics | None = None,
    ) -> None:
        check_options(options, vocabulary)
        cast = resolve_cast(options, vocabulary)
        before = _ids_before(after, options.back, vocabulary)
        speakers_before = _speakers_of(before, vocabulary)
        prime = parse_prime(options.prime, cast, vocabulary, speakers_before)
        check_size(options, prime, vocabulary)
        scene = [*speakers_before, *prime.speakers]
        self._check_names(_names(options, prime), scene)
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
        reader = new_decoder(model.inference("int8" if options.int8 else "fp32"), vocabulary, options)
        seeds = candidate_seeds(self._seeds, options.best_of)
        statistics = _with_names(statistics or TextStatistics(), scene, vocabulary)
        loop = new_loop(reader, vocabulary, options, cast, seeds, statistics, self._copy_limit)
        self._loop: TextLoop = best_of(loop, reader, vocabulary, options) if options.best_of > 1 else loop
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
        """Generate all texts and return them."""
        for _ in self:
            pass
        return self.texts

    def stream(self) -> Iterator[str]:
        """Generate one text, and yield it piece by piece.

        Raises:
            UsageError: several texts are requested.
        """
        if self.options.count > 1:
            raise UsageError("Only one text can be streamed.", "Leave count out, or use generate.")
        return (news for (news,) in self if news)

    @property
    def texts(self) -> list[GeneratedText]:
        """Return the texts, once they are generated."""
        return [
            GeneratedText(seed, each.text, each.elements, each.continues)
            for seed, each in zip(self._seeds, self._sequences, strict=True)
        ]

    @property
    def limit_overrides(self) -> int:
        """Return how often the limit on copying was ignored, since it would have left no token."""
        return self._copy_limit.limit_overrides // self.options.best_of if self._copy_limit else 0

    def pause(self) -> DecodingState:
        """Return the state at the end of the one text, for a `Generation` with it as `after`."""
        (sequence,) = self._sequences
        return self._loop.pause(rollback=not self._vocabulary.is_text[sequence.latest])

    def _check_names(self, names: Sequence[str], scene: Sequence[str]) -> None:
        """Check names that the user gave; for subclasses that know who speaks in the training text.

        Args:
            names: names that the user gave.
            scene: speakers in the text before, and in the prime.
        """

    def _resume(self, state: DecodingState, before: Sequence[int]) -> None:
        try:
            if self.draws_anew:
                self._loop.give_all(before)
            elif state.logits_BV.shape != (self.options.best_of, self._vocabulary.size):
                raise ValueError("the scores are not of this vocabulary")
            elif state.logits_BV.dtype != "float32":
                raise ValueError("the scores are of another type")
            else:
                self._loop.resume(state)
            for sequence in self._sequences:
                sequence.resume(before)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise _unfit_state() from error


def _ids_before(state: DecodingState | None, back: int, vocabulary: Vocabulary) -> list[int]:
    """Return the ids of a saved text without its last `back` lines; empty if there is no state."""
    if state is None:
        return []
    if state.ids_TB.min(initial=0) < 0 or state.ids_TB.max(initial=0) >= vocabulary.size:
        raise _unfit_state()
    ids: list[int] = state.ids_TB[:, 0].tolist()
    try:
        return cut_back(ids, back, vocabulary) if back else ids
    except IndexError as error:
        raise _unfit_state() from error


def _speakers_of(ids: Sequence[int], vocabulary: Vocabulary) -> list[str]:
    """Return who speaks in a saved text, each once."""
    transcript = new_transcript(vocabulary)
    try:
        for id_ in (*ids, vocabulary.end):
            transcript.push(id_)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise _unfit_state() from error
    return list(dict.fromkeys(element.speaker for element in transcript.elements if element.speaker))


def _with_names(statistics: TextStatistics, scene: Sequence[str], vocabulary: Vocabulary) -> TextStatistics:
    """Return statistics in which everybody in the scene speaks, too; if anybody may speak, as they are."""
    if not statistics.names:
        return statistics
    strangers = find_strangers(scene, vocabulary, statistics.names)
    return statistics._replace(names=(*statistics.names, *strangers)) if strangers else statistics


def _unfit_state() -> RunError:
    return RunError(
        "The saved state does not match these options.",
        "Use the same --cache and --best-of as then, or start again and save with --save-state.",
    )


def _source_of(ids: Sequence[int], vocabulary: Vocabulary) -> str | None:
    """Return the source of a text; None if it has none yet, or there is no mix."""
    by_id = {id_: source for source, id_ in vocabulary.sources.items()}
    return next((by_id[id_] for id_ in reversed(ids) if id_ in by_id), None)


class Session(Generation):
    """The generation of texts with a run.

    Args:
        run: the run whose model is used.
        options: generation options, with the saved state to continue and where to save the next one.
        dataset: the dataset that the run was trained on; needed for `options.max_copy` and `originality`.

    Attributes:
        run: the run whose model is used.
        notes: what the user should know before reading the texts, one line each.

    Raises:
        UsageError: the options do not fit the model, or the state would replace a file that is none.
        RunError: the state is missing, damaged, or of another model.
    """

    def __init__(self, run: Run, options: GenerateOptions, *, dataset: Dataset | None = None) -> None:
        if options.save_state:
            check_state_path(expand_home(options.save_state))
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
            statistics=run.description.dataset.statistics,
        )
        self.notes += [*_warn_of_little_training(run), *_warn_of_unknown_words(run, options)]

    def __iter__(self) -> Iterator[list[str]]:
        yield from super().__iter__()
        if self.options.save_state:
            self.save_state(expand_home(self.options.save_state))

    def save_state(self, path: Path) -> None:
        """Save the state at the end of the one text; nothing can be generated afterwards."""
        save_state(self.pause(), path, weights=self.run.fingerprint, seed=self.seed)

    def originality(self) -> "list[OriginalityReport]":
        """Return a report for each text on how much is copied, with human text as a baseline."""
        from scriptforge.copying import examine_texts

        assert self._dataset is not None, "a session that examines its texts needs the dataset"
        return examine_texts([text.lines for text in self.texts], self._dataset, self._index)

    def _check_names(self, names: Sequence[str], scene: Sequence[str]) -> None:
        """Check that each name is a speaker's, and add notes on strangers and on those who hardly speak."""
        vocabulary, cast = self.run.vocabulary, self.run.description.dataset.cast
        writable = [name for name in scene if not vocabulary.unknown_words(name)]
        check_known(names, vocabulary, [*cast, *writable])
        strangers = find_strangers(names, vocabulary, cast)
        self.notes += _warn_of_strangers(strangers, [*vocabulary.speakers, *cast])
        strange = frozenset(map(speaker_key, strangers))
        familiar = [name for name in names if speaker_key(tidy_name(name)) not in strange]
        self.notes += _question_rare(familiar, vocabulary)


def _index_of(dataset: Dataset) -> "Index":
    from scriptforge.copying import index_training

    return index_training(dataset)


def _warn_of_unknown_words(run: Run, options: GenerateOptions) -> Iterator[str]:
    is_spelled = run.vocabulary.level != "word"
    if is_spelled and run.vocabulary.lexicon is None and not options.invent_words:
        yield (
            f"Run {run.folder.name} may invent words: it has no {run.folder.lexicon.name}. If you have its"
            " dataset, copy that file from there."
        )


_LITTLE_EPOCHS, _LITTLE_STEPS = 0.1, 500
"""A model trained for fewer epochs and fewer steps writes only the commonest words, at best."""


def _names(options: GenerateOptions, prime: Prime) -> list[str]:
    """Return all names that the user gave: in the cast, for voices, as next speaker, and in the prime."""
    named = [
        *options.cast,
        *options.voices,
        *([options.next_speaker] if options.next_speaker else []),
        *prime.speakers,
    ]
    return list(dict.fromkeys(named))


def _warn_of_strangers(strangers: Sequence[str], known: Sequence[str]) -> Iterator[str]:
    """Yield a note for each name that nobody has in the training text, with those who may be meant."""
    for name in strangers:
        near = nearest(name, known)
        question = f" Did you mean {' or '.join(near)}?" if near else ""
        yield (
            f"“{name}” does not speak in the training text, so their lines sound like nobody in particular."
            f"{question}"
        )


def _question_rare(names: Sequence[str], vocabulary: Vocabulary) -> Iterator[str]:
    """Yield a question for each name of a rare speaker that is nearly that of a frequent one."""
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
