"""A library call leaves the process as it was: tested in a fresh process, where nothing hides a change."""

from collections.abc import Generator
from pathlib import Path

import pytest
import torch
from support.process_state import changed_by
from support.tiny import finish, small

from scriptforge.dataset import Dataset
from scriptforge.training.process_state import with_own_state
from scriptforge.training.trainer import start
from scriptforge.workspace import RunFolder

SETUP = """
import accelerate.state, datasets, huggingface_hub, matplotlib, optuna, torch
import torch._dynamo, torch._inductor.runtime.cache_dir_utils  # what PyTorch imports late changes the process
torch._inductor.runtime.cache_dir_utils.cache_dir()
from pathlib import Path
from accelerate import Accelerator

from support.tiny import small
from scriptforge.dataset import Dataset
from support.generation import generate
from scriptforge.options import GenerateOptions
from scriptforge.run.run import Run
from scriptforge.training_runs.curves import draw_curves
from scriptforge.run.history import read_history
from scriptforge.training.trainer import start
from scriptforge.workspace import DatasetFolder, RunFolder

own = Accelerator(cpu=True)
torch.manual_seed(7)
dataset, folder = Dataset(DatasetFolder(Path(sys.argv[1]))), RunFolder(Path(sys.argv[2]))
"""
CALLS = """
for event in start(dataset, small(epochs=0.5), folder, "cpu"):
    assert torch.get_rng_state().tolist() == before["generator of torch"], event
run = Run(folder)
generate(run.model, run.vocabulary, GenerateOptions(length=20, seed=1))
draw_curves(folder.name, read_history(folder))
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_training_and_a_text_leave_the_process_as_it_was(tiny_dataset: Dataset, tmp_path: Path) -> None:
    words = (tiny_dataset.folder.path, tmp_path / "run")
    assert changed_by(CALLS, *words, setup=SETUP, folder=tmp_path) == {}


def test_what_a_caller_draws_between_two_events_changes_no_training(
    tiny_dataset: Dataset, tmp_path: Path
) -> None:
    alone, disturbed = RunFolder(tmp_path / "alone"), RunFolder(tmp_path / "disturbed")
    finish(start(tiny_dataset, small(), alone, "cpu"))
    for _ in start(tiny_dataset, small(), disturbed, "cpu"):
        torch.manual_seed(3)
        torch.rand(5)
    assert disturbed.weights.read_bytes() == alone.weights.read_bytes()


def test_a_caller_and_a_generator_each_draw_from_a_state_of_their_own() -> None:
    def work(seed: int) -> Generator[float, None, None]:
        torch.manual_seed(seed)
        for _ in range(3):
            yield torch.rand(1).item()

    with torch.random.fork_rng(devices=()):
        expected = list(work(1))
        torch.manual_seed(2)
        callers = torch.rand(3).tolist()
        torch.manual_seed(2)
        drawn = [(value, torch.rand(1).item()) for value in with_own_state(work(1))]
    assert [value for value, _ in drawn] == expected
    assert [value for _, value in drawn] == callers
