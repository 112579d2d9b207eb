"""Text from a model: pieces in the making, and the two ways to have them, whole or as they come.

Knows nothing of training, files or the command line.

Shape letters: B lanes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from scriptforge.copying import Index, Line, lines_of_script, lines_of_text
from scriptforge.errors import RunError
from scriptforge.generation.cast import Cast
from scriptforge.generation.copy_limit import CopyLimit
from scriptforge.generation.decoding import Decoder, Loop, ModelDecoder, Sitting
from scriptforge.generation.grammar import Constraint, build_grammar
from scriptforge.generation.neural_cache import CachedDecoder, CacheParameters
from scriptforge.generation.prompt import Given, build_prompt
from scriptforge.generation.sampling import Sampler
from scriptforge.generation.transcript import new_transcript
from scriptforge.models import LanguageModel, inference_model
from scriptforge.options import DEFAULT_LINES, GenerateOptions
from scriptforge.screenplay.script import Element
from scriptforge.vocabulary import Vocabulary

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class GeneratedText:
    """One text that a model has written.

    Attributes:
        seed: what would make it again.
        text: laid out in lines, each with its line end.
        elements: the same as a script; none where the text is plain.
    """

    seed: int
    text: str
    elements: tuple[Element, ...]

    @property
    def lines(self) -> Iterator[Line]:
        """Its lines, as originality examines them."""
        return lines_of_script(self.elements) if self.elements else lines_of_text(self.text)


def generate(
    model: LanguageModel, vocabulary: Vocabulary, options: GenerateOptions, index: Index | None = None
) -> list[GeneratedText]:
    """Writes the pieces asked for, all at once; the same request gives the same text.

    Args:
        model: in evaluation mode.
        vocabulary: the one it was trained with.
        options: what to write.
        index: of the training text, where `options.max_copy` asks for it.

    Raises:
        UsageError: the request does not suit the model; see `build_prompt`.
    """
    writing = Writing(model, vocabulary, options, index=index)
    for _ in writing:
        pass
    return writing.pieces


def stream(
    model: LanguageModel, vocabulary: Vocabulary, options: GenerateOptions, index: Index | None = None
) -> Iterator[str]:
    """Writes the one piece asked for, and gives its text as it comes; nothing given is taken back.

    Args:
        model: in evaluation mode.
        vocabulary: the one it was trained with.
        options: what to write.
        index: of the training text, where `options.max_copy` asks for it.

    Raises:
        UsageError: the request does not suit the model; see `build_prompt`.
    """
    return (news for (news,) in Writing(model, vocabulary, options, index=index) if news)


class Writing:
    """Texts in the making: going through it writes them, and yields what is new on each of B lanes.

    Args:
        model: in evaluation mode.
        vocabulary: the one it was trained with.
        options: what to write; B is its `count`.
        after: where an earlier writing of one piece paused; its dice are thrown on, and the seed of the
            request is its name alone.
        index: of the training text, where `options.max_copy` asks for it.

    Raises:
        UsageError: the request does not suit the model; see `build_prompt`.
        RunError: `after` is of another model.
    """

    def __init__(
        self,
        model: LanguageModel,
        vocabulary: Vocabulary,
        options: GenerateOptions,
        *,
        after: Sitting | None = None,
        index: Index | None = None,
    ) -> None:
        self._vocabulary = vocabulary
        self._seeds = range(options.seed, options.seed + options.count)
        self._prompt = build_prompt(
            options, vocabulary, goes_on=after is not None, source=_source_of(after, vocabulary)
        )
        self._lanes = [_Lane(options, vocabulary) for _ in self._seeds]
        decoder = _decoder(inference_model(model, "int8" if options.int8 else "fp32"), vocabulary, options)
        self._copying = (
            CopyLimit(index, vocabulary, options.max_copy, options.count)
            if index and options.max_copy
            else None
        )
        self._loop = Loop(
            decoder,
            build_grammar(vocabulary, _CPU),
            self._constraints(options),
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
                yield [lane.begin(part.ids) for lane in self._lanes]
            else:
                drawn = self._loop.draw(part.choices)
                yield [lane.begin([id_]) for lane, id_ in zip(self._lanes, drawn, strict=True)]
        while not all(lane.is_finished for lane in self._lanes):
            drawn = self._loop.draw()
            yield [lane.push(id_) for lane, id_ in zip(self._lanes, drawn, strict=True)]

    @property
    def pieces(self) -> list[GeneratedText]:
        """The pieces, once they are written."""
        return [lane.piece(seed) for lane, seed in zip(self._lanes, self._seeds, strict=True)]

    @property
    def relaxed(self) -> int:
        """How often more had to be copied than was asked for, since nothing else could come."""
        return self._copying.relaxed if self._copying else 0

    def pause(self) -> Sitting:
        """Puts the one piece that was written aside; a writing `after` it goes on without a seam."""
        (lane,) = self._lanes
        return self._loop.pause(take_back=not self._vocabulary.is_text[lane.latest])

    def _resume(self, sitting: Sitting) -> None:
        (lane,) = self._lanes
        try:
            if sitting.logits_BV.shape != (1, self._vocabulary.size):
                raise ValueError("the scores are not of this vocabulary")
            self._loop.resume(sitting)
            lane.resume(sitting.ids_TB[:, 0].tolist())
        except (RuntimeError, ValueError, KeyError, IndexError) as error:
            raise RunError(
                "The saved state does not fit what is asked of this model.",
                "Ask for the same --cache as then, or begin anew and save with --save-state.",
            ) from error

    def _constraints(self, options: GenerateOptions) -> list[Constraint]:
        constraints: list[Constraint] = [self._copying] if self._copying else []
        must_speak = options.turns is not None
        if must_speak or options.cast or options.next_speaker or not options.stage_directions:
            cast = Cast(options, self._vocabulary, options.count, _CPU, must_speak=must_speak)
            constraints.append(cast)
        return constraints


def _source_of(sitting: Sitting | None, vocabulary: Vocabulary) -> str | None:
    """In a mix, the corpus that the text of a sitting is written like."""
    by_id = {id_: source for source, id_ in vocabulary.sources.items()}
    ids = sitting.ids_TB[:, 0].tolist() if sitting else []
    return next((by_id[id_] for id_ in reversed(ids) if id_ in by_id), None)


def _decoder(model: LanguageModel, vocabulary: Vocabulary, options: GenerateOptions) -> Decoder:
    if options.cache:
        return CachedDecoder(model, options.count, CacheParameters(options.cache), vocabulary)
    return ModelDecoder(model, options.count)


class _Lane:
    """One piece in the making, and whether it is as long as it was to be."""

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

    def piece(self, seed: int) -> GeneratedText:
        """What was written, but for what was resumed from."""
        return GeneratedText(seed, "".join(self._text), self._transcript.elements[self._past_lines :])

    def resume(self, ids: Sequence[int]) -> None:
        """Takes what was written and shown before, up to the end of a line."""
        for id_ in (*ids, self._end):
            self._transcript.push(id_)
        self._past_lines, self._past_turns = self._transcript.lines, self._transcript.turns

    def begin(self, ids: Sequence[int]) -> str:
        """Takes ids that were given, and gives the text they are."""
        news = "".join(map(self._transcript.push, ids))
        self._text.append(news)
        return news

    def push(self, id_: int) -> str:
        """Takes an id that was drawn, and gives the text that can now be shown."""
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
