"""The benchmarks compute correctly, all of them are listed, and their page shows what they measured."""

import ast
import importlib
import time
from collections import defaultdict
from pathlib import Path

import pytest
import torch
from benchmarks import gpu, page, results
from benchmarks.__main__ import BENCHMARKS
from benchmarks.chart import stacked_bars
from benchmarks.harness import compare, turns
from benchmarks.learners import VOCABULARY_SIZE, config, products_of_token
from benchmarks.results import Breakdown, Comparison, Figure, Machine, Report, report_of
from support import skips

FOLDER = Path(page.__file__).parent
NO_BENCHMARKS = {"__init__", "__main__", "harness", "results", "learners", "page", "chart", "gpu"}

COMPARISON = Comparison(
    title="racing",
    unit="m/s",
    baseline="snail",
    figures={"snail": [1.0, 2.0, 4.0], "hare": [30.0, 20.0, 10.0]},
    answers={"hare": "T1"},
)
BREAKDOWN = Breakdown(
    title="a lap", unit="ms", parts={"snail": {"run": [4.0, 6.0, 5.0], "rest": [1.0, 1.0, 9.0]}}
)


def test_ratios_are_taken_within_each_round() -> None:
    assert COMPARISON.ratio("hare") == 10.0  # the median of 30, 10 and 2.5
    drifting = COMPARISON.model_copy(update={"figures": {"snail": [1.0, 9.0, 2.0], "hare": [3.0, 9.0, 8.0]}})
    assert drifting.ratio("hare") == 3.0
    assert drifting.median("hare") == 8.0
    assert drifting.spread("snail") == (1.0, 9.0)


def test_contenders_take_turns_and_the_first_round_does_not_count() -> None:
    order: list[str] = []

    def contender(name: str) -> float:
        order.append(name)
        return float(len(order))

    figures = turns({"a": lambda: contender("a"), "b": lambda: contender("b")}, rounds=2)
    assert "".join(order) == "ababba"
    assert figures == {"a": [3.0, 6.0], "b": [4.0, 5.0]}


def test_a_comparison_keeps_what_its_contenders_return() -> None:
    made = compare(
        "t", "u", {"x": lambda: 2.0, "y": lambda: 6.0}, rounds=3, baseline="x", answers={"y": "G1"}
    )
    assert made.figures == {"x": [2.0] * 3, "y": [6.0] * 3}
    assert made.ratio("y") == 3.0


def test_a_breakdown_adds_up_the_medians_of_its_parts() -> None:
    assert BREAKDOWN.medians("snail") == {"run": 5.0, "rest": 1.0}
    assert BREAKDOWN.whole("snail") == 6.0


def test_a_report_comes_back_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")
    report = report_of("racing", [COMPARISON, BREAKDOWN, Figure(title="weight", unit="kg", value=3.0)])
    report.save()
    (tmp_path / "results" / "other").mkdir()
    other = report.model_copy(update={"machine": report.machine.model_copy(update={"processor": "An ox"})})
    other.save()
    assert results.last_reports("racing") == [other, report]
    assert not list(tmp_path.rglob("*.partial"))


def test_the_machine_is_described_without_names_of_people_or_places() -> None:
    described = Machine.here().model_dump_json()
    assert "torch" in described
    assert str(Path.home()) not in described
    assert Machine.here().cores >= 1


@pytest.mark.parametrize(
    ("value", "text"), [(12_345.6, "12,346"), (12.345, "12.3"), (1.2345, "1.23"), (0.01234, "0.0123")]
)
def test_figures_have_the_digits_that_count(value: float, text: str) -> None:
    assert results.figure_text(value) == text


def test_every_module_is_a_listed_benchmark_or_a_part_of_the_harness() -> None:
    there = {path.stem for path in FOLDER.glob("*.py")} - NO_BENCHMARKS
    assert there <= set(BENCHMARKS)
    assert set(page.REPORTS) == set(BENCHMARKS)


@pytest.mark.parametrize("name", sorted({path.stem for path in FOLDER.glob("*.py")} - NO_BENCHMARKS))
def test_every_benchmark_can_be_imported_and_run(name: str) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    assert module.__doc__
    assert callable(module.run)


def test_a_token_of_the_course_costs_what_its_weights_say() -> None:
    products = products_of_token(config())
    lstm = 4 * 512 * (463 + 512) + 4 * 512 * (512 + 512)
    assert products == {"recurrent": 6 * lstm, "head": 6 * 512 * VOCABULARY_SIZE}
    assert round(sum(products.values()) / 1e6) == 90


def test_goals_name_their_answers_and_what_was_not_measured() -> None:
    here = Report(benchmark="training", measured="today", machine=Machine.here(), results=[COMPARISON])
    ox = here.model_copy(
        update={"machine": here.machine.model_copy(update={"processor": "An ox"}), "results": [BREAKDOWN]}
    )
    text = page.page(defaultdict(list, training=[here, ox]))
    (goal,) = (line for line in text.splitlines() if line.startswith("| T1 |"))
    assert goal.endswith("| 10.0× (racing: hare) | not measured |")
    assert "### An ox" in text
    assert "| G1 |" in text and text.count("not measured") > 10
    assert "| hare | 20.0 | 10.0 – 30.0 | 10.0× |" in text


def test_only_what_is_between_the_marks_is_written_anew() -> None:
    text = f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n"
    assert page.with_figures(text, "new") == f"before\n{page.BEGIN}\n\nnew\n\n{page.END}\nafter\n"


def test_bars_are_as_long_as_their_parts() -> None:
    drawn = stacked_bars(BREAKDOWN)
    widths = [
        float(part.partition('width="')[2].partition('"')[0])
        for part in drawn.splitlines()
        if 'height="22"' in part
    ]
    assert len(widths) == 2
    assert widths[0] == pytest.approx(5 * widths[1], rel=0.01)
    assert "6.00 ms" in drawn


def test_committed_pages_are_what_the_results_make(tmp_path: Path) -> None:
    page.main(tmp_path)
    for made in (path for path in tmp_path.rglob("*") if path.is_file()):
        committed = page.DOCS / made.relative_to(tmp_path)
        assert made.read_bytes() == committed.read_bytes(), "run `make docs` and commit what it writes"


def test_benchmarks_hold_no_tests() -> None:
    functions = (
        node.name
        for path in FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    )
    assert not [name for name in functions if name.startswith("test_")]


class TestWhatOnlyAGPUCanAnswer:
    def check(self, seconds: float) -> gpu.Check:
        return gpu.Check("cpu", "", time.monotonic() + seconds, is_rehearsal=True)

    def test_a_step_that_fails_does_not_keep_the_others_from_running(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        ran = []

        def fails(check: gpu.Check) -> None:
            """Fails."""
            raise gpu.Failed("off by 3 %")

        def passes(check: gpu.Check) -> None:
            """Passes."""
            ran.append(check.flag)

        assert gpu.run({"first": fails, "second": passes}, self.check(60)) == ["first"]
        assert ran == ["--cpu"]
        assert "FAILED: off by 3 %" in capsys.readouterr().out

    def test_what_is_not_done_in_time_is_stopped_and_said(self, capsys: pytest.CaptureFixture[str]) -> None:
        def sleeps(check: gpu.Check) -> None:
            """Sleeps."""
            check.run("-c", "import time; time.sleep(600)")

        assert gpu.run({"long": sleeps, "after": sleeps}, self.check(1)) == ["long", "after"]
        assert capsys.readouterr().out.count("not done in time") == 2

    def test_a_command_that_fails_is_quoted(self) -> None:
        with pytest.raises(gpu.Failed, match="no such thing"):
            self.check(60).run("-c", "raise SystemExit('no such thing')")

    @pytest.mark.skipif(torch.cuda.is_available() or torch.backends.mps.is_available(), reason=skips.HAS_GPU)
    def test_without_a_gpu_it_says_what_can_be_done(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert gpu.main([]) == 1
        told = capsys.readouterr().out
        assert "no GPU" in told and "--rehearse" in told and len(told.splitlines()) == 1

    @pytest.mark.soak
    def test_all_steps_on_the_cpu(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert gpu.main(["--rehearse", "--minutes", "30"]) == 0
        told = capsys.readouterr().out
        assert "All passed." in told and all(f"{series}: " in told for series in ("H1", "H2", "H3"))
