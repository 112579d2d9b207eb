"""Text from a model: what is asked for, and the pieces that come of it.

Knows nothing of training, files or the command line.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from scriptforge.errors import UsageError
from scriptforge.generation.decoder import ModelDecoder, Prompt, decode
from scriptforge.generation.grammar import build_grammar
from scriptforge.generation.prompt import build_prompt
from scriptforge.generation.sampler import Sampler, SamplingOptions
from scriptforge.generation.transcript import new_transcript
from scriptforge.models import LanguageModel
from scriptforge.screenplay.script import Element
from scriptforge.vocabulary import Vocabulary

DEFAULT_LINES = 20
_MOST_SEEDS = 2**63


@dataclass(frozen=True)
class Request:
    """What is asked of a model.

    Attributes:
        prime: how the text begins; see `scriptforge.generation.prompt`.
        lines: how many lines the text has, the prime's included: elements in a script, lines that are not
            blank in plain text. None leaves it to `length`.
        length: after how many drawn tokens the text ends, once the line it is on is finished. None leaves it
            to `lines`; where both are None, `DEFAULT_LINES` come.
        count: how many pieces.
        seed: decides what is drawn for the first piece; the others have the seeds that follow.
        sampling: how bold to be.

    Raises:
        UsageError: a value is out of its range, or both a length and lines are asked for.
    """

    prime: str = ""
    lines: int | None = None
    length: int | None = None
    count: int = 1
    seed: int = 0
    sampling: SamplingOptions = field(default_factory=SamplingOptions)

    def __post_init__(self) -> None:
        if self.lines is not None and self.length is not None:
            raise UsageError(
                "A text cannot have both a length and a number of lines.", "Ask for one of them."
            )
        for name in ("lines", "length", "count"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"The {name} must be 1 or more, not {value}.", "Ask for at least 1.")
        if not 0 <= self.seed <= _MOST_SEEDS - self.count:
            raise UsageError(f"The seed cannot be {self.seed}.", "Take a number from 0 to 9 quintillions.")


@dataclass(frozen=True)
class Piece:
    """One text that a model wrote.

    Attributes:
        seed: what would make it again.
        text: laid out in lines, each with its line end.
        elements: the same as a script; none where the text is plain.
    """

    seed: int
    text: str
    elements: tuple[Element, ...]


def generate(model: LanguageModel, vocabulary: Vocabulary, request: Request) -> list[Piece]:
    """Writes the pieces asked for, all at once; the same request gives the same text.

    Args:
        model: in evaluation mode.
        vocabulary: the one it was trained with.
        request: what to write.

    Raises:
        UsageError: the prime cannot be read; see `build_prompt`.
    """
    prompt = build_prompt(request.prime, vocabulary)
    lanes = [_Lane(request, vocabulary, prompt) for _ in range(request.count)]
    texts = map("".join, zip(*_write(lanes, model, vocabulary, request, prompt), strict=True))
    return [
        Piece(request.seed + number, text, lane.elements)
        for number, (text, lane) in enumerate(zip(texts, lanes, strict=True))
    ]


def stream(model: LanguageModel, vocabulary: Vocabulary, request: Request) -> Iterator[str]:
    """Writes the first piece asked for, and gives its text as it comes; nothing given is taken back.

    Args:
        model: in evaluation mode.
        vocabulary: the one it was trained with.
        request: what to write; its `count` does not matter.

    Raises:
        UsageError: the prime cannot be read; see `build_prompt`.
    """
    prompt = build_prompt(request.prime, vocabulary)
    lane = _Lane(request, vocabulary, prompt)
    for (news,) in _write([lane], model, vocabulary, request, prompt):
        if news:
            yield news


class _Lane:
    """One piece in the making, and whether it is as long as it was to be."""

    def __init__(self, request: Request, vocabulary: Vocabulary, prompt: Prompt) -> None:
        self._length = request.length
        self._lines = request.lines or (1 if request.length else DEFAULT_LINES)
        self._transcript = new_transcript(vocabulary)
        self._drawn = -len(prompt.cues[:1] + prompt.line)
        self.is_finished = False

    @property
    def elements(self) -> tuple[Element, ...]:
        """The finished elements."""
        return self._transcript.elements

    def begin(self, ids: Sequence[int]) -> str:
        """Takes ids that were given, and gives the text they are."""
        return "".join(map(self._transcript.push, ids))

    def push(self, id_: int) -> str:
        """Takes an id that was drawn, and gives the text that can now be shown."""
        if self.is_finished:
            return ""
        self._drawn += 1
        news = self._transcript.push(id_)
        self.is_finished = (
            self._transcript.is_between_lines
            and self._transcript.lines >= self._lines
            and self._drawn >= (self._length or 1)
        )
        return news


def _write(
    lanes: Sequence[_Lane], model: LanguageModel, vocabulary: Vocabulary, request: Request, prompt: Prompt
) -> Iterator[list[str]]:
    """Lets the model write on all lanes until each is finished; yields what is new on them."""
    decoder = ModelDecoder(model, len(lanes))
    grammar = build_grammar(vocabulary, decoder.device)
    is_text_V = torch.from_numpy(vocabulary.is_text).to(decoder.device)
    seeds = range(request.seed, request.seed + len(lanes))
    sampler = Sampler(request.sampling, seeds, is_text_V)
    yield [lane.begin(prompt.ids) for lane in lanes]
    for ids_B in decode(decoder, grammar, sampler, prompt, len(lanes)):
        yield [lane.push(id_) for lane, id_ in zip(lanes, ids_B, strict=True)]
        if all(lane.is_finished for lane in lanes):
            return
