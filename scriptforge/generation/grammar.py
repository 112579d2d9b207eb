"""The grammar: which tokens may come next, so that whatever a model writes is a script or a plain text.

A grammar is a finite automaton, stored as two tables over states and tokens: the tokens allowed in a state,
and the state that follows a token. Both are built once from a vocabulary; a step is then a table look-up. For
example, `<cue:JERRY> what is <end>` passes through these states:

    OPENING  --<cue:JERRY>-->  TEXT_START  --what-->  TEXT  --is-->  TEXT  --<end>-->  OPENING

In `TEXT_START` only text is allowed, so that no line is empty; in `TEXT` also tokens that end the line.

In a mix there is a set of states for each source: the state of a sequence tells its source, which it keeps.
The sets differ only in who may speak, so one of them is stored, and rows of the others are made when they are
needed: a stranger's model may name thousands of sources.
Further rules, such as a cast, forbid more (`scriptforge.generation.automata`). The module does not depend on
models and sampling.

Shape letters: B sequences of the batch, P states, S sources plus one for none, V vocabulary.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from enum import Enum, IntEnum
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scriptforge.errors import RunError
from scriptforge.vocabulary import Level, Vocabulary
from scriptforge.vocabulary.lexicon import is_unspaced

Mask: TypeAlias = NDArray[np.bool_]
"""Forbidden tokens, true where forbidden: for one sequence, or for each."""


NAME_LIMIT = 40
"""Number of tokens after which a spelled name is brought to its end."""

TEXT_LIMITS: dict[Level, int] = {"word": 400, "bpe": 700, "char": 2_000}
"""Number of tokens after which the text of a line is brought to its end: more than any monologue has."""

BLANK_LIMIT = 40
"""Number of tokens of white space after which plain text must continue with something else."""

RUN_LIMITS: dict[Level, int] = {"word": 16, "bpe": 16, "char": 32}
"""Number of tokens after which a line that repeats the same one or two is brought to its end.

An undertrained model writes dots for ever; human runs, such as “no, no, no” and “hahaha”, are shorter.
"""

MAX_RULES = 1 << 25
"""Largest number of states times tokens of a grammar that is written out for other programs."""

_PLAIN_RUNS = 4
"""Factor by which such a run may be longer in plain text, which has ruled lines and indents."""

_MAX_CACHED = 256  # rows: of a source, a text needs at most as many as there are states, twice

_NOT_IN_NAMES = frozenset(":：_()\n")
_UNWRITABLE = frozenset({"Cc", "Zl", "Zp"})
_JOINING = frozenset("'’\ufffd")


class GrammarState(IntEnum):
    """The state of a sequence; the allowed tokens depend on it and on lengths alone."""

    OPENING = 0
    """Before the token that opens an element, at the start of a script."""
    HEADING = 1
    """After `<heading>`, where text may follow but need not."""
    NAME_START = 2
    NAME = 3
    TEXT_START = 4
    """Before text that must not be blank: after a token that opens an element, `<says>` or a line break."""
    TEXT = 5
    BLANK = 6
    """On a line of plain text that is blank so far."""
    LINE = 7
    """On a line of plain text that is not blank."""
    SOURCE = 8
    """Before a source token, where a script of a mix begins."""


_OTHER_LIMITS = {
    GrammarState.NAME_START: NAME_LIMIT,
    GrammarState.NAME: NAME_LIMIT,
    GrammarState.BLANK: BLANK_LIMIT,
}


Run: TypeAlias = tuple[int, int, int, int]
"""A run of at most two different tokens at the end of a text: the last one, the other one, the length of the
run of the last one alone, and the length of the run of both."""

NO_RUN: Run = (-1, -1, 0, 0)


def _extend(run: Run, id_: int) -> Run:
    last, other, alone, both = run
    if id_ == last:
        return last, other, alone + 1, both + 1
    return id_, last, 1, both + 1 if id_ == other else alone + 1


class Position(NamedTuple):
    """The positions of B sequences, in lists, which for few sequences are faster than arrays.

    Attributes:
        states: `GrammarState` of each; in a mix, plus `len(GrammarState)` times the number of the source.
        lengths: number of tokens since the name or text began; in plain text, since the line or gap did.
        runs: run of the same one or two tokens at the end of that name, text, line or gap.
    """

    states: list[int]
    lengths: list[int]
    runs: list[Run]

    def is_in_line(self, row: int) -> bool:
        """Return whether a sequence is in the text of a line of a script."""
        return self.states[row] % len(GrammarState) in (GrammarState.TEXT_START, GrammarState.TEXT)

    def copy(self, row: int, source: int) -> None:
        """Copy the state of one sequence to another."""
        self.states[row] = self.states[source]
        self.lengths[row] = self.lengths[source]
        self.runs[row] = self.runs[source]


class Rules(NamedTuple):
    """The tables of a grammar, where P is the number of states.

    Attributes:
        allowed_PV: tokens allowed in each state.
        closing_PV: tokens that bring a name or text that is too long closer to its end; in each state, at
            least one of them is allowed.
        next_PV: state after each token, whether or not the token is allowed.
        resets_PV: where the length starts again from 0.
        limits: length in each state from which only closing tokens are allowed.
        run_limits: the same for the length of a run.
    """

    allowed_PV: Mask
    closing_PV: Mask
    next_PV: NDArray[np.int16]
    resets_PV: Mask
    limits: list[int]
    run_limits: list[int]


class Grammar:
    """The grammar of a vocabulary.

    Args:
        vocabulary: a vocabulary for scripts or for plain texts.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        rules = _rules_within_source(vocabulary)
        self._vocabulary = vocabulary
        self._forbidden_2PV: Mask = ~np.stack([rules.allowed_PV, rules.allowed_PV & rules.closing_PV])
        self._steps: list[list[int]] = np.where(rules.resets_PV, ~rules.next_PV, rules.next_PV).tolist()
        self._limits = rules.limits
        self._run_limits = rules.run_limits
        self._sources = list(vocabulary.sources.items())
        self._openings = {
            id_: number * len(GrammarState) + GrammarState.OPENING
            for number, (_, id_) in enumerate(self._sources, 1)
        }
        self._row = lru_cache(_MAX_CACHED)(self._make_row)

    def start(self, batch_size: int) -> Position:
        """Return the position of sequences without tokens; their first one should be an `<end>`."""
        return Position([GrammarState.OPENING] * batch_size, [0] * batch_size, [NO_RUN] * batch_size)

    def forbidden(self, position: Position) -> Mask:
        """Return the tokens forbidden now: `forbidden_BV`, true where forbidden; at least one is left."""
        rows = []
        for state, length, run in zip(*position, strict=True):
            own = state % len(GrammarState)
            rows.append(self._row(state, length >= self._limits[own] or run[-1] >= self._run_limits[own]))
        return rows[0] if len(rows) == 1 else np.concatenate(rows)

    def advance(self, position: Position, ids: Sequence[int | None]) -> Position:
        """Return the position after one more token in each sequence, allowed or not; None is no token."""
        after = Position([], [], [])
        for state, length, run, id_ in zip(*position, ids, strict=True):
            if id_ is None:
                after.states.append(state)
                after.lengths.append(length)
                after.runs.append(run)
                continue
            own = state % len(GrammarState)
            step = self._steps[own][id_]  # the next state; its complement where the length is reset
            if step >= 0:
                after.states.append(state - own + step)
                after.lengths.append(length + 1)
                after.runs.append(_extend(run, id_))
            else:
                after.states.append(self._openings.get(id_, state - own + ~step))
                after.lengths.append(0)
                after.runs.append(NO_RUN)
        return after

    def _make_row(self, state: int, is_too_long: bool) -> Mask:
        """Return the tokens forbidden in a state, `forbidden_1V`, where a limit was reached or not."""
        number, own = divmod(state, len(GrammarState))
        forbidden_1V: Mask = self._forbidden_2PV[int(is_too_long), own][None]
        source, _ = self._sources[number - 1] if number else (None, 0)
        if self._sources and own == GrammarState.SOURCE:
            opening = [id_ for name, id_ in self._sources if source in (None, name)]
            forbidden_1V = ~_only(self._vocabulary, *opening)[None]
        elif source is not None:
            forbidden_1V = forbidden_1V | _only(self._vocabulary, *_strangers(source, self._vocabulary))
        return forbidden_1V


grammar_of = lru_cache(maxsize=4)(Grammar)
"""Return the grammar of a vocabulary, from a cache."""


def build_rules(vocabulary: Vocabulary) -> Rules:
    """Return the rules for the scripts or plain texts that a vocabulary was made for, whole.

    Raises:
        RunError: in a mix, the tables would have more than `MAX_RULES` entries.
    """
    rules = _rules_within_source(vocabulary)
    if not (sources := len(vocabulary.sources)):
        return rules
    if (sources + 1) * rules.next_PV.size > MAX_RULES:
        raise RunError(
            f"A mix of {sources:,} sources and {vocabulary.size:,} tokens is too large for a page"
            " or another program.",
            "It can be used with scriptforge generate, or be trained on fewer corpora.",
        )
    return _rules_by_source(rules, vocabulary)


def _rules_within_source(vocabulary: Vocabulary) -> Rules:
    """Return the rules without those that differ from one source of a mix to another."""
    rules = _plain_rules(vocabulary) if vocabulary.plain else _script_rules(vocabulary)
    if vocabulary.sources:
        rules.next_PV[:, vocabulary.end] = GrammarState.SOURCE
    return rules


def _strangers(source: str, vocabulary: Vocabulary) -> list[int]:
    """Return the cues of those who do not speak in a source of a mix."""
    return [token.id for token in vocabulary.speaker_tokens if token.source not in (None, source)]


def _limits(vocabulary: Vocabulary) -> tuple[list[int], list[int]]:
    """Return the limits of lengths and of runs by state; the two differ only within a line."""
    limits = [_OTHER_LIMITS.get(state, TEXT_LIMITS[vocabulary.level]) for state in GrammarState]
    longest_run = RUN_LIMITS[vocabulary.level] * (_PLAIN_RUNS if vocabulary.plain else 1)
    is_line = [state in (GrammarState.TEXT, GrammarState.LINE) for state in GrammarState]
    return limits, [longest_run if each else limit for each, limit in zip(is_line, limits, strict=True)]


def _script_rules(vocabulary: Vocabulary) -> Rules:
    """Return the rules of elements in normal form: only headings may be empty, and there are no blank lines.

    A part of a character does not count as white space.
    """
    texts = vocabulary.token_texts
    text_V = _text_tokens(vocabulary) & _mask(_is_writable(text) for text in texts)
    inked_V = text_V & _mask(not text[:1].isspace() for text in texts)
    nameable_V = text_V & _mask(_NOT_IN_NAMES.isdisjoint(text) for text in texts)
    breaking_V = _mask(text.rstrip(" ").endswith("\n") for text in texts)

    says_V, end_V = _only(vocabulary, vocabulary.says), _only(vocabulary, vocabulary.end)
    cues = [vocabulary.cue, *(token.id for token in vocabulary.speaker_tokens)]
    kinds_V = _only(vocabulary, *vocabulary.non_dialogue_ids, *cues)

    allowed_PV = np.zeros((len(GrammarState), vocabulary.size), dtype=np.bool_)
    allowed_PV[GrammarState.OPENING] = kinds_V
    allowed_PV[GrammarState.HEADING] = inked_V | kinds_V
    allowed_PV[GrammarState.NAME_START] = inked_V & nameable_V
    allowed_PV[GrammarState.NAME] = nameable_V | says_V
    allowed_PV[GrammarState.TEXT_START] = inked_V
    allowed_PV[GrammarState.TEXT] = text_V | kinds_V | end_V

    closing_PV = np.ones_like(allowed_PV)
    closing_PV[GrammarState.NAME] = says_V
    closing_PV[GrammarState.TEXT_START] = ~breaking_V
    closing_PV[GrammarState.TEXT] = kinds_V | end_V

    next_PV = np.full(allowed_PV.shape, GrammarState.TEXT, dtype=np.int16)
    next_PV[:, breaking_V | ~vocabulary.is_text] = GrammarState.TEXT_START
    next_PV[[GrammarState.NAME_START, GrammarState.NAME]] = np.where(
        vocabulary.is_text, GrammarState.NAME, GrammarState.TEXT_START
    )
    next_PV[:, vocabulary.heading] = GrammarState.HEADING
    # A script's first heading must have text: empty headings separate scenes.
    next_PV[GrammarState.OPENING, vocabulary.heading] = GrammarState.TEXT_START
    next_PV[:, vocabulary.cue] = GrammarState.NAME_START
    next_PV[:, vocabulary.end] = GrammarState.OPENING

    resets_PV = np.broadcast_to(~vocabulary.is_text, allowed_PV.shape)
    return Rules(allowed_PV, closing_PV, next_PV, resets_PV, *_limits(vocabulary))


def _rules_by_source(rules: Rules, vocabulary: Vocabulary) -> Rules:
    """Return the rules of a mix: those for scripts, once for no source yet and once for each source.

    A script begins with a source token: any one if there was none before, else the same one again. Its
    speakers are those of that source, and those without a source.
    """
    copies = len(vocabulary.sources) + 1
    allowed_SPV = np.repeat(rules.allowed_PV[None], copies, axis=0)
    next_SPV = np.repeat(rules.next_PV[None], copies, axis=0)
    allowed_SPV[0, GrammarState.SOURCE] = _only(vocabulary, *vocabulary.sources.values())
    next_SPV += np.arange(copies, dtype=np.int16)[:, None, None] * len(GrammarState)
    for number, (source, id_) in enumerate(vocabulary.sources.items(), 1):
        allowed_SPV[number][:, _strangers(source, vocabulary)] = False
        allowed_SPV[number, GrammarState.SOURCE] = _only(vocabulary, id_)
        next_SPV[:, :, id_] = number * len(GrammarState) + GrammarState.OPENING
    return Rules(
        allowed_SPV.reshape(-1, vocabulary.size),
        np.tile(rules.closing_PV, (copies, 1)),
        next_SPV.reshape(-1, vocabulary.size),
        np.tile(rules.resets_PV, (copies, 1)),
        rules.limits * copies,
        rules.run_limits * copies,
    )


def _plain_rules(vocabulary: Vocabulary) -> Rules:
    """Return the rules of plain text, which only bring long lines and gaps to an end."""
    texts = vocabulary.token_texts
    end_V = _only(vocabulary, vocabulary.end)
    breaks_V = end_V | _mask("\n" in text for text in texts)
    speaks_V = _mask(bool(text.rpartition("\n")[2].strip()) for text in texts)

    allowed_PV = np.zeros((len(GrammarState), vocabulary.size), dtype=np.bool_)
    allowed_PV[[GrammarState.BLANK, GrammarState.LINE]] = _text_tokens(vocabulary) | end_V

    closing_PV = np.ones_like(allowed_PV)
    closing_PV[GrammarState.BLANK] = speaks_V
    closing_PV[GrammarState.LINE] = breaks_V

    next_PV = np.full(allowed_PV.shape, GrammarState.BLANK, dtype=np.int16)
    next_PV[GrammarState.LINE, ~breaks_V] = GrammarState.LINE
    next_PV[:, speaks_V] = GrammarState.LINE

    resets_PV = (next_PV != np.arange(len(GrammarState))[:, None]) | (breaks_V & speaks_V)
    return Rules(allowed_PV, closing_PV, next_PV, resets_PV, *_limits(vocabulary))


class Boundary(Enum):
    """What must come after a given text, such as a prime."""

    WORD = "its last word ends: a space, a mark or the end of the line comes"
    SPACE = "another word comes on the same line"
    LINE = "the line ends"

    def excluded(self, vocabulary: Vocabulary) -> Mask:
        """Return the tokens that must not come next: `excluded_V`, true where excluded."""
        if self is Boundary.LINE:
            return vocabulary.is_text
        if self is Boundary.SPACE:
            return _mask(not text[:1].isspace() or "\n" in text for text in vocabulary.texts_after_word)
        return _mask(_continues_word(text) for text in vocabulary.texts_after_word)


def boundary_after(text: str) -> Boundary | None:
    """Return what must come after a typed text; None for anything.

    A line break ends the line, and a space asks for another word. A word is complete, in writing systems that
    separate words by spaces: `at the bank` may become `at the bank.` but not `at the banker`.
    """
    if text.endswith(("\n", "\r")):
        return Boundary.LINE
    if text[-1:].isspace():
        return Boundary.SPACE
    return Boundary.WORD if text and _is_in_word(text[-1]) and not is_unspaced(text[-1]) else None


def _continues_word(text: str) -> bool:
    """Return whether a token extends the word before it: `er`, `'s`, `-`, a part of a character."""
    return bool(text) and (
        text[0] in _JOINING or _is_in_word(text[0]) or (text[0] == "-" and text[1:2] != "-")
    )


def _is_in_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")


def _text_tokens(vocabulary: Vocabulary) -> Mask:
    text_V = vocabulary.is_text.copy()
    if vocabulary.unknown is not None:
        text_V[vocabulary.unknown] = False
    return text_V


def _is_writable(text: str) -> bool:
    """Return whether a token may occur in an element: no control characters, and no blank line."""
    if text.isprintable():
        return True
    has_blank_line = any(not line.strip() for line in text.split("\n")[1:-1])
    return not has_blank_line and all(
        character == "\n" or unicodedata.category(character) not in _UNWRITABLE for character in text
    )


def _mask(values: Iterable[bool]) -> Mask:
    return np.fromiter(values, dtype=np.bool_)


def _only(vocabulary: Vocabulary, *ids: int) -> Mask:
    mask_V = np.zeros(vocabulary.size, dtype=np.bool_)
    mask_V[list(ids)] = True
    return mask_V
