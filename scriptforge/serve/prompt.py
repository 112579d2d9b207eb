"""Requests for suggestions, and their conversion to token ids: the text so far, and the prompt after it.

The model reads the whole elements before the cursor, and then the opening of the next element or the
beginning of the one that the cursor is in. Of a long script it reads only the end, from an element that stays
the same while lines are added (`first_read`), so that its state can be cached. The module does not know
models.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated

from pydantic import BaseModel, Field

from scriptforge.errors import unknown_name
from scriptforge.generation.cast import ResolvedCast, own_cues, resolve_cast
from scriptforge.generation.grammar import Boundary, boundary_after
from scriptforge.generation.prompt import Drawn, Given, Prompt
from scriptforge.options import SAMPLING_RANGES, GenerateOptions
from scriptforge.screenplay.name_line import render_line
from scriptforge.screenplay.script import Element
from scriptforge.serve.elements import CLOSED, Line, Name, OpenLine, PageKind, context_of
from scriptforge.vocabulary import Vocabulary

MAX_LINES_READ = 400
"""Maximum number of elements in a request."""

_MIN_READ, _MAX_READ = 24, 56
"""Number of elements that are read of a longer script: more than the first, at most the second."""

_RULE_TOKENS = 256
"""Tokens before the prompt beyond which rules see no further elements, since they measure recent text."""

_MAX_SEED = 2**53 - 16
"""Largest seed: it and those that follow it are exact as numbers in JavaScript."""

_MIN_VOICE, _MAX_VOICE = SAMPLING_RANGES["voice"]


class Next(BaseModel):
    """The kind or the speaker of the next element, as the writer chooses.

    Attributes:
        kind: kind of the next element; None leaves it to the model.
        speaker: speaker of the next element; None leaves it to the model.
    """

    model_config = CLOSED

    kind: PageKind | None = None
    speaker: Name | None = None


class SuggestionRequest(BaseModel):
    """A request from the page for suggestions.

    Attributes:
        run: name of the run to write with.
        source: in a mix, the source to write like; None infers it from the speakers.
        elements: the last elements before the cursor.
        open: the element that the cursor is in, if it is to be continued.
        next: what comes next, if the writer chooses it.
        count: number of alternatives.
        lines: number of elements in each alternative.
        seed: seed of the first alternative, followed by those of the others; None draws a random one.
        temperature: sampling temperature; None uses the default.
        voice: how much the voices of speakers are strengthened; None uses the default of the model.
        max_copy: maximum number of words in a row that may be copied from the training text; None sets no
            limit.
        cast: names of the allowed speakers; empty allows everybody.
    """

    model_config = CLOSED

    run: Name
    source: Name | None = None
    elements: list[Line] = Field(default=[], max_length=MAX_LINES_READ)
    open: OpenLine | None = None
    next: Next | None = None
    count: int = Field(1, ge=1, le=5)
    lines: int = Field(1, ge=1, le=8)
    seed: int | None = Field(None, ge=0, le=_MAX_SEED)
    temperature: Annotated[float, Field(ge=0, le=5, strict=False)] | None = None
    voice: Annotated[float, Field(ge=_MIN_VOICE, le=_MAX_VOICE, strict=False)] | None = None
    max_copy: int | None = Field(None, ge=1, le=1_000)
    cast: list[Name] = Field(default=[], max_length=200)


@dataclass(frozen=True)
class EncodedRequest:
    """A request as token ids.

    Attributes:
        options: options of generation.
        cast: the allowed speakers.
        source: in a mix, the source to write like; else None.
        opening: ids that begin a script, before all elements.
        element_ids: ids of each element that is read.
        prompt: what follows these elements before the model writes freely.
        open: the element to be continued, its text as typed; None if a new one begins.
    """

    options: GenerateOptions
    cast: ResolvedCast
    source: str | None
    opening: tuple[int, ...]
    element_ids: tuple[tuple[int, ...], ...]
    prompt: Prompt
    open: Element | None

    @property
    def recent_ids(self) -> list[int]:
        """Return the ids that rules see of the text before the prompt: `opening`, and the last elements."""
        kept: list[tuple[int, ...]] = []
        size = 0
        for ids in reversed(self.element_ids):
            if size >= _RULE_TOKENS:
                break
            kept.append(ids)
            size += len(ids)
        return [*self.opening, *(id_ for ids in reversed(kept) for id_ in ids)]


def encode_request(request: SuggestionRequest, vocabulary: Vocabulary, seed: int) -> EncodedRequest:
    """Encode a request as token ids.

    Raises:
        UsageError: it names a source or a speaker that the model cannot write.
    """
    context = context_of(request.elements, request.open)
    following = request.next or Next()
    next_speaker = following.speaker or ""
    options = GenerateOptions(
        count=request.count,
        lines=request.lines,
        seed=seed,
        cast=tuple(request.cast),
        next_speaker=next_speaker if context.open else "",
        voice=request.voice,
        temperature=GenerateOptions.temperature if request.temperature is None else request.temperature,
        max_copy=request.max_copy,
    )
    if vocabulary.plain:
        return _encode_plain_request(context.lines, context.open, options, vocabulary)
    cast = resolve_cast(options, vocabulary)
    speakers = [element.speaker for element in context.lines[-_MAX_READ:] if element.speaker]
    open_speaker = context.open.speaker if context.open else ""
    source = _choose_source(request.source, [*speakers, open_speaker, next_speaker], vocabulary)
    lines = context.lines[first_read(context.lines) :]
    opening = (vocabulary.end, *([vocabulary.sources[source]] if source else []))
    if context.open:
        prompt = _prompt_continuation(context.open, source, vocabulary)
    else:
        prompt = _prompt_new_element(following, cast, source, vocabulary)
    element_ids = tuple(tuple(vocabulary.encode_elements([each], source).ids.tolist()) for each in lines)
    return EncodedRequest(options, cast, source, opening, element_ids, prompt, context.open)


def first_read(lines: Sequence[Element]) -> int:
    """Return the index of the first element to read: 0 in a short script, else 25 to 56 before the end.

    It is the element with the smallest hash in that range, so that it depends on the text alone, and nearly
    always stays the same when a line is added.
    """
    if len(lines) <= _MAX_READ:
        return 0
    places = range(len(lines) - _MAX_READ, len(lines) - _MIN_READ)
    return min(places, key=lambda place: (_fingerprint(lines[place]), -place))


def _fingerprint(element: Element) -> bytes:
    content = "\0".join((element.kind, element.speaker, element.text))
    return blake2b(content.encode(errors="surrogatepass"), digest_size=8).digest()


def _choose_source(requested: str | None, speakers: Sequence[str], vocabulary: Vocabulary) -> str | None:
    """Return the source to write like: the requested one, or that of most speakers; None without a mix."""
    if not vocabulary.sources:
        return None
    if requested:
        if requested not in vocabulary.sources:
            raise unknown_name("source", requested, vocabulary.sources)
        return requested
    named = (token.source for name in speakers for token in vocabulary.speaker_tokens_named(name))
    counts = Counter(source for source in named if source)
    return counts.most_common(1)[0][0] if counts else next(iter(vocabulary.sources))


def _prompt_continuation(element: Element, source: str | None, vocabulary: Vocabulary) -> Prompt:
    """Return the prompt that continues an element; a space at its end asks for another word."""
    kept = Element(element.kind, element.text.rstrip(), element.speaker)
    ids = tuple(vocabulary.encode_elements([kept], source).ids.tolist())
    return [Given(ids, _boundary_after(element.text))]


def _boundary_after(text: str) -> Boundary | None:
    """Return what must follow the text of an open line; after a line break, too, it is text."""
    if not text.strip():
        return None
    return Boundary.SPACE if text[-1].isspace() else boundary_after(text)


def _prompt_new_element(
    following: Next, cast: ResolvedCast, source: str | None, vocabulary: Vocabulary
) -> Prompt:
    """Return the prompt of a new element: its opening if the writer chose a kind or speaker, else nothing."""
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


def _encode_plain_request(
    lines: Sequence[Element], opened: Element | None, options: GenerateOptions, vocabulary: Vocabulary
) -> EncodedRequest:
    """Encode a request for a model of plain text, in which each element becomes a line."""
    kept = lines[first_read(lines) :]
    element_ids = tuple(tuple(vocabulary.encode(f"{render_line(each)}\n")) for each in kept)
    prompt: Prompt = []
    if opened and opened.text.strip():
        said = Element(opened.kind, opened.text.rstrip(), opened.speaker)
        prompt = [Given(tuple(vocabulary.encode(render_line(said))), _boundary_after(opened.text))]
    return EncodedRequest(options, ResolvedCast(), None, (vocabulary.end,), element_ids, prompt, opened)
