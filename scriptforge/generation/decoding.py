"""A sitting: where the writing broke off, and the file that keeps it until it goes on.

A file holds tensors and a few words on whose they are; there is no pickle. Knows nothing of models.

Shape letters: B lanes, T tokens, V vocabulary.

The loop of generation: scores, a mask, a draw, and the drawn token is what the model reads next.

Knows nothing of text: it takes ids and gives ids.

Shape letters: B lanes, T steps, V vocabulary.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from scriptforge.errors import RunError
from scriptforge.generation.grammar import Constraint, Grammar
from scriptforge.generation.sampling import Sampler
from scriptforge.models import LanguageModel
from scriptforge.workspace import atomic_file

_FORMAT = "scriptforge decoding state 1"
_PARTS = ("sampler", "decoder")


@dataclass(frozen=True)
class Sitting:
    """All that going on needs.

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


def save_sitting(sitting: Sitting, path: Path, *, weights: str, seed: int) -> None:
    """Writes a sitting as a safetensors file.

    Args:
        sitting: what to write.
        path: the file, which is replaced.
        weights: the fingerprint of the model's weights.
        seed: what the first sitting began with.
    """
    tensors = {"ids": sitting.ids_TB, "logits": sitting.logits_BV}
    for part in _PARTS:
        tensors |= {f"{part}.{name}": tensor for name, tensor in getattr(sitting, part).items()}
    metadata = {"format": _FORMAT, "weights": weights, "seed": str(seed)}
    with atomic_file(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, metadata)


def load_sitting(path: Path, *, weights: str) -> tuple[Sitting, int]:
    """Reads a sitting.

    Args:
        path: the file.
        weights: the fingerprint of the weights of the model that is to go on.

    Returns:
        The sitting, and the seed that the first one began with.

    Raises:
        RunError: the file is missing, damaged, or of another model.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata.get("format") != _FORMAT:
            raise ValueError("not a sitting")
        parts = {
            part: {
                name.removeprefix(f"{part}."): tensor
                for name, tensor in tensors.items()
                if name.startswith(f"{part}.")
            }
            for part in _PARTS
        }
        sitting = Sitting(tensors["ids"].long(), tensors["logits"], **parts)
        seed = int(metadata["seed"])
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise cannot_continue(path) from error
    if metadata.get("weights") != weights:
        raise RunError(
            f"{path.name} was saved with another model, or before this one was trained further.",
            "Name the run that it was made with: scriptforge runs",
        )
    return sitting, seed


def cannot_continue(path: Path) -> RunError:
    """The error for a file from which nothing can go on."""
    return RunError(
        f"{path.name} is missing or damaged, or is not what --save-state writes.",
        "Begin anew, and save the state again with --save-state.",
    )


class Decoder(Protocol):
    """A model in the middle of B texts."""

    @property
    def device(self) -> torch.device:
        """Where ids are taken and scores given."""
        ...

    def read(self, ids_BT: Tensor) -> Tensor:
        """Reads T more tokens on each lane and scores what may come after them: `logits_BV`."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All that it remembers of what it has read, by name."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes on where another decoder of the same kind and as many lanes stood.

        Raises:
            ValueError or KeyError: the state is of another kind of decoder or model.
        """
        ...


class ModelDecoder:
    """Any model of the protocol, as it is.

    Args:
        model: in evaluation mode.
        lanes: B.
    """

    def __init__(self, model: LanguageModel, lanes: int) -> None:
        self._model = model
        self._state = model.initial_state(lanes)
        self.device = self._state[0].device

    def read(self, ids_BT: Tensor) -> Tensor:
        """See `Decoder.read`."""
        features_BTH, self._state = self._model.features(ids_BT, self._state)
        return self._model.score(features_BTH[:, -1])

    def state(self) -> dict[str, Tensor]:
        """See `Decoder.state`."""
        return {f"state.{number}": tensor for number, tensor in enumerate(self._state)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """See `Decoder.restore`."""
        restored = tuple(state[name].to(self.device) for name in self.state())
        if [tensor.shape for tensor in restored] != [tensor.shape for tensor in self._state]:
            raise ValueError("the state has other sizes than the model")
        self._state = restored


class Loop:
    """The loop itself, on B lanes; inference mode ends with each step, as a generator's would leak.

    The decoder may be anywhere; what is done with its scores is done on the CPU.

    Args:
        decoder: has read nothing yet.
        grammar: what may come next.
        constraints: what else must not.
        sampler: draws it.
        layout_size: how many tokens, the first ones of the vocabulary, are no text.
        lanes: B.
    """

    def __init__(
        self,
        decoder: Decoder,
        grammar: Grammar,
        constraints: Sequence[Constraint],
        sampler: Sampler,
        layout_size: int,
        lanes: int,
    ) -> None:
        self._decoder = decoder
        self._grammar = grammar
        self._constraints = constraints
        self._sampler = sampler
        self._layout_size = layout_size
        self._position = grammar.start(lanes)
        self._history: list[list[int]] = []
        self._unread_BT = torch.empty((lanes, 0), dtype=torch.int64)
        self._logits_BV = torch.empty((lanes, 0))

    @torch.inference_mode()
    def give(self, ids: Sequence[int]) -> None:
        """Takes ids that are given and not drawn; the model reads them with the next draw."""
        lanes = len(self._unread_BT)
        ids_T1 = torch.tensor(ids, dtype=torch.int64)[:, None]
        ids_TB = ids_T1.expand(-1, lanes)
        self._take(ids_TB)
        self._unread_BT = torch.cat([self._unread_BT, ids_TB.T], dim=1)

    @torch.inference_mode()
    def draw(self, choices: Sequence[int] = ()) -> list[int]:
        """Reads what is unread and draws the next id of each lane, one of the choices if there are any."""
        self._read()
        logits_BV = self._logits_BV
        forbidden_BV = well_formed_BV = self._grammar.forbidden(self._position)
        for constraint in self._constraints:
            forbidden_BV = constraint.forbid(forbidden_BV)
        if forbidden_BV is not well_formed_BV:
            logits_BV = keep_ends(logits_BV, well_formed_BV, forbidden_BV, self._layout_size)
        if choices:
            excluded_BV = torch.ones_like(forbidden_BV)
            excluded_BV[:, list(choices)] = False
            forbidden_BV = forbidden_BV | excluded_BV
        ids_B = self._sampler.draw(logits_BV, forbidden_BV)
        self._unread_BT = ids_B[:, None]
        ids: list[int] = ids_B.tolist()
        self._advance(ids)
        return ids

    @torch.inference_mode()
    def pause(self, *, take_back: bool) -> Sitting:
        """Puts everything aside so that `resume` goes on as if there had been no pause.

        Args:
            take_back: whether the last draw is to be made again then, which must have been of tokens that
                are no text.

        Returns:
            The state of all lanes; the loop itself is not to be used any more.
        """
        if take_back:
            self._sampler.take_back()
            self._history.pop()
        else:
            self._read()
        return Sitting(
            ids_TB=torch.tensor(self._history),
            logits_BV=self._logits_BV,
            sampler=self._sampler.state(),
            decoder=self._decoder.state(),
        )

    @torch.inference_mode()
    def resume(self, sitting: Sitting) -> None:
        """Goes on from where another loop paused, before anything else is given or drawn.

        Raises:
            RuntimeError, ValueError or KeyError: the sitting is of another model, or damaged.
        """
        self._take(sitting.ids_TB)
        self._sampler.restore(sitting.sampler)
        self._decoder.restore(sitting.decoder)
        self._logits_BV = sitting.logits_BV

    def _read(self) -> None:
        """Reads what is unread, after which the scores are those of what may come now."""
        if self._unread_BT.shape[1]:
            self._logits_BV = self._decoder.read(self._unread_BT.to(self._decoder.device)).cpu()
            self._unread_BT = self._unread_BT[:, :0]

    def _take(self, ids_TB: Tensor) -> None:
        """Follows ids that were not drawn just now."""
        self._sampler.remember(ids_TB)
        for ids in ids_TB.tolist():
            self._advance(ids)

    def _advance(self, ids: list[int]) -> None:
        self._position = self._grammar.advance(self._position, ids)
        self._history.append(ids)
        for constraint in self._constraints:
            constraint.advance(ids)


def keep_ends(logits_BV: Tensor, before_BV: Tensor, after_BV: Tensor, layout_size: int) -> Tensor:
    """Gives the probability of layout tokens that constraints forbid to those that they allow.

    A line ends where a layout token comes. If only one of a hundred speakers may speak next, lines should not
    become a hundred times as long: whether a line ends is the model's business, who is next the constraint's.

    Args:
        logits_BV: the model's scores.
        before_BV: what was forbidden without the constraints.
        after_BV: what is forbidden with them.
        layout_size: how many tokens, the first ones, are layout.

    Returns:
        Scores of which those of allowed layout tokens are raised.
    """
    layout_BL = logits_BV[:, :layout_size]
    kept_BL = ~after_BV[:, :layout_size]
    all_B1 = layout_BL.masked_fill(before_BV[:, :layout_size], -math.inf).logsumexp(-1, keepdim=True)
    kept_B1 = layout_BL.masked_fill(~kept_BL, -math.inf).logsumexp(-1, keepdim=True)
    raised_BL = torch.where(kept_BL, layout_BL + (all_B1 - kept_B1), layout_BL)
    return torch.cat([raised_BL, logits_BV[:, layout_size:]], dim=1)
