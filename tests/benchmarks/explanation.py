"""The time of a target, part by part: from the course's recipe to ours, one change after the other.

A target is a token that a step learns to predict. Hooks record the time between the parts of a step, so that
each learner's own code is measured.
"""

import time

from torch import Tensor, nn

from benchmarks.learners import LastPlaceRNN, Learner, Ours, PlainStreams, Recipe
from benchmarks.results import Breakdown
from scriptforge.training.process_state import keep_freed_memory

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
    """Measure the time of each part, in milliseconds per target."""
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
    """A timer of the parts of a learner's steps."""

    def __init__(self, learner: Learner) -> None:
        self.learner = learner
        self.marks: list[float] = []
        learner.recurrent.register_forward_pre_hook(self._mark)
        learner.recurrent.register_forward_hook(self._mark_output)
        learner.criterion.register_forward_hook(self._mark)
        learner.embedding.weight.register_post_accumulate_grad_hook(self._mark)

    def step(self) -> list[float]:
        """Run a step of the learner, and return the milliseconds per target of each part, in order."""
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
        """Mark the end of the LSTM's forward pass, and later that of the backward pass of the scores.

        The latter ends when the gradient of the LSTM's output is there.
        """
        self._mark()
        output[0].register_hook(self._mark)
