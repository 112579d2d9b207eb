"""Recurrent language models: an embedding, layers of LSTM, GRU or plain tanh units, a linear head.

The functions below the model are also used by `attention`, for its LSTM.

Shape letters: B streams, T steps, E embedding, H hidden, L layers, G gates.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from scriptforge.inference.configs import RecurrentConfig
from scriptforge.kernel import Unit
from scriptforge.models.base import State
from scriptforge.models.layers import HeadedModel, dropout

_NETWORKS: dict[Unit, type[nn.LSTM | nn.GRU | nn.RNN]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class Recurrent(HeadedModel):
    """A recurrent network over token ids, built on PyTorch's layers.

    Source: Hochreiter and Schmidhuber 1997, "Long Short-Term Memory"; Cho et al. 2014, arXiv:1406.1078, on
        the GRU; Elman 1990, "Finding Structure in Time", on plain units.
    """

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.config: RecurrentConfig = config
        self.embedding = nn.Embedding(config.vocabulary_size, config.embedding_size)
        self.add_speakers(config.layout_size, config.speakers)
        self.recurrent = _NETWORKS[config.arch](
            config.embedding_size,
            config.hidden_size,
            config.layers,
            batch_first=True,
            dropout=config.dropout_between if config.layers > 1 else 0.0,
        )
        self.add_head(tied=config.tied)
        if config.arch == "lstm":
            open_forget_gates(self.recurrent)

    def initial_state(self, streams: int) -> State:
        """Return zero hidden states, and cell states for an LSTM, each (L, streams, H)."""
        config = self.config
        zeros_LBH = self.head.bias.new_zeros((config.layers, streams, config.hidden_size))
        carried = (zeros_LBH, zeros_LBH.clone()) if config.arch == "lstm" else (zeros_LBH,)
        return *carried, *self.initial_speakers(streams)

    def features(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the output of the last layer; see `LanguageModel.features`."""
        config = self.config
        embedded = self.embed(ids_BT, state)
        input_BTE = dropout(embedded.input_BTE, config.dropout_input, self.training)
        output_BTH, after = read(self.recurrent, input_BTE, embedded.rest, config.dropout_recurrent)
        features_BTH = embedded.features(dropout(output_BTH, config.dropout_output, self.training))
        return features_BTH, (*after, *embedded.after)

    def orthogonal_blocks(self) -> dict[str, int]:
        """Return the network's matrices, a block for each gate; see `TrainableModel.orthogonal_blocks`."""
        return recurrent_blocks(self.recurrent)


def read(
    network: nn.RNNBase, input_BTE: Tensor, state: State, dropout_recurrent: float
) -> tuple[Tensor, State]:
    """Run a recurrent network over its input; in training, with some recurrent connections dropped.

    Args:
        network: `nn.LSTM`, `nn.GRU` or `nn.RNN`.
        input_BTE: the input, with batch and time in the network's order.
        state: one or two tensors of (L, B, H).
        dropout_recurrent: share of each layer's recurrent connections to drop.

    Returns:
        The output of the last layer, and the state after the last step.
    """
    weights = _drop_connections(network, dropout_recurrent) if network.training and dropout_recurrent else {}
    before: Tensor | State = state if isinstance(network, nn.LSTM) else state[0]
    output_BTH, after = functional_call(network, weights, (input_BTE, before))
    return output_BTH, after if isinstance(after, tuple) else (after,)


def _drop_connections(network: nn.RNNBase, share: float) -> dict[str, Tensor]:
    """Return the recurrent weights by name, with the same random connections set to zero in every gate.

    The gates of a weight are stacked, (G·H, H), so one mask of (H, H) is repeated G times.
    """
    weights = {name: weight for name, weight in network.named_parameters() if "weight_hh" in name}
    all_HH = weights["weight_hh_l0"].new_ones(network.hidden_size, network.hidden_size)
    return {
        name: weight * dropout(all_HH, share, is_training=True).repeat(len(weight) // len(all_HH), 1)
        for name, weight in weights.items()
    }


def open_forget_gates(network: nn.RNNBase) -> None:
    """Set the bias of an LSTM's forget gates to 1, so that it remembers at first (Jozefowicz et al. 2015).

    PyTorch's gates are input, forget, cell, output in this order, with two biases each.
    """
    gate = slice(network.hidden_size, 2 * network.hidden_size)
    parameters: dict[str, Any] = dict(network.named_parameters())
    with torch.no_grad():
        for layer in range(network.num_layers):
            parameters[f"bias_ih_l{layer}"][gate].fill_(1.0)
            parameters[f"bias_hh_l{layer}"][gate].zero_()


def recurrent_blocks(network: nn.RNNBase) -> dict[str, int]:
    """Return the `orthogonal_blocks` of a model's network named `recurrent`: one for each gate."""
    return {
        f"recurrent.{name}": len(weight) // network.hidden_size
        for name, weight in network.named_parameters()
        if name.startswith("weight")
    }
