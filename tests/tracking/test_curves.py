import math
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptforge.characters import shown
from scriptforge.run.history import Validation, read_history
from scriptforge.training_runs.curves import draw_curves
from scriptforge.workspace import RunFolder

SVG = "{http://www.w3.org/2000/svg}"
LOSSES = st.floats(min_value=0.01, max_value=20)


def history(losses: list[tuple[float, float]]) -> list[Validation]:
    """Validations an epoch apart, of training and validation losses."""
    best = min(validation for _, validation in losses)
    return [
        Validation(
            step=10 * epoch,
            epochs=float(epoch),
            seconds=3.0 * epoch,
            training_nats_per_token=training,
            nats_per_token=validation,
            perplexity=math.exp(validation),
            nats_per_character=validation / 4,
            bits_per_character=validation / 4 / math.log(2),
            is_best=validation == best,
        )
        for epoch, (training, validation) in enumerate(losses, start=1)
    ]


def groups(svg: str) -> dict[str, ElementTree.Element]:
    return {group.get("id", ""): group for group in ElementTree.fromstring(svg).iter(f"{SVG}g")}


def marks(group: ElementTree.Element) -> list[tuple[float, float]]:
    return [(float(use.get("x", "")), float(use.get("y", ""))) for use in group.iter(f"{SVG}use")]


def height_of(label: ElementTree.Element) -> float:
    [text] = label.iter(f"{SVG}text")
    return float(text.get("y", ""))


def test_every_validation_is_a_point_and_the_best_has_a_ring() -> None:
    parts = groups(draw_curves("sitcom", history([(4.0, 4.2), (3.0, 3.6), (2.2, 3.4), (1.9, 3.5)])))
    validation, training, [best] = marks(parts["validation"]), marks(parts["training"]), marks(parts["best"])
    assert len(validation) == len(training) == 4
    assert best == validation[2]
    assert sorted(x for x, _ in validation) == [x for x, _ in validation] == [x for x, _ in training]
    assert all(below > above for (_, below), (_, above) in zip(training, validation, strict=True))


def test_it_says_what_it_shows() -> None:
    root = ElementTree.fromstring(draw_curves("sitcom", history([(4.0, 4.2), (3.0, 3.6)])))
    words = ["".join(text.itertext()).strip() for text in root.iter(f"{SVG}text")]
    assert {"sitcom", "nats/token", "epochs", "training", "validation"} <= set(words)
    assert "best at epoch 2.00 of 2.00: 3.600 nats/token, 1.298 bits/char" in words
    assert root.findtext(f"{SVG}title") == "sitcom: training and validation loss"


@pytest.mark.parametrize("name", ["$x^2$", r"$\frac$ a", "a\x1b[31m\u202e", "</text><script>", "]]> & \x00"])
def test_a_name_is_only_ever_text(name: str) -> None:
    root = ElementTree.fromstring(draw_curves(name, history([(4.0, 4.2)])))
    words = ["".join(text.itertext()).strip() for text in root.iter(f"{SVG}text")]
    assert shown(name) in words
    assert not list(root.iter(f"{SVG}script"))


def test_the_same_history_makes_the_same_bytes(tiny_run: RunFolder) -> None:
    assert draw_curves("run", read_history(tiny_run)) == draw_curves("run", read_history(tiny_run))


def test_it_tells_nothing_of_when_and_where_it_was_drawn(tmp_path: Path) -> None:
    svg = draw_curves("run", history([(4.0, 4.2)]))
    assert not re.search(r"dc:date|dc:creator|matplotlib v|/home|/tmp", svg)


def test_many_validations_are_lines_and_a_small_file() -> None:
    svg = draw_curves("run", history([(4.0 - step / 500, 4.2 - step / 900) for step in range(1000)]))
    assert marks(groups(svg)["validation"]) == []
    assert len(svg) < 100_000


@given(losses=st.lists(st.tuples(LOSSES, LOSSES), min_size=1, max_size=3))
@settings(max_examples=10)
def test_labels_are_never_on_one_another(losses: list[tuple[float, float]]) -> None:
    parts = groups(draw_curves("run", history(losses)))
    assert abs(height_of(parts["training-label"]) - height_of(parts["validation-label"])) > 10


@pytest.mark.parametrize("loss", [0.0, 1e-9, 1e4])
def test_one_validation_is_enough(loss: float) -> None:
    assert len(marks(groups(draw_curves("run", history([(loss, min(loss, 700.0))])))["validation"])) == 1
