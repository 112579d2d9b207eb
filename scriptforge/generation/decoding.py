"""The decoding loop.

In each step the model scores all tokens, grammar and constraints forbid some, and one of the others is drawn,
which the model reads next. The loop takes and returns ids, and does not depend on text.

Shape letters: B sequences of the batch, L layout tokens, T steps, V vocabulary.
"""

from collections.abc import Sequence
from contextvars import copy_context

import numpy as np

from scriptforge.generation.decoder import Copies, Decoder, Saved
from scriptforge.generation.decoding_state import DecodingState
from scriptforge.generation.grammar import Constraint, Grammar, Mask
from scriptforge.generation.sampling import Sampler
from scriptforge.inference import Ids, Numbers
from scriptforge.inference.kernel import kernel
from scriptforge.inference.scores import raise_allowed_cues

_READ_AT_ONCE = 512  # tokens of a long text, so that memory does not grow with its length


class DecodingLoop:
    """The decoding loop for B sequences.

    Args:
        decoder: scores the next token; has read nothing yet.
        grammar: decides which tokens may come next.
        rules: forbid tokens in any text, such as those that would make a word that does not exist.
        constraints: forbid tokens because of the options, such as the cast.
        sampler: draws the next token.
        is_cue_L: which layout tokens, the first ids, are cues.
        batch_size: B.
    """

    def __init__(
        self,
        decoder: Decoder,
        grammar: Grammar,
        rules: Sequence[Constraint],
        constraints: Sequence[Constraint],
        sampler: Sampler,
        is_cue_L: Mask,
        batch_size: int,
    ) -> None:
        self._decoder = decoder
        self._grammar = grammar
        self._rules = rules
        self._constraints = constraints
        self._all = [*rules, *constraints]
        self._sampler = sampler
        self._is_cue_L = is_cue_L
        self._position = grammar.start(batch_size)
        self._histories: list[list[int]] = [[] for _ in range(batch_size)]
        self._unread_BT: Ids = np.empty((batch_size, 0), np.int64)
        self._waits_B: Mask | None = None
        self._logits_BV: Numbers = np.empty((batch_size, 0), np.float32)
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
        logits_BV = self._logits_BV
        well_formed_BV = self._grammar.forbidden(self._position)
        for rule in self._rules:
            well_formed_BV = rule.forbid(well_formed_BV)
        forbidden_BV = well_formed_BV
        for constraint in self._constraints:
            forbidden_BV = constraint.forbid(forbidden_BV)
        if forbidden_BV is not well_formed_BV:
            logits_BV = redistribute_layout(logits_BV, well_formed_BV, forbidden_BV, self._is_cue_L)
        if choices:
            excluded_BV = np.ones_like(forbidden_BV)
            excluded_BV[:, list(choices)] = False
            forbidden_BV = forbidden_BV | excluded_BV
        if excluded is not None:
            narrowed_BV = forbidden_BV | excluded
            is_stuck_B1 = narrowed_BV.all(-1, keepdims=True)
            forbidden_BV = np.where(is_stuck_B1, forbidden_BV, narrowed_BV)
        ids: list[int] = self._sampler.draw(logits_BV, forbidden_BV).tolist()
        return ids

    def take(self, ids: Sequence[int | None]) -> None:
        """Take the next id of each sequence; where it is None, the sequence waits."""
        waits = [id_ is None for id_ in ids]
        self._waits_B = np.array(waits) if True in waits else None
        if False in waits:
            a_text = len(self._is_cue_L)
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
        for constraint in self._all:
            constraint.copy_sequences(copies)
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
        for constraint in self._all:
            constraint.advance(ids, drawn=drawn)


def redistribute_layout(logits_BV: Numbers, before_BV: Mask, after_BV: Mask, is_cue_L: Mask) -> Numbers:
    """Move the probability of layout tokens that constraints forbid to the cues that they allow.

    A line ends where a layout token comes. If only one of a hundred speakers may speak next, lines must not
    become a hundred times as long: the model decides whether a line ends, the constraint who is next. For
    example, with probabilities of 0.2 for `<cue:JERRY>`, 0.3 for `<cue:ELAINE>` and 0.5 for words, and Jerry
    as the only one who may speak, Jerry's cue gets 0.5.

    Headings and the end of a script stay as likely as they were: without stage directions, of which a script
    may be full, there are more lines, not more scenes. Only where no cue is allowed do the others gain.

    Args:
        logits_BV: the model's scores.
        before_BV: tokens forbidden without the constraints.
        after_BV: tokens forbidden with them.
        is_cue_L: which layout tokens, the first ids, are cues.

    Returns:
        Scores with those of the tokens that gain raised; unchanged where nothing was allowed before.
    """
    if (loaded := kernel()) is not None:
        return raise_allowed_cues(loaded, logits_BV, before_BV, after_BV, is_cue_L)
    before_BL, after_BL = (mask_BV[:, : len(is_cue_L)] for mask_BV in (before_BV, after_BV))
    gains_BL = is_cue_L & ~after_BL
    gains_BL = np.where(gains_BL.any(-1, keepdims=True), gains_BL, ~after_BL)
    gives_BL = (gains_BL | after_BL) & ~before_BL
    layout_BL = logits_BV[:, : len(is_cue_L)]
    with np.errstate(all="ignore"):  # nothing may gain, and a diverged model's scores are infinite
        given_B1, own_B1 = (
            np.logaddexp.reduce(layout_BL, -1, keepdims=True, where=each_BL, initial=-np.inf)
            for each_BL in (gives_BL, gains_BL)
        )
        shift_B1 = np.where(given_B1 == -np.inf, 0, given_B1 - own_B1)
        raised_BL = np.where(gains_BL, layout_BL + shift_B1, layout_BL)
    return np.concatenate([raised_BL, logits_BV[:, len(is_cue_L) :]], axis=1)
