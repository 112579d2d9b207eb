"""What a training begins with: the run's description, its streams and its optimizer."""

import math
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version

import torch
from torch import Tensor, nn

from scriptforge.config import Settings
from scriptforge.dataset import Dataset
from scriptforge.errors import TrainingError, UsageError
from scriptforge.models import State, TrainableModel, config_from_settings
from scriptforge.models.layers import HeadedModel, SampledCrossEntropy, token_counts
from scriptforge.run.records import InitFrom, RunDescription, TrainedOn, TrainedOnSource
from scriptforge.streams import Streams
from scriptforge.workspace import RunFolder


class LossOfStep(nn.Module):
    """A model's loss as a `forward`, so that Accelerate can wrap it for mixed precision and processes."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids_BT: Tensor, targets_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """See `LanguageModel.loss`."""
        loss: tuple[Tensor, State] = self.model.loss(ids_BT, targets_BT, state)  # type: ignore[operator]
        return loss


def describe_run(
    dataset: Dataset, settings: Settings, folder: RunFolder, init_from: InitFrom | None
) -> RunDescription:
    """What `config.json` says of a run that begins.

    Raises:
        UsageError: the settings of its model do not fit together.
    """
    about = dataset.description
    config = config_from_settings(settings, dataset.vocabulary.size)
    return RunDescription(
        name=folder.name,
        created=datetime.now(UTC).isoformat(timespec="microseconds"),
        dataset=TrainedOn(
            name=dataset.name,
            origin=about.origin,
            sources=[
                TrainedOnSource(name=source.name, weight=source.weight, origin=source.origin)
                for source in about.sources
            ],
            level=about.level,
            plain=about.plain,
            lower=about.lower,
            alphabet=about.alphabet,
            cast=list(dict.fromkeys(member.speaker for member in about.cast)),
            fingerprint=about.fingerprint,
        ),
        model={"arch": config.arch, **asdict(config)},
        settings=settings,
        parameters=sum(math.prod(shape) for shape in config.weight_shapes().values()),
        versions={"scriptforge": version("scriptforge-lm"), "torch": torch.__version__},
        init_from=init_from,
    )


def streams_of(dataset: Dataset, settings: Settings, index: int, count: int) -> Streams:
    """The streams that process `index` of `count` reads.

    Raises:
        TrainingError: there is too little text for one sequence, or none to validate on.
    """
    ids = dataset.ids("train")
    held_out = len(dataset.ids("validation"))
    if len(ids) <= settings.sequence_length or not held_out:
        raise TrainingError(
            f"Dataset “{dataset.name}” is too small: {len(ids)} tokens to train on, {held_out} held out.",
            "Give it more text, or shorter sequences: --set sequence_length=8",
        )
    return Streams(ids, settings.batch_size, settings.sequence_length, (index, count))


def sample_head(model: TrainableModel, dataset: Dataset, samples: int) -> None:
    """Lets a model score a sample of the tokens in training.

    Raises:
        UsageError: it has no head of which some rows could be left out.
    """
    if not isinstance(model, HeadedModel):
        raise UsageError(f"A {model.config.arch} scores every token.", "Leave sampled_softmax out.")
    counts_V = token_counts(dataset.ids("train"), dataset.vocabulary.size)
    model.cross_entropy = SampledCrossEntropy(counts_V, samples)
