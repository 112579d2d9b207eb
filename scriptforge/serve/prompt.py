"""What a page asks of a model, and the ids with which it is asked: the text so far, and what opens the next.

The model reads whole elements up to the cursor, and then what opens the next one, or the beginning of the one
that the cursor is in. Of a long script it reads the end, from an element that stays the same while lines are
added (`first_read`), so that what it remembers can be kept. The module knows nothing of models.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated

from pydantic import BaseModel, Field

from scriptforge.errors import unknown_name
from scriptforge.generation.cast import ResolvedCast, own_cues, resolve_cast
from scriptforge.generation.grammar import boundary_after
from scriptforge.generation.prompt import Drawn, Given, Prompt
from scriptforge.options import GenerateOptions
from scriptforge.screenplay.name_line import render_line
from scriptforge.screenplay.script import Element
from scriptforge.serve.elements import CLOSED, Line, Name, OpenLine, PageKind, context_of
from scriptforge.vocabulary import Vocabulary

MOST_LINES_READ = 400
"""Elements of the page that may be sent to be read."""

_LEAST_READ, _MOST_READ = 24, 56
"""Elements that are read of a longer script."""

_MOST_TOLD = 256
"""Tokens of them after which the rules are told of no further elements; what they measure is near."""

_LARGEST_SEED = 2**53 - 16
"""Beyond it, a page could not say the number."""


class Next(BaseModel):
    """What is to come next.

    Attributes:
        kind: the kind of the next element; None leaves it to the model.
        speaker: who speaks; None leaves it to the model.
    """

    model_config = CLOSED

    kind: PageKind | None = None
    speaker: Name | None = None


class SuggestionRequest(BaseModel):
    """What a page asks a model to write.

    Attributes:
        run: which model.
        source: of a mix, in whose voice; None goes by who speaks.
        elements: the page up to the cursor, its last elements.
        open: the element that the cursor is in, if it is to be continued.
        next: what is to come, if a person says so.
        count: how many alternatives.
        lines: how many elements of each.
        seed: decides what is drawn for the first one, the others have those that follow; None draws one.
        temperature: of the sampling; None is the usual one.
        voice: how much voices are strengthened; None is the model's usual.
        max_copy: how many words in a row may be copied; None any number.
        cast: who may speak; empty for everybody.
    """

    model_config = CLOSED

    run: Name
    source: Name | None = None
    elements: list[Line] = Field(default=[], max_length=MOST_LINES_READ)
    open: OpenLine | None = None
    next: Next | None = None
    count: int = Field(1, ge=1, le=5)
    lines: int = Field(1, ge=1, le=8)
    seed: int | None = Field(None, ge=0, le=_LARGEST_SEED)
    temperature: Annotated[float, Field(ge=0, le=5, strict=False)] | None = None
    voice: Annotated[float, Field(ge=0, le=5, strict=False)] | None = None
    max_copy: int | None = Field(None, ge=1, le=1_000)
    cast: list[Name] = Field(default=[], max_length=200)


@dataclass(frozen=True)
class Question:
    """A request in the words of a vocabulary.

    Attributes:
        options: how to write.
        cast: who may speak.
        source: of a mix, whose script it is; else None.
        opening: what begins a script: ids that come before everything else.
        read: the elements that are read, each as its ids.
        prompt: what comes after them, before anything is drawn freely.
        open: the element that is continued, its text as it stands; None if a new one begins.
    """

    options: GenerateOptions
    cast: ResolvedCast
    source: str | None
    opening: tuple[int, ...]
    read: tuple[tuple[int, ...], ...]
    prompt: Prompt
    open: Element | None

    @property
    def told(self) -> list[int]:
        """Return the end of the text before the prompt, of which rules are told; whole elements."""
        kept: list[tuple[int, ...]] = []
        size = 0
        for ids in reversed(self.read):
            if size >= _MOST_TOLD:
                break
            kept.append(ids)
            size += len(ids)
        return [*self.opening, *(id_ for ids in reversed(kept) for id_ in ids)]


def ask(request: SuggestionRequest, vocabulary: Vocabulary, seed: int) -> Question:
    """Turn a request into ids.

    Raises:
        UsageError: it names a source or somebody whom the model cannot write.
    """
    context = context_of(request.elements, request.open)
    following = request.next or Next()
    asked_speaker = following.speaker or ""
    options = GenerateOptions(
        count=request.count,
        lines=request.lines,
        seed=seed,
        cast=tuple(request.cast),
        next_speaker=asked_speaker if context.open else "",
        voice=request.voice,
        temperature=GenerateOptions.temperature if request.temperature is None else request.temperature,
        max_copy=request.max_copy,
    )
    if vocabulary.plain:
        return _plain_question(context.lines, context.open, options, vocabulary)
    cast = resolve_cast(options, vocabulary)
    speakers = [element.speaker for element in context.lines[-_MOST_READ:] if element.speaker]
    opened = context.open.speaker if context.open else ""
    source = _source(request.source, [*speakers, opened, asked_speaker], vocabulary)
    lines = context.lines[first_read(context.lines) :]
    opening = (vocabulary.end, *([vocabulary.sources[source]] if source else []))
    if context.open:
        prompt = _continued(context.open, source, vocabulary)
    else:
        prompt = _begun(following, cast, source, vocabulary)
    read = tuple(tuple(vocabulary.encode_elements([each], source).ids.tolist()) for each in lines)
    return Question(options, cast, source, opening, read, prompt, context.open)


def first_read(lines: Sequence[Element]) -> int:
    """Return from which element on a script is read: all of a short one, of others 24 to 56 elements.

    It is the element with the least fingerprint of those that are not too near to the end nor too far, so
    that it depends on the text alone, and nearly always stays when one more line is added.
    """
    if len(lines) <= _MOST_READ:
        return 0
    places = range(len(lines) - _MOST_READ, len(lines) - _LEAST_READ)
    return min(places, key=lambda place: (_fingerprint(lines[place]), -place))


def _fingerprint(element: Element) -> bytes:
    content = "\0".join((element.kind, element.speaker, element.text))
    return blake2b(content.encode(errors="surrogatepass"), digest_size=8).digest()


def _source(asked: str | None, speakers: Sequence[str], vocabulary: Vocabulary) -> str | None:
    """Return, in a mix, whose script it is: the one asked for, else that of most of its speakers."""
    if not vocabulary.sources:
        return None
    if asked:
        if asked not in vocabulary.sources:
            raise unknown_name("source", asked, vocabulary.sources)
        return asked
    named = (token.source for name in speakers for token in vocabulary.speaker_tokens_named(name))
    counts = Counter(source for source in named if source)
    return counts.most_common(1)[0][0] if counts else next(iter(vocabulary.sources))


def _continued(element: Element, source: str | None, vocabulary: Vocabulary) -> Prompt:
    """Return the prompt of an element that goes on: a word is whole, and a space asks for another one."""
    text = element.text
    boundary = boundary_after(text) if text.strip() else None
    kept = Element(element.kind, text.rstrip(), element.speaker)
    ids = tuple(vocabulary.encode_elements([kept], source).ids.tolist())
    return [Given(ids, boundary)]


def _begun(following: Next, cast: ResolvedCast, source: str | None, vocabulary: Vocabulary) -> Prompt:
    """Return the prompt of a new element: what opens it, if a person said so."""
    if following.speaker:
        opened = Element("dialogue", "", following.speaker)
        return [Given(tuple(vocabulary.encode_elements([opened], source).ids.tolist()))]
    match following.kind:
        case None:
            return []
        case "heading" | "action" | "transition" as kind:
            return [Given((getattr(vocabulary, kind),))]
    cues = own_cues(cast, source, vocabulary)
    spelled = () if cues and not any(not each.cues for each in cast.members) else (vocabulary.cue,)
    return [Drawn((*cues, *spelled))]


def _plain_question(
    lines: Sequence[Element], opened: Element | None, options: GenerateOptions, vocabulary: Vocabulary
) -> Question:
    """Return the question to a model of plain text, which knows no elements: lines are lines."""
    kept = lines[first_read(lines) :]
    read = tuple(tuple(vocabulary.encode(f"{render_line(each)}\n")) for each in kept)
    prompt: Prompt = []
    if opened and opened.text.strip():
        said = Element(opened.kind, opened.text.rstrip(), opened.speaker)
        prompt = [Given(tuple(vocabulary.encode(render_line(said))), boundary_after(opened.text))]
    return Question(options, ResolvedCast(), None, (vocabulary.end,), read, prompt, opened)
