"""A person's prime as the ids that a model reads first.

In a script a prime is lines of `name: text`, of which the last is left open for the model to go on with. A
name alone is a cue; words alone begin the line of a speaker whom the model draws. In plain text a prime is
taken as it is. Knows nothing of models.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scriptforge.errors import UsageError, unknown_name
from scriptforge.generation.casting import Casting, refuse_contradiction, tidy_name
from scriptforge.generation.request import Request
from scriptforge.screenplay.formats.name_line import parse_line
from scriptforge.screenplay.formats.signs import is_name
from scriptforge.screenplay.reading import read
from scriptforge.screenplay.script import Element, normalise, speaker_key
from scriptforge.vocabulary import Vocabulary

_MISSPELLED = 0.75
"""How alike a word must be to a name, from 0 to 1, to be taken for that name misspelled."""


@dataclass(frozen=True)
class Prompt:
    """What every lane starts with.

    Attributes:
        ids: read before anything is drawn.
        choices: where not empty, the first token drawn is one of these, and `line` follows it.
        line: ids that follow the drawn token.
    """

    ids: tuple[int, ...]
    choices: tuple[int, ...] = ()
    line: tuple[int, ...] = ()


def build_prompt(request: Request, vocabulary: Vocabulary, *, goes_on: bool = False) -> Prompt:
    """Turns what a person typed into ids.

    Args:
        request: its prime may have any number of lines; empty for a script from nothing.
        vocabulary: the model's.
        goes_on: whether the text before is there already; else an `<end>` comes first, so that a script or
            text of its own begins.

    Raises:
        UsageError: a name seems misspelled, a word is not in the vocabulary, somebody is to speak who is not
            of the cast, or the model knows no scripts.
    """
    opening = () if goes_on else (vocabulary.end,)
    if vocabulary.plain:
        _refuse_script(request)
        _check_words(request.prime, vocabulary)
        return Prompt((*opening, *vocabulary.encode(request.prime)))
    elements = list(read(request.prime.splitlines(), "name-line"))
    prompt = _build_script_prompt(request, elements, vocabulary)
    return replace(prompt, ids=(*opening, *prompt.ids))


def _refuse_script(request: Request) -> None:
    if request.asks_for_script:
        raise UsageError(
            f"This model writes plain text and cannot be asked for {request.asks_for_script}.",
            "Prepare the corpus without --plain, and train a model on that.",
        )


def _build_script_prompt(request: Request, elements: list[Element], vocabulary: Vocabulary) -> Prompt:
    """The prompt without its opening."""
    casting = request.casting
    scene = normalise(Element("heading", request.scene)) if request.scene.strip() else None
    given = [*([scene] if scene else []), *elements]
    choices: tuple[int, ...] = ()
    line: tuple[int, ...] = ()
    if elements and _is_bare(elements[-1], request.prime):
        words = given.pop().text
        if cue := _cue_in(words, vocabulary) or _sole_speaker(words, casting, vocabulary):
            given.append(cue)
        elif choices := _own_cues(casting, vocabulary):
            _check_words(words, vocabulary)
            line = tuple(vocabulary.encode(words))
        else:
            given.append(elements[-1])
    elif scene and not elements:
        choices = (vocabulary.action, vocabulary.cue, *vocabulary.speakers.values())
    refuse_contradiction(casting, [*(element.speaker for element in given), casting.next_speaker])
    return Prompt(_encode(given, vocabulary), choices, line)


def _own_cues(casting: Casting, vocabulary: Vocabulary) -> tuple[int, ...]:
    """The cue tokens of those who may speak."""
    return tuple(id_ for name, id_ in vocabulary.speakers.items() if casting.admits(name))


def _sole_speaker(words: str, casting: Casting, vocabulary: Vocabulary) -> Element | None:
    """The line of a speaker without a token, where nobody but such may say it."""
    name = casting.next_speaker or next(iter(casting.cast), "")
    has_own_token = vocabulary.speaker_id(tidy_name(name)) is not None
    if not name or has_own_token or (not casting.next_speaker and _own_cues(casting, vocabulary)):
        return None
    return Element("dialogue", words, tidy_name(name))


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


def _encode(elements: Sequence[Element], vocabulary: Vocabulary) -> tuple[int, ...]:
    """The ids of elements of which every word is known."""
    for element in elements:
        if vocabulary.speaker_id(element.speaker) is None and vocabulary.unknown_words(element.speaker):
            raise unknown_name("speaker", element.speaker, vocabulary.speakers)
        _check_words(element.text, vocabulary)
    return tuple(vocabulary.encode_elements(elements).ids.tolist())


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
