"""Models made ready for reading token by token: the same protocol, weights laid out for single steps.

What PyTorch's modules do with a text of many tokens they also do with one, at many times the price. The
twin of a model that `pack` makes does less around the products, packs weights once, in the way that suits
the processor, and may round them to eight bits, a quarter of what is to be read. Knows nothing of training:
a twin has the weights that its model had when it was made.
"""

from scriptforge.errors import UsageError
from scriptforge.models.base import LanguageModel
from scriptforge.models.inference.attention import PackedLSTMAttention, PackedTransformer
from scriptforge.models.inference.linear import HOW_ELSE, Arithmetic, Twin
from scriptforge.models.inference.recurrent import PackedRecurrent
from scriptforge.models.lstm_attention import LSTMAttention
from scriptforge.models.recurrent import Recurrent
from scriptforge.models.transformer import Transformer

__all__ = ["Arithmetic", "pack"]


def pack(model: LanguageModel, arithmetic: Arithmetic = "fp32") -> LanguageModel:
    """The twin of a model, which generates faster; with `fp32` it equals the model up to rounding.

    Making one takes milliseconds. A twin stays as it is, and so does, with `fp32`, a model that has no twin
    or is not on the CPU.

    Args:
        model: in evaluation mode.
        arithmetic: how to multiply.

    Raises:
        UsageError: `int8` is not to be had on this machine or for this model.
    """
    if isinstance(model, Twin):
        return model
    if arithmetic == "int8":
        return _rounded(model)
    if model.initial_state(1)[0].device.type != "cpu":
        return model
    match model:
        case Recurrent():
            return PackedRecurrent(model, arithmetic)
        case LSTMAttention():
            return PackedLSTMAttention(model)
        case Transformer():
            return PackedTransformer(model)
        case _:
            return model


def _rounded(model: LanguageModel) -> LanguageModel:
    """The twin of eight bits: what its products read must lie between -1 and 1, as states of units do."""
    if not isinstance(model, Recurrent):
        raise UsageError(
            f"Only lstm, gru and rnn can be rounded to eight bits, not {model.config.arch}.",
            HOW_ELSE,
        )
    if model.head.weight.device.type != "cpu":
        raise UsageError("Only a model on the CPU can be rounded to eight bits.", HOW_ELSE)
    return PackedRecurrent(model, "int8")
