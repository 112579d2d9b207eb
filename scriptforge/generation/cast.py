"""The cast: who may speak, who speaks next, and whether there are stage directions.

A cue is a single token where a speaker has one of their own; the name of any other is spelled after the
generic cue, and then only tokens that spell a name of the cast may come. Knows nothing of models.

Shape letters: B lanes, V vocabulary.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scriptforge.errors import UsageError, unknown_name
from scriptforge.generation.grammar import NAME_LIMIT
from scriptforge.options import GenerateOptions
from scriptforge.screenplay.script import Element, normalise, speaker_key
from scriptforge.vocabulary import Vocabulary

PATIENCE = 8
"""Lines that nobody says after which somebody must, where a number of turns was asked for."""

_OPENING_BRACKETS = "([{（［"


def tidy_name(printed: str) -> str:
    """The name in a cue as a person may type it: `Jerry (O.S.)` is Jerry."""
    element = normalise(Element("dialogue", "-", printed))
    return element.speaker if element else ""


def admits(options: GenerateOptions, speaker: str) -> bool:
    """Return whether a speaker, however spelled, is of the cast asked for."""
    return not options.cast or speaker_key(speaker) in map(speaker_key, options.cast)


def check_known(names: Iterable[str], vocabulary: Vocabulary, others: Iterable[str]) -> None:
    """Lets only names pass that somebody of the cast has.

    Args:
        names: as typed.
        vocabulary: knows the speakers that have a token of their own.
        others: the names of those who have none.

    Raises:
        UsageError: nobody has one of the names; the nearest are suggested, or the cast is listed.
    """
    known = {speaker_key(name): name for name in (*vocabulary.speakers, *others)}
    for name in names:
        if speaker_key(tidy_name(name)) not in known:
            raise unknown_name("speaker", name, known.values())


class Cast:
    """A options as a constraint on B lanes.

    Args:
        options: what is settled.
        vocabulary: for scripts.
        lanes: B.
        device: where masks are.
        must_speak: whether somebody has to speak once `PATIENCE` is at its end; a model that would rather
            describe for ever never comes to the end of its turns.

    Raises:
        UsageError: a name cannot be spelled in the vocabulary's tokens.
    """

    def __init__(
        self,
        options: GenerateOptions,
        vocabulary: Vocabulary,
        lanes: int,
        device: torch.device,
        *,
        must_speak: bool = False,
    ) -> None:
        self._vocabulary = vocabulary
        self._unwanted_V = _unwanted(options, vocabulary).to(device)
        everybody = _Roster(options.cast, vocabulary, device)
        first = _Roster([options.next_speaker], vocabulary, device) if options.next_speaker else everybody
        self._lanes = [_Lane(first, everybody) for _ in range(lanes)]
        self._cues = frozenset(voice.id for voice in vocabulary.speaker_tokens)
        self._unspoken = frozenset({vocabulary.heading, vocabulary.action, vocabulary.transition})
        self._unspoken_V = torch.zeros(vocabulary.size, dtype=torch.bool, device=device)
        self._unspoken_V[list(self._unspoken)] = must_speak
        self._is_drawing = False

    def forbid(self, forbidden_BV: Tensor) -> Tensor:
        """See `Constraint.forbid`."""
        self._is_drawing = True
        forbidden_BV = forbidden_BV | self._unwanted_V
        for number, lane in enumerate(self._lanes):
            if lane.spelled is None:
                forbidden_BV[number] |= lane.roster.outsiders_V
                if lane.silence >= PATIENCE:
                    forbidden_BV[number] |= self._unspoken_V
            elif lane.roster.is_closed:
                forbidden_BV[number] = lane.roster.forbidden_after(lane.spelled)
        return forbidden_BV

    def advance(self, ids: Sequence[int]) -> None:
        """See `Constraint.advance`; what comes before the first draw was given, and is nobody's turn."""
        if not self._is_drawing:
            return
        for lane, id_ in zip(self._lanes, ids, strict=True):
            if id_ in self._unspoken:
                lane.silence += 1
            elif id_ == self._vocabulary.cue:
                lane.spelled = ()
            elif id_ == self._vocabulary.says or id_ in self._cues:
                lane.spelled = None
                lane.silence = 0
                lane.roster = lane.everybody
            elif lane.spelled is not None:
                lane.spelled += (id_,)


class _Roster:
    """Those who may speak, as masks.

    Args:
        names: who; nobody named means that everybody may.
        vocabulary: for scripts.
        device: where masks are.
    """

    def __init__(self, names: Iterable[str], vocabulary: Vocabulary, device: torch.device) -> None:
        names = [tidy_name(name) for name in names]
        self.is_closed = bool(names)
        own = {voice.id for name in names for voice in vocabulary.speaker_tokens_named(name)}
        self._spellings = [
            (*_spell(name, vocabulary), vocabulary.says)
            for name in names
            if not vocabulary.speaker_tokens_named(name)
        ]
        self._size = vocabulary.size
        self._device = device
        self._forbidden: dict[tuple[int, ...], Tensor] = {}
        self.outsiders_V = torch.zeros(vocabulary.size, dtype=torch.bool)
        if self.is_closed:
            self.outsiders_V[[voice.id for voice in vocabulary.speaker_tokens if voice.id not in own]] = True
            self.outsiders_V[vocabulary.cue] = not self._spellings
        self.outsiders_V = self.outsiders_V.to(device)

    def forbidden_after(self, spelled: tuple[int, ...]) -> Tensor:
        """What must not come after the beginning of a name: `forbidden_V`."""
        if spelled not in self._forbidden:
            length = len(spelled)
            goes_on = [ids[length] for ids in self._spellings if ids[:length] == spelled]
            forbidden_V = torch.ones(self._size, dtype=torch.bool)
            forbidden_V[goes_on] = False
            self._forbidden[spelled] = forbidden_V.to(self._device)
        return self._forbidden[spelled]


@dataclass
class _Lane:
    """How far one lane is.

    Attributes:
        roster: who may speak now.
        everybody: who may speak once somebody has spoken.
        spelled: the ids of the name that is being spelled; None between names.
        silence: how many lines there were since somebody spoke.
    """

    roster: _Roster
    everybody: _Roster
    spelled: tuple[int, ...] | None = None
    silence: int = 0


def _spell(name: str, vocabulary: Vocabulary) -> list[int]:
    ids = vocabulary.encode(name)
    if vocabulary.unknown in ids or not 0 < len(ids) <= NAME_LIMIT:
        raise unknown_name("speaker", name, vocabulary.speakers)
    return ids


def _unwanted(options: GenerateOptions, vocabulary: Vocabulary) -> Tensor:
    """The tokens that never come: those of stage directions, where there are none."""
    unwanted_V = torch.zeros(vocabulary.size, dtype=torch.bool)
    if not options.stage_directions:
        for id_, text in enumerate(vocabulary.token_texts):
            unwanted_V[id_] = any(bracket in text for bracket in _OPENING_BRACKETS)
        unwanted_V[vocabulary.action] = True
    return unwanted_V


def refuse_contradiction(options: GenerateOptions, speakers: Iterable[str]) -> None:
    """Lets only those speak who are of the cast.

    Args:
        options: what is settled.
        speakers: who speaks in the prime, and who is to speak next.

    Raises:
        UsageError: one of them is not of the cast.
    """
    for speaker in filter(None, speakers):
        if not admits(options, tidy_name(speaker)):
            raise UsageError(
                f"“{speaker}” is to speak, but is not of the cast asked for.",
                f"Add the name: --cast {','.join([*options.cast, speaker])}",
            )


def own_cues(options: GenerateOptions, source: str | None, vocabulary: Vocabulary) -> tuple[int, ...]:
    """The cue tokens of those who may speak; in a mix, those of a source, or of any."""
    return tuple(
        voice.id
        for voice in vocabulary.speaker_tokens
        if admits(options, voice.name) and (source is None or voice.source in (None, source))
    )


def find_sources(
    wanted: str | None, speakers: Sequence[str], options: GenerateOptions, vocabulary: Vocabulary
) -> list[str]:
    """The sources of a mix in which all may speak who are to; none where there is no mix.

    Args:
        wanted: the only source to look at.
        speakers: who speaks in the prime.
        options: somebody of its cast, and who is next, must speak.
        vocabulary: for scripts.

    Raises:
        UsageError: there is no such source, or they do not speak there.
    """
    if wanted and not vocabulary.sources:
        raise UsageError(
            "This model was trained on one corpus, and writes like no other.", "Leave --source out."
        )
    if wanted and wanted not in vocabulary.sources:
        raise unknown_name("source", wanted, vocabulary.sources)
    named = [*speakers, *([options.next_speaker] if options.next_speaker else [])]
    found = [
        source
        for source in ([wanted] if wanted else vocabulary.sources)
        if all(_may_speak(name, source, vocabulary) for name in named)
        and (not options.cast or any(_may_speak(name, source, vocabulary) for name in options.cast))
    ]
    if vocabulary.sources and not found:
        who = ", ".join(dict.fromkeys([*named, *options.cast]))
        where = f"the scripts of {wanted}" if wanted else "any one corpus of this mix"
        raise UsageError(f"{who} do not speak in {where}.", "Choose a cast from one corpus.")
    return found


def _may_speak(name: str, source: str, vocabulary: Vocabulary) -> bool:
    """Whether a speaker may come in a source: one without a token may come anywhere."""
    voices = vocabulary.speaker_tokens_named(tidy_name(name))
    return not voices or any(voice.source in (None, source) for voice in voices)
