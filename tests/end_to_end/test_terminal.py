"""What a person sees in a real terminal while something is going on."""

import re

import pytest
from support.command import SMALL, TrainedWorkspace
from support.slow import slow
from support.terminal import frames

WIDTHS = [60, *slow([80, 100])]
TRAINING = ("train", "--epochs", "4", "--set=validations=4", "--force", *SMALL)


def lines_that_begin(frame: list[str], beginning: str) -> list[str]:
    return [line for line in frame if re.match(beginning, line)]


@pytest.mark.parametrize("columns", WIDTHS)
def test_validations_stay_above_one_bar(stage: TrainedWorkspace, columns: int) -> None:
    seen: list[str] = []
    bars = set()
    for frame in frames(*TRAINING, "--name", f"wide{columns}", workspace=stage.path, columns=columns):
        validations = lines_that_begin(frame, r"step [\d,]+ ·")
        assert validations[: len(seen)] == seen, "a validation was erased or torn"
        seen = validations[:-1]  # the newest may still be in the middle of being drawn
        bars.add(len(lines_that_begin(frame, "[━╸╺]")))
        assert len(lines_that_begin(frame, r" *\d+%")) <= 1
    assert len(validations) == 4
    assert bars == {0, 1}
    assert not lines_that_begin(frame, "[━╸╺]")


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.slow
def test_trials_stand_in_one_table(stage: TrainedWorkspace, columns: int) -> None:
    command = ("tune", "--trials", "2", "--seconds", "1", "--study", f"wide{columns}")
    for frame in frames(*command, workspace=stage.path, columns=columns):
        assert len(lines_that_begin(frame, r"\d of 2 trials")) <= 1
    assert lines_that_begin(frame, "best")


def test_a_spinner_turns_until_there_is_something_to_say(stage: TrainedWorkspace) -> None:
    shown = [
        "\n".join(frame) for frame in frames("evaluate", "play", workspace=stage.path, columns=80, fresh=True)
    ]
    assert any("Getting ready" in frame for frame in shown)
    assert "stream" in shown[-1]
    assert "Getting ready" not in shown[-1]
