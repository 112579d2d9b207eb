"""Whole words: only words of the training text are written.

A model of characters or subwords sometimes spells a word that does not exist: “grably”, “hurgers”. So a token
is forbidden if it cannot lead to a word of the lexicon, and a line ends only between words:

    written so far    allowed                           forbidden
    `the gra`         `nd`, `ss`, `vity`                `b` before `ly`, a space, the end of the line
    `the grand`       `ma`, a space, a comma, the end   `x`
    `the it'`         `s`, a space                      `z`

`spelling.py` knows what may follow a word or a part of one. There are no dead ends: since every byte is a
token, an unfinished word can always be finished, and finishing it takes precedence over rules that would end
the line. The module does not depend on models.

Shape letter: V vocabulary.
"""

from scriptforge.generation.automata import AfterIdle, Forbidden
from scriptforge.generation.spelling import PartialWord, Spelling


class WholeWords:
    """The rule as an `Automaton`, whose states are the words at the end of a text.

    Args:
        spelling: spellings of the words, for the model's vocabulary.
    """

    start = PartialWord()

    def __init__(self, spelling: Spelling) -> None:
        self._spelling = spelling

    def after(self, state: PartialWord, id_: int, *, drawn: bool) -> PartialWord:
        """See `Automaton.after`."""
        return self._spelling.after(state, id_) if drawn else self._spelling.after_given(state, id_)

    def forbidden(self, state: PartialWord) -> Forbidden:
        """See `Automaton.forbidden`; what finishes a word takes precedence over rules that end the line."""
        mask_V, must_go_on = self._spelling.forbidden_after(state)
        return Forbidden(mask_V, otherwise_V=mask_V if must_go_on else None)

    def is_idle(self, state: PartialWord) -> bool:
        """See `Automaton.is_idle`."""
        return not state.rest

    def after_idle(self, id_: int) -> PartialWord | AfterIdle:
        """See `Automaton.after_idle`."""
        return self._spelling.word_after_break.get(id_, AfterIdle.UNDECIDED)
