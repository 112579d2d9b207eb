"""Marks: brackets and quotes that are opened in a line are closed in it, and no others are.

    written so far            forbidden                                        must come later
    `hello.`                  `)`, `]`, `”`
    `(to kramer`              the end of the line, another `(`, `]`            `)`
    `he said “no (laughs`     the end of the line, another `(` or `“`, `”`     `)`, and then `”`

Nor does a speaker turn to himself: in Kramer's lines, the word after `(to` must not begin like his name.

Both hold only as far as they do in the training text (`text_statistics.brackets`). Where a line has to end,
open marks are closed first. Names and given text are exempt. The module does not depend on models.

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

LONGEST: dict[Level, int] = {"word": 25, "bpe": 35, "char": 120}
"""Number of tokens after which an open mark is closed: more than nearly all asides have.

Otherwise a model that has forgotten an open mark might never end its line, which it can only do once the mark
is closed.
"""

_NO_TURNING = "\n"
_decoder = getincrementaldecoder("utf-8")


@dataclass(frozen=True, slots=True)
class Opened:
    """The marks that are open at the end of a text.

    Attributes:
        closing: marks that close them, the next one last.
        rest: first bytes of an incomplete character.
        speaker: layout token that opened the line, which for a speaker with a token is the cue.
        aside: text since the last opening mark, while it may be a word such as `to`; otherwise `_NO_TURNING`.
    """

    closing: str = ""
    rest: bytes = b""
    speaker: int = -1
    aside: str = ""

    @property
    def is_pending(self) -> bool:
        """Return whether a mark is open, or may have begun: otherwise only tokens with a mark matter."""
        return bool(self.closing or self.rest)


class _State(NamedTuple):
    """A state of `Marks`.

    Attributes:
        opened: the open marks; None in a name, where marks don't count.
        length: number of tokens since the first of them was opened.
    """

    opened: Opened | None
    length: int = 0


class Marks:
    """The rule as an `Automaton`.

    Args:
        statistics: use of marks in the training text.
        vocabulary: a vocabulary for scripts.
    """

    start = _State(Opened())

    def __init__(self, statistics: BracketStatistics, vocabulary: Vocabulary) -> None:
        self._rule = _rule(tuple(statistics.closed), tuple(statistics.turning), vocabulary)
        self._layout_size = vocabulary.layout_size
        self._cue = vocabulary.cue
        self._longest = LONGEST[vocabulary.level]

    def after(self, state: _State, id_: int, *, drawn: bool) -> _State:
        """See `Automaton.after`; given tokens count like drawn ones."""
        opened = state.opened
        if id_ < self._layout_size:
            return _State(None if id_ == self._cue else Opened(speaker=id_))
        if opened is None or not (opened.is_pending or self._rule.is_marked[id_]):
            return state
        opened = self._rule.after(opened, id_)
        return _State(opened, min(state.length + 1, self._longest) if opened.closing else 0)

    def forbidden(self, state: _State) -> Forbidden:
        """See `Automaton.forbidden`."""
        opened = state.opened
        if opened is None:
            return Forbidden(self._rule.nothing_V)
        if not opened.is_pending:
            return Forbidden(self._rule.unopened_V)
        if not opened.closing:
            return Forbidden(self._rule.forbidden_after(opened))
        unclosing_V = self._rule.unclosing(opened.closing, opened.rest)
        if state.length >= self._longest:
            return Forbidden(unclosing_V, replaces=True)
        return Forbidden(self._rule.forbidden_after(opened), otherwise_V=unclosing_V)

    def is_idle(self, state: _State) -> bool:
        """See `Automaton.is_idle`; in an aside that does not turn to anybody, text without a mark passes."""
        opened = state.opened
        return opened is None or not opened.is_pending or (opened.aside == _NO_TURNING and not opened.rest)

    def after_idle(self, id_: int) -> _State | AfterIdle:
        """See `Automaton.after_idle`."""
        if id_ < self._layout_size:
            return self.after(self.start, id_, drawn=True)
        return AfterIdle.UNDECIDED if self._rule.is_marked[id_] else AfterIdle.PASSING


class _Rule:
    """The effect of tokens on open marks, and which tokens are forbidden.

    Attributes:
        is_marked: whether each token, by id, has a mark or part of a character that may be one.
        nothing_V: no tokens.
        unopened_V: tokens forbidden where no mark is open.
    """

    def __init__(self, closed: tuple[str, ...], turning: tuple[str, ...], vocabulary: Vocabulary) -> None:
        self._closing_of = {pair[0]: pair[1] for pair in closed}
        self._marks = set("".join(closed))
        self._turning = {*turning, *(f"{word} " for word in turning)}
        self._vocabulary = vocabulary
        self._tokens = vocabulary.token_bytes
        self._texts = [text.lower() for text in vocabulary.texts_after_word]
        self._names = {token.id: token.name.lower() for token in vocabulary.speaker_tokens}
        self._marked = [id_ for id_ in range(vocabulary.layout_size, vocabulary.size) if self._may_mark(id_)]
        self.is_marked: list[bool] = np.isin(np.arange(vocabulary.size), self._marked).tolist()
        self.nothing_V = np.zeros(vocabulary.size, np.bool_)
        self.after = lru_cache(1 << 16)(self._after)
        self._impossible_after = lru_cache(1 << 8)(self._find_impossible)
        self._own_name = lru_cache(1 << 8)(self._find_own_name)
        self.unclosing = lru_cache(1 << 8)(self._find_unclosing)
        self.unopened_V = self._find_impossible("", b"")

    def _may_mark(self, id_: int) -> bool:
        """Return whether a token has a mark, or part of a character that may be one."""
        text = self._tokens[id_].decode(errors="replace")
        return not self._marks.isdisjoint(text) or "\N{REPLACEMENT CHARACTER}" in text

    def _after(self, opened: Opened, id_: int) -> Opened:
        """Return the open marks after one more text token, allowed or not."""
        after, _ = self._walk(opened, id_)
        return after

    def _walk(self, opened: Opened, id_: int) -> tuple[Opened, bool]:
        """Return the open marks after one more text token, and whether that token is allowed."""
        if not (opened.rest or self.is_marked[id_]):
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
                is_possible = is_possible and character not in self._marks
                aside += character if aside or not character.isspace() else ""
        is_turning = closing and any(word.startswith(aside) for word in self._turning)
        return replace(
            opened,
            closing=closing,
            rest=decoder.getstate()[0],
            aside=aside if is_turning else _NO_TURNING,
        ), is_possible

    def forbidden_after(self, opened: Opened) -> Mask:
        """Return the tokens forbidden after a text with these open marks: `forbidden_V`."""
        forbidden_V = self._impossible_after(opened.closing, opened.rest)
        if opened.closing and opened.aside in self._turning and opened.speaker in self._names:
            return forbidden_V | self._own_name(self._names[opened.speaker], opened.aside)
        return forbidden_V

    def _find_impossible(self, closing: str, rest: bytes) -> Mask:
        forbidden_V = self.nothing_V.copy()
        forbidden_V[: self._vocabulary.layout_size] = bool(closing)
        opened = Opened(closing, rest)
        forbidden_V[[id_ for id_ in self._marked if not self._walk(opened, id_)[1]]] = True
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

    def _find_unclosing(self, closing: str, rest: bytes) -> Mask:
        """Return all tokens except those that close the last open mark, or begin to: `forbidden_V`."""
        opened, mark = Opened(closing, rest), closing[-1].encode()
        forbidden_V = ~self.nothing_V
        for id_ in self._marked:
            after, is_possible = self._walk(opened, id_)
            begins_mark = after.rest and mark.startswith(after.rest)
            if is_possible and (after.closing == opened.closing[:-1] or begins_mark):
                forbidden_V[id_] = False
        return forbidden_V


_rule = lru_cache(maxsize=4)(_Rule)
"""Cached, so that later texts reuse what was looked up for earlier ones."""
