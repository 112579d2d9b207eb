"""The real command: several processes at one study, one that is killed, one that is interrupted."""

import json
import re
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest
from support import postgresql, skips
from support.command import COMMAND, TrainedWorkspace, begin, end, environment, scriptforge, wait_until
from support.spaces import SMALL_SPACE
from support.tiny import prepared

from scriptforge.cli.app import run
from scriptforge.dataset import Dataset
from scriptforge.tuning.results import note
from scriptforge.tuning.space import Space
from scriptforge.tuning.study import Plan, open_study
from scriptforge.workspace import Workspace

FASTER_SPACE = """\
hidden_size = 16
embedding_size = 8
tied = false
batch_size = 4
sequence_length = 16
precision = "fp32"
optimizer = "adam"
learning_rate = {choices = [0.03, 0.05]}
"""
"""In so few steps a model learns more at these rates than at that of `train`, which is 0.005."""

SHORT = ("--space", "space.toml", "--seconds", "0.1")


@pytest.fixture
def place(stage: TrainedWorkspace, tmp_path: Path) -> Path:
    """A workspace with the stage's dataset and a small space."""
    (tmp_path / "data").symlink_to(stage.path / "data")
    (tmp_path / "space.toml").write_text(SMALL_SPACE)
    return tmp_path


def document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def states(found: dict[str, Any]) -> list[str]:
    return [trial["state"] for trial in found["trials"]]


def trials_begun(place: Path) -> int:
    """Return how many trials have a folder."""
    return len(list((place / "studies" / "harbour" / "trials").glob("[!.]*")))


@pytest.mark.slow
def test_from_search_to_run(place: Path) -> None:
    words = ("tune", "harbour", "--trials", "3", *SHORT)
    found = document(
        scriptforge(
            *words, "--plot", "--best", "--epochs", "0.2", "--name", "best", "--json", workspace=place
        )
    )
    assert list(found) == [
        "study", "dataset", "trials", "best", "default_bits_per_character", "importance", "run", "trained",
    ]  # fmt: skip
    assert (found["study"], found["dataset"], found["run"]) == ("harbour", "harbour", "best")
    assert found["trials"][0]["is_default"]
    assert found["default_bits_per_character"] == found["trials"][0]["bits_per_character"]
    assert found["best"]["bits_per_character"] <= found["default_bits_per_character"]
    config = json.loads((place / "runs" / "best" / "config.json").read_text())
    assert config["settings"]["learning_rate"] == found["best"]["settings"]["learning_rate"]
    assert (config["settings"]["epochs"], config["settings"]["minutes"]) == (0.2, None)
    assert config["settings"]["validations"] == 10
    assert (place / "studies" / "harbour" / "history.svg").is_file()

    again = scriptforge(*words, workspace=place)
    assert again.returncode == 0
    assert re.search(r"^best +[\d.]+ bits/char, trial \d$", again.stdout, flags=re.MULTILINE)
    assert "Trial" not in again.stderr, "there was nothing left to do"
    assert again.stderr.splitlines()[-1].startswith("Next: scriptforge train harbour")


@pytest.mark.slow
def test_a_search_that_finds_nothing_better_says_so(place: Path) -> None:
    done = scriptforge("tune", "--trials", "1", *SHORT, workspace=place)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^train by itself +[\d.]+ bits/char; no trial was better$", done.stdout, re.MULTILINE)
    assert "less" not in done.stdout
    assert done.stderr.splitlines()[-1] == (
        "Next: scriptforge train harbour --set embedding_size=8 --set tied=false --set batch_size=4"
        " --set sequence_length=16 --set precision=fp32, whose own settings won; or more trials with --trials"
    )


@pytest.mark.slow
def test_little_text_is_tuned_and_trained_from_the_base_model(place: Path) -> None:
    (place / "play.txt").write_text(
        "ANNA: I told you that we could not go there, because my sister is coming.\n\n"
        "BEN: Then we must stay at home and wait for her. What else can we do?\n\n" * 60
    )
    (place / "data").unlink()
    prepared(place / "play.txt", place / "data" / "play", level="bpe")
    words = ("tune", "--trials", "1", "--seconds", "0.2", "--best", "--epochs", "0.1")
    done = scriptforge(*words, workspace=place)
    assert done.returncode == 0, done.stderr
    said = done.stderr.splitlines()
    assert said[0].startswith("Trials start from the model of American plays in the package, as train does")
    assert said[-1] == "Next: scriptforge generate play"
    config = json.loads((place / "runs" / "play" / "config.json").read_text())
    assert config["init_from"]["name"] == "american-plays"


@pytest.mark.slow
def test_a_renamed_study_is_continued_with_the_trials_that_it_has(place: Path) -> None:
    words = ("tune", "harbour", *SHORT, "--json", "--trials")
    begun = document(scriptforge(*words, "1", workspace=place))
    renamed = scriptforge("rename", "studies/harbour", "evening", workspace=place)
    assert renamed.returncode == 0, renamed.stderr
    continued = document(scriptforge(*words, "2", "--study", "evening", workspace=place))
    assert continued["study"] == "evening"
    assert continued["trials"][0] == begun["trials"][0]
    assert len(continued["trials"]) == 2
    assert not (place / "studies" / "harbour").exists()


@pytest.mark.slow
def test_what_was_found_can_be_typed_as_it_is_printed(place: Path) -> None:
    (place / "space.toml").write_text(FASTER_SPACE)
    words = ("tune", "--trials", "3", "--space", "space.toml", "--seconds", "0.5")
    found = document(scriptforge(*words, "--json", workspace=place))
    assert not found["best"]["is_default"]
    shown = scriptforge(*words, workspace=place)
    *_, following = shown.stderr.splitlines()
    typed = following.removeprefix("Next: scriptforge ").split(", ")[0].split()
    rate = found["best"]["settings"]["learning_rate"]
    assert {"--set", "hidden_size=16", f"learning_rate={rate}"} <= set(typed)
    trained = scriptforge(*typed, "--epochs", "0.1", workspace=place)
    assert trained.returncode == 0, trained.stderr


@pytest.mark.slow
def test_interrupted_and_gone_on_with(place: Path) -> None:
    words = ("tune", "--trials", "1", "--space", "space.toml", "--seconds", "4", "--json")
    process = begin(*words[:-1], workspace=place)
    wait_until(process, lambda: trials_begun(place) == 1)
    code, errors = end(process, signal.SIGINT)
    assert code == 130 and "the same command continues" in errors.splitlines()[-1]
    found = document(scriptforge(*words, workspace=place))
    assert sorted(states(found)) == ["complete", "repeated"]
    assert found["trials"][0]["reason"] == "interrupted"


@pytest.mark.slow
def test_one_interrupt_is_enough_while_it_waits_for_another_process(place: Path) -> None:
    with (place / "space.toml").open("a") as space:
        space.write('level = "char"\n')
    folder = Workspace(place).study("harbour")
    with folder.turn("harbour-char"):  # as who tokenises has it
        process = subprocess.Popen(
            (*COMMAND, "tune", *SHORT), cwd=place, env=environment(), stderr=subprocess.PIPE, text=True
        )
        wait_until(process, lambda: _is_measured(folder.database))
        assert end(process, signal.SIGINT) == (130, "Warning: Interrupted.\n")


def _is_measured(database: Path) -> bool:
    """Return whether a study knows how fast the machine is; what its first trial needs comes next."""
    query = "SELECT COUNT(*) FROM study_user_attributes WHERE key = 'machine'"
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return bool(connection.execute(query).fetchone()[0])
    except sqlite3.OperationalError:  # it is being made
        return False


needs_postgresql = pytest.mark.skipif(not postgresql.program("initdb"), reason=skips.NO_POSTGRESQL)


@pytest.mark.slow
def test_two_processes_do_what_a_third_one_began_that_was_killed(place: Path) -> None:
    """One of them does its trial again, once its signs of life have stayed away."""
    storage = f"sqlite:///{place / 'shared.db'}"
    words = ("tune", "--trials", "4", "--space", "space.toml", "--seconds", "3", "--storage", storage)
    killed = begin(*words, workspace=place)
    wait_until(killed, lambda: trials_begun(place) == 1)
    killed.kill()
    killed.communicate()
    for process in [begin(*words, workspace=place) for _ in range(2)]:
        code, errors = end(process)
        assert code == 0, errors
    found = document(scriptforge(*words, "--json", workspace=place))
    assert states(found).count("complete") == 4 and states(found).count("repeated") == 1
    repeated = next(trial for trial in found["trials"] if trial["state"] == "repeated")
    assert repeated["reason"] == "its process died"
    settings = [trial["settings"] for trial in found["trials"] if trial["state"] == "complete"]
    assert not repeated["settings"] or repeated["settings"] in settings
    assert not list((place / "studies" / "harbour" / "trials").iterdir())


@pytest.mark.slow
def test_a_storage_that_is_lost_ends_the_search_in_two_lines(place: Path) -> None:
    database = place / "shared.db"
    words = ("tune", "--trials", "2", "--space", "space.toml", "--seconds", "5")
    process = begin(*words, "--storage", f"sqlite:///{database}", workspace=place)
    wait_until(process, lambda: trials_begun(place) == 1)
    database.unlink()
    code, errors = end(process)
    *_, problem, hint = errors.splitlines()
    assert code == 1 and "Traceback" not in errors
    assert problem.startswith("Error: The study cannot be kept at sqlite:///") and hint


def test_a_loss_of_exactly_zero_is_shown(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = Workspace(place)
    plan = Plan(trials=9, seconds=0.01, space=Space.read(place / "space.toml"), accelerator="cpu")

    def has_learnt_it_by_heart(trial: optuna.Trial) -> float:
        note(trial, chosen=study.choose(trial), settings={}, seconds=0.01)
        return 0.0

    with open_study(workspace.study("harbour"), None, Dataset(workspace.dataset("harbour")), plan) as study:
        study.backend.optimize(has_learnt_it_by_heart, n_trials=9)
    words = ["tune", "harbour", "--trials", "9", "--space", f"{place}/space.toml", "--seconds", "0.01"]
    assert run([*words, "--plot", "--workspace", str(place)]) == 0
    out, err = capsys.readouterr()
    assert re.search(r"^train by itself +0\.0000 bits/char; no trial was better$", out, re.MULTILINE)
    assert err.splitlines()[-1].startswith("Next: scriptforge train harbour ")


def test_the_space_is_printed_for_editing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tune", "--print-space"]) == 0
    printed = capsys.readouterr()
    assert printed.err == "" and "hidden_size = {low" in printed.out


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (["nowhere"], 2, "no dataset named “nowhere”"),
        (["--seconds", "0"], 2, "cannot last 0 seconds"),
        (["--seconds", "inf"], 2, "cannot last inf seconds"),
        (["--trials", "0"], 2, "--trials"),
        (["--pruner", "shears"], 2, "--pruner"),
        (["--space", "missing.toml"], 2, "cannot be read"),
        (["--minutes", "3"], 2, "are for the run of --best"),
        (["--best", "--minutes", "3", "--epochs", "3"], 2, "cannot be used together"),
        (["--best", "--name", "../elsewhere"], 2, "cannot be the name"),
        (["--study", "../elsewhere"], 2, "cannot be the name"),
        (["--storage", "nonsense"], 2, "not a database address"),
        (["--storage", "sqlite:////nowhere/at/all.db"], 1, "unable to open database file"),
    ],
)
def test_wrong_usage_is_two_lines(
    place: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, part: str
) -> None:
    assert run(["tune", *words, "--quiet", "--workspace", str(place)]) == code
    out, err = capsys.readouterr()
    problem, hint = err.splitlines()
    assert out == "" and problem.startswith("Error: ") and part in problem and hint


def test_a_server_that_is_not_there(place: Path) -> None:
    address = "postgresql://ann:open-sesame@127.0.0.1:1/plays"
    done = scriptforge("tune", *SHORT, "--storage", address, workspace=place)
    problem, hint = done.stderr.splitlines()
    assert done.returncode == 1 and "postgresql://ann:***@127.0.0.1:1/plays" in problem
    assert "server runs" in hint
    assert "open-sesame" not in done.stderr


@needs_postgresql
@pytest.mark.slow
def test_a_server_that_refuses(place: Path) -> None:
    with postgresql.server() as server:
        wrong = server.address.replace(postgresql.PASSWORD, "guessed")
        done = scriptforge("tune", *SHORT, "--storage", wrong, workspace=place)
    problem, hint = done.stderr.splitlines()
    assert done.returncode == 1 and "authentication failed" in problem and "password are right" in hint
    assert "guessed" not in done.stderr


def test_without_optuna(place: Path) -> None:
    (place / "optuna.py").write_text("raise ImportError('hidden')")
    done = scriptforge("tune", *SHORT, workspace=place)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "Error: Optuna is not installed here.",
        "Install what it needs: pip install 'scriptforge-lm[tune]'",
    ]
