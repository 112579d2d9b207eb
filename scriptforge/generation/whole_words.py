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

Shape letters: B sequences of the batch, V vocabulary.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from scriptforge.generation.grammar import Mask
from scriptforge.generation.spelling import PartialWord, Spelling, TextEnd


class WholeWords:
    """The rule as a constraint on B sequences.

    Args:
        spelling: spellings of the words, for the model's vocabulary.
        batch_size: B.
    """

    def __init__(self, spelling: Spelling, batch_size: int) -> None:
        self._spelling = spelling
        self._endings = [spelling.ending(PartialWord())] * batch_size

    def forbid(self, forbidden_BV: Mask) -> Mask:
        """See `Constraint.forbid`."""
        if len(self._endings) == 1:
            return self._forbid_one(forbidden_BV, self._endings[0])
        own = [ending.forbidden or self._spelling.forbidden_after(ending) for ending in self._endings]
        narrowed_BV: Mask = np.concatenate([each.mask_1V for each in own])
        narrowed_BV |= forbidden_BV
        for row, (own_1V, continuation) in enumerate(own):
            if continuation is not None and narrowed_BV[row, continuation] and narrowed_BV[row].all():
                narrowed_BV[row] = own_1V
        return narrowed_BV

    def _forbid_one(self, forbidden_1V: Mask, ending: TextEnd) -> Mask:
        """Do the same for a single sequence, where the same masks recur and results are cached."""
        if ending.narrowed is not None and ending.narrowed[0] is forbidden_1V:
            return ending.narrowed[1]
        own_1V, continuation = self._spelling.forbidden_after(ending)
        narrowed_1V: Mask = forbidden_1V | own_1V
        if continuation is not None and narrowed_1V[0, continuation] and narrowed_1V.all():
            narrowed_1V = own_1V
        ending.narrowed = forbidden_1V, narrowed_1V
        return narrowed_1V

    def advance(self, ids: Sequence[int | None], *, drawn: bool) -> None:
        """See `Constraint.advance`."""
        after = self._spelling.after if drawn else self._spelling.after_given
        endings = zip(self._endings, ids, strict=True)
        self._endings = [ending if id_ is None else after(ending, id_) for ending, id_ in endings]

    def copy_sequences(self, copies: Mapping[int, int]) -> None:
        """See `Constraint.copy_sequences`."""
        self._endings = [self._endings[copies.get(row, row)] for row in range(len(self._endings))]
