"""Brackets: those that are opened in a line are closed in it, and no others are. Quotes are brackets, too.

    written so far            forbidden                                        must come later
    `hello.`                  `)`, `]`, `”`
    `(to kramer`              the end of the line, another `(`, `]`            `)`
    `he said “no (laughs`     the end of the line, another `(` or `“`, `”`     `)`, and then `”`

Nor does a speaker turn to himself: in Kramer's lines, the word after `(to` must not begin like his name.

Both hold only as far as they do in the training text (`text_statistics.brackets`). Where a line has to end,
open brackets are closed first. Names and given text are exempt. The module does not depend on models.

Shape letter: V vocabulary.
"""

from codecs import getincrementaldecoder
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from scriptforge.generation.automata import AfterIdle, Forbidden
from scriptforge.generation.grammar import Mask
from scriptforge.text_statistics.brackets import BracketStatistics
from scriptforge.vocabulary import Level, Vocabulary

MAX_OPEN_TOKENS: dict[Level, int] = {"word": 25, "bpe": 35, "char": 120}
"""Number of tokens after which an open bracket is closed: more than nearly all asides have.

Otherwise a model that has forgotten an open bracket might never end its line, which it can only do once that
is closed.
"""

_NO_TURNING = "\n"
_decoder = getincrementaldecoder("utf-8")


@dataclass(frozen=True, slots=True)
class OpenBrackets:
    """The brackets that are open at the end of a text.

    Attributes:
        closing: brackets that close them, the next one last.
        rest: first bytes of an incomplete character.
        speaker: layout token that opened the line, which for a speaker with a token is the cue.
        aside: text since the last opening bracket while it may be a word such as `to`, or `_NO_TURNING`.
    """

    closing: str = ""
    rest: bytes = b""
    speaker: int = -1
    aside: str = ""

    @property
    def is_pending(self) -> bool:
        """Return whether a bracket is open or may have begun: otherwise only tokens with a bracket matter."""
        return bool(self.closing or self.rest)


class _State(NamedTuple):
    """A state of `BalancedBrackets`.

    Attributes:
        opened: the open brackets; None in a name, where brackets don't count.
        length: number of tokens since the first of them was opened.
    """

    opened: OpenBrackets | None
    length: int = 0


class BalancedBrackets:
    """The rule that brackets must be balanced, as an `Automaton`.

    Args:
        statistics: use of brackets in the training text.
        vocabulary: a vocabulary for scripts.
    """

    start = _State(OpenBrackets())

    def __init__(self, statistics: BracketStatistics, vocabulary: Vocabulary) -> None:
        self._rule = _rule(tuple(statistics.closed), tuple(statistics.turning), vocabulary)
        self._layout_size = vocabulary.layout_size
        self._cue = vocabulary.cue
        self._max_open_tokens = MAX_OPEN_TOKENS[vocabulary.level]

    def after(self, state: _State, id_: int, *, drawn: bool) -> _State:
        """See `Automaton.after`; given tokens count like drawn ones."""
        opened = state.opened
        if id_ < self._layout_size:
            return _State(None if id_ == self._cue else OpenBrackets(speaker=id_))
        if opened is None or not (opened.is_pending or self._rule.has_bracket[id_]):
            return state
        opened = self._rule.after(opened, id_)
        return _State(opened, min(state.length + 1, self._max_open_tokens) if opened.closing else 0)

    def forbidden(self, state: _State) -> Forbidden:
        """See `Automaton.forbidden`."""
        opened = state.opened
        if opened is None:
            return Forbidden(self._rule.nothing_V)
        if not opened.is_pending:
            return Forbidden(self._rule.unmatched_V)
        if not opened.closing:
            return Forbidden(self._rule.forbidden_after(opened))
        not_closing_V = self._rule.not_closing(opened.closing, opened.rest)
        if state.length >= self._max_open_tokens:
            return Forbidden(not_closing_V, replaces=True)
        return Forbidden(self._rule.forbidden_after(opened), otherwise_V=not_closing_V)

    def is_idle(self, state: _State) -> bool:
        """See `Automaton.is_idle`; in an aside that turns to nobody, text without a bracket passes."""
        opened = state.opened
        return opened is None or not opened.is_pending or (opened.aside == _NO_TURNING and not opened.rest)

    def after_idle(self, id_: int) -> _State | AfterIdle:
        """See `Automaton.after_idle`."""
        if id_ < self._layout_size:
            return self.after(self.start, id_, drawn=True)
        return AfterIdle.UNDECIDED if self._rule.has_bracket[id_] else AfterIdle.PASSING


class _Rule:
    """The effect of tokens on open brackets, and which tokens are forbidden.

    Attributes:
        has_bracket: whether each token, by id, has a bracket or part of a character that may be one.
        nothing_V: no tokens.
        unmatched_V: tokens forbidden where no bracket is open.
    """

    def __init__(self, closed: tuple[str, ...], turning: tuple[str, ...], vocabulary: Vocabulary) -> None:
        self._closing_of = {pair[0]: pair[1] for pair in closed}
        self._brackets = set("".join(closed))
        self._turning = {*turning, *(f"{word} " for word in turning)}
        self._vocabulary = vocabulary
        self._tokens = vocabulary.token_bytes
        self._texts = [text.lower() for text in vocabulary.texts_after_word]
        self._names = {token.id: token.name.lower() for token in vocabulary.speaker_tokens}
        text_ids = range(vocabulary.layout_size, vocabulary.size)
        self._bracket_ids = [id_ for id_ in text_ids if self._may_have_bracket(id_)]
        self.has_bracket: list[bool] = np.isin(np.arange(vocabulary.size), self._bracket_ids).tolist()
        self.nothing_V = np.zeros(vocabulary.size, np.bool_)
        self.after = lru_cache(1 << 16)(self._after)
        self._unbalanced_after = lru_cache(1 << 8)(self._find_unbalanced)
        self._own_name = lru_cache(1 << 8)(self._find_own_name)
        self.not_closing = lru_cache(1 << 8)(self._find_not_closing)
        self.unmatched_V = self._find_unbalanced("", b"")

    def _may_have_bracket(self, id_: int) -> bool:
        """Return whether a token has a bracket, or part of a character that may be one."""
        text = self._tokens[id_].decode(errors="replace")
        return not self._brackets.isdisjoint(text) or "\N{REPLACEMENT CHARACTER}" in text

    def _after(self, opened: OpenBrackets, id_: int) -> OpenBrackets:
        """Return the open brackets after one more text token, allowed or not."""
        after, _ = self._walk(opened, id_)
        return after

    def _walk(self, opened: OpenBrackets, id_: int) -> tuple[OpenBrackets, bool]:
        """Return the open brackets after one more text token, and whether that token is allowed."""
        if not (opened.rest or self.has_bracket[id_]):
            aside = opened.aside + (self._texts[id_] if opened.aside else self._texts[id_].lstrip())
            is_turning = opened.closing and any(word.startswith(aside) for word in self._turning)
            return replace(opened, aside=aside if is_turning else _NO_TURNING), True
        decoder = _decoder("replace")
        text = decoder.decode(opened.rest + self._tokens[id_])
        closing, aside, is_possible = opened.closing, opened.aside, True
        for character in text.lower():
            if character == closing[-1:]:
                closing, aside = closing[:-1], _NO_TURNING
            elif character in self._closing_of:
                is_possible = is_possible and self._closing_of[character] not in closing
                closing, aside = closing + self._closing_of[character], ""
            else:
                is_possible = is_possible and character not in self._brackets
                aside += character if aside or not character.isspace() else ""
        is_turning = closing and any(word.startswith(aside) for word in self._turning)
        return replace(
            opened,
            closing=closing,
            rest=decoder.getstate()[0],
            aside=aside if is_turning else _NO_TURNING,
        ), is_possible

    def forbidden_after(self, opened: OpenBrackets) -> Mask:
        """Return the tokens forbidden after a text with these open brackets: `forbidden_V`."""
        forbidden_V = self._unbalanced_after(opened.closing, opened.rest)
        if opened.closing and opened.aside in self._turning and opened.speaker in self._names:
            return forbidden_V | self._own_name(self._names[opened.speaker], opened.aside)
        return forbidden_V

    def _find_unbalanced(self, closing: str, rest: bytes) -> Mask:
        forbidden_V = self.nothing_V.copy()
        forbidden_V[: self._vocabulary.layout_size] = bool(closing)
        opened = OpenBrackets(closing, rest)
        forbidden_V[[id_ for id_ in self._bracket_ids if not self._walk(opened, id_)[1]]] = True
        return forbidden_V

    def _find_own_name(self, name: str, aside: str) -> Mask:
        """Return the tokens that begin a name as the next word of an aside: `forbidden_V`."""
        forbidden_V = self.nothing_V.copy()
        for id_ in range(self._vocabulary.layout_size, self._vocabulary.size):
            text = f"{aside}{self._texts[id_]}".removeprefix(aside.rstrip())
            word = text.strip()
            if text[:1].isspace() and word and (name.startswith(word) or word.startswith(name)):
                forbidden_V[id_] = True
        return forbidden_V

    def _find_not_closing(self, closing: str, rest: bytes) -> Mask:
        """Return all tokens except those that close the last open bracket, or begin to: `forbidden_V`."""
        opened, bracket = OpenBrackets(closing, rest), closing[-1].encode()
        forbidden_V = ~self.nothing_V
        for id_ in self._bracket_ids:
            after, is_possible = self._walk(opened, id_)
            begins_bracket = after.rest and bracket.startswith(after.rest)
            if is_possible and (after.closing == opened.closing[:-1] or begins_bracket):
                forbidden_V[id_] = False
        return forbidden_V


_rule = lru_cache(maxsize=4)(_Rule)
"""Cached, so that later texts reuse what was looked up for earlier ones."""
