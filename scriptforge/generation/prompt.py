"""The prompt: how a text begins, as the ids that a model reads first.

In a script a prime is lines of `name: text`, of which the last is left open for the model to continue. A name
alone is a cue; words alone begin the line of a speaker whom the model draws. In plain text a prime is taken
as it is. A word or a scene heading at the end is complete, unless the options say that it may go on. For
example, with Jerry and Elaine as the only speakers with a token of their own:

    elaine                <end> <cue:ELAINE>                             given
    elaine: what is       <end> <cue:ELAINE> what is                     given
    what is               <cue:ELAINE> or <cue:JERRY>                    drawn
                          what is                                        given

The module does not depend on models.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from scriptforge.errors import UsageError
from scriptforge.generation.cast import (
    ResolvedCast,
    check_admitted,
    find_sources,
    own_cues,
    tidy_name,
    unknown_speaker,
)
from scriptforge.generation.grammar import Boundary, boundary_after
from scriptforge.options import DEFAULT_LINES, GenerateOptions
from scriptforge.screenplay.format import is_cue_in_capitals, is_name
from scriptforge.screenplay.name_line import parse_line
from scriptforge.screenplay.script import Element, normalise, speaker_key
from scriptforge.vocabulary import Vocabulary

_MISSPELLED = 0.75
"""Similarity, from 0 to 1, above which a word is taken for a misspelled name."""

_FREE_FORMATS = ("name-line", "prose")
"""Formats in which a last line may be words that somebody is to be drawn for."""

_DASHES = ("-", "–", "—")
"""Ends of a heading that something is still to follow, `INT. DINER -`."""


@dataclass(frozen=True)
class Given:
    """Ids that are the same in every sequence, and what must come after them."""

    ids: tuple[int, ...]
    boundary: Boundary | None = None


@dataclass(frozen=True)
class Drawn:
    """One id, which the model draws from `choices`."""

    choices: tuple[int, ...]


Prompt: TypeAlias = list[Given | Drawn]
"""The parts that every sequence begins with, in order."""


@dataclass(frozen=True)
class Prime:
    """The parsed prime of a script.

    Attributes:
        elements: lines whose kind is known; if there are no `words`, the last is left open.
        words: words after them, whose speaker is to be drawn; empty if there are none.
    """

    elements: tuple[Element, ...] = ()
    words: str = ""

    @property
    def speakers(self) -> list[str]:
        """Return the speakers of its lines, in order."""
        return [element.speaker for element in self.elements if element.speaker]

    @property
    def says_something(self) -> bool:
        """Return whether its last line has text rather than only a name."""
        return bool(self.words or (self.elements and self.elements[-1].text))


def check_options(options: GenerateOptions, vocabulary: Vocabulary) -> None:
    """Check that a model of plain text is not asked for what only a script has.

    Raises:
        UsageError: the model is asked for such a thing.
    """
    only_scripts = {
        "a cast": options.cast or options.next_speaker or not options.stage_directions,
        "a scene": options.scene,
        "a source": options.source,
        "a voice": options.voice or options.voices,
        "turns": options.turns,
        "the best of several lines": options.best_of > 1,
    }
    asked_for = next((name for name, value in only_scripts.items() if value), "")
    if vocabulary.plain and asked_for:
        raise UsageError(
            f"This model writes plain text and cannot be asked for {asked_for}.",
            "Prepare the corpus without --plain, and train a model on that.",
        )


def build_prompt(
    options: GenerateOptions,
    cast: ResolvedCast,
    prime: Prime,
    vocabulary: Vocabulary,
    *,
    continues: bool = False,
    source: str | None = None,
) -> Prompt:
    """Return the prompt for the options, as ids.

    Args:
        options: generation options; the prime of plain text is taken from them.
        cast: result of `resolve_cast` for the options.
        prime: result of `parse_prime` for the options.
        vocabulary: the model's vocabulary.
        continues: whether the prompt continues a text; otherwise an `<end>` comes first, after which a new
            script or text begins.
        source: in a mix, source of the text continued.

    Raises:
        UsageError: a name or a word is not in the vocabulary, or a speaker is not in the cast or the source.
    """
    end: Prompt = [] if continues else [Given((vocabulary.end,))]
    if vocabulary.plain:
        return [*end, _plain_part(options, vocabulary)]
    check_admitted(cast, prime.speakers)
    heading = normalise(Element("heading", options.scene))
    scene = [heading] if heading and heading.text else []
    sources = find_sources(source or options.source or None, prime.speakers, cast, vocabulary)
    if options.source and options.source not in sources:
        raise UsageError(
            f"The text to continue is written like “{source}”, not like “{options.source}”.",
            "Leave --source out.",
        )
    cues = own_cues(cast, sources[0] if sources else None, vocabulary)
    parts: Prompt = [
        *end,
        *([] if continues else _source_parts(sources, prime, vocabulary)),
        *_script_parts(scene, prime, cues, sources[0] if sources else None, vocabulary),
    ]
    last = parts[-1] if parts else None
    if isinstance(last, Given):
        parts[-1] = replace(last, boundary=_boundary_after_prime(options, prime))
    return parts


def check_size(options: GenerateOptions, prime: Prime, vocabulary: Vocabulary) -> None:
    """Check that a text of the requested size has more lines than the prime, or ends with its open last line.

    Raises:
        UsageError: the prime alone is as long as the text is to be.
    """
    if options.length is not None:
        return
    if vocabulary.plain:
        lines: list[str] = [line for line in options.prime.splitlines() if line.strip()]
        is_closed = options.prime.endswith(("\n", "\r"))
    else:
        lines = [*(element.kind for element in prime.elements), *(["dialogue"] if prime.words else [])]
        is_closed = _boundary_after_prime(options, prime) is Boundary.LINE
    closed = lines if is_closed else lines[:-1]
    if options.turns is None:
        unit, flag, asked = "line", "--lines", options.lines or DEFAULT_LINES
        given, finished = len(lines), len(closed)
    else:
        unit, flag, asked = "line of dialogue", "--turns", options.turns
        given, finished = lines.count("dialogue"), closed.count("dialogue")
    if finished >= asked:
        units = unit if given == 1 else unit.replace("line", "lines")
        raise UsageError(
            f"The prime has {given} {units}, and {asked} {'is' if asked == 1 else 'are'} asked for in all.",
            f"Ask for more: {flag} {given + DEFAULT_LINES}",
        )


def _boundary_after_prime(options: GenerateOptions, prime: Prime) -> Boundary | None:
    """Return what must come after the prime of a script; after a whole heading, a new element."""
    if options.prime_open or not prime.says_something:
        return None
    boundary = boundary_after(options.prime)
    if prime.words or prime.elements[-1].kind != "heading" or boundary is Boundary.SPACE:
        return boundary
    return None if prime.elements[-1].text.endswith(_DASHES) else Boundary.LINE


def _plain_part(options: GenerateOptions, vocabulary: Vocabulary) -> Given:
    """Return the prime of plain text as it is, except for a space at its end.

    In most vocabularies that space belongs to the token of the next word, so that it is not given, but the
    next token must begin with one. Nothing is required after a line break, which has already ended the line.
    """
    boundary = None if options.prime_open else boundary_after(options.prime)
    text = options.prime
    if boundary is Boundary.SPACE and text.endswith(" "):
        text = text[:-1]
    elif boundary is not Boundary.WORD:
        boundary = None
    return replace(_given_words(text, vocabulary), boundary=boundary)


def parse_prime(
    text: str, cast: ResolvedCast, vocabulary: Vocabulary, speakers_before: Sequence[str] = ()
) -> Prime:
    """Parse a prime as lines of a script; empty for plain text.

    There may be any number of lines, as `name: text` or in another format that can be read, such as Fountain.
    If nobody in the cast has a token of their own, words alone are a line of the next speaker, or of the
    first in the cast. A name alone is a cue if its bearer has a token, or speaks in an earlier line or among
    `speakers_before`, those of the text continued.

    Raises:
        UsageError: a single word seems to be a misspelled name.
    """
    if not text or vocabulary.plain:
        return Prime(())
    from scriptforge.screenplay.formats import read  # imports all formats

    lines = text.splitlines()
    elements = tuple(read(lines, "name-line"))
    if len(elements) > 1:
        reading = read(lines)
        laid_out = tuple(reading)
        if reading.format not in _FREE_FORMATS and laid_out != elements:
            return Prime(_with_open_cue(laid_out, text))
    if not elements or not _is_bare(elements[-1], text):
        return Prime(elements)
    words = elements[-1].text
    scene = [*Prime(elements).speakers, *speakers_before]
    line = words and (_cue_in(words, scene, vocabulary) or _sole_speaker(words, cast, vocabulary))
    return Prime((*elements[:-1], line)) if line else Prime(elements[:-1], words)


def _with_open_cue(elements: tuple[Element, ...], text: str) -> tuple[Element, ...]:
    """Return elements with a cue at their end if the text ends with one, below which nothing is said yet.

    A format takes such a line for action, or for nothing.
    """
    last_line = text.strip().splitlines()[-1].strip()
    name = last_line.removesuffix(":").strip()
    if not (is_cue_in_capitals(name) or (name != last_line and is_name(name))):
        return elements
    if elements and elements[-1] == Element("action", last_line):
        elements = elements[:-1]
    elif elements and elements[-1].text.endswith(last_line):
        return elements
    return (*elements, Element("dialogue", "", tidy_name(name)))


def _source_parts(sources: Sequence[str], prime: Prime, vocabulary: Vocabulary) -> Prompt:
    """Return the token that opens a script of a mix, drawn if there are several and no prime."""
    settled = sources[:1] if prime != Prime() else sources
    return [_choice([vocabulary.sources[source] for source in settled])] if sources else []


def _script_parts(
    scene: Sequence[Element], prime: Prime, cues: Sequence[int], source: str | None, vocabulary: Vocabulary
) -> Prompt:
    """Return the scene and the prime; a scene without a prime is followed by an action or a cue."""
    if prime.words and not cues:
        action = Element("action", prime.words)
        return [_given_elements([*scene, *prime.elements, action], source, vocabulary)]
    parts: Prompt = [_given_elements([*scene, *prime.elements], source, vocabulary)]
    if prime.words:
        return [*parts, _choice(cues), _given_words(prime.words, vocabulary)]
    if scene and not prime.elements:
        return [*parts, Drawn((vocabulary.action, vocabulary.cue, *cues))]
    return parts


def _choice(ids: Sequence[int]) -> Given | Drawn:
    return Given(tuple(ids)) if len(ids) == 1 else Drawn(tuple(ids))


def _sole_speaker(words: str, cast: ResolvedCast, vocabulary: Vocabulary) -> Element | None:
    """Return words as a line of a speaker without a token; None if a speaker with one may say them."""
    speaker = cast.next_speaker or next(iter(cast.members), None)
    if not speaker or speaker.cues or (not cast.next_speaker and own_cues(cast, None, vocabulary)):
        return None
    return Element("dialogue", words, speaker.name)


def _is_bare(last: Element, prime: str) -> bool:
    """Return whether the last element is words whose kind the layout does not show."""
    last_line = prime.strip().splitlines()[-1].strip()
    return last.kind == "action" and not parse_line(last_line).recognised


def _cue_in(words: str, scene: Sequence[str], vocabulary: Vocabulary) -> Element | None:
    """Return the cue for words that are only a name, with or without a colon; None for other words."""
    name = words.removesuffix(":").strip()
    is_present = speaker_key(name) in map(speaker_key, scene)
    if is_present or vocabulary.speaker_id(name) is not None or (words.endswith(":") and is_name(name)):
        return Element("dialogue", "", name)
    if _is_misspelled_name(name, vocabulary):
        raise unknown_speaker(name, vocabulary, vocabulary.speakers)
    return None


def _is_misspelled_name(word: str, vocabulary: Vocabulary) -> bool:
    is_known = vocabulary.level == "word" and not vocabulary.unknown_words(word)
    if is_known or len(word.split()) != 1:
        return False
    keys = map(speaker_key, vocabulary.speakers)
    return bool(difflib.get_close_matches(speaker_key(word), list(keys), cutoff=_MISSPELLED))


def _given_elements(elements: Sequence[Element], source: str | None, vocabulary: Vocabulary) -> Given:
    """Return the ids of elements, all of whose words must be known."""
    for element in elements:
        if vocabulary.speaker_id(element.speaker) is None and vocabulary.unknown_words(element.speaker):
            raise unknown_speaker(element.speaker, vocabulary, vocabulary.speakers)
        _check_words(element.text, vocabulary)
    return Given(tuple(vocabulary.encode_elements(elements, source).ids.tolist()))


def _given_words(text: str, vocabulary: Vocabulary) -> Given:
    _check_words(text, vocabulary)
    return Given(tuple(vocabulary.encode(text)))


def _check_words(text: str, vocabulary: Vocabulary) -> None:
    unknown = vocabulary.unknown_words(text)
    if not unknown:
        return
    quoted = ", ".join(f"“{word}”" for word in unknown[:5])
    similar = {word: vocabulary.suggest(word) for word in unknown[:5]}
    hints = [f"{' or '.join(known)} for “{word}”" for word, known in similar.items() if known]
    raise UsageError(
        f"The model has not learnt {quoted}.",
        f"Try {'; '.join(hints)}." if hints else "Use other words, or train at the bpe or char level.",
    )
