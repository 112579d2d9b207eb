"""The loop of generation: scores, a mask, a draw, and the drawn token is what the model reads next.

Knows nothing of text: it takes ids and yields ids.

Shape letters: B lanes, T steps, V vocabulary.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from scriptforge.generation.grammar import Grammar
from scriptforge.generation.sampler import Sampler
from scriptforge.models import LanguageModel

_onednn = threading.Lock()


@dataclass(frozen=True)
class Prompt:
    """What every lane starts with.

    Attributes:
        ids: read before anything is drawn; not empty.
        cues: where not empty, the first token drawn is one of these, and `line` follows it.
        line: ids that follow the drawn cue.
    """

    ids: tuple[int, ...]
    cues: tuple[int, ...] = ()
    line: tuple[int, ...] = ()


class Decoder(Protocol):
    """A model in the middle of B texts."""

    @property
    def device(self) -> torch.device:
        """Where ids are taken and scores given."""
        ...

    def read(self, ids_BT: Tensor) -> Tensor:
        """Reads T more tokens on each lane and scores what may come after them: `logits_BV`."""
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
        with _plain_kernels():
            logits_BTV, self._state = self._model(ids_BT, self._state)
        return logits_BTV[:, -1]


@contextmanager
def _plain_kernels() -> Iterator[None]:
    """Turns oneDNN off meanwhile: it repacks all weights at every call, four times the work of one step.

    The switch belongs to the process, hence the lock: without it, one thread could restore what another set.
    """
    with _onednn:
        enabled = torch.backends.mkldnn.enabled
        torch.backends.mkldnn.enabled = False  # type: ignore[assignment]
        try:
            yield
        finally:
            torch.backends.mkldnn.enabled = enabled


def decode(
    decoder: Decoder, grammar: Grammar, sampler: Sampler, prompt: Prompt, lanes: int
) -> Iterator[list[int]]:
    """Goes on from a prompt for as long as it is asked to.

    Args:
        decoder: has read nothing yet.
        grammar: what may come next.
        sampler: draws it.
        prompt: the same for all lanes.
        lanes: B.

    Yields:
        The next id of each lane, those of `prompt.line` included, those of `prompt.ids` not.
    """
    loop = _Loop(decoder, grammar, sampler, lanes)
    loop.give(prompt.ids)
    if prompt.cues:
        yield loop.draw(prompt.cues)
        yield from ([id_] * lanes for id_ in prompt.line)
        loop.give(prompt.line)
    while True:
        yield loop.draw()


class _Loop:
    """What is carried from step to step; inference mode ends with each, as a generator's would leak."""

    def __init__(self, decoder: Decoder, grammar: Grammar, sampler: Sampler, lanes: int) -> None:
        self._decoder = decoder
        self._grammar = grammar
        self._sampler = sampler
        self._position = grammar.start(lanes)
        self._unread_BT = torch.empty((lanes, 0), dtype=torch.int64, device=decoder.device)

    @torch.inference_mode()
    def give(self, ids: Sequence[int]) -> None:
        """Takes ids that are given and not drawn; the model reads them with the next draw."""
        self._sampler.remember(ids)
        ids_1T = torch.tensor([ids], device=self._unread_BT.device)
        ids_BT = ids_1T.expand(len(self._unread_BT), -1)
        for ids_B in ids_BT.unbind(1):
            self._position = self._grammar.advance(self._position, ids_B)
        self._unread_BT = torch.cat([self._unread_BT, ids_BT], dim=1)

    @torch.inference_mode()
    def draw(self, choices: Sequence[int] = ()) -> list[int]:
        """Reads what is unread and draws the next id of each lane, one of the choices if there are any."""
        logits_BV = self._decoder.read(self._unread_BT)
        forbidden_BV = self._grammar.forbidden(self._position)
        if choices:
            excluded_BV = torch.ones_like(forbidden_BV)
            excluded_BV[:, list(choices)] = False
            forbidden_BV = forbidden_BV | excluded_BV
        ids_B = self._sampler.draw(logits_BV, forbidden_BV)
        self._position = self._grammar.advance(self._position, ids_B)
        self._unread_BT = ids_B[:, None]
        ids: list[int] = ids_B.tolist()
        return ids
