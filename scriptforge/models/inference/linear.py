"""What every inference model has of its model: the head, in the fastest products that the processor has.

A step of generation multiplies each matrix with a few vectors only, so most of its time is spent on reading
the weights. Products here pack a matrix once, and `int8` rounds it to a quarter of what is to be read. What
uses operations that PyTorch keeps to itself stands at the end; the exact products can do without them.

Shape letters: B streams, T steps, V vocabulary, E embedding, H hidden, N tokens; in a product, R rows, K
inputs and M outputs.
"""

import threading
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal, Protocol, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scriptforge.config import MOST_MEMBERS
from scriptforge.errors import UsageError
from scriptforge.models.base import LanguageModel, Margins, Places, State
from scriptforge.models.layers import HeadedModel

Arithmetic: TypeAlias = Literal["fp32", "int8"]
"""How an inference model multiplies: `fp32` as its model does, `int8` rounded to eight bits."""

HINT_WITHOUT_INT8 = "Leave --int8 out: without it every machine computes as exactly as it trains."

_ENGINES = ("fbgemm", "qnnpack")  # for x86 and for ARM; the one that PyTorch chooses by itself may be none
_SMALLEST = 1e-30
_FEW = 2  # inputs for which calling oneDNN takes longer than it saves

_engine = threading.Lock()


class InferenceModel(LanguageModel):
    """A `LanguageModel` with the weights of another one, laid out for reading token by token.

    Args:
        model: in evaluation mode, on the CPU.
        arithmetic: how to multiply.

    Raises:
        UsageError: this machine has no `int8`.
    """

    def __init__(self, model: HeadedModel, arithmetic: Arithmetic) -> None:
        self.config = model.config
        self._model = model
        head_VE = model.head.weight.detach()
        self._weight_VE = head_VE.numpy()
        self._reach = 1.0  # of the features, whose size 8-bit products must know
        if arithmetic == "int8" and model.speaker_embedding is not None:
            self._reach += model.speaker_embedding.output.reach()
            head_VE = head_VE * self._reach
        self._projection: Product | None = None
        if isinstance(model.projection, nn.Linear):
            projection_EH = model.projection.weight.detach()
            if arithmetic == "int8":
                head_VE = head_VE @ projection_EH  # one product: what is projected may lie beyond -1 … 1
            else:
                self._projection = prepare_product(projection_EH, torch.zeros(len(projection_EH)), arithmetic)
        self._head = prepare_product(head_VE, model.head.bias.detach(), arithmetic)

    def initial_state(self, streams: int) -> State:
        """Return an empty state; see `LanguageModel.initial_state`."""
        return self._model.initial_state(streams)

    def __call__(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Read and score; see `LanguageModel.__call__`."""
        features_BTH, state = self.features(ids_BT, state)
        return self.score(features_BTH), state

    def score(self, features_BTH: Tensor) -> Tensor:
        """Score features; see `LanguageModel.score`."""
        features_NH = features_BTH.flatten(0, -2)
        if self._reach != 1:
            features_NH = features_NH / self._reach
        if self._projection:
            features_NH = self._projection(features_NH)
        return self._head(features_NH).view(*features_BTH.shape[:-1], -1)

    def margins(self, features_BH: Tensor, others_BH: Tensor, rows_N: Places, ids_N: Places) -> Margins:
        """Compare scores in fp32, without those of other tokens; see `LanguageModel.margins`."""
        differences_BE = (features_BH - others_BH).numpy()
        if isinstance(self._model.projection, nn.Linear):
            differences_BE = differences_BE @ self._model.projection.weight.detach().numpy().T
        products_NE = self._weight_VE.take(ids_N, axis=0)
        products_NE *= differences_BE if len(differences_BE) == 1 else differences_BE.take(rows_N, axis=0)
        margins_N: Margins = products_NE.sum(-1)
        return margins_N

    def loss(self, ids_BT: Tensor, targets_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the mean loss, which has no gradient; see `LanguageModel.loss`."""
        logits_BTV, state = self(ids_BT, state)
        return F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten()), state

    def state_dict(self) -> dict[str, Any]:
        """Return the weights of the model itself; see `LanguageModel.state_dict`."""
        return self._model.state_dict()


class Product(Protocol):
    """A matrix that vectors are multiplied with, a few at a time."""

    def __call__(self, input_RK: Tensor, rows: Sequence[Tensor] = ()) -> Tensor:
        """Multiply each input, and add its row, if there are rows, or else the bias: `output_RM`."""
        ...


def prepare_product(weight_MK: Tensor, bias_M: Tensor | None, arithmetic: Arithmetic) -> Product:
    """Prepare a matrix for being multiplied with vectors.

    Args:
        weight_MK: the matrix.
        bias_M: what is added to each product; None where every call has rows.
        arithmetic: how to multiply; with `int8` all inputs must be in -1 … 1.

    Raises:
        UsageError: this machine has no `int8`.
    """
    return _Exact(weight_MK, bias_M) if arithmetic == "fp32" else _Rounded(weight_MK, bias_M)


def prepare_hidden_product(weight_GH: Tensor, arithmetic: Arithmetic) -> Product:
    """Prepare the matrix of a layer's hidden state, some gates of H rows each, one below the other.

    Where `Members` have left every gate block-diagonal, only the blocks are multiplied.
    """
    for count in range(MOST_MEMBERS, 1, -1):
        blocks = _blocks(weight_GH, count)
        if blocks is not None:
            return _Diagonal(blocks, arithmetic)
    return prepare_product(weight_GH, None, arithmetic)


def _blocks(weight_GH: Tensor, count: int) -> list[Tensor] | None:
    """Return so many matrices, each with its block of every gate; None if there is anything beside them."""
    size, rest = divmod(weight_GH.shape[1], count)
    if rest:
        return None
    gates = weight_GH.view(-1, count, size, count, size)
    blocks = [gates[:, index, :, index].reshape(-1, size) for index in range(count)]
    is_all = sum(map(torch.count_nonzero, blocks)) == torch.count_nonzero(weight_GH)
    return blocks if is_all else None


class _Exact:
    """A product in fp32: one or two inputs by BLAS, more by oneDNN with weights packed once."""

    def __init__(self, weight_MK: Tensor, bias_M: Tensor | None) -> None:
        self._weight_MK = weight_MK
        self._bias_M = bias_M
        self._packed: Tensor | None = None

    def __call__(self, input_RK: Tensor, rows: Sequence[Tensor] = ()) -> Tensor:
        added_M = rows[0] if rows else self._bias_M
        if len(input_RK) == 1 and added_M is not None:
            return torch.addmv(added_M, self._weight_MK, input_RK[0])[None]
        return _add_rows(self._several(input_RK), rows)

    def _several(self, input_RK: Tensor) -> Tensor:
        if len(input_RK) <= _FEW or not _has_packed_fp32():
            return F.linear(input_RK, self._weight_MK, self._bias_M)
        operations = torch.ops.mkldnn
        if self._packed is None:
            self._packed = operations._reorder_linear_weight.default(self._weight_MK, len(input_RK))
        multiply = operations._linear_pointwise.default
        output_RM: Tensor = multiply(input_RK, self._packed, self._bias_M, "none", [], "")
        return output_RM


class _Rounded:
    """A product of eight bits: every row of the matrix has a scale of its own, and all inputs have one.

    All inputs are in -1 … 1, as hidden states are. So their scale is known beforehand, and no stream depends
    on those beside it, nor a step on those read with it.
    """

    def __init__(self, weight_MK: Tensor, bias_M: Tensor | None) -> None:
        available = torch.backends.quantized.supported_engines
        engine = next((each for each in _ENGINES if each in available), None)
        if engine is None:
            raise UsageError("This machine's PyTorch cannot multiply with eight bits.", HINT_WITHOUT_INT8)
        is_measured = engine != "fbgemm"
        packed = _packed_int8(F.pad(weight_MK, (0, 2)) if is_measured else weight_MK, bias_M, engine)
        self._multiply = _measuring_product(packed) if is_measured else _scaled_product(packed)

    def __call__(self, input_RK: Tensor, rows: Sequence[Tensor] = ()) -> Tensor:
        return _add_rows(self._multiply(input_RK), rows)


class _Diagonal:
    """A product of a block-diagonal matrix, block by block: each input is read by one of them only."""

    def __init__(self, blocks: Sequence[Tensor], arithmetic: Arithmetic) -> None:
        self._size = blocks[0].shape[1]
        self._products = [prepare_product(each, each.new_zeros(len(each)), arithmetic) for each in blocks]

    def __call__(self, input_RK: Tensor, rows: Sequence[Tensor] = ()) -> Tensor:
        parts = input_RK.split(self._size, dim=1)
        outputs = [
            multiply(part).view(len(part), -1, 1, self._size)
            for multiply, part in zip(self._products, parts, strict=True)
        ]
        return _add_rows(torch.cat(outputs, dim=2).flatten(1), rows)


def _add_rows(output_RM: Tensor, rows: Sequence[Tensor]) -> Tensor:
    if not rows:
        return output_RM
    return output_RM.add_(rows[0] if len(rows) == 1 else torch.stack(list(rows)))


# From here on PyTorch's private operations are used: another version may have others.


@cache
def _has_packed_fp32() -> bool:
    """Return whether oneDNN can pack weights here, by trying it."""
    try:
        packed_22 = torch.ops.mkldnn._reorder_linear_weight(torch.eye(2), 2)
        torch.ops.mkldnn._linear_pointwise(torch.eye(2), packed_22, None, "none", [], "")
    except (AttributeError, RuntimeError):
        return False
    return True


def _has_wide_sums() -> bool:
    """Return whether sums of products have 32 bits at once; else the sum of two must fit into 16 bits.

    So without VNNI inputs are rounded to seven bits: 2 · 127 · 127 fits, 2 · 255 · 127 does not.
    """
    is_known: Callable[[], bool] = getattr(torch.cpu, "_is_vnni_supported", lambda: False)
    return is_known()


def _scaled_product(packed: Any) -> Callable[[Tensor], Tensor]:
    """Return the product of eight bits of an engine that is given the scale of its inputs.

    The overload's `_op` is called in place of the overload itself, which inspects its arguments for what only
    a compiler passes; that takes as long as a small product.
    """
    multiply = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32.default._op
    scale, zero = (1 / 127, 128) if _has_wide_sums() else (1 / 63, 64)
    return lambda input_RK: multiply(input_RK, scale, zero, packed)


def _measuring_product(packed: Any) -> Callable[[Tensor], Tensor]:
    """Return the product of eight bits of an engine that measures the range of its inputs.

    It measures all rows together, so that a stream would depend on those beside it. Adding -1 and 1 to every
    input makes the measured range always the same.

    Args:
        packed: a matrix with two columns of zeros at its end, with which -1 and 1 are multiplied.
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
    """Round a matrix row by row, and pack it for an engine.

    The engine is a global switch of PyTorch's, which is set back afterwards.
    """
    scales_M = weight_MK.abs().amax(1).clamp(min=_SMALLEST) / 127
    with _engine, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns that quantization will move
        before = torch.backends.quantized.engine
        try:
            torch.backends.quantized.engine = engine
            rounded_MK = torch.quantize_per_channel(
                weight_MK, scales_M.double(), torch.zeros(len(scales_M), dtype=torch.int64), 0, torch.qint8
            )
            return torch.ops.quantized.linear_prepack(rounded_MK, bias_M)
        except (AttributeError, RuntimeError) as error:
            raise UsageError(
                "This version of PyTorch cannot multiply with eight bits.", HINT_WITHOUT_INT8
            ) from error
        finally:
            torch.backends.quantized.engine = before
