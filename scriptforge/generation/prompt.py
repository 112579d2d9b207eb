"""The prompt: how a text begins, as the ids that a model reads first.

In a script a prime is lines of `name: text`, of which the last is left open for the model to continue. A name
alone is a cue; words alone begin the line of a speaker whom the model draws. In plain text a prime is taken
as it is. In both, a word at the end is whole, unless it is asked for that it may go on. For example, with
Jerry and Elaine as the only speakers with a token of their own:

    elaine                <end> <cue:ELAINE>                             given
    elaine: what is       <end> <cue:ELAINE> what is                     given
    what is               <cue:ELAINE> or <cue:JERRY>                    drawn
                          what is                                        given

The module knows nothing of models.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from scriptforge.errors import UsageError, unknown_name
from scriptforge.generation.cast import ResolvedCast, check_admitted, find_sources, own_cues
from scriptforge.generation.grammar import Boundary, boundary_after
from scriptforge.options import GenerateOptions
from scriptforge.screenplay.format import is_name
from scriptforge.screenplay.name_line import parse_line
from scriptforge.screenplay.script import Element, normalise, speaker_key
from scriptforge.vocabulary import Vocabulary

_MISSPELLED = 0.75
"""How alike a word must be to a name, from 0 to 1, to be taken for that name misspelled."""


@dataclass(frozen=True)
class Given:
    """Ids that every sequence takes as they are, and what must come next."""

    ids: tuple[int, ...]
    boundary: Boundary | None = None


@dataclass(frozen=True)
class Drawn:
    """One id, which the model draws from these."""

    choices: tuple[int, ...]


Prompt: TypeAlias = list[Given | Drawn]
"""What every sequence begins with, part by part."""


@dataclass(frozen=True)
class Prime:
    """What a person typed for a script to begin with.

    Attributes:
        elements: lines of which it is known what they are; without `words`, the last is left open.
        words: words after them, whose speaker is to be drawn; empty if there are none.
    """

    elements: tuple[Element, ...] = ()
    words: str = ""

    @property
    def speakers(self) -> list[str]:
        """Return who speaks, in order."""
        return [element.speaker for element in self.elements if element.speaker]

    @property
    def says_something(self) -> bool:
        """Return whether its last line has text, and is not only a name."""
        return bool(self.words or (self.elements and self.elements[-1].text))


def check_options(options: GenerateOptions, vocabulary: Vocabulary) -> None:
    """Check that a model of plain text is not asked for what only a script has.

    Raises:
        UsageError: it is.
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
    """Turn what a person typed into ids.

    Args:
        options: what is asked for; plain text takes its prime from them.
        cast: what `resolve_cast` makes of the options.
        prime: what `parse_prime` makes of them.
        vocabulary: the model's.
        continues: whether the text before is there already; else an `<end>` comes first, so that a script or
            text of its own begins.
        source: in a mix, the corpus that the text before is written like.

    Raises:
        UsageError: a name or a word is not in the vocabulary, or somebody is to speak who is not of the cast
            or not of the source.
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
    if isinstance(last, Given) and prime.says_something and not options.prime_open:
        parts[-1] = replace(last, boundary=boundary_after(options.prime))
    return parts


def _plain_part(options: GenerateOptions, vocabulary: Vocabulary) -> Given:
    """Return plain text as it is, but for a space at its end.

    In most vocabularies that space belongs to the word after it, so that it is not given but asked for. A
    line break has ended the line already.
    """
    boundary = None if options.prime_open else boundary_after(options.prime)
    text = options.prime
    if boundary is Boundary.SPACE and text.endswith(" "):
        text = text[:-1]
    elif boundary is not Boundary.WORD:
        boundary = None
    return replace(_given_words(text, vocabulary), boundary=boundary)


def parse_prime(text: str, cast: ResolvedCast, vocabulary: Vocabulary) -> Prime:
    """Read what a person typed as lines of a script; plain text has none.

    There may be any number of lines. Where nobody of the cast has a token of their own, words alone are said
    by one of them.

    Raises:
        UsageError: a single word seems to be a name misspelled.
    """
    if not text or vocabulary.plain:
        return Prime(())
    from scriptforge.screenplay.formats import read  # and with it all formats

    elements = tuple(read(text.splitlines(), "name-line"))
    if not elements or not _is_bare(elements[-1], text):
        return Prime(elements)
    words = elements[-1].text
    line = words and (_cue_in(words, vocabulary) or _sole_speaker(words, cast, vocabulary))
    return Prime((*elements[:-1], line)) if line else Prime(elements[:-1], words)


def _source_parts(sources: Sequence[str], prime: Prime, vocabulary: Vocabulary) -> Prompt:
    """Return the token that opens a script of a mix: drawn, unless a prime needs it to be settled."""
    settled = sources[:1] if prime != Prime() else sources
    return [_choice([vocabulary.sources[source] for source in settled])] if sources else []


def _script_parts(
    scene: Sequence[Element], prime: Prime, cues: Sequence[int], source: str | None, vocabulary: Vocabulary
) -> Prompt:
    """Return the scene, the prime, and what must follow a scene without a prime: something that happens."""
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
    """Return the line of a speaker without a token, where nobody but such may say it."""
    speaker = cast.next_speaker or next(iter(cast.members), None)
    if not speaker or speaker.cues or (not cast.next_speaker and own_cues(cast, None, vocabulary)):
        return None
    return Element("dialogue", words, speaker.name)


def _is_bare(last: Element, prime: str) -> bool:
    """Return whether the last element is words of which the layout does not tell what they are."""
    last_line = prime.strip().splitlines()[-1].strip()
    return last.kind == "action" and not parse_line(last_line).understood


def _cue_in(words: str, vocabulary: Vocabulary) -> Element | None:
    """Return the cue that a name alone, if it is not misspelled, stands for, with a colon or without."""
    name = words.removesuffix(":").strip()
    if vocabulary.speaker_id(name) is not None:
        return Element("dialogue", "", name)
    if _is_misspelled_name(name, vocabulary):
        raise unknown_name("speaker", name, vocabulary.speakers)
    return Element("dialogue", "", name) if words.endswith(":") and is_name(name) else None


def _is_misspelled_name(word: str, vocabulary: Vocabulary) -> bool:
    is_known = vocabulary.level == "word" and not vocabulary.unknown_words(word)
    if is_known or len(word.split()) != 1:
        return False
    keys = map(speaker_key, vocabulary.speakers)
    return bool(difflib.get_close_matches(speaker_key(word), list(keys), cutoff=_MISSPELLED))


def _given_elements(elements: Sequence[Element], source: str | None, vocabulary: Vocabulary) -> Given:
    """Return the ids of elements, of which every word must be known."""
    for element in elements:
        if vocabulary.speaker_id(element.speaker) is None and vocabulary.unknown_words(element.speaker):
            raise unknown_name("speaker", element.speaker, vocabulary.speakers)
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
