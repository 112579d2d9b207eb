"""The decoding loop.

In each step the model scores all tokens, the grammar and other rules forbid some, and one of the others is
drawn, which the model reads next. The loop takes and returns ids, and does not depend on text.

Shape letters: B sequences of the batch, L layout tokens, T steps, V vocabulary.
"""

from collections.abc import Sequence
from contextvars import copy_context
from typing import TYPE_CHECKING

import numpy as np

from scriptforge.generation.automata import Automata
from scriptforge.generation.decoder import Copies, Decoder, Saved
from scriptforge.generation.decoding_state import DecodingState
from scriptforge.generation.grammar import Grammar, Mask
from scriptforge.generation.layout import new_layout_scores
from scriptforge.generation.sampling import Sampler
from scriptforge.inference import FloatArray, Ids

if TYPE_CHECKING:
    from scriptforge.generation.copy_limit import CopyLimit

_READ_AT_ONCE = 512  # tokens of a long text, so that memory does not grow with its length


class DecodingLoop:
    """The decoding loop for B sequences.

    Args:
        decoder: scores the next token; has read nothing yet.
        grammar: decides which tokens may come next.
        automata: forbid further tokens, such as those that would make a word that does not exist.
        sampler: draws the next token.
        is_cue_L: which layout tokens, the first ids, are cues.
        batch_size: B.
        copy_limit: forbids tokens that would copy too much; None for no limit.
    """

    def __init__(
        self,
        decoder: Decoder,
        grammar: Grammar,
        automata: Automata,
        sampler: Sampler,
        is_cue_L: Mask,
        batch_size: int,
        copy_limit: "CopyLimit | None" = None,
    ) -> None:
        self._decoder = decoder
        self._grammar = grammar
        self._automata = automata
        self._copy_limit = copy_limit
        self._sampler = sampler
        self._layout = new_layout_scores(is_cue_L, batch_size)
        self._layout_size = len(is_cue_L)
        self._position = grammar.start(batch_size)
        self._histories: list[list[int]] = [[] for _ in range(batch_size)]
        self._unread_BT: Ids = np.empty((batch_size, 0), np.int64)
        self._waits_B: Mask | None = None
        self._logits_BV: FloatArray = np.empty((batch_size, 0), np.float32)
        # A diverged model gives infinite or NaN scores. To run in a context takes a tenth of the time of
        # `np.errstate`.
        self._quiet = copy_context()
        self._quiet.run(np.seterr, all="ignore")

    def give(self, ids: Sequence[int]) -> None:
        """Append given ids to every sequence; the model reads them with the next draw."""
        ids_BT = np.tile(np.array(ids, np.int64), (len(self._unread_BT), 1))
        self._take(ids_BT.T)
        self._unread_BT = np.concatenate([self._unread_BT, ids_BT], axis=1)

    def give_all(self, ids: Sequence[int]) -> None:
        """Append a long given text, and read it part by part."""
        for start in range(0, len(ids), _READ_AT_ONCE):
            self.give(ids[start : start + _READ_AT_ONCE])
            self._read()

    def follow(self, ids: Sequence[int], read: Saved) -> None:
        """Continue a text that another decoder has read, all but its last id; nothing was given before.

        Args:
            ids: the last ids of that text, one or more, which all parts but the decoder follow.
            read: state of a decoder of this kind and batch size after the text without its last id.

        Raises:
            ValueError or KeyError: the state is of another kind of decoder or model.
        """
        batch_size = len(self._unread_BT)
        for id_ in ids:
            self._advance([id_, *[None] * (batch_size - 1)], drawn=False)
        self._copy_rules(dict.fromkeys(range(1, batch_size), 0))
        self._decoder.restore(read)
        self._unread_BT = np.full((batch_size, 1), ids[-1])

    def draw(self, choices: Sequence[int] = (), excluded_V: Mask | None = None) -> list[list[int]]:
        """Draw the next id of each sequence and take it; return the new ids of each.

        Args:
            choices: if not empty, one of these is drawn.
            excluded_V: ids not to be drawn now unless nothing else is allowed; true where excluded.
        """
        ids = self.propose(choices, excluded_V)
        self.take(ids)
        return [[id_] for id_ in ids]

    def propose(self, choices: Sequence[int] = (), excluded: Mask | None = None) -> list[int]:
        """Draw as `draw` does, without taking the ids; `excluded` may also have one row for each sequence."""
        self._read()
        grammatical_BV = self._grammar.forbidden(self._position)
        well_formed_BV, forbidden_BV = self._automata.forbid(grammatical_BV)
        if self._copy_limit is not None:
            forbidden_BV = self._copy_limit.forbid(forbidden_BV)
        layout_BL = None
        if forbidden_BV is not well_formed_BV:
            layout_BL = self._layout.redistribute(self._logits_BV, well_formed_BV, forbidden_BV)
        if choices:
            excluded_BV = np.ones_like(forbidden_BV)
            excluded_BV[:, list(choices)] = False
            forbidden_BV = forbidden_BV | excluded_BV
        if excluded is not None:
            narrowed_BV = forbidden_BV | excluded
            is_stuck_B1 = narrowed_BV.all(-1, keepdims=True)
            forbidden_BV = np.where(is_stuck_B1, forbidden_BV, narrowed_BV)
        ids: list[int] = self._sampler.draw(self._logits_BV, forbidden_BV, layout_BL).tolist()
        return ids

    def take(self, ids: Sequence[int | None]) -> None:
        """Take the next id of each sequence; where it is None, the sequence waits."""
        waits = [id_ is None for id_ in ids]
        self._waits_B = np.array(waits) if True in waits else None
        if False in waits:
            a_text = self._layout_size
            self._unread_BT = np.array([[a_text if id_ is None else id_] for id_ in ids])
        self._advance(ids, drawn=True)

    def copy_sequences(self, copies: Copies) -> None:
        """Copy the state of some sequences to others; each still draws with its own random numbers."""
        self._read()
        self._decoder.copy_sequences(copies)
        self._copy_rules(copies)
        self._logits_BV = self._logits_BV.copy()
        for row, source in copies.items():
            self._logits_BV[row] = self._logits_BV[source]

    def is_in_line(self, row: int) -> bool:
        """Return whether a sequence is in the text of a line, rather than before it or in a name."""
        return self._position.is_in_line(row)

    def pause(self, *, rollback: bool) -> DecodingState:
        """Return the state from which `resume` continues as if there had been no pause.

        Args:
            rollback: whether to undo the last draw, which must have been of layout tokens. A text ends where
                the layout token that opens the next line was drawn. If undone, this draw is made again after
                whatever is given to the continuation, such as a prime or a cast.

        Returns:
            The state of all sequences; the loop must not be used afterwards.
        """
        if rollback:
            self._sampler.rollback()
            for history in self._histories:
                history.pop()
        else:
            self._read()
        return DecodingState(
            ids_TB=np.array(self._histories).T,
            logits_BV=self._logits_BV,
            sampler=self._sampler.rng.state(),
            decoder=self._decoder.state(),
        )

    def resume(self, state: DecodingState) -> None:
        """Continue from the state of a paused loop, before anything is given or drawn.

        Raises:
            ValueError or KeyError: the state is of another model, or damaged.
        """
        self._take(state.ids_TB)
        self._sampler.rng.restore(state.sampler)
        self._decoder.restore(state.decoder)
        self._logits_BV = state.logits_BV

    def _read(self) -> None:
        """Read the unread ids, so that the scores are those of the next token."""
        if self._unread_BT.shape[1]:
            logits_BV = self._quiet.run(self._decoder.read, self._unread_BT, self._waits_B)
            if self._waits_B is not None:
                logits_BV = np.where(self._waits_B[:, None], self._logits_BV, logits_BV)
            self._logits_BV = logits_BV
            self._unread_BT = self._unread_BT[:, :0]

    def _copy_rules(self, copies: Copies) -> None:
        """Copy the state of some sequences, except the decoder's, to others."""
        self._sampler.copy_sequences(copies)
        self._automata.copy_sequences(copies)
        if self._copy_limit is not None:
            self._copy_limit.copy_sequences(copies)
        for row, source in copies.items():
            self._position.copy(row, source)
            self._histories[row] = list(self._histories[source])

    def _take(self, ids_TB: Ids) -> None:
        """Take ids that were not drawn by this loop."""
        for ids in ids_TB.tolist():
            self._advance(ids, drawn=False)

    def _advance(self, ids: Sequence[int | None], *, drawn: bool) -> None:
        self._position = self._grammar.advance(self._position, ids)
        self._sampler.remember(ids)
        for history, id_ in zip(self._histories, ids, strict=True):
            if id_ is not None:
                history.append(id_)
        self._automata.advance(ids, drawn=drawn)
        if self._copy_limit is not None:
            self._copy_limit.advance(ids)
