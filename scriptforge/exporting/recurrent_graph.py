"""A recurrent model as an ONNX graph that reads one token per call, with its state as inputs and outputs.

    ids_B  hidden_LBH  cell_LBH  speakers_2B  →  logits_BV  next_hidden_LBH  next_cell_LBH  next_speakers_2B

Only an LSTM has cells, and only a model with a speaker embedding has speakers. The graph is built of standard
operators of opset 17, from the config and the NumPy weights: neither PyTorch nor its exporter is needed.
Written out, the cells are as fast in ONNX Runtime as its own LSTM operator, and matrices that `Members` left
block-diagonal can be multiplied block by block.

With `int8` every column of a matrix has a scale of its own, and so has every input, computed at run time: no
sequence depends on the others of a batch. Weights are limited to -63 … 63: on x86 without VNNI, ONNX Runtime
adds pairs of products in 16 bits, which larger ones would overflow (onnxruntime/docs/quantization,
github.com/microsoft/onnxruntime/pull/12088).

Shape letters: B sequences, E embedding, H hidden, L layers, G gates (a number of H each), K inputs and N
outputs of a product, M members, V vocabulary.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scriptforge.config import MAX_MEMBERS
from scriptforge.inference import Arithmetic, Weights
from scriptforge.inference.configs import RecurrentConfig
from scriptforge.inference.products import diagonal_blocks
from scriptforge.inference.speakers import END, SCALE

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

OPSET = 17
IR_VERSION = 8

_QUANTISED_MAX = 63  # of weights
_ZERO = 128  # the zero point of inputs, which are uint8
_MAX_INPUT = 127.0
_SMALLEST = 1e-30  # lower limit of a maximum, so that no scale is 0


def build_graph(config: RecurrentConfig, weights: Weights, arithmetic: Arithmetic = "fp32") -> "ModelProto":
    """Return the graph of an LSTM, a GRU or plain units.

    Args:
        config: the sizes.
        weights: the weights of the model.
        arithmetic: how matrices are stored and multiplied.
    """
    import onnx

    graph = _Graph(arithmetic)
    model = _Recurrent(graph, config, weights)
    sizes: dict[str, tuple[int | str, ...]] = {"hidden": (config.layers, "batch", config.hidden_size)}
    if config.arch == "lstm":
        sizes["cell"] = sizes["hidden"]
    if config.speakers:
        sizes["speakers"] = (2, "batch")
    graph.ends("logits", model.read("ids"), *((f"next_{name}", model.after[name]) for name in sizes))
    inputs = [_value("ids", ("batch",))]
    inputs += [_value(name, shape) for name, shape in sizes.items()]
    outputs = [_value("logits", ("batch", config.vocabulary_size))]
    outputs += [_value(f"next_{name}", shape) for name, shape in sizes.items()]
    built = onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, "scriptforge", inputs, outputs, graph.constants),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="scriptforge",
    )
    onnx.checker.check_model(built, full_check=True)
    return built


def _value(name: str, shape: tuple[int | str, ...]) -> "ValueInfoProto":
    from onnx import TensorProto, helper

    is_whole = name.removeprefix("next_") in ("ids", "speakers")
    return helper.make_tensor_value_info(name, TensorProto.INT64 if is_whole else TensorProto.FLOAT, shape)


def count_members(config: RecurrentConfig, weights: Weights) -> int:
    """Return the number of diagonal blocks that all matrices of a network consist of; 1 if they are full."""
    matrices = [each for name, each in weights.items() if name.startswith("recurrent.weight")]
    present = sum(map(np.count_nonzero, matrices))
    for count in range(MAX_MEMBERS, 1, -1):
        if config.hidden_size % count or config.embedding_size % count:
            continue
        blocks = (diagonal_blocks(each, config.hidden_size, count) for each in matrices)
        if sum(map(np.count_nonzero, blocks)) == present:
            return count
    return 1


class _Graph:
    """A graph under construction: nodes and constants."""

    def __init__(self, arithmetic: Arithmetic) -> None:
        self.is_rounded = arithmetic == "int8"
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._names: set[str] = set()

    def constant(self, name: str, values: Any) -> str:
        """Add a constant unless its name is known, and return the name."""
        from onnx import numpy_helper

        if name not in self._names:
            self._names.add(name)
            self.constants.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def number(self, value: float, dtype: Any = np.float32) -> str:
        """Add a scalar constant, and return its name."""
        return self.constant(f"{np.dtype(dtype).name} {value:g}", np.array(value, dtype))

    def sizes(self, *values: int) -> str:
        """Add a list of whole numbers as a constant, and return its name."""
        return self.constant(f"sizes {' '.join(map(str, values))}", np.array(values, np.int64))

    def apply(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        return self.split(operator, 1, *inputs, **attributes)[0]

    def split(self, operator: str, count: int, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node and return the names of its outputs."""
        from onnx import helper

        names = [f"{operator} {len(self.nodes)} {place}" for place in range(count)]
        self.nodes.append(helper.make_node(operator, inputs, names, names[0], **attributes))
        return names

    def ends(self, first: str, value: str, *others: tuple[str, str]) -> None:
        """Make values the outputs of the graph, under the names given."""
        from onnx import helper

        for name, found in ((first, value), *others):
            self.nodes.append(helper.make_node("Identity", [found], [name], name))

    def rounded(self, name: str, weight: NDArray[np.float32], axis: int) -> tuple[str, str]:
        """Add a matrix in whole numbers, and its scales along an axis; return their names."""
        scale = np.maximum(np.abs(weight).max(axis, keepdims=True), _SMALLEST) / _QUANTISED_MAX
        whole = np.rint(weight / scale).astype(np.int8)
        return self.constant(name, whole), self.constant(f"{name} scale", scale.astype(np.float32))

    def product(self, name: str, input_K: str, weight_KN: NDArray[np.float32], added: str = "") -> str:
        """Multiply an input with a matrix, (K, N) or one for each member, and add a term if it is named."""
        if not self.is_rounded:
            product = self.apply("MatMul", input_K, self.constant(name, weight_KN))
            return self.apply("Add", product, added) if added else product
        return self.rounded_product(input_K, *self.rounded(name, weight_KN, -2), added)

    def rounded_product(self, input_K: str, whole_KN: str, scale_1N: str, added: str = "") -> str:
        """Multiply in whole numbers; each row of the input is rounded with a scale of its own."""
        largest = self.apply("ReduceMax", self.apply("Abs", input_K), axes=[-1], keepdims=1)
        scale = self.apply("Div", self.apply("Max", largest, self.number(_SMALLEST)), self.number(_MAX_INPUT))
        shifted = self.apply(
            "Add", self.apply("Round", self.apply("Div", input_K, scale)), self.number(_ZERO)
        )
        whole_K = self.apply("Cast", shifted, to=2)  # uint8
        sums = self.apply("MatMulInteger", whole_K, whole_KN, self.number(_ZERO, np.uint8))
        # In any other order, ONNX Runtime mistakes the rows' scales for one, and fuses the products wrongly.
        product = self.apply("Mul", self.apply("Mul", self.apply("Cast", sums, to=1), scale_1N), scale)
        return self.apply("Add", product, added) if added else product


class _Recurrent:
    """The parts of the graph of a recurrent model.

    Attributes:
        after: the value of each part of the state after the token, by name; empty before `read`.
    """

    def __init__(self, graph: _Graph, config: RecurrentConfig, weights: Weights) -> None:
        self._graph = graph
        self._config = config
        self._weights = weights
        self._members = count_members(config, weights)
        self.after: dict[str, str] = {}

    def read(self, ids: str) -> str:
        """Read a token in each sequence, and return the scores of the next."""
        graph, config = self._graph, self._config
        input_BE = self._embed(ids)
        speakers = self._follow_speakers(ids) if config.speakers else None
        if speakers:
            input_BE = self._add_speakers("input", input_BE, *speakers)
        output = self._split_members(input_BE)
        states: dict[str, list[str]] = {"hidden": [], "cell": []}
        for layer in range(config.layers):
            found = self._layer(layer, output)
            output = found["hidden"]
            for name, value in found.items():
                states[name].append(graph.apply("Unsqueeze", self._merge_members(value), graph.sizes(0)))
        self.after |= {name: graph.apply("Concat", *each, axis=0) for name, each in states.items() if each}
        features_BH = self._merge_members(output)
        return self._score(self._add_speakers("output", features_BH, *speakers) if speakers else features_BH)

    def _embed(self, ids: str) -> str:
        graph, table_VE = self._graph, self._weights["embedding.weight"]
        if not graph.is_rounded:
            return graph.apply("Gather", graph.constant("embedding", table_VE), ids)
        names = graph.rounded("embedding", table_VE, 1)
        rows_BE, scales_B1 = (graph.apply("Gather", name, ids) for name in names)
        return graph.apply("Mul", graph.apply("Cast", rows_BE, to=1), scales_B1)

    def _follow_speakers(self, ids: str) -> list[str]:
        """Return the current and the previous speakers, as a step of `SpeakerEmbedding.follow` does."""
        graph, config = self._graph, self._config
        first = config.layout_size - config.speakers
        none, whole = graph.number(0, np.int64), np.int64
        current_B, previous_B = (
            graph.apply("Gather", "speakers", graph.number(place, whole)) for place in (0, 1)
        )
        opens_B = graph.apply("Less", ids, graph.number(config.layout_size, whole))
        named_B = graph.apply("Max", graph.apply("Sub", ids, graph.number(first - 1, whole)), none)
        last_B = graph.apply("Where", graph.apply("Greater", current_B, none), current_B, previous_B)
        ends_B = graph.apply("Equal", ids, graph.number(END, whole))
        opened = (named_B, graph.apply("Where", ends_B, none, last_B))
        pair = [
            graph.apply("Where", opens_B, new_B, old_B)
            for new_B, old_B in zip(opened, (current_B, previous_B), strict=True)
        ]
        rows = (graph.apply("Unsqueeze", each_B, graph.sizes(0)) for each_B in pair)
        self.after["speakers"] = graph.apply("Concat", *rows, axis=0)
        return pair

    def _add_speakers(self, place: str, numbers: str, current_B: str, previous_B: str) -> str:
        """Add the embeddings of the current and the previous speakers."""
        graph = self._graph
        for name, speakers_B in (("current", current_B), ("previous", previous_B)):
            table = f"speaker_embedding.{place}.{name}"
            rows = graph.constant(table, self._weights[f"{table}.weight"] * np.float32(SCALE))
            numbers = graph.apply("Add", numbers, graph.apply("Gather", rows, speakers_B))
        return numbers

    def _layer(self, layer: int, input_K: str) -> dict[str, str]:
        """Return the states of a layer after a step."""
        graph, unit = self._graph, self._config.arch
        states = ("hidden", "cell") if unit == "lstm" else ("hidden",)
        before = [
            self._split_members(graph.apply("Gather", each, graph.number(layer, np.int64))) for each in states
        ]
        inputs, hiddens = (
            graph.product(
                f"layer {layer} {part}",
                values,
                self._matrix(f"recurrent.weight_{part}_l{layer}"),
                graph.constant(f"layer {layer} {part} bias", self._bias(f"recurrent.bias_{part}_l{layer}")),
            )
            for part, values in (("ih", input_K), ("hh", before[0]))
        )
        size = self._config.hidden_size // self._members
        match unit:
            case "lstm":
                return _lstm(graph, graph.apply("Add", inputs, hiddens), before[1], size)
            case "gru":
                return _gru(graph, inputs, hiddens, before[0], size)
            case "rnn":
                return {"hidden": graph.apply("Tanh", graph.apply("Add", inputs, hiddens))}

    def _matrix(self, name: str) -> NDArray[np.float32]:
        """Return a weight of the network, transposed for products: (K, G), or (M, K/M, G/M)."""
        weight_GK = self._in_order(self._weights[name])
        blocks = diagonal_blocks(weight_GK, self._config.hidden_size, self._members).swapaxes(1, 2)
        return blocks if self._members > 1 else blocks[0]

    def _bias(self, name: str) -> NDArray[np.float32]:
        """Return a bias of the gates: (G,), or (M, 1, G/M)."""
        bias_G = self._in_order(self._weights[name])
        if self._members == 1:
            return bias_G
        parts = bias_G.reshape(-1, self._members, self._config.hidden_size // self._members)
        return parts.swapaxes(0, 1).reshape(self._members, 1, -1)

    def _in_order(self, weight_G: NDArray[np.float32]) -> NDArray[np.float32]:
        """Put the logistic gates of an LSTM first; PyTorch has the candidate before the output gate."""
        if self._config.arch != "lstm":
            return weight_G
        input_gate, forget_gate, candidate, output_gate = np.split(weight_G, 4)
        return np.concatenate([input_gate, forget_gate, output_gate, candidate])

    def _split_members(self, numbers_BK: str) -> str:
        """Split numbers by member, (M, B, K/M); those of a single member stay as they are."""
        if self._members == 1:
            return numbers_BK
        shaped = self._graph.apply("Reshape", numbers_BK, self._graph.sizes(0, self._members, -1))
        return self._graph.apply("Transpose", shaped, perm=[1, 0, 2])

    def _merge_members(self, numbers: str) -> str:
        """Undo `_split_members`."""
        if self._members == 1:
            return numbers
        turned = self._graph.apply("Transpose", numbers, perm=[1, 0, 2])
        return self._graph.apply("Reshape", turned, self._graph.sizes(0, -1))

    def _score(self, features_BH: str) -> str:
        """Return the scores of all tokens; a tied head is stored once, as the embedding."""
        graph, weights, tied = self._graph, self._weights, self._config.tied
        if "projection.weight" in weights:
            features_BH = graph.product("projection", features_BH, weights["projection.weight"].T)
        bias = graph.constant("head bias", weights["head.bias"])
        name, table_VE = ("embedding", "embedding.weight") if tied else ("head", "head.weight")
        if not graph.is_rounded:
            head = graph.constant(name, weights[table_VE])
            return graph.apply("Gemm", features_BH, head, bias, transB=1)
        whole_VE, scale_V1 = graph.rounded(name, weights[table_VE], 1)
        turned = [graph.apply("Transpose", each, perm=[1, 0]) for each in (whole_VE, scale_V1)]
        return graph.rounded_product(features_BH, turned[0], turned[1], bias)


def _lstm(graph: _Graph, gates: str, cell: str, size: int) -> dict[str, str]:
    """Step an LSTM. Source: Hochreiter and Schmidhuber 1997, with forget gates (Gers et al. 2000)."""
    logistic, candidate = graph.split("Split", 2, gates, graph.sizes(3 * size, size), axis=-1)
    opened = graph.apply("Sigmoid", logistic)
    input_gate, forget_gate, output_gate = graph.split(
        "Split", 3, opened, graph.sizes(size, size, size), axis=-1
    )
    added = graph.apply("Mul", input_gate, graph.apply("Tanh", candidate))
    cell = graph.apply("Add", graph.apply("Mul", forget_gate, cell), added)
    return {"hidden": graph.apply("Mul", output_gate, graph.apply("Tanh", cell)), "cell": cell}


def _gru(graph: _Graph, inputs: str, hiddens: str, hidden: str, size: int) -> dict[str, str]:
    """Step a GRU. Source: Cho et al. 2014, arXiv:1406.1078; it resets after the product, as PyTorch does."""
    parts = [
        graph.split("Split", 2, each, graph.sizes(2 * size, size), axis=-1) for each in (inputs, hiddens)
    ]
    opened = graph.apply("Sigmoid", graph.apply("Add", parts[0][0], parts[1][0]))
    reset_gate, update_gate = graph.split("Split", 2, opened, graph.sizes(size, size), axis=-1)
    scaled = graph.apply("Mul", reset_gate, parts[1][1])
    candidate = graph.apply("Tanh", graph.apply("Add", parts[0][1], scaled))
    moved = graph.apply("Mul", update_gate, graph.apply("Sub", hidden, candidate))
    return {"hidden": graph.apply("Add", moved, candidate)}
