"""The cast: who may speak, who speaks next, and whether there are stage directions.

Names are converted to tokens once, in `resolve_cast`; the prompt and the rules (`speaker_rules`) use these
tokens. A speaker with a token of their own has a cue of one token, in a mix one for each source. The name of
any other speaker is spelled after the generic cue:

    <cue:JERRY> what is …               Jerry has a token
    <cue> new man <says> hello …        Newman has none

The module does not depend on models.
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scriptforge.errors import UsageError, unknown_name
from scriptforge.generation.grammar import NAME_LIMIT
from scriptforge.options import GenerateOptions
from scriptforge.screenplay.script import Element, normalise, speaker_key
from scriptforge.vocabulary import Vocabulary

_MAX_NAME_LENGTH = 1000
"""In characters; a longer name would need more than `NAME_LIMIT` tokens, and long to encode."""

_NEARLY = 0.8
"""Similarity, from 0 to 1, above which one name is taken for a misspelling of another."""

_NO_DIGITS = str.maketrans("", "", "0123456789")


@dataclass(frozen=True)
class CastMember:
    """A speaker who is in the cast, or is to speak next.

    Attributes:
        name: name as typed, without the extension of a cue: `Jerry (O.S.)` is `Jerry`.
        cues: source and id of each cue token of the speaker; the source is None for one allowed anywhere.
        spelling: for a speaker without a token, the ids of the name and of `<says>`; else empty.
    """

    name: str
    cues: tuple[tuple[str | None, int], ...]
    spelling: tuple[int, ...]

    def may_speak_in(self, source: str) -> bool:
        """Return whether the speaker may speak in a source; one without a token may speak anywhere."""
        return not self.cues or any(own in (None, source) for own, _ in self.cues)


@dataclass(frozen=True)
class ResolvedCast:
    """The requested cast, with every name looked up in the vocabulary.

    Attributes:
        members: speakers who may speak; empty for everybody.
        next_speaker: speaker of the first line of dialogue that is drawn; None leaves it to the model.
        stage_directions: whether actions, and asides in brackets, are allowed.
    """

    members: tuple[CastMember, ...] = ()
    next_speaker: CastMember | None = None
    stage_directions: bool = True

    @property
    def restricts(self) -> bool:
        """Return whether anything is restricted."""
        return bool(self.members or self.next_speaker or not self.stage_directions)

    @property
    def keys(self) -> frozenset[str]:
        """Return the name of each member in the form that all its spellings share."""
        return frozenset(speaker_key(member.name) for member in self.members)

    def admits(self, speaker: str) -> bool:
        """Return whether a speaker, in any spelling, is in the cast."""
        return not self.members or speaker_key(speaker) in self.keys


def resolve_cast(options: GenerateOptions, vocabulary: Vocabulary) -> ResolvedCast:
    """Look up the names of a cast; the vocabulary must be for scripts if there are any.

    Raises:
        UsageError: a name cannot be spelled in the vocabulary, or the next speaker is not in the cast.
    """
    cast = ResolvedCast(
        tuple(_resolve(name, vocabulary) for name in options.cast),
        _resolve(options.next_speaker, vocabulary) if options.next_speaker else None,
        options.stage_directions,
    )
    check_admitted(cast, [options.next_speaker] if options.next_speaker else [])
    return cast


def _resolve(printed: str, vocabulary: Vocabulary) -> CastMember:
    name = tidy_name(printed)
    cues = _own_tokens(name, vocabulary)
    if cues:
        return CastMember(name, cues, ())
    spelling = spell(name, vocabulary)
    if not spelling:
        raise unknown_speaker(name, vocabulary, vocabulary.speakers)
    return CastMember(name, (), spelling)


def spell(name: str, vocabulary: Vocabulary) -> tuple[int, ...]:
    """Return the ids of a name and of `<says>`; empty if it is too long or cannot be spelled."""
    ids = vocabulary.encode(name) if len(name) <= _MAX_NAME_LENGTH else []
    is_spelled = vocabulary.unknown not in ids and 0 < len(ids) <= NAME_LIMIT
    return (*ids, vocabulary.says) if is_spelled else ()


def _own_tokens(name: str, vocabulary: Vocabulary) -> tuple[tuple[str | None, int], ...]:
    return tuple((token.source, token.id) for token in vocabulary.speaker_tokens_named(name))


def tidy_name(printed: str) -> str:
    """Return the name in a typed cue: `Jerry (O.S.)` is `Jerry`."""
    element = normalise(Element("dialogue", "-", printed))
    return element.speaker if element else ""


def check_known(names: Iterable[str], vocabulary: Vocabulary, others: Iterable[str]) -> None:
    """Check that each name is that of a speaker in the training text, or in the scene that is continued.

    Args:
        names: the names to check.
        vocabulary: the model's vocabulary, for the speakers with a token.
        others: names of the other speakers.

    Raises:
        UsageError: nobody has one of the names; the nearest are suggested, or the cast is listed.
    """
    asked = list(names)
    known = {speaker_key(name): name for name in (*vocabulary.speakers, *others)} if asked else {}
    for name in asked:
        if speaker_key(tidy_name(name)) not in known:
            raise unknown_speaker(name, vocabulary, known.values())


def unknown_speaker(name: str, vocabulary: Vocabulary, known: Iterable[str]) -> UsageError:
    """Return the error for the name of nobody: the hint says who is known, and how to introduce somebody."""
    error = unknown_name("speaker", name, known)
    if spell(tidy_name(name), vocabulary):
        introduction = f'To introduce somebody new, write their first line: --prime "{name}: …"'
        return UsageError(error.message, f"{error.hint} {introduction}")
    if vocabulary.unknown_words(name):
        return UsageError(
            f"There is no speaker named “{name}”, and the model knows no such word.",
            f"{error.hint} Only models of the bpe and char levels can write other names.",
        )
    return error


def find_strangers(names: Iterable[str], vocabulary: Vocabulary, others: Iterable[str]) -> list[str]:
    """Return those of the names, once each, that no speaker in the training text has.

    Args:
        names: the names to look up.
        vocabulary: the model's vocabulary, for the speakers with a token.
        others: names of the other speakers.
    """
    by_key: dict[str, str] = {}
    for name in map(tidy_name, names):
        by_key.setdefault(speaker_key(name), name)
    known = set(map(speaker_key, (*vocabulary.speakers, *others))) if by_key else set()
    return [name for key, name in by_key.items() if key not in known]


def frequent_near(name: str, vocabulary: Vocabulary) -> str | None:
    """Return the frequent speaker, one with a token, that the name of a rare speaker may be meant for.

    Names that differ only in numbers are different names: Cop 3 is not Cop 2.
    """
    key = speaker_key(tidy_name(name))
    if vocabulary.speaker_id(key) is not None:
        return None
    words = key.translate(_NO_DIGITS)
    by_key = {speaker_key(each): each for each in vocabulary.speakers}
    near = difflib.get_close_matches(key, by_key, cutoff=_NEARLY)
    return next((by_key[each] for each in near if each.translate(_NO_DIGITS) != words), None)


def check_admitted(cast: ResolvedCast, speakers: Iterable[str]) -> None:
    """Check that all speakers in the prime, or the next speaker, are in the cast.

    Raises:
        UsageError: one of them is not in the cast.
    """
    for speaker in speakers:
        if not cast.admits(tidy_name(speaker)):
            names = [*(member.name for member in cast.members), speaker]
            raise UsageError(
                f"“{speaker}” is not in the cast given with --cast.",
                f"Add the name: --cast {','.join(names)}",
            )


def own_cues(cast: ResolvedCast, source: str | None, vocabulary: Vocabulary) -> tuple[int, ...]:
    """Return the cue tokens of speakers who may speak; in a mix, in one source, or in any if it is None."""
    return tuple(
        token.id
        for token in vocabulary.speaker_tokens
        if cast.admits(token.name) and (source is None or token.source in (None, source))
    )


def find_sources(
    wanted: str | None, speakers: Sequence[str], cast: ResolvedCast, vocabulary: Vocabulary
) -> list[str]:
    """Return the sources of a mix in which all requested speakers may speak; empty if there is no mix.

    Args:
        wanted: the only source to consider; None for all.
        speakers: speakers in the prime.
        cast: its next speaker and at least one of its members must be able to speak there.
        vocabulary: a vocabulary for scripts.

    Raises:
        UsageError: there is no such source, or none in which they may all speak.
    """
    if wanted and not vocabulary.sources:
        raise UsageError("This model was trained on one corpus only.", "Leave --source out.")
    if wanted and wanted not in vocabulary.sources:
        raise unknown_name("source", wanted, vocabulary.sources)
    # Whether the name of a speaker of the prime can be spelled is checked when the prime is encoded.
    named = [CastMember(name, _own_tokens(tidy_name(name), vocabulary), ()) for name in speakers]
    named += [cast.next_speaker] if cast.next_speaker else []
    found = [
        source
        for source in ([wanted] if wanted else vocabulary.sources)
        if all(member.may_speak_in(source) for member in named)
        and (not cast.members or any(member.may_speak_in(source) for member in cast.members))
    ]
    if vocabulary.sources and not found:
        who = ", ".join(dict.fromkeys(member.name for member in (*named, *cast.members)))
        where = f"the scripts of {wanted}" if wanted else "any one corpus of this mix"
        raise UsageError(f"{who} cannot speak in {where}.", "Choose a cast from one corpus.")
    return found
