"""A person's prime as the ids that a model reads first.

In a script a prime is lines of `name: text`, of which the last is left open for the model to go on with. A
name alone is a cue; words alone begin the line of a speaker whom the model draws. In plain text a prime is
taken as it is. Knows nothing of models.
"""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from scriptforge.errors import UsageError, unknown_name
from scriptforge.generation.cast import find_sources, own_cues, refuse_contradiction, tidy_name
from scriptforge.options import GenerateOptions
from scriptforge.screenplay.format import is_name
from scriptforge.screenplay.formats import read
from scriptforge.screenplay.name_line import parse_line
from scriptforge.screenplay.script import Element, normalise, speaker_key
from scriptforge.vocabulary import Vocabulary

_MISSPELLED = 0.75
"""How alike a word must be to a name, from 0 to 1, to be taken for that name misspelled."""


@dataclass(frozen=True)
class Given:
    """Ids that a lane takes as they are."""

    ids: tuple[int, ...]


@dataclass(frozen=True)
class Drawn:
    """One id, which the model draws from these."""

    choices: tuple[int, ...]


Prompt: TypeAlias = list[Given | Drawn]
"""What every lane starts with, part by part."""


def build_prompt(
    options: GenerateOptions, vocabulary: Vocabulary, *, goes_on: bool = False, source: str | None = None
) -> Prompt:
    """Turns what a person typed into ids.

    Args:
        options: its prime may have any number of lines; empty for a script from nothing.
        vocabulary: the model's.
        goes_on: whether the text before is there already; else an `<end>` comes first, so that a script or
            text of its own begins.
        source: in a mix, the corpus that the text before is written like.

    Raises:
        UsageError: a name seems misspelled, a word is not in the vocabulary, somebody is to speak who is not
            of the cast or not of the source, or the model knows no scripts.
    """
    opening: Prompt = [] if goes_on else [Given((vocabulary.end,))]
    if vocabulary.plain:
        _refuse_script(options)
        _check_words(options.prime, vocabulary)
        return [*opening, Given(tuple(vocabulary.encode(options.prime)))]
    elements = list(read(options.prime.splitlines(), "name-line"))
    words = elements.pop().text if elements and _is_bare(elements[-1], options.prime) else ""
    if words and (cue := _cue_in(words, vocabulary) or _sole_speaker(words, options, vocabulary)):
        elements.append(cue)
        words = ""
    speakers = [element.speaker for element in elements if element.speaker]
    refuse_contradiction(options, [*speakers, options.next_speaker])
    wanted = source if goes_on else options.source
    candidates = find_sources(wanted or None, speakers, options, vocabulary)
    if options.source and options.source not in candidates:
        raise UsageError(
            f"What goes on is written like “{source}”, not like “{options.source}”.", "Leave --source out."
        )
    if vocabulary.sources and not goes_on:
        settled = candidates[:1] if elements or words else candidates
        opening.append(_choice([vocabulary.sources[candidate] for candidate in settled]))
    source = candidates[0] if candidates else None
    scene = _scene(options)
    parts = [*opening, *_script_parts([*scene, *elements], words, options, source, vocabulary)]
    if scene and not elements and not words:
        parts.append(Drawn((vocabulary.action, vocabulary.cue, *own_cues(options, source, vocabulary))))
    return parts


def _script_parts(
    elements: list[Element], words: str, options: GenerateOptions, source: str | None, vocabulary: Vocabulary
) -> Iterator[Given | Drawn]:
    """The elements, and words that somebody says who is to be drawn."""
    speakers = own_cues(options, source, vocabulary)
    if words and not speakers:
        elements = [*elements, Element("action", words)]
        words = ""
    yield Given(_encode(elements, source, vocabulary))
    if words:
        _check_words(words, vocabulary)
        yield _choice(speakers)
        yield Given(tuple(vocabulary.encode(words)))


def _choice(ids: Sequence[int]) -> Given | Drawn:
    return Given(tuple(ids)) if len(ids) == 1 else Drawn(tuple(ids))


def _scene(options: GenerateOptions) -> list[Element]:
    """The heading asked for, if any."""
    element = normalise(Element("heading", options.scene))
    return [element] if element and element.text else []


def _refuse_script(options: GenerateOptions) -> None:
    asked_for = {
        "a cast": options.cast or options.next_speaker or not options.stage_directions,
        "a scene": options.scene,
        "a source": options.source,
        "turns": options.turns,
    }
    wanted = next((name for name, value in asked_for.items() if value), "")
    if wanted:
        raise UsageError(
            f"This model writes plain text and cannot be asked for {wanted}.",
            "Prepare the corpus without --plain, and train a model on that.",
        )


def _sole_speaker(words: str, options: GenerateOptions, vocabulary: Vocabulary) -> Element | None:
    """The line of a speaker without a token, where nobody but such may say it."""
    name = tidy_name(options.next_speaker or next(iter(options.cast), ""))
    has_token = bool(vocabulary.speaker_tokens_named(name))
    if not name or has_token or (not options.next_speaker and own_cues(options, None, vocabulary)):
        return None
    return Element("dialogue", words, name)


def _is_bare(last: Element, prime: str) -> bool:
    """Whether the last element is words of which the layout does not tell what they are."""
    last_line = prime.strip().splitlines()[-1].strip()
    return last.kind == "action" and not parse_line(last_line).understood


def _cue_in(words: str, vocabulary: Vocabulary) -> Element | None:
    """The cue that a name alone stands for, with a colon or without.

    Raises:
        UsageError: a single word seems to be a name misspelled.
    """
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


def _encode(elements: Sequence[Element], source: str | None, vocabulary: Vocabulary) -> tuple[int, ...]:
    """The ids of elements of which every word is known."""
    for element in elements:
        if vocabulary.speaker_id(element.speaker) is None and vocabulary.unknown_words(element.speaker):
            raise unknown_name("speaker", element.speaker, vocabulary.speakers)
        _check_words(element.text, vocabulary)
    return tuple(vocabulary.encode_elements(elements, source).ids.tolist())


def _check_words(text: str, vocabulary: Vocabulary) -> None:
    unknown = vocabulary.unknown_words(text)
    if not unknown:
        return
    quoted = ", ".join(f"“{word}”" for word in unknown[:5])
    similar = {word: vocabulary.suggest(word) for word in unknown[:5]}
    hints = [f"{' or '.join(known)} for “{word}”" for word, known in similar.items() if known]
    raise UsageError(
        f"The model has not learnt {quoted}.",
        f"Try {'; '.join(hints)}." if hints else "Say it in other words, or train at the bpe or char level.",
    )
