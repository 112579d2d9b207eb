"""The inference model of an LSTM, a GRU or plain units.

PyTorch's own layers are made for long texts. Their step of one token spends its time on reading the weights,
on repacking them, and on a dozen small operations a layer. The layers here

- keep what a token adds to the first layer's gates: for the first tokens, which are the most frequent ones in
  a vocabulary of words, from the start, and for any other once it has come,
- join the two weights of every further layer, so that a step is one product a layer,
- leave out what is zero in a first layer that was trained in members,
- arrange the gates so that one hyperbolic tangent serves all that are logistic.

What is not a product is done in NumPy, whose small calls take a third of the time of PyTorch's.

Shape letters: B streams, T steps, V vocabulary, E embedding, H hidden, G gates (a number of H each), L
layers, N tokens.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scriptforge.models.base import State
from scriptforge.models.inference.linear import (
    Arithmetic,
    InferenceModel,
    prepare_hidden_product,
    prepare_product,
)
from scriptforge.models.inference.speakers import InferenceSpeakers, Numbers
from scriptforge.models.layers import HeadedModel
from scriptforge.models.recurrent import Recurrent

_REMEMBERED_NUMBERS = 1 << 24
_COMPUTED_AHEAD = 2048


class InferenceRecurrent(InferenceModel):
    """The inference model of a `Recurrent`."""

    def __init__(self, model: Recurrent, arithmetic: Arithmetic) -> None:
        super().__init__(model, arithmetic)
        self._layers = Layers(model, model.recurrent, arithmetic)

    def features(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the output of the last layer, and what tells who speaks; see `LanguageModel.features`."""
        speakers = self._layers.speakers
        if speakers is None:
            return self._layers.read(ids_BT, state)
        told = speakers.tell(ids_BT, state)
        output_BTH, after = self._layers.read(ids_BT, told.rest, told.gates)
        return output_BTH + told.added_BTH, (*after, told.after)


class Layers:
    """The layers of `nn.LSTM`, `nn.GRU` or `nn.RNN`, and the embeddings that they read.

    Args:
        model: whose embeddings they are.
        network: the layers.
        arithmetic: how to multiply.

    Attributes:
        speakers: what tells who speaks; None if the model is not told.
    """

    def __init__(self, model: HeadedModel, network: nn.RNNBase, arithmetic: Arithmetic) -> None:
        unit = _UNITS[type(network)]
        self._cell = unit.cell
        inputs, hiddens, biases = [], [], []
        weights = network.state_dict()
        for layer in range(network.num_layers):
            inputs.append(unit.for_input(weights[f"weight_ih_l{layer}"]))
            hiddens.append(unit.for_hidden(weights[f"weight_hh_l{layer}"]))
            bias_G = unit.for_input(weights[f"bias_ih_l{layer}"])
            biases.append(bias_G + unit.for_hidden(weights[f"bias_hh_l{layer}"]))
        self._inputs = _Inputs(model.embedding.weight.detach(), inputs[0], biases[0])
        embedding = model.speaker_embedding
        self.speakers = InferenceSpeakers(embedding, inputs[0]) if embedding is not None else None
        self._steps = [prepare_hidden_product(hiddens[0], arithmetic)]
        for input_GH, hidden_GH, bias_G in zip(inputs[1:], hiddens[1:], biases[1:], strict=True):
            self._steps.append(prepare_product(torch.cat([input_GH, hidden_GH], dim=1), bias_G, arithmetic))

    def read(
        self, ids_BT: Tensor, state: State, gates: Sequence[Numbers] | None = None
    ) -> tuple[Tensor, State]:
        """Return the last layer's output for each token, `features_BTH`, and the state after the last one.

        Args:
            ids_BT: the tokens.
            state: hidden states, and cells of units that have any.
            gates: for each step what else is added to the gates of the first layer, (B, G).
        """
        hidden_LBH = state[0].numpy()
        cells = [tensor.numpy().copy() for tensor in state[1:]]
        layers, streams, size = hidden_LBH.shape
        hidden_BK = np.array(hidden_LBH.transpose(1, 0, 2), order="C").reshape(streams, layers * size)
        features_BTH = np.empty((*ids_BT.shape, size), dtype=np.float32)
        for step, ids in enumerate(ids_BT.T.tolist()):
            self._step(ids, hidden_BK, cells, gates[step] if gates else None)
            features_BTH[:, step] = hidden_BK[:, -size:]
        hidden_LBH = hidden_BK.reshape(streams, layers, size).transpose(1, 0, 2)
        return torch.from_numpy(features_BTH), tuple(map(torch.from_numpy, (hidden_LBH, *cells)))

    def _step(
        self, ids: Sequence[int], hidden_BK: Numbers, cells: Sequence[Numbers], added_BG: Numbers | None
    ) -> None:
        """Read one token on each stream: write the new states over the old ones.

        Args:
            ids: B of them.
            hidden_BK: the hidden states of all layers side by side, so that of each but the first what it
                reads lies before what it has written: its input is one piece of memory.
            cells: the cell states, (L, B, H), of units that have any.
            added_BG: what is added to the gates of the first layer, if anything.
        """
        size = hidden_BK.shape[1] // len(self._steps)
        hidden_tensor_BK = torch.from_numpy(hidden_BK)
        for layer, multiply in enumerate(self._steps):
            begin, end = layer * size, (layer + 1) * size
            if layer == 0:
                sums_BG = multiply(hidden_tensor_BK[:, :end], self._inputs.rows(ids)).numpy()
                if added_BG is not None:
                    sums_BG += added_BG
            else:
                sums_BG = multiply(hidden_tensor_BK[:, begin - size : end]).numpy()
            self._cell(sums_BG, hidden_BK[:, begin:end], *(cell_LBH[layer] for cell_LBH in cells))


@dataclass(frozen=True)
class _Unit:
    """How a kind of unit is computed.

    Attributes:
        for_input: rearranges the gates of the input's weights as `cell` wants its sums.
        for_hidden: the same for the hidden state's weights.
        cell: writes the states after a step over those before it, from the sums, which it overwrites.
    """

    for_input: Callable[[Tensor], Tensor]
    for_hidden: Callable[[Tensor], Tensor]
    cell: Callable[..., None]


def _lstm_gates(weight_G: Tensor) -> Tensor:
    """Put the three logistic gates first, and halve them.

    The logistic function of x is 1/2 + 1/2 tanh(x/2), so that one tanh over all four gates suffices.
    """
    enter, keep, new, show = weight_G.chunk(4)
    return torch.cat([enter / 2, keep / 2, show / 2, new])


def _lstm_cell(gates_BG: Numbers, hidden_BH: Numbers, cell_BH: Numbers) -> None:
    """Step an LSTM. Source: Hochreiter and Schmidhuber 1997, with forget gates (Gers et al. 2000)."""
    size = cell_BH.shape[-1]
    np.tanh(gates_BG, out=gates_BG)
    _to_logistic(gates_BG[:, : 3 * size])
    new_BH = gates_BG[:, 3 * size :]
    cell_BH *= gates_BG[:, size : 2 * size]
    new_BH *= gates_BG[:, :size]
    cell_BH += new_BH
    np.tanh(cell_BH, out=hidden_BH)
    hidden_BH *= gates_BG[:, 2 * size : 3 * size]


def _gru_inputs(weight_G: Tensor) -> Tensor:
    """Put the two logistic gates first, halved; then the input's part of the new state, and zeros.

    The reset gate scales only the old state's part, so that the two parts need sums of their own.
    """
    reset, keep, new = weight_G.chunk(3)
    return torch.cat([reset / 2, keep / 2, new, torch.zeros_like(new)])


def _gru_hiddens(weight_G: Tensor) -> Tensor:
    """Arrange the hidden state's weights as `_gru_inputs` does, with its part of the new state last."""
    reset, keep, new = weight_G.chunk(3)
    return torch.cat([reset / 2, keep / 2, torch.zeros_like(new), new])


def _gru_cell(gates_BG: Numbers, hidden_BH: Numbers) -> None:
    """Step a GRU. Source: Cho et al. 2014, arXiv:1406.1078; it resets after the product, as PyTorch does."""
    size = hidden_BH.shape[-1]
    logistic_B2H, new_BH, old_BH = np.split(gates_BG, [2 * size, 3 * size], axis=1)
    np.tanh(logistic_B2H, out=logistic_B2H)
    _to_logistic(logistic_B2H)
    old_BH *= logistic_B2H[:, :size]
    new_BH += old_BH
    np.tanh(new_BH, out=new_BH)
    hidden_BH -= new_BH
    hidden_BH *= logistic_B2H[:, size:]
    hidden_BH += new_BH


def _plain_cell(sums_BH: Numbers, hidden_BH: Numbers) -> None:
    """Step plain units. Source: Elman 1990."""
    np.tanh(sums_BH, out=hidden_BH)


def _to_logistic(tanh_of_half_BG: Numbers) -> None:
    tanh_of_half_BG *= 0.5
    tanh_of_half_BG += 0.5


_UNITS: dict[type[nn.RNNBase], _Unit] = {
    nn.LSTM: _Unit(_lstm_gates, _lstm_gates, _lstm_cell),
    nn.GRU: _Unit(_gru_inputs, _gru_hiddens, _gru_cell),
    nn.RNN: _Unit(lambda weight_G: weight_G, lambda weight_G: weight_G, _plain_cell),
}


class _Inputs:
    """What tokens add to the gates of the first layer, kept for the first tokens and those that have come.

    Computed together, the first ones take a few milliseconds, as long as a hundred one by one.
    """

    def __init__(self, embedding_VE: Tensor, weight_GE: Tensor, bias_G: Tensor) -> None:
        self._embedding_VE = embedding_VE
        self._weight_GE = weight_GE
        self._bias_G = bias_G
        self._most = _REMEMBERED_NUMBERS // len(bias_G)
        ahead_NE = embedding_VE[: min(_COMPUTED_AHEAD, self._most)]
        self._rows = dict(enumerate(F.linear(ahead_NE, weight_GE, bias_G)))

    def rows(self, ids: Sequence[int]) -> list[Tensor]:
        """Return the row of each token, `row_G`."""
        rows = self._rows
        new = [id_ for id_ in dict.fromkeys(ids) if id_ not in rows]
        if new:
            new_NG = F.linear(self._embedding_VE[new], self._weight_GE, self._bias_G)
            rows.update(zip(new, new_NG, strict=True))
        found = [rows[id_] for id_ in ids]
        while len(rows) > self._most:
            rows.popitem()  # the newest, since the first ones are the most frequent
        return found
