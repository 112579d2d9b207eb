"""A person's prime as the ids that a model reads first.

In a script a prime is lines of `name: text`, of which the last is left open for the model to go on with. A
name alone is a cue; words alone begin the line of a speaker whom the model draws. In plain text a prime is
taken as it is. Knows nothing of models.
"""

import difflib
from collections.abc import Iterable

from scriptforge.errors import UsageError, unknown_name
from scriptforge.generation.decoder import Prompt
from scriptforge.screenplay.formats.name_line import parse_line
from scriptforge.screenplay.formats.signs import is_name
from scriptforge.screenplay.reading import read
from scriptforge.screenplay.script import Element, speaker_key
from scriptforge.vocabulary import Vocabulary

_MISSPELLED = 0.75
"""How alike a word must be to a name, from 0 to 1, to be taken for that name misspelled."""


def build_prompt(prime: str, vocabulary: Vocabulary) -> Prompt:
    """Turns a prime into ids; an `<end>` comes first, so that a script or text of its own begins.

    Args:
        prime: what a person typed, of any number of lines; empty for a script from nothing.
        vocabulary: the model's.

    Raises:
        UsageError: a name seems misspelled, or a word is not in the vocabulary.
    """
    if vocabulary.plain:
        _check_words(prime, vocabulary)
        return Prompt((vocabulary.end, *vocabulary.encode(prime)))
    elements = list(read(prime.splitlines(), "name-line"))
    if not elements:
        return Prompt((vocabulary.end,))
    last = elements.pop()
    if _is_bare(last, prime):
        cue = _cue_in(last.text, vocabulary)
        if cue is None and vocabulary.speakers:
            ids = _encode(elements, vocabulary)
            _check_words(last.text, vocabulary)
            return Prompt(ids, tuple(vocabulary.speakers.values()), tuple(vocabulary.encode(last.text)))
        last = cue or last
    return Prompt(_encode([*elements, last], vocabulary))


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


def _encode(elements: Iterable[Element], vocabulary: Vocabulary) -> tuple[int, ...]:
    """The ids of elements after an `<end>`, where every word of them is known."""
    elements = list(elements)
    for element in elements:
        if vocabulary.speaker_id(element.speaker) is None and vocabulary.unknown_words(element.speaker):
            raise unknown_name("speaker", element.speaker, vocabulary.speakers)
        _check_words(element.text, vocabulary)
    return (vocabulary.end, *vocabulary.encode_elements(elements).ids.tolist())


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
