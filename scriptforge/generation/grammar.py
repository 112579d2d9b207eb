"""What a rule on top of the grammar offers: a cast that may speak, a limit to copying.

Shape letters: B lanes, V vocabulary.

Which tokens may come next, so that whatever a model writes is a script, or a plain text in lines.

A grammar is two tables over places and tokens: what may come at a place, and at which place one is after a
token. Both are made once from a vocabulary; a step is then one look-up for all lanes. In a mix there is a set
of places for each source, so that where a lane is tells whose script it writes; it stays with that source.
A further constraint, such as a cast, is one more mask on top of `Grammar.forbidden`. Knows nothing of models
and sampling.

Shape letters: B lanes, P places, S sources and none, V vocabulary.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scriptforge.vocabulary import Level, Vocabulary


class Constraint(Protocol):
    """A further rule on what may come next."""

    def forbid(self, forbidden_BV: Tensor) -> Tensor:
        """Adds to what must not come now; called once before each draw.

        Args:
            forbidden_BV: what the rules before this one forbid, true where forbidden.

        Returns:
            A mask of the same shape, in which each lane has something left.
        """
        ...

    def advance(self, ids: Sequence[int]) -> None:
        """Takes the id that came on each lane, whether it was drawn or given."""
        ...


NAME_LIMIT = 40
"""Tokens after which a spelled name is brought to its end."""

TEXT_LIMITS: dict[Level, int] = {"word": 400, "bpe": 700, "char": 2_000}
"""Tokens after which a text is brought to its end: more than the longest monologue has."""

BLANK_LIMIT = 40
"""Tokens of white space after which a plain text must say something."""

_NOT_IN_NAMES = frozenset(":：_()\n")
_UNWRITABLE = frozenset({"Cc", "Zl", "Zp"})


class Place(IntEnum):
    """Where a lane is; what may come depends on nothing else but a length."""

    OPENING = 0
    """Before a kind token, at the start of a script."""
    HEADING = 1
    """After `<heading>`, where text may follow but need not."""
    NAME_START = 2
    NAME = 3
    TEXT_START = 4
    """Where a line of text must say something: after a kind token, `<says>` or a line break."""
    TEXT = 5
    BLANK = 6
    """On a line of plain text that says nothing yet."""
    LINE = 7
    """On a line of plain text that says something."""
    SOURCE = 8
    """Before a source token, where a script of a mix begins."""


_OTHER_LIMITS = {Place.NAME_START: NAME_LIMIT, Place.NAME: NAME_LIMIT, Place.BLANK: BLANK_LIMIT}


class Position(NamedTuple):
    """How far each of B lanes has come: plain numbers, which for a few lanes are faster than tensors.

    Attributes:
        places: a `Place` each; in a mix, further on by `len(Place)` for each source.
        lengths: tokens since the name or text began; in plain text, since the line or gap did.
    """

    places: list[int]
    lengths: list[int]


class Rules(NamedTuple):
    """What a grammar looks up; P is the number of places.

    Attributes:
        allowed_PV: what may come at a place.
        closing_PV: what brings a name or text that has grown too long nearer to its end; of every row
            something is allowed.
        next_PV: the place after a token, whether or not the token is allowed.
        resets_PV: where lengths are counted anew.
        limits: the length at each place from which on only what closes it may come.
    """

    allowed_PV: NDArray[np.bool_]
    closing_PV: NDArray[np.bool_]
    next_PV: NDArray[np.int64]
    resets_PV: NDArray[np.bool_]
    limits: list[int]


class Grammar:
    """The rules as tables.

    Args:
        rules: for every `Place`, or for every `Place` of several sources.
        device: where the lanes are.
    """

    def __init__(self, rules: Rules, device: torch.device) -> None:
        forbidden_2PV = ~np.concatenate([rules.allowed_PV, rules.allowed_PV & rules.closing_PV])
        self._forbidden_2PV = torch.from_numpy(forbidden_2PV).to(device)
        self._rows: list[Tensor] = list(self._forbidden_2PV[:, None])
        self._steps: list[list[int]] = np.where(rules.resets_PV, ~rules.next_PV, rules.next_PV).tolist()
        self._limits = rules.limits

    def start(self, lanes: int) -> Position:
        """Where lanes are that have read nothing; an `<end>` should come first."""
        return Position([Place.OPENING] * lanes, [0] * lanes)

    def forbidden(self, position: Position) -> Tensor:
        """What must not come now: `forbidden_BV`, true where forbidden; each lane has something left."""
        rows = [
            place + len(self._limits) if length >= self._limits[place] else place
            for place, length in zip(position.places, position.lengths, strict=True)
        ]
        if len(rows) == 1:
            return self._rows[rows[0]]
        return self._forbidden_2PV.index_select(0, torch.tensor(rows, device=self._forbidden_2PV.device))

    def advance(self, position: Position, ids: Sequence[int]) -> Position:
        """The position after one more token on each lane, which need not be an allowed one."""
        places, lengths = [], []
        for place, length, id_ in zip(position.places, position.lengths, ids, strict=True):
            step = self._steps[place][id_]  # the next place, as its complement where the length is reset
            places.append(step if step >= 0 else ~step)
            lengths.append(length + 1 if step >= 0 else 0)
        return Position(places, lengths)


def build_grammar(vocabulary: Vocabulary, device: torch.device) -> Grammar:
    """The grammar of the scripts, or of the plain texts, that a vocabulary was made for."""
    return Grammar(build_rules(vocabulary), device)


def build_rules(vocabulary: Vocabulary) -> Rules:
    """The rules of the scripts, or of the plain texts, that a vocabulary was made for."""
    rules = _plain_rules(vocabulary) if vocabulary.plain else _script_rules(vocabulary)
    return _rules_by_source(rules, vocabulary) if vocabulary.sources else rules


def _limits(vocabulary: Vocabulary) -> list[int]:
    return [_OTHER_LIMITS.get(place, TEXT_LIMITS[vocabulary.level]) for place in Place]


def _script_rules(vocabulary: Vocabulary) -> Rules:
    """Elements in normal form: none without text but headings, and no blank line within one.

    Bytes that are no whole character count as ink.
    """
    texts = vocabulary.token_texts
    text_V = _text_tokens(vocabulary) & _mask(_is_writable(text) for text in texts)
    inked_V = text_V & _mask(not text[:1].isspace() for text in texts)
    nameable_V = text_V & _mask(_NOT_IN_NAMES.isdisjoint(text) for text in texts)
    breaking_V = _mask(text.rstrip(" ").endswith("\n") for text in texts)

    says_V, end_V = _only(vocabulary, vocabulary.says), _only(vocabulary, vocabulary.end)
    cues = [vocabulary.cue, *(voice.id for voice in vocabulary.speaker_tokens)]
    kinds_V = _only(vocabulary, vocabulary.heading, vocabulary.action, vocabulary.transition, *cues)

    allowed_PV = np.zeros((len(Place), vocabulary.size), dtype=np.bool_)
    allowed_PV[Place.OPENING] = kinds_V
    allowed_PV[Place.HEADING] = inked_V | kinds_V
    allowed_PV[Place.NAME_START] = inked_V & nameable_V
    allowed_PV[Place.NAME] = nameable_V | says_V
    allowed_PV[Place.TEXT_START] = inked_V
    allowed_PV[Place.TEXT] = text_V | kinds_V | end_V

    closing_PV = np.ones_like(allowed_PV)
    closing_PV[Place.NAME] = says_V
    closing_PV[Place.TEXT_START] = ~breaking_V
    closing_PV[Place.TEXT] = kinds_V | end_V

    next_PV = np.full(allowed_PV.shape, Place.TEXT, dtype=np.int64)
    next_PV[:, breaking_V | ~vocabulary.is_text] = Place.TEXT_START
    next_PV[[Place.NAME_START, Place.NAME]] = np.where(vocabulary.is_text, Place.NAME, Place.TEXT_START)
    next_PV[:, vocabulary.heading] = Place.HEADING
    next_PV[Place.OPENING, vocabulary.heading] = Place.TEXT_START  # an empty one parts scenes
    next_PV[:, vocabulary.cue] = Place.NAME_START
    next_PV[:, vocabulary.end] = Place.OPENING

    resets_PV = np.broadcast_to(~vocabulary.is_text, allowed_PV.shape)
    return Rules(allowed_PV, closing_PV, next_PV, resets_PV, _limits(vocabulary))


def _rules_by_source(rules: Rules, vocabulary: Vocabulary) -> Rules:
    """The rules of a mix: those for scripts, once for lanes without a source and once for each source.

    A script begins with a source token: with any on a lane without a source, else with that of its own. It
    then has the speakers of that source, and those who may come anywhere.
    """
    copies = len(vocabulary.sources) + 1
    allowed_SPV = np.repeat(rules.allowed_PV[None], copies, axis=0)
    next_SPV = np.repeat(rules.next_PV[None], copies, axis=0)
    allowed_SPV[0, Place.SOURCE] = _only(vocabulary, *vocabulary.sources.values())
    next_SPV[:, :, vocabulary.end] = Place.SOURCE
    next_SPV += np.arange(copies)[:, None, None] * len(Place)
    for number, (source, id_) in enumerate(vocabulary.sources.items(), 1):
        strangers = [voice.id for voice in vocabulary.speaker_tokens if voice.source not in (None, source)]
        allowed_SPV[number][:, strangers] = False
        allowed_SPV[number, Place.SOURCE] = _only(vocabulary, id_)
        next_SPV[:, :, id_] = number * len(Place) + Place.OPENING
    return Rules(
        allowed_SPV.reshape(-1, vocabulary.size),
        np.tile(rules.closing_PV, (copies, 1)),
        next_SPV.reshape(-1, vocabulary.size),
        np.tile(rules.resets_PV, (copies, 1)),
        rules.limits * copies,
    )


def _plain_rules(vocabulary: Vocabulary) -> Rules:
    """Any text, in lines that end some time and gaps that do, too."""
    texts = vocabulary.token_texts
    end_V = _only(vocabulary, vocabulary.end)
    breaks_V = end_V | _mask("\n" in text for text in texts)
    speaks_V = _mask(bool(text.rpartition("\n")[2].strip()) for text in texts)

    allowed_PV = np.zeros((len(Place), vocabulary.size), dtype=np.bool_)
    allowed_PV[[Place.BLANK, Place.LINE]] = _text_tokens(vocabulary) | end_V

    closing_PV = np.ones_like(allowed_PV)
    closing_PV[Place.BLANK] = speaks_V
    closing_PV[Place.LINE] = breaks_V

    next_PV = np.full(allowed_PV.shape, Place.BLANK, dtype=np.int64)
    next_PV[Place.LINE, ~breaks_V] = Place.LINE
    next_PV[:, speaks_V] = Place.LINE

    resets_PV = (next_PV != np.arange(len(Place))[:, None]) | (breaks_V & speaks_V)
    return Rules(allowed_PV, closing_PV, next_PV, resets_PV, _limits(vocabulary))


def _text_tokens(vocabulary: Vocabulary) -> NDArray[np.bool_]:
    """The tokens of text that are known words."""
    text_V = vocabulary.is_text.copy()
    if vocabulary.unknown is not None:
        text_V[vocabulary.unknown] = False
    return text_V


def _is_writable(text: str) -> bool:
    """Whether a token of text can stand in an element: no control characters, and no line of spaces."""
    has_blank_line = any(not line.strip() for line in text.split("\n")[1:-1])
    return not has_blank_line and all(
        character == "\n" or unicodedata.category(character) not in _UNWRITABLE for character in text
    )


def _mask(values: Iterable[bool]) -> NDArray[np.bool_]:
    return np.fromiter(values, dtype=np.bool_)


def _only(vocabulary: Vocabulary, *ids: int) -> NDArray[np.bool_]:
    mask_V = np.zeros(vocabulary.size, dtype=np.bool_)
    mask_V[list(ids)] = True
    return mask_V
