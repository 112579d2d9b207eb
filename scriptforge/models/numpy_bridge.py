"""The network of `numpy_rnn.py` as a model like the others.

PyTorch holds its weights, and NumPy computes with them. A weight is one array with two names, a parameter
here and a field of `Weights` there: optimizers and checkpoints use the parameter, and nothing is copied.

Shape letters: B streams, T steps, V vocabulary, H hidden.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from scriptforge.errors import UsageError
from scriptforge.inference.configs import NumPyRNNConfig
from scriptforge.models import numpy_rnn
from scriptforge.models.base import State, TrainableModel
from scriptforge.models.numpy_rnn import Ids, Numbers, Weights


class NumPyRNN(TrainableModel):
    """A model that computes in NumPy, in the precision of its weights, on the CPU only.

    Only `loss` has gradients, and only for the weights: nothing is back-propagated through a state.
    """

    def __init__(self, config: NumPyRNNConfig) -> None:
        super().__init__()
        self.config = config
        seed = int(torch.randint(2**63 - 1, ()))  # torch's generator decides, as for every other model
        weights = numpy_rnn.new_weights(
            config.vocabulary_size, config.hidden_size, np.random.default_rng(seed)
        )
        for name, array in weights._asdict().items():
            self.register_parameter(name, nn.Parameter(torch.from_numpy(array)))

    def initial_state(self, streams: int) -> State:
        """Return a zero hidden state, (1, streams, H)."""
        shape = (1, streams, self.config.feature_size)
        return (torch.from_numpy(np.zeros(shape, self._weights().recurrent.dtype)),)

    def features(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the values of the units; see `LanguageModel.features`."""
        hidden_TBH = numpy_rnn.forward(self._weights(), _by_time(ids_BT), _array(state[0])[0])
        return torch.from_numpy(hidden_TBH).transpose(0, 1), _as_state(hidden_TBH[-1])

    def score(self, features_BTH: Tensor) -> Tensor:
        """Score features; see `LanguageModel.score`."""
        *shape, hidden = features_BTH.shape
        logits_NV = numpy_rnn.score(self._weights(), _array(features_BTH.reshape(-1, hidden)))
        return torch.from_numpy(logits_NV).view(*shape, self.config.vocabulary_size)

    def loss(self, ids_BT: Tensor, targets_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the mean loss; see `LanguageModel.loss`."""
        nats, gradients, hidden_BH = numpy_rnn.learn(
            self._weights(), _by_time(ids_BT), _by_time(targets_BT), _array(state[0])[0]
        )
        loss: Tensor = _KnownGradients.apply(nats, gradients, *self.parameters())  # type: ignore[no-untyped-call]
        return loss, _as_state(hidden_BH)

    def orthogonal_blocks(self) -> dict[str, int]:
        """Return the recurrent matrix; see `TrainableModel.orthogonal_blocks`."""
        return {"recurrent": 1}

    def _weights(self) -> Weights:
        """Return the parameters as `numpy_rnn.Weights`.

        Raises:
            UsageError: they are not on the CPU.
        """
        parameters = list(self.parameters())
        if any(parameter.device.type != "cpu" for parameter in parameters):
            raise UsageError(
                "The architecture numpy-rnn computes in NumPy, which cannot use a GPU.",
                "Give --cpu; or train the similar model on the GPU: --arch rnn",
            )
        return Weights(*map(_array, parameters))


class _KnownGradients(torch.autograd.Function):
    """A number whose gradients are already known: `backward` only scales them."""

    @staticmethod
    def forward(ctx: Any, value: float, gradients: Weights, *parameters: Tensor) -> Tensor:
        """Return the number as a tensor that depends on the parameters."""
        ctx.gradients = gradients
        return parameters[0].new_tensor(value)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Return the known gradients, scaled by that of the number."""
        scale = float(grad)
        return None, None, *(torch.from_numpy(gradient * scale) for gradient in ctx.gradients)


def _array(tensor: Tensor) -> Numbers:
    """Return a tensor as an array in the same memory."""
    array: Numbers = tensor.detach().numpy()
    return array


def _by_time(ids_BT: Tensor) -> Ids:
    """Return `ids_TB`, with the ids of a step next to each other in memory."""
    return np.ascontiguousarray(ids_BT.numpy().T)


def _as_state(hidden_BH: Numbers) -> State:
    """Return a copy, with a dimension for layers; a view would keep all earlier steps in memory."""
    return (torch.from_numpy(hidden_BH[None].copy()),)
