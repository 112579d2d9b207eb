"""A device that computes wrongly, as far as a model can pretend that it stands on one."""

import torch
from torch import Tensor

from support.toy_architecture import Toy


class OnWrongDevice(Toy):
    """A bigram model that is right until it is moved to a device; there its gradients or loss are others."""

    gradient_factor, loss_factor = 1.0, 1.0

    def to(self, device: torch.device) -> "OnWrongDevice":  # type: ignore[override]
        self.head.weight.register_hook(lambda gradient: gradient * type(self).gradient_factor)
        self.moved = True
        return self

    def loss(
        self, ids_BT: Tensor, targets_BT: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        loss, after = super().loss(ids_BT, targets_BT, state)
        return (loss * type(self).loss_factor if hasattr(self, "moved") else loss), after
