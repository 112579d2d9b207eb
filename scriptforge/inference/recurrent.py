"""The inference models of recurrent networks: LSTM, GRU, plain units, and the network of `numpy_rnn`.

PyTorch's own layers are made for long texts: a step of one token spends its time on reading the weights, on
repacking them, and on a dozen small operations per layer. Here

- what a token adds to the first layer's gates is computed once and kept,
- the two weights of every further layer are joined, so that a step is one product per layer,
- the zeros in a first layer that was trained in members are left out.

Shape letters: B sequences, T steps, V vocabulary, E embedding, H hidden, G gates (a number of H each), N
tokens.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from scriptforge.config import MAX_MEMBERS
from scriptforge.inference.base import Ids, InferenceModel, State, Weights
from scriptforge.inference.configs import NumPyRNNConfig, RecurrentConfig, RecurrentSizes
from scriptforge.inference.products import (
    RecurrentStep,
    UpperLayer,
    blocks_of,
    prepare_product,
    prepare_step,
    reorder_gates,
)
from scriptforge.inference.speakers import Speakers
from scriptforge.inference.tables import Table
from scriptforge.kernel import Arithmetic, FloatArray, Unit, kernel
from scriptforge.kernel.recurrent import KernelRecurrentLayers, LayerWeights


class HeadedInferenceModel(InferenceModel):
    """A model whose scores are computed by a `Head`, its attribute `_head`."""

    _head: "Head"

    def score(self, features_BTH: FloatArray) -> FloatArray:
        """See `InferenceModel.score`."""
        return self._head.score(features_BTH)

    @property
    def head(self) -> FloatArray:
        """See `InferenceModel.head`."""
        return self._head.weight_VE

    def difference(self, features_BH: FloatArray, others_BH: FloatArray) -> FloatArray:
        """See `InferenceModel.difference`."""
        return self._head.difference(features_BH, others_BH)


class InferenceRecurrent(HeadedInferenceModel):
    """The inference model of a `Recurrent`."""

    def __init__(self, config: RecurrentConfig, weights: Weights, arithmetic: Arithmetic) -> None:
        self.config: RecurrentConfig = config
        self._network = Network(config.arch, config, weights, arithmetic)
        self._head = Head(weights, arithmetic, tied=config.tied)

    def initial_state(self, sequences: int) -> State:
        """Return zeros: hidden states, the cell states of an LSTM, and any speakers."""
        return self._network.initial_state(sequences)

    def features(self, ids_BT: Ids, state: State) -> tuple[FloatArray, State]:
        """Return the last layer's output, speaker embedding included; see `InferenceModel.features`."""
        return self._network.read(ids_BT, state)


class Head:
    """The head of a model whose scores are a linear function of its features.

    Args:
        weights: all weights of the model.
        arithmetic: how to multiply.
        tied: whether the head's weight is the embedding.

    Attributes:
        weight_VE: the weight.
    """

    def __init__(self, weights: Weights, arithmetic: Arithmetic, *, tied: bool) -> None:
        self.weight_VE = weights["embedding.weight" if tied else "head.weight"]
        self._multiply = prepare_product(self.weight_VE, weights["head.bias"], arithmetic)
        self._projection_EH = weights.get("projection.weight")
        self._project = (
            None if self._projection_EH is None else prepare_product(self._projection_EH, None, arithmetic)
        )

    def score(self, features_BTH: FloatArray) -> FloatArray:
        """See `InferenceModel.score`."""
        features_NH = features_BTH.reshape(-1, features_BTH.shape[-1])
        if self._project is not None:
            features_NH = self._project(features_NH)
        return self._multiply(features_NH).reshape(*features_BTH.shape[:-1], -1)

    def difference(self, features_BH: FloatArray, others_BH: FloatArray) -> FloatArray:
        """See `InferenceModel.difference`."""
        differences_BE: FloatArray = features_BH - others_BH
        if self._projection_EH is None:
            return differences_BE
        projected_BE: FloatArray = differences_BE @ self._projection_EH.T
        return projected_BE


class Network:
    """The recurrent layers of a model, with its token and speaker embeddings.

    Args:
        unit: the kind of units.
        sizes: the sizes of the model.
        weights: all weights of the model.
        arithmetic: how to multiply.

    Attributes:
        layers: the layers and the token embedding.
        speakers: the speaker embedding; None if the model has none.
    """

    def __init__(self, unit: Unit, sizes: RecurrentSizes, weights: Weights, arithmetic: Arithmetic) -> None:
        input_GE, self.layers = _new_layers(unit, sizes.layers, weights, arithmetic)
        self._unit, self._depth, self._size = unit, sizes.layers, sizes.hidden_size
        self.speakers = (
            Speakers(sizes.layout_size, sizes.speakers, weights, input_GE) if sizes.speakers else None
        )

    def initial_state(self, sequences: int) -> State:
        """Return zeros: hidden states, the cell states of an LSTM, and any speakers."""
        carried = _zero_state(self._unit, self._depth, sequences, self._size)
        speakers = (np.zeros((2, sequences, 1), np.float32),) if self.speakers is not None else ()
        return (*carried, *speakers)

    def read(self, ids_BT: Ids, state: State) -> tuple[FloatArray, State]:
        """Return `features_BTH`, speaker embedding included, and the state after the last token."""
        if self.speakers is None:
            return self.layers.read(ids_BT, state)
        *carried, pairs_2B1 = state
        terms = self.speakers.look_up(ids_BT, pairs_2B1)
        output_BTH, after = self.layers.read(ids_BT, carried, terms.gates)
        output_BTH += terms.added_BTH
        return output_BTH, (*after, terms.after_2B1)


class RecurrentLayers:
    """Recurrent layers that read tokens one after the other.

    Args:
        step: the layers.
        table: what each token adds to the gates of the first layer.
        has_cells: whether the units have cell states.
    """

    def __init__(self, step: RecurrentStep, table: Table, *, has_cells: bool) -> None:
        self._step = step
        self._table = table
        self._has_cells = has_cells

    def read(
        self, ids_BT: Ids, state: Sequence[FloatArray], gates: Sequence[FloatArray] | None = None
    ) -> tuple[FloatArray, State]:
        """Return the last layer's output for each token, `output_BTH`, and the state after the last token.

        Args:
            ids_BT: the tokens.
            state: hidden states, and cell states of units that have them.
            gates: for each step, what else is added to the gates of the first layer, (B, G).
        """
        after = tuple(each.copy() for each in state)
        hidden_LBH, cells_LBH = after[0], after[1] if self._has_cells else None
        output_BTH = np.empty((*ids_BT.shape, hidden_LBH.shape[-1]), np.float32)
        if ids_BT.shape[1] > 1:
            self._table.compute(ids_BT)
        for place, ids_B in enumerate(ids_BT.T):
            added_BG = self._table.rows(ids_B)
            if gates is not None:
                added_BG += gates[place]
            self._step(added_BG, hidden_LBH, cells_LBH)
            output_BTH[:, place] = hidden_LBH[-1]
        return output_BTH, after


AnyLayers: TypeAlias = RecurrentLayers | KernelRecurrentLayers


def _new_layers(
    unit: Unit, layers: int, weights: Weights, arithmetic: Arithmetic
) -> tuple[FloatArray, AnyLayers]:
    """Return the first layer's input weight and the layers, computed by the kernel if there is one."""
    loaded = kernel()
    if loaded is None:
        return _numpy_layers(unit, layers, weights, arithmetic)
    input_GE = weights["recurrent.weight_ih_l0"]
    table = Table(weights["embedding.weight"], input_GE, weights["recurrent.bias_ih_l0"])
    return input_GE, KernelRecurrentLayers(loaded, unit, _layer_weights(layers, weights), table, arithmetic)


def _numpy_layers(
    unit: Unit, layers: int, weights: Weights, arithmetic: Arithmetic
) -> tuple[FloatArray, RecurrentLayers]:
    """Return the first layer's input weight, with its gates `reorder_gates`, and the layers in NumPy."""
    inputs, hiddens, biases = [], [], []
    for layer in range(layers):
        of_layer = _of_layer(layer, weights)
        inputs.append(reorder_gates(unit, of_layer["weight_ih"], of_hidden=False))
        hiddens.append(reorder_gates(unit, of_layer["weight_hh"], of_hidden=True))
        biases.append(
            reorder_gates(unit, of_layer["bias_ih"], of_hidden=False)
            + reorder_gates(unit, of_layer["bias_hh"], of_hidden=True)
        )
    upper = [
        UpperLayer(np.concatenate([input_GH, hidden_GH], axis=1), bias_G)
        for input_GH, hidden_GH, bias_G in zip(inputs[1:], hiddens[1:], biases[1:], strict=True)
    ]
    step = prepare_step(unit, blocks_of(hiddens[0], MAX_MEMBERS), upper, arithmetic)
    table = Table(weights["embedding.weight"], inputs[0], biases[0])
    return inputs[0], RecurrentLayers(step, table, has_cells=unit == "lstm")


def _layer_weights(count: int, weights: Weights) -> list[LayerWeights]:
    """Return the weights of a number of layers as the kernel needs them."""
    layers = []
    for layer in range(count):
        of_layer = _of_layer(layer, weights)
        weight_hh_GH, weight_ih_GK = of_layer["weight_hh"], of_layer["weight_ih"] if layer else None
        groups = len(blocks_of(weight_hh_GH, MAX_MEMBERS))
        if weight_ih_GK is not None and len(blocks_of(weight_ih_GK, MAX_MEMBERS)) != groups:
            groups = 1
        bias_ih_G = of_layer["bias_ih"] if layer else None
        layers.append(LayerWeights(weight_ih_GK, weight_hh_GH, bias_ih_G, of_layer["bias_hh"], groups))
    return layers


def _of_layer(layer: int, weights: Weights) -> dict[str, FloatArray]:
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return {name: weights[f"recurrent.{name}_l{layer}"] for name in names}


def _zero_state(unit: Unit, layers: int, sequences: int, size: int) -> State:
    """Return zero hidden states, and cell states of an LSTM."""
    return tuple(np.zeros((layers, sequences, size), np.float32) for _ in range(1 + (unit == "lstm")))


class InferenceNumPyRNN(InferenceModel):
    """The inference model of a `NumPyRNN`: plain units that read a row of the input weight per token."""

    def __init__(self, config: NumPyRNNConfig, weights: Weights, arithmetic: Arithmetic) -> None:
        self.config: NumPyRNNConfig = config
        weight_HH, table = weights["recurrent"].T, Table(weights["input"], None, weights["hidden_bias"])
        self._layers: AnyLayers
        if (loaded := kernel()) is not None:
            layer = LayerWeights(None, weight_HH, None, np.zeros(len(weight_HH), np.float32))
            self._layers = KernelRecurrentLayers(loaded, "rnn", [layer], table, arithmetic)
        else:
            step = prepare_step("rnn", weight_HH[None], [], arithmetic)
            self._layers = RecurrentLayers(step, table, has_cells=False)
        self._score = prepare_product(weights["output"].T, weights["output_bias"], arithmetic)

    def initial_state(self, sequences: int) -> State:
        """Return a zero hidden state."""
        return _zero_state("rnn", 1, sequences, self.config.hidden_size)

    def features(self, ids_BT: Ids, state: State) -> tuple[FloatArray, State]:
        """Return the hidden states; see `InferenceModel.features`."""
        return self._layers.read(ids_BT, state)

    def score(self, features_BTH: FloatArray) -> FloatArray:
        """See `InferenceModel.score`."""
        features_NH = features_BTH.reshape(-1, features_BTH.shape[-1])
        return self._score(features_NH).reshape(*features_BTH.shape[:-1], -1)
