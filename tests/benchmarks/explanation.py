"""What a target costs, part by part: from the course's recipe to ours, one change after the other.

Every step is timed by marks that hooks leave on the way, so that each learner's own code is what is measured.
"""

import time

from torch import Tensor, nn

from benchmarks.learners import LastPlaceRNN, Learner, Ours, PlainStreams, Recipe
from benchmarks.results import Breakdown
from scriptforge.training.devices import keep_freed_memory

ROUNDS = 7
SAMPLES = 512
PARTS = (
    "batch, embedding",
    "LSTM, forward",
    "scores, loss",
    "scores, backward",
    "LSTM, backward",
    "clipping, Adam",
)


def run() -> list[Breakdown]:
    """The time of each part, in milliseconds for each target."""
    keep_freed_memory()  # as every training does; the others gain from it, too
    learners: dict[str, Learner] = {
        "the course's recipe": Recipe(),
        "scoring the last place only": Recipe(LastPlaceRNN),
        "learning from all places, state carried": PlainStreams(256, 10),
        "ours, fp32": Ours(),
        "ours, bf16": Ours("bf16"),
        f"ours, bf16, {SAMPLES:,} words sampled": Ours("bf16", SAMPLES),
    }
    watches = {name: Stopwatch(learner) for name, learner in learners.items()}
    for watch in watches.values():
        watch.step()
    rounds = [{name: watch.step() for name, watch in watches.items()} for _ in range(ROUNDS)]
    parts = {
        name: {part: [round_[name][place] for round_ in rounds] for place, part in enumerate(PARTS)}
        for name in learners
    }
    return [Breakdown(title="a target's time", unit="ms", parts=parts)]


class Stopwatch:
    """Times the parts of a learner's steps."""

    def __init__(self, learner: Learner) -> None:
        self.learner = learner
        self.marks: list[float] = []
        learner.recurrent.register_forward_pre_hook(self._mark)
        learner.recurrent.register_forward_hook(self._mark_output)
        learner.criterion.register_forward_hook(self._mark)
        learner.embedding.weight.register_post_accumulate_grad_hook(self._mark)

    def step(self) -> list[float]:
        """Lets the learner take a step; the milliseconds that each part took for a target, in order."""
        self.marks = [time.perf_counter()]
        self.learner.step()
        self._mark()
        spans = zip(self.marks[:-1], self.marks[1:], strict=True)
        milliseconds = [1000 * (end - begin) / self.learner.targets for begin, end in spans]
        assert len(milliseconds) == len(PARTS)
        return milliseconds

    def _mark(self, *_: object) -> None:
        self.marks.append(time.perf_counter())

    def _mark_output(self, module: nn.Module, arguments: object, output: tuple[Tensor, object]) -> None:
        """Where the LSTM's forward part ends; and, when the gradient of its output is there, the scores'."""
        self._mark()
        output[0].register_hook(self._mark)
