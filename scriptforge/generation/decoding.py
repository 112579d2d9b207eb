"""The decoding loop, and its state, which can be saved in a file and continued.

Each step has scores from the model, a mask from grammar and constraints, and a draw; the drawn token is what
the model reads next. The loop takes ids and returns ids, and knows nothing of text.

A saved state is a safetensors file: tensors, and a few words on which model they belong to. There is no
pickle.

Shape letters: B sequences of the batch, L layout tokens, T steps, V vocabulary.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from scriptforge.errors import RunError
from scriptforge.generation.grammar import Constraint, Grammar
from scriptforge.generation.sampling import Sampler
from scriptforge.models import LanguageModel, State
from scriptforge.workspace import atomic_file

_FORMAT = "scriptforge decoding state 1"
_PARTS = ("sampler", "decoder")
_READ_AT_ONCE = 512  # tokens of a long text, so that memory does not grow with it

Copies: TypeAlias = Mapping[int, int]
"""Which sequences become copies of which others; these stay as they are."""


@dataclass(frozen=True)
class DecodingState:
    """All that is needed to continue as if there had been no pause.

    Attributes:
        ids_TB: every id so far, given or drawn.
        logits_BV: the scores of what comes next.
        sampler: the state of what draws.
        decoder: what the model remembers.
    """

    ids_TB: Tensor
    logits_BV: Tensor
    sampler: Mapping[str, Tensor]
    decoder: Mapping[str, Tensor]


class Decoder(Protocol):
    """What reads B texts, and scores what may come next.

    Attributes:
        device: where ids are taken and scores returned.
    """

    device: torch.device

    def read(self, ids_BT: Tensor, waits_B: Tensor | None = None) -> Tensor:
        """Read T more tokens in each sequence; return scores of what may come after them: `logits_BV`.

        Args:
            ids_BT: the tokens.
            waits_B: of a step of one token, which sequences do not take part; they stay as they are, their
                tokens, which must be of text, and their scores mean nothing.
        """
        ...

    def copy_sequences(self, copies: Copies) -> None:
        """Let sequences go on as others stand."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Return all that it remembers of what it has read, by name."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue where another decoder of the same kind and batch size stopped.

        Raises:
            ValueError or KeyError: the state is of another kind of decoder or model.
        """
        ...


class ModelDecoder:
    """Any model of the protocol, as it is; see `Decoder`.

    Args:
        model: in evaluation mode.
        batch_size: B.

    Attributes:
        model: as given.
        batch_size: B.
        device: the model's.
    """

    def __init__(self, model: LanguageModel, batch_size: int) -> None:
        self.model = model
        self.batch_size = batch_size
        self._state = model.initial_state(batch_size)
        self.device = self._state[0].device

    def read(self, ids_BT: Tensor, waits_B: Tensor | None = None) -> Tensor:
        """See `Decoder.read`."""
        return self.read_features(ids_BT, waits_B)[1]

    def read_features(self, ids_BT: Tensor, waits_B: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Read as `read` does; return `features_BTH` of every token, and `logits_BV` after the last."""
        features_BTH = self._advance(ids_BT, waits_B)
        self.features_BH = features_BTH[:, -1]
        return features_BTH, self.model.score(features_BTH[:, -1])

    def copy_sequences(self, copies: Copies) -> None:
        """See `Decoder.copy_sequences`."""
        self._select([copies.get(row, row) for row in range(self.batch_size)])

    def sequence_state(self, row: int) -> State:
        """Return what the model remembers of one sequence."""
        return tuple(tensor[:, row : row + 1] for tensor in self._state)

    def state(self) -> dict[str, Tensor]:
        """See `Decoder.state`."""
        return {f"state.{number}": tensor for number, tensor in enumerate(self._state)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """See `Decoder.restore`."""
        self._state = restored_state(state, "state", self.model.initial_state(self.batch_size))

    def _advance(self, ids_RT: Tensor, waits_R: Tensor | None) -> Tensor:
        """Read, but in rows that wait; return `features_RTH`."""
        features_RTH, state = self.model.features(ids_RT, self._state)
        if waits_R is not None:
            waits_1R1 = waits_R[None, :, None]
            state = tuple(
                torch.where(waits_1R1, old, new) for old, new in zip(self._state, state, strict=True)
            )
        self._state = state
        return features_RTH

    def _select(self, rows: Sequence[int]) -> None:
        """Let each row of the state be that of another."""
        rows_R = torch.tensor(rows, device=self.device)
        self._state = tuple(tensor.index_select(1, rows_R) for tensor in self._state)


def restored_state(saved: Mapping[str, Tensor], name: str, like: State) -> State:
    """Return the state of a model that was saved under a name.

    Args:
        saved: tensors by name, `NAME.0` and so on.
        name: that of the state.
        like: a state of the same sizes.

    Raises:
        ValueError or KeyError: a tensor is missing, or its size is another.
    """
    state = tuple(saved[f"{name}.{number}"].to(tensor.device) for number, tensor in enumerate(like))
    if [tensor.shape for tensor in state] != [tensor.shape for tensor in like]:
        raise ValueError("the state has other sizes than the model")
    return state


class DecodingLoop:
    """The loop, for B sequences.

    The decoder may be on any device; what is done with its scores is done on the CPU. Inference mode begins
    and ends with each step: in a generator it would leak into whatever runs between two steps.

    Args:
        decoder: has read nothing yet.
        grammar: what may come next.
        rules: what a text is like beyond that, such as made of words.
        constraints: what else must not come, as asked for.
        sampler: draws it.
        layout_size: how many tokens, the first ones of the vocabulary, are no text.
        batch_size: B.
    """

    def __init__(
        self,
        decoder: Decoder,
        grammar: Grammar,
        rules: Sequence[Constraint],
        constraints: Sequence[Constraint],
        sampler: Sampler,
        layout_size: int,
        batch_size: int,
    ) -> None:
        self._decoder = decoder
        self._grammar = grammar
        self._rules = rules
        self._constraints = constraints
        self._all = [*rules, *constraints]
        self._sampler = sampler
        self._layout_size = layout_size
        self._position = grammar.start(batch_size)
        self._histories: list[list[int]] = [[] for _ in range(batch_size)]
        self._unread_BT = torch.empty((batch_size, 0), dtype=torch.int64)
        self._waits_B: Tensor | None = None
        self._logits_BV = torch.empty((batch_size, 0))

    @torch.inference_mode()
    def give(self, ids: Sequence[int]) -> None:
        """Take ids that are given and not drawn; the model reads them with the next draw."""
        batch_size = len(self._unread_BT)
        ids_T1 = torch.tensor(ids, dtype=torch.int64)[:, None]
        ids_TB = ids_T1.expand(-1, batch_size)
        self._take(ids_TB)
        self._unread_BT = torch.cat([self._unread_BT, ids_TB.T], dim=1)

    @torch.inference_mode()
    def give_all(self, ids: Sequence[int]) -> None:
        """Take a long text that is given, and read it part by part."""
        for start in range(0, len(ids), _READ_AT_ONCE):
            self.give(ids[start : start + _READ_AT_ONCE])
            self._read()

    @torch.inference_mode()
    def draw(self, choices: Sequence[int] = (), excluded_V: Tensor | None = None) -> list[list[int]]:
        """Read what is unread, draw the next id of each sequence and take it; return what is settled of each.

        Args:
            choices: if there are any, one of these is drawn.
            excluded_V: ids that must not come now, where anything else may; true where excluded.
        """
        ids = self.propose(choices, excluded_V)
        self.take(ids)
        return [[id_] for id_ in ids]

    @torch.inference_mode()
    def propose(self, choices: Sequence[int] = (), excluded: Tensor | None = None) -> list[int]:
        """Draw as `draw` does, without taking any id; `excluded` may have a row for each sequence, too."""
        self._read()
        logits_BV = self._logits_BV
        well_formed_BV = self._grammar.forbidden(self._position)
        for rule in self._rules:
            well_formed_BV = rule.forbid(well_formed_BV)
        forbidden_BV = well_formed_BV
        for constraint in self._constraints:
            forbidden_BV = constraint.forbid(forbidden_BV)
        if forbidden_BV is not well_formed_BV:
            logits_BV = keep_ends(logits_BV, well_formed_BV, forbidden_BV, self._layout_size)
        if choices:
            excluded_BV = torch.ones_like(forbidden_BV)
            excluded_BV[:, list(choices)] = False
            forbidden_BV = forbidden_BV | excluded_BV
        if excluded is not None:
            narrowed_BV = forbidden_BV | excluded
            is_stuck_B1 = narrowed_BV.all(-1, keepdim=True)
            forbidden_BV = torch.where(is_stuck_B1, forbidden_BV, narrowed_BV)
        ids: list[int] = self._sampler.draw(logits_BV, forbidden_BV).tolist()
        return ids

    @torch.inference_mode()
    def take(self, ids: Sequence[int | None]) -> None:
        """Take the next id of each sequence; where it is None, the sequence waits."""
        waits = [id_ is None for id_ in ids]
        self._waits_B = torch.tensor(waits) if any(waits) else None
        if not all(waits):
            self._unread_BT = torch.tensor([[self._layout_size if id_ is None else id_] for id_ in ids])
        self._advance(ids, drawn=True)

    @torch.inference_mode()
    def copy_sequences(self, copies: Copies) -> None:
        """Let sequences go on as others stand; each draws with its own numbers."""
        self._read()
        self._decoder.copy_sequences(copies)
        self._sampler.copy_sequences(copies)
        for constraint in self._all:
            constraint.copy_sequences(copies)
        self._logits_BV = self._logits_BV.clone()
        for row, source in copies.items():
            self._position.copy(row, source)
            self._histories[row] = list(self._histories[source])
            self._logits_BV[row] = self._logits_BV[source]

    def is_in_line(self, row: int) -> bool:
        """Return whether a sequence is in the text of a line, and not before it or in a name."""
        return self._position.is_in_line(row)

    @torch.inference_mode()
    def pause(self, *, rollback: bool) -> DecodingState:
        """Return the state from which `resume` continues as if there had been no pause.

        Args:
            rollback: whether the last draw is to be made again then; it must have been of layout tokens. A
                text ends where a layout token, the opening of the next line, was drawn. Rolled back, this
                draw is made again after whatever the continuation is given, such as a prime or a cast.

        Returns:
            The state of all sequences; the loop itself is not to be used any more.
        """
        if rollback:
            self._sampler.rollback()
            for history in self._histories:
                history.pop()
        else:
            self._read()
        return DecodingState(
            ids_TB=torch.tensor(self._histories).T,
            logits_BV=self._logits_BV,
            sampler=self._sampler.rng.state(),
            decoder=self._decoder.state(),
        )

    @torch.inference_mode()
    def resume(self, state: DecodingState) -> None:
        """Continue where another loop paused, before anything else is given or drawn.

        Raises:
            RuntimeError, ValueError or KeyError: the state is of another model, or damaged.
        """
        self._take(state.ids_TB)
        self._sampler.rng.restore(state.sampler)
        self._decoder.restore(state.decoder)
        self._logits_BV = state.logits_BV

    def _read(self) -> None:
        """Read what is unread, after which the scores are those of what may come now."""
        if self._unread_BT.shape[1]:
            device, waits_B = self._decoder.device, self._waits_B
            on_device_B = None if waits_B is None else waits_B.to(device)
            logits_BV = self._decoder.read(self._unread_BT.to(device), on_device_B).cpu()
            if waits_B is not None:
                logits_BV = torch.where(waits_B[:, None], self._logits_BV, logits_BV)
            self._logits_BV = logits_BV
            self._unread_BT = self._unread_BT[:, :0]

    def _take(self, ids_TB: Tensor) -> None:
        """Follow ids that were not drawn just now."""
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


def keep_ends(logits_BV: Tensor, before_BV: Tensor, after_BV: Tensor, layout_size: int) -> Tensor:
    """Move the probability of layout tokens that constraints forbid to those that they allow.

    A line ends where a layout token comes. If only one of a hundred speakers may speak next, lines must not
    become a hundred times as long: the model decides whether a line ends, the constraint who is next. For
    example, with probabilities of 0.2 for `<cue:JERRY>`, 0.3 for `<cue:ELAINE>` and 0.5 for words, and Jerry
    as the only one who may speak, Jerry's cue gets 0.5.

    Args:
        logits_BV: the model's scores.
        before_BV: what was forbidden without the constraints.
        after_BV: what is forbidden with them.
        layout_size: how many tokens, the first ones, are layout.

    Returns:
        Scores of which those of allowed layout tokens are raised; where none was allowed before, as they are.
    """
    layout_BL = logits_BV[:, :layout_size]
    kept_BL = ~after_BV[:, :layout_size]
    all_B1 = layout_BL.masked_fill(before_BV[:, :layout_size], -math.inf).logsumexp(-1, keepdim=True)
    kept_B1 = layout_BL.masked_fill(~kept_BL, -math.inf).logsumexp(-1, keepdim=True)
    shift_B1 = torch.where(all_B1 == -math.inf, 0.0, all_B1 - kept_B1)
    raised_BL = torch.where(kept_BL, layout_BL + shift_B1, layout_BL)
    return torch.cat([raised_BL, logits_BV[:, layout_size:]], dim=1)


def save_state(state: DecodingState, path: Path, *, weights: str, seed: int) -> None:
    """Write a state as a safetensors file, with the fingerprint of the weights and the text's seed."""
    tensors = {"ids": state.ids_TB, "logits": state.logits_BV}
    for part in _PARTS:
        tensors |= {f"{part}.{name}": tensor for name, tensor in getattr(state, part).items()}
    metadata = {"format": _FORMAT, "weights": weights, "seed": str(seed)}
    with atomic_file(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, metadata)


def load_state(path: Path, *, weights: str) -> tuple[DecodingState, int]:
    """Return a state, and the seed that its text began with.

    Raises:
        RunError: the file is missing or damaged, or its model had other weights than this fingerprint.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata.get("format") != _FORMAT:
            raise ValueError("not a decoding state")
        parts: dict[str, dict[str, Tensor]] = {part: {} for part in _PARTS}
        for name, tensor in tensors.items():
            part, _, own_name = name.partition(".")
            if part in parts:
                parts[part][own_name] = tensor
        state = DecodingState(tensors["ids"].long(), tensors["logits"], **parts)
        seed = int(metadata["seed"])
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise RunError(
            f"{path.name} is missing or damaged, or is not what --save-state writes.",
            "Start again, and save the state again with --save-state.",
        ) from error
    if metadata.get("weights") != weights:
        raise RunError(
            f"{path.name} was saved with another model, or before this one was trained further.",
            "Name the run that it was made with: scriptforge runs",
        )
    return state, seed
