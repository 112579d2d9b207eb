import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from scriptforge.cli.errors import run_in_boundary
from scriptforge.errors import RunError, UsageError


def raising(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def test_work_that_ends_well_is_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_in_boundary(lambda: None) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (RunError("No run.", "Train one."), 1, ["Error: No run.", "Train one."]),
        (UsageError("No such thing.", "Choose another."), 2, ["Error: No such thing.", "Choose another."]),
        (RunError("In\ntwo\x1b[31m lines.", "So\nis this."), 1, ["Error: In two␛[31m lines.", "So is this."]),
        (KeyboardInterrupt(), 130, ["Warning: Interrupted."]),
        (typer.Exit(3), 3, []),
        (SystemExit(143), 143, []),
        (
            PermissionError(13, "Permission denied", "/there"),
            1,
            [
                "Error: Permission denied: /there",
                "Check that the path is right and that you may read and write there.",
            ],
        ),
        (
            ZeroDivisionError("division by zero"),
            1,
            [
                "Error: This should not have happened: ZeroDivisionError: division by zero",
                "Run it again with SCRIPTFORGE_DEBUG=1 to see where, and report what it prints.",
            ],
        ),
    ],
)
def test_failures_become_lines_and_codes(
    error: BaseException, code: int, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_in_boundary(raising(error)) == code
    captured = capsys.readouterr()
    assert captured.err.splitlines() == lines
    assert captured.out == ""


def test_home_and_token_stay_private(own_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_in_boundary(raising(ValueError(f"{own_home}/scripts with hf_abcdefghij and {own_home}body")))
    assert f"~/scripts with hf_… and {own_home}body" in capsys.readouterr().err


def test_traceback_comes_only_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCRIPTFORGE_DEBUG", "1")
    assert run_in_boundary(raising(ValueError("hf_abcdefghij"))) == 1
    captured = capsys.readouterr().err
    assert captured.startswith("Traceback")
    assert "hf_abcdefghij" not in captured


def start(code: str) -> subprocess.Popen[str]:
    """A process that does `code` as its one work and says on stdout when it has begun."""
    program = f"""
import signal, time
from scriptforge.cli.errors import run_and_exit
def work():
    {code}
run_and_exit(work)
"""
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_let_the_work_save_and_give_its_code(number: signal.Signals, code: int) -> None:
    with start("""
    try:
        print("begun", flush=True)
        time.sleep(60)
    finally:
        print("saved")""") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert out == "saved\n"
    assert process.returncode == code
    assert "Traceback" not in err


@pytest.mark.parametrize("made_of_it", ["pass", "raise ImportError('half a module')"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_that_comes_during_an_import_waits_for_its_end(
    tmp_path: Path, number: signal.Signals, code: int, made_of_it: str
) -> None:
    (tmp_path / "library.py").write_text(f"""
import time
try:
    print("begun", flush=True)
    for _ in range(20):
        time.sleep(0.02)
except BaseException:
    {made_of_it}
""")
    with start(f"import sys; sys.path[0] = {str(tmp_path)!r}; import library; time.sleep(60)") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert err == ("Warning: Interrupted.\n" if code == 130 else "")


DROPPING = {
    "a finaliser": """
    class Finalised:
        def __del__(self): time.sleep(0.4)
    made = Finalised()
    say()
    del made""",
    "a callback": """
    import weakref
    made = type("Made", (), {})()
    kept = weakref.ref(made, lambda _: time.sleep(0.4))
    say()
    del made""",
    "what makes another error of it": """
    say()
    try: time.sleep(5)
    except BaseException: raise OSError("broken")""",
    "what makes nothing of it": """
    say()
    try: time.sleep(5)
    except BaseException: return""",
}


@pytest.mark.parametrize("dropping", DROPPING.values(), ids=DROPPING)
def test_no_signal_is_lost(dropping: str) -> None:
    with start(f"say = lambda: print('begun', flush=True){dropping}\n    time.sleep(5)") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err in ("Warning: Interrupted.\n", "")


@pytest.mark.parametrize("flush", [True, False])
def test_reader_that_goes_away_is_no_drama(flush: bool) -> None:
    with start(f"input(); print('x' * 10, flush={flush})") as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdin is not None
        process.stdout.close()
        process.stdin.write("\n")
        process.stdin.close()
        err = process.stderr.read()
    assert err == ""
    assert process.returncode == 1


def test_a_name_that_the_system_cannot_encode_is_explained() -> None:
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    program = "from scriptforge.cli.errors import run_and_exit; run_and_exit(lambda: open('\\u0130.txt'))"
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, env={**os.environ, **locale}, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        r"Error: File names are in ascii here, which cannot represent “\u0130”.".encode(
            "ascii", "backslashreplace"
        ).decode(),
        "Run the same command with PYTHONUTF8=1 in the environment.",
    ]


def test_json_can_be_read_whatever_the_terminal_can_encode() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    program = (
        "from scriptforge.cli.errors import run_and_exit; from scriptforge.cli.output import Output;"
        "run_and_exit(lambda: Output(as_json=True).result('caf\\u00e9 \\U0001f3ac', None))"
    )
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True)
    assert json.loads(done.stdout) == "café 🎬"


def test_output_that_the_terminal_cannot_encode_is_escaped() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    program = "from scriptforge.cli.errors import run_and_exit; run_and_exit(lambda: print('caf\\u00e9'))"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert re.fullmatch(r"caf\\xe9\n", done.stdout)
    assert done.returncode == 0


def test_a_signal_that_is_to_be_ignored_stays_so_during_a_training() -> None:
    """As of `scriptforge train &` in a shell script, when somebody presses Ctrl-C in the terminal."""
    with start("""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from scriptforge.cli.signals import Interrupts
    with Interrupts() as interrupts:
        print("begun", flush=True)
        input()
        print(interrupts.requested())""") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        out, _ = process.communicate("\n", timeout=20)
    assert out == "False\n"
