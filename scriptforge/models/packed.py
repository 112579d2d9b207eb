"""A model made ready for reading token by token: the same protocol, weights laid out for single steps.

`nn.LSTM` is made for long texts. A step of one token spends its time on reading the weights, on repacking
them, and on a dozen small operations a layer. The twin of a model that `pack` makes

- keeps what a token adds to the first layer's gates: of the first tokens, which are the most frequent ones of
  a vocabulary of words, from the start, and of any other once it has come,
- joins the two weights of every further layer, so that a step is one product a layer,
- arranges the gates so that one hyperbolic tangent serves all four,
- packs weights once, in the way that suits the processor, and
- may round them to eight bits, a quarter of what is to be read.

What is not a product is done in NumPy, whose small calls take a third of the time of PyTorch's. Knows nothing
of training: a twin has the weights that its model had when it was made.

Shape letters: B streams, T steps, V vocabulary, E embedding, H hidden, G = 4H gates, L layers, N tokens; in a
product, R rows, K inputs and M outputs.
"""

import threading
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from scriptforge.errors import UsageError
from scriptforge.models.protocol import LanguageModel, State
from scriptforge.models.recurrent import Recurrent, RecurrentConfig

Arithmetic: TypeAlias = Literal["fp32", "int8"]
"""How a twin multiplies: `fp32` as the model does, `int8` with weights and inputs rounded to eight bits."""

_Numbers: TypeAlias = NDArray[np.float32]

_REMEMBERED_NUMBERS = 1 << 24
_WORKED_OUT_AHEAD = 2048
_ENGINES = ("fbgemm", "qnnpack")  # for x86 and for ARM; what PyTorch has chosen by itself may be none
_SMALLEST = 1e-30
_HOW_ELSE = "Leave --int8 out: without it every machine reckons as exactly as it trains."

_engine = threading.Lock()


def pack(model: LanguageModel, arithmetic: Arithmetic = "fp32") -> LanguageModel:
    """The twin of a model, which generates faster; with `fp32` it equals the model up to rounding.

    Making one takes milliseconds. A twin stays as it is, and so does, with `fp32`, a model that is not on the
    CPU or no LSTM.

    Args:
        model: in evaluation mode.
        arithmetic: how to multiply.

    Raises:
        UsageError: `int8` is not to be had on this machine or for this model.
    """
    if isinstance(model, PackedLSTM):
        return model
    if isinstance(model, Recurrent) and model.config.arch == "lstm":
        if model.head.weight.device.type == "cpu":
            return PackedLSTM(model, arithmetic)
        if arithmetic == "int8":
            raise UsageError("Only a model on the CPU can be rounded to eight bits.", _HOW_ELSE)
    elif arithmetic == "int8":
        raise UsageError(f"Only an lstm can be rounded to eight bits, not a {model.config.arch}.", _HOW_ELSE)
    return model


class PackedLSTM:
    """The twin of a `Recurrent` that is an LSTM.

    Args:
        model: in evaluation mode, on the CPU.
        arithmetic: how to multiply.

    Raises:
        UsageError: this machine has no `int8`.
    """

    def __init__(self, model: Recurrent, arithmetic: Arithmetic) -> None:
        self.config: RecurrentConfig = model.config
        self._model = model
        self._layers = range(self.config.layers)
        product: Callable[[Tensor, Tensor | None], _Product] = _Exact if arithmetic == "fp32" else _Rounded
        weights = {name: _arranged(weight) for name, weight in model.recurrent.state_dict().items()}
        biases = [weights[f"bias_ih_l{layer}"] + weights[f"bias_hh_l{layer}"] for layer in self._layers]
        self._inputs = _Inputs(model.embedding.weight.detach(), weights["weight_ih_l0"], biases[0])
        self._steps = [product(weights["weight_hh_l0"], None)]
        for layer in self._layers[1:]:
            joined_GK = torch.cat([weights[f"weight_ih_l{layer}"], weights[f"weight_hh_l{layer}"]], dim=1)
            self._steps.append(product(joined_GK, biases[layer]))
        head_VK = model.head.weight.detach()
        self._projection: _Product | None = None
        if self.config.is_projected:
            projection_KH = model.get_parameter("projection.weight").detach()
            if arithmetic == "int8":
                head_VK = head_VK @ projection_KH  # what is projected may be of any size, and is not rounded
            else:
                self._projection = product(projection_KH, torch.zeros(len(projection_KH)))
        self._head = product(head_VK, model.head.bias.detach())

    def initial_state(self, streams: int) -> State:
        """See `LanguageModel.initial_state`."""
        return self._model.initial_state(streams)

    def __call__(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """See `LanguageModel.__call__`."""
        features_BTH, state = self.features(ids_BT, state)
        return self.score(features_BTH), state

    def features(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """See `LanguageModel.features`."""
        hidden_LBH, cells_LBH = (tensor.numpy() for tensor in state)
        layers, streams, size = hidden_LBH.shape
        hidden_BK = np.array(hidden_LBH.transpose(1, 0, 2), order="C").reshape(streams, layers * size)
        cells_LBH = cells_LBH.copy()
        features_BTH = np.empty((*ids_BT.shape, size), dtype=np.float32)
        for step, ids in enumerate(ids_BT.T.tolist()):
            self._step(ids, hidden_BK, cells_LBH)
            features_BTH[:, step] = hidden_BK[:, -size:]
        hidden_LBH = hidden_BK.reshape(streams, layers, size).transpose(1, 0, 2)
        return torch.from_numpy(features_BTH), (torch.from_numpy(hidden_LBH), torch.from_numpy(cells_LBH))

    def _step(self, ids: Sequence[int], hidden_BK: _Numbers, cells_LBH: _Numbers) -> None:
        """Reads one token on each stream: writes the new states over the old ones.

        Args:
            ids: B of them.
            hidden_BK: the hidden states of all layers side by side, so that of each but the first what it
                reads lies before what it has written: its input is one piece of memory.
            cells_LBH: the cell states.
        """
        size = cells_LBH.shape[-1]
        hidden_tensor_BK = torch.from_numpy(hidden_BK)
        for layer, multiply in enumerate(self._steps):
            begin, end = layer * size, (layer + 1) * size
            if layer == 0:
                gates_BG = multiply(hidden_tensor_BK[:, :end], self._inputs.rows(ids))
            else:
                gates_BG = multiply(hidden_tensor_BK[:, begin - size : end])
            _cell(gates_BG.numpy(), cells_LBH[layer], hidden_BK[:, begin:end])

    def score(self, features_BTH: Tensor) -> Tensor:
        """See `LanguageModel.score`."""
        features_NH = features_BTH.flatten(0, -2)
        if self._projection:
            features_NH = self._projection(features_NH)
        return self._head(features_NH).view(*features_BTH.shape[:-1], -1)

    def loss(self, ids_BT: Tensor, targets_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """See `LanguageModel.loss`; nothing can be learnt from it."""
        logits_BTV, state = self(ids_BT, state)
        return F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten()), state

    def state_dict(self) -> dict[str, Any]:
        """See `LanguageModel.state_dict`: the weights of the model itself."""
        return self._model.state_dict()


def _arranged(weight_G: Tensor) -> Tensor:
    """The rows of a weight or bias as `_cell` wants its sums: the three logistic gates first, and halved."""
    enter, keep, new, show = weight_G.chunk(4)
    return torch.cat([enter / 2, keep / 2, show / 2, new])


def _cell(gates_BG: _Numbers, cell_BH: _Numbers, hidden_BH: _Numbers) -> None:
    """Writes the cell and the hidden state after a step over those before it.

    The logistic function of x is 1/2 + 1/2 tanh(x/2). Source: Hochreiter and Schmidhuber 1997, "Long
    Short-Term Memory", with forget gates (Gers et al. 2000).

    Args:
        gates_BG: the sums before the gates, `_arranged`; overwritten.
        cell_BH: the cell state.
        hidden_BH: the hidden state.
    """
    size = cell_BH.shape[-1]
    np.tanh(gates_BG, out=gates_BG)
    logistic_B3H, new_BH = gates_BG[:, : 3 * size], gates_BG[:, 3 * size :]
    logistic_B3H *= 0.5
    logistic_B3H += 0.5
    cell_BH *= gates_BG[:, size : 2 * size]
    new_BH *= gates_BG[:, :size]
    cell_BH += new_BH
    np.tanh(cell_BH, out=hidden_BH)
    hidden_BH *= gates_BG[:, 2 * size : 3 * size]


class _Inputs:
    """What tokens add to the gates of the first layer, kept for the first ones and for those that have come.

    All at once the first ones take a few milliseconds, one by one as long as a hundred of them.

    Args:
        embedding_VE: the embedding.
        weight_GE: how the first layer weighs it.
        bias_G: of the first layer.
    """

    def __init__(self, embedding_VE: Tensor, weight_GE: Tensor, bias_G: Tensor) -> None:
        self._embedding_VE = embedding_VE
        self._weight_GE = weight_GE
        self._bias_G = bias_G
        self._most = _REMEMBERED_NUMBERS // len(bias_G)
        ahead_NE = embedding_VE[: min(_WORKED_OUT_AHEAD, self._most)]
        self._rows = dict(enumerate(F.linear(ahead_NE, weight_GE, bias_G)))

    def rows(self, ids: Sequence[int]) -> list[Tensor]:
        """The row of each token, `row_G`."""
        rows = self._rows
        new = [id_ for id_ in dict.fromkeys(ids) if id_ not in rows]
        if new:
            new_NG = F.linear(self._embedding_VE[new], self._weight_GE, self._bias_G)
            rows.update(zip(new, new_NG, strict=True))
        found = [rows[id_] for id_ in ids]
        while len(rows) > self._most:
            rows.popitem()  # the one that came last
        return found


class _Product(Protocol):
    """A matrix that vectors are multiplied with, a few at a time."""

    def __call__(self, input_RK: Tensor, rows: Sequence[Tensor] = ()) -> Tensor:
        """The product of each input with its row added, if there are rows, or else the bias: `output_RM`."""
        ...


class _Exact:
    """A product in fp32: one input by BLAS, several by oneDNN with weights packed once.

    Args:
        weight_MK: the matrix.
        bias_M: what is added to each product; None where every call has rows.
    """

    def __init__(self, weight_MK: Tensor, bias_M: Tensor | None) -> None:
        self._weight_MK = weight_MK
        self._bias_M = bias_M
        self._packed: Tensor | None = None

    def __call__(self, input_RK: Tensor, rows: Sequence[Tensor] = ()) -> Tensor:
        """See `_Product.__call__`."""
        added_M = rows[0] if rows else self._bias_M
        if len(input_RK) == 1 and added_M is not None:
            return torch.addmv(added_M, self._weight_MK, input_RK[0])[None]
        return _added(self._several(input_RK), rows)

    def _several(self, input_RK: Tensor) -> Tensor:
        """The products with the bias, if there is one."""
        if not _has_packed_fp32():
            return F.linear(input_RK, self._weight_MK, self._bias_M)
        operations = torch.ops.mkldnn
        if self._packed is None:
            self._packed = operations._reorder_linear_weight.default(self._weight_MK, len(input_RK))
        multiply = operations._linear_pointwise.default
        output_RM: Tensor = multiply(input_RK, self._packed, self._bias_M, "none", [], "")
        return output_RM


class _Rounded:
    """A product of eight bits: every row of the matrix has a scale of its own, and all inputs have one.

    All inputs are in -1 … 1, as hidden states are. So their scale is known, and no lane depends on those
    beside it, nor a step on those read with it.

    Args:
        weight_MK: the matrix.
        bias_M: as of `_Exact`.

    Raises:
        UsageError: this machine has no such product.
    """

    def __init__(self, weight_MK: Tensor, bias_M: Tensor | None) -> None:
        engine = _engine_of_machine()
        is_measured = engine != "fbgemm"
        packed = _packed_int8(F.pad(weight_MK, (0, 2)) if is_measured else weight_MK, bias_M, engine)
        self._multiply = _measured_product(packed) if is_measured else _told_product(packed)

    def __call__(self, input_RK: Tensor, rows: Sequence[Tensor] = ()) -> Tensor:
        """See `_Product.__call__`."""
        return _added(self._multiply(input_RK), rows)


def _added(output_RM: Tensor, rows: Sequence[Tensor]) -> Tensor:
    """The outputs, each with its row added, if there are any."""
    if not rows:
        return output_RM
    return output_RM.add_(rows[0] if len(rows) == 1 else torch.stack(list(rows)))


# What follows knows PyTorch's operations that are not for everybody: another version may have others.


@cache
def _has_packed_fp32() -> bool:
    """Whether there are products with weights packed by oneDNN: they are tried."""
    try:
        packed_22 = torch.ops.mkldnn._reorder_linear_weight(torch.eye(2), 2)
        torch.ops.mkldnn._linear_pointwise(torch.eye(2), packed_22, None, "none", [], "")
    except (AttributeError, RuntimeError):
        return False
    return True


def _engine_of_machine() -> str:
    """The engine for products of eight bits.

    Raises:
        UsageError: there is none.
    """
    for engine in _ENGINES:
        if engine in torch.backends.quantized.supported_engines:
            return engine
    raise UsageError("This machine's PyTorch cannot multiply with eight bits.", _HOW_ELSE)


def _has_wide_sums() -> bool:
    """Whether sums of products have 32 bits at once; else two products must fit into 16."""
    is_known: Callable[[], bool] = getattr(torch.cpu, "_is_vnni_supported", lambda: False)
    return is_known()


def _told_product(packed: Any) -> Callable[[Tensor], Tensor]:
    """The product of eight bits of an engine that is told the scale of its inputs.

    What is below an operation's own door is called: the door looks through all that comes for what only a
    compiler passes, which takes as long as a small product.
    """
    multiply = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32.default._op
    scale, zero = (1 / 127, 128) if _has_wide_sums() else (1 / 63, 64)
    return lambda input_RK: multiply(input_RK, scale, zero, packed)


def _measured_product(packed: Any) -> Callable[[Tensor], Tensor]:
    """The product of eight bits of an engine that measures the range of its inputs: it is shown all of it.

    Args:
        packed: a matrix with two columns of zeros at its end.
    """
    multiply = torch.ops.quantized.linear_dynamic.default._op
    is_narrow = not _has_wide_sums()
    ends_12 = torch.tensor([[-1.0, 1.0]])

    def product(input_RK: Tensor) -> Tensor:
        ended_RK = torch.cat([input_RK, ends_12.expand(len(input_RK), -1)], dim=1)
        output_RM: Tensor = multiply(ended_RK, packed, is_narrow)
        return output_RM

    return product


def _packed_int8(weight_MK: Tensor, bias_M: Tensor | None, engine: str) -> Any:
    """A matrix rounded row by row, as an engine likes it; which one is a switch of the whole process.

    Raises:
        UsageError: this version of PyTorch cannot do it.
    """
    scales_M = weight_MK.abs().amax(1).clamp(min=_SMALLEST) / 127
    with _engine, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one that some day this will be done otherwise
        before = torch.backends.quantized.engine
        try:
            torch.backends.quantized.engine = engine
            rounded_MK = torch.quantize_per_channel(
                weight_MK, scales_M.double(), torch.zeros(len(scales_M), dtype=torch.int64), 0, torch.qint8
            )
            return torch.ops.quantized.linear_prepack(rounded_MK, bias_M)
        except (AttributeError, RuntimeError) as error:
            raise UsageError("This version of PyTorch cannot multiply with eight bits.", _HOW_ELSE) from error
        finally:
            torch.backends.quantized.engine = before
