import pytest

from scriptforge.training.diagnosis import diagnose


@pytest.mark.parametrize(
    ("training", "validation", "begins"),
    [
        ([3.0, 2.0, 1.0], [3.0, 2.5, 2.8], "Overfitting"),
        ([3.0, 2.0, 1.0], [3.0, 2.6, 2.5], "Close to overfitting"),
        ([4.0, 3.5, 3.0], [4.0, 3.5, 3.0], "Still improving"),
        ([3.0, 2.3, 2.1], [3.0, 2.51, 2.5], "Converged"),
        ([3.0], [3.0], "Too short to tell"),
        ([0.1], [0.0], "Converged"),
    ],
)
def test_what_the_curves_say(training: list[float], validation: list[float], begins: str) -> None:
    words = diagnose(training, validation, run="play")
    assert words.startswith(begins)
    assert "\n" not in words


def test_an_early_end_is_said_first() -> None:
    assert diagnose([3.0], [2.0], run="play", ended_early=True).startswith("Ended early, since validation")
