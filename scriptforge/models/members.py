"""Members: small recurrent models that train side by side, and are used as one large model.

They read the same text, and each learns as if it were alone; they start from different weights, and drop
different units. Each memorises and errs differently, so the mean of their scores is better than the scores of
any. A recurrent model as large as all of them together computes exactly that mean if each of its matrices has
theirs along the diagonal, gate by gate, and zeros elsewhere:

    A 0
    0 B

So members are a way to train, not another architecture: what is saved is the large model.

Shape letters: B streams, T steps, E embedding, H hidden, M members.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.random import fork_rng

from scriptforge.errors import UsageError
from scriptforge.inference.configs import ModelConfig, RecurrentConfig
from scriptforge.models.base import State, TrainableModel
from scriptforge.models.recurrent import Recurrent


class Members(TrainableModel):
    """M recurrent models that are trained together; their scores are the mean of all.

    Args:
        config: config of the whole model, which has M times the units of a member.
        count: M.

    Raises:
        UsageError: the model cannot be divided into that many.

    Source: Lakshminarayanan et al. 2017, arXiv:1612.01474, on the gain from averaging several networks.
    """

    def __init__(self, config: ModelConfig, count: int) -> None:
        super().__init__()
        if not isinstance(config, RecurrentConfig):
            raise UsageError(
                f"The architecture {config.arch} cannot be trained in {count} members.",
                "Leave members out, or use --arch lstm.",
            )
        for name, size in (("hidden_size", config.hidden_size), ("embedding_size", config.embedding_size)):
            if size % count:
                raise UsageError(
                    f"{name} = {size} cannot be divided among {count} members.",
                    f"Take a multiple: --set {name}={count * -(-size // count)}",
                )
        self.config: RecurrentConfig = config
        part = replace(
            config,
            hidden_size=config.hidden_size // count,
            embedding_size=config.embedding_size // count,
        )
        self.members = [Recurrent(part) for _ in range(count)]
        for index, member in enumerate(self.members):
            self.add_module(str(index), member)
        self._gates = self.members[0].orthogonal_blocks()["recurrent.weight_hh_l0"]

    def initial_state(self, streams: int) -> State:
        """Return the state of the whole model; see `Recurrent.initial_state`."""
        return self._join([member.initial_state(streams) for member in self.members])

    def features(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the members' features side by side; see `LanguageModel.features`."""
        read = [
            member.features(ids_BT, part)
            for member, part in zip(self.members, self._parts(state), strict=True)
        ]
        return torch.cat([features for features, _ in read], dim=-1), self._join([after for _, after in read])

    def score(self, features_BTH: Tensor) -> Tensor:
        """Return the mean of the members' scores; see `LanguageModel.score`."""
        parts = features_BTH.chunk(len(self.members), dim=-1)
        scores = [member.score(part) for member, part in zip(self.members, parts, strict=True)]
        return torch.stack(scores).mean(0)

    def loss(self, ids_BT: Tensor, targets_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the mean of the members' separate losses; see `LanguageModel.loss`."""
        learnt = [
            member.loss(ids_BT, targets_BT, part)
            for member, part in zip(self.members, self._parts(state), strict=True)
        ]
        return torch.stack([loss for loss, _ in learnt]).mean(), self._join([after for _, after in learnt])

    def orthogonal_blocks(self) -> dict[str, int]:
        """Return the members' matrices; see `TrainableModel.orthogonal_blocks`."""
        return {
            f"{index}.{name}": blocks
            for index, member in enumerate(self.members)
            for name, blocks in member.orthogonal_blocks().items()
        }

    def whole(self) -> Recurrent:
        """Return one model equal to the members as they are now; see `TrainableModel.whole`."""
        with fork_rng(devices=()):  # its random initial weights are all replaced
            whole = Recurrent(self.config)
        members = [dict(member.named_parameters()) for member in self.members]
        with torch.no_grad():
            for name, weight in whole.named_parameters():
                weight.copy_(self._whole_weight(name, [weights[name] for weights in members]))
        return whole.to(self.members[0].head.bias.device).train(self.training)

    def _whole_weight(self, name: str, parts: Sequence[Tensor]) -> Tensor:
        """Return a weight of the whole model, joined from those of the members.

        The head is divided by M, so that scores are a mean. With a tied head this divides the input as well,
        so the first layer's input matrix is multiplied by M.
        """
        count, (kind, _, of_network) = len(parts), name.partition(".")
        if name == "head.bias":
            return torch.stack(list(parts)).mean(0)
        if kind == "recurrent":
            gates = zip(*(part.chunk(self._gates) for part in parts), strict=True)
            join = _beside if of_network.startswith("bias") else _diagonal
            joined = torch.cat([join(*gate) for gate in gates])
            return joined * count if self.config.tied and of_network == "weight_ih_l0" else joined
        if kind == "projection":
            return _diagonal(*parts)
        is_read = name.startswith(("embedding", "speaker_embedding.input"))
        is_divided = is_read if self.config.tied else kind == "head"
        return _beside(*parts) / (count if is_divided else 1)

    def _parts(self, state: State) -> list[State]:
        """Return the state of each member, which ends with who speaks, the same for all."""
        carried, speakers = self._carried(state)
        parts = zip(*(tensor.chunk(len(self.members), dim=-1) for tensor in carried), strict=True)
        return [(*(tensor.contiguous() for tensor in part), *speakers) for part in parts]

    def _join(self, states: Sequence[State]) -> State:
        carried, speakers = zip(*map(self._carried, states), strict=True)
        return (*(_beside(*tensors) for tensors in zip(*carried, strict=True)), *speakers[0])

    def _carried(self, state: State) -> tuple[State, State]:
        """Return the two parts of a state: that of the networks, and who speaks."""
        count = len(state) - bool(self.config.speakers)
        return state[:count], state[count:]


def _beside(*tensors: Tensor) -> Tensor:
    return torch.cat(tensors, dim=-1)


def _diagonal(*matrices: Tensor) -> Tensor:
    joined: Tensor = torch.block_diag(*matrices)
    return joined
