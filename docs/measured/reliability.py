"""Attacks what scriptforge writes and reads, and counts what it withstood; writes reliability.md.

    PYTHONPATH=tests python -P docs/measured/reliability.py [A B=20 …]

Without a letter every attack is made, which takes hours; with some, these, and the figures of the others stay
as they are in reliability.json. A number limits the attempts at each thing that is attacked, drawn at random.
With -P, the folder of this script is not searched for the package of the tests that has its name.
`pytest -m soak tests/reliability` makes the same attacks as tests.
"""

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from support.campaign import Part

import scriptforge

PAGE = Path(__file__).with_suffix(".md")
FIGURES = Path(__file__).with_suffix(".json")
SHOWN = 5


class Attack(NamedTuple):
    """An attack: what is done and asked for, and the function that does it, as `module:function`."""

    title: str
    asked: str
    function: str

    def run(self, most: int | None) -> list[Part]:
        """Make it, in its long form, or so much of it."""
        module, _, name = self.function.partition(":")
        function: Callable[[int | None], list[Part]] = getattr(import_module(module), name)
        return function(most)


ATTACKS: Mapping[str, Attack] = {
    "A": Attack(
        "SIGKILL at every call that changes the disk",
        "0 lost, training runs resumed to the same bits, nothing left behind after the next command",
        "reliability.killed:long_attack",
    ),
    "B": Attack(
        "full, read-only and failing disks at every such call",
        "one line that says what and one what to do, the right exit code, the last good state usable",
        "reliability.refused:long_attack",
    ),
    "C": Attack(
        "Ctrl+C and SIGTERM at random moments of each command, and twice in a row",
        "130 or 143, never a traceback, never a wrong 0",
        "reliability.interrupted:long_attack",
    ),
    "D": Attack(
        "Damage to every file that is read",
        "an error that is named, in 5 seconds and 250 MB",
        "reliability.damaged:long_attack",
    ),
    "E": Attack(
        "10,000 mutants of files of every format, bombs, and lines made to take long",
        "a result or an error that is named, in 5 seconds and 250 MB; time linear in the length of a line",
        "reliability.corpora:long_attack",
    ),
    "F": Attack(
        "Visits to the writing room: many at once, slow, hostile, in two tabs, and while it is killed",
        "who writes is answered, nothing acknowledged lost, no 5xx, nothing read or written outside",
        "reliability.visited:long_attack",
    ),
    "G": Attack(
        "two processes at one name, in every pair of commands that write",
        "one winner and the other told, or both right",
        "reliability.rivals:long_attack",
    ),
    "H": Attack(
        "canaries for token, home, user and host in every command; injections into terminals, shells, files",
        "no canary printed, kept or sent; foreign text is only ever text",
        "reliability.outputs:long_attack",
    ),
    "I": Attack(
        "Odd environments", "each works, or says in a line why not", "reliability.environments:long_attack"
    ),
    "J": Attack(
        "The same commands where clocks jump, and in other locales, time zones, seeds, threads and paths",
        "the same files and outputs to the byte, but for moments and speeds",
        "reliability.sameness:long_attack",
    ),
    "K": Attack(
        "Coverage-guided fuzzing of every parser and loader",
        "an error that is named, in 5 seconds and 250 MB",
        "fuzzing.campaign:long_attack",
    ),
}
"""By letter, in the order of the page."""

_FINDING, _WRITING = "tests/workspace/test_workspace.py", "tests/workspace/test_files.py"
_STORES = "tests/reliability/test_stores.py"
_OUTPUTS = "tests/reliability/test_outputs.py"
_CORPORA = "tests/reliability/test_corpora.py"
FAULTS: Mapping[int, tuple[str, str]] = {
    1: (
        "a moment without the dataset in `prepare --force`",
        f"{_FINDING}::TestFinding::"
        "test_the_next_command_removes_what_a_kill_left_and_brings_back_what_it_displaced",
    ),
    2: (
        "a full disk in the words of a library is not explained",
        "tests/test_errors.py::test_a_disk_is_explained_whoever_speaks_of_it",
    ),
    6: (
        "a validation loss of 0 divides by zero",
        "tests/training/test_events.py::test_what_the_curves_say",
    ),
    7: (
        "two `prepare` of one name both succeed",
        "tests/corpus/test_prepare.py::test_of_two_that_prepare_one_name_one_is_told",
    ),
    8: (
        "`train --force` deletes the good model first",
        "tests/training/test_trainer.py::TestReplacing::test_the_model_stays_until_the_new_one_has_weights",
    ),
    9: (
        "a killed `prepare` leaves its folders for ever",
        f"{_STORES}::test_kills",
    ),
    14: (
        "`--resume --epochs N` forgets N",
        f"{_STORES}::test_kills",
    ),
    15: (
        "of two unnamed training runs one fails",
        f"{_FINDING}::TestNames::test_two_trainings_without_a_name_have_two",
    ),
    17: (
        "the umask is ignored",
        f"{_WRITING}::TestAtomicWriting::test_the_umask_says_who_may_read_what_is_written",
    ),
    4: (
        "a damaged run broke commands on all others, and a nested manifest was not skipped",
        f"{_FINDING}::TestFinding::test_a_damaged_description_comes_last",
    ),
    5: (
        "`inspect` took minutes for thousands of names that are alike",
        "tests/corpus/test_inspection.py -k compared_with_few",
    ),
    10: (
        "signals during imports became other errors, or were lost",
        "tests/cli/test_errors_boundary.py -k 'import or lost'",
    ),
    11: (
        "closed and full streams, homes that cannot be written, circles of links, names not in UTF-8",
        "tests/reliability/test_inputs.py::test_all_odd_environments",
    ),
    12: (
        "`--json` let through what steers a terminal",
        "tests/cli/test_output.py::test_json_has_nothing_in_it_that_steers_a_terminal",
    ),
    13: (
        "damaged ids, rows and tensors were not named",
        "tests/test_dataset.py -k damaged; tests/training/test_checkpoint.py -k agrees",
    ),
    16: (
        "XML on one line got line breaks, or was called damaged",
        "tests/corpus/test_files.py::test_xml_on_one_line_is_read_as_it_stands",
    ),
    18: (
        "parents of new folders are not synced; a file that changed has the wrong hash; links are followed",
        f"{_WRITING}::TestAtomicWriting::test_new_folders_are_on_the_disk_in_their_parents, "
        "tests/corpus/test_fetch.py -k 'changes_after or lead_nowhere'",
    ),
    41: (
        "a printed command had names unquoted, lost control characters, and had `~` inside quotes",
        "tests/cli/test_printed_commands.py -k 'shell_reads or home_folder'; "
        f"{_OUTPUTS}::test_printed_commands_are_only_themselves",
    ),
    42: (
        "headings, and the live view of a training run, let through what steers a terminal",
        f"tests/cli/test_output.py -k headings; {_OUTPUTS} -k 'workspace and tokens'",
    ),
    43: (
        "a line break in a foreign name began a line that looked like ours",
        "tests/cli/test_output.py -k line_break",
    ),
    44: (
        "the home was shown behind a link, by `corpora`, in what the program is called by; other tokens",
        "tests/cli/test_output.py -k 'redact or called_by'; tests/cli/test_corpora_command.py -k home",
    ),
    45: (
        "a name in `curves.svg` was read as TeX, and control characters made pictures no XML",
        f"tests/tracking/test_curves.py -k only_ever_text; {_OUTPUTS} -k SVG",
    ),
    46: (
        "a stranger's config brought HTML, links and control characters into cards",
        f"tests/hub/test_push_and_pull.py -k strangers; {_OUTPUTS} -k cards",
    ),
    47: (
        "a title with invisible letters could not be printed as a PDF",
        "tests/documents/test_pdf.py -k needs_no_font",
    ),
    48: (
        "files were named as the devices of Windows",
        f"tests/corpus/test_convert.py -k device; {_OUTPUTS} -k names",
    ),
    49: (
        "a shell was offered names that it reads otherwise",
        "tests/cli/test_help_and_completion.py -k would_act",
    ),
    19: (
        "a client that reads nothing, or sends what nobody waits for, kept its connection for ever",
        "tests/serve/test_connections.py -k 'cut_off or refused'",
    ),
    20: (
        "bodies that were only promised, to files of the page even without the token, kept all others out",
        "tests/serve/test_guard.py -k promised",
    ),
    21: (
        "Ctrl+C while a page was open printed a traceback",
        "tests/serve/test_connections.py -k end_is_told",
    ),
    22: (
        "more clients than files printed a traceback for each",
        "tests/serve/test_connections.py -k more_clients",
    ),
    23: (
        "a tab that went before it had read anything counted as one that listens, for ever",
        "tests/serve/test_connections.py -k no_listener",
    ),
    24: (
        "NaN in the settings of a draft made the draft unreadable",
        "tests/serve/test_drafts.py -k every_page_can_read",
    ),
    25: (
        "a damaged database of drafts was searched without end, or answered with errors of no name",
        "tests/serve/test_drafts.py -k 'lead_back or not_written'",
    ),
    28: (
        "the work of many edits in one change grew with the square of their number",
        "tests/serve/test_drafts.py -k many_edits",
    ),
    29: (
        "who was behind was told all changes, however large they were",
        "tests/serve/test_drafts.py -k far_behind",
    ),
    26: (
        "a damaged secret ended the server, or let nobody in",
        "tests/serve/test_guard.py -k damaged_secret",
    ),
    27: (
        "damage in the notes of a study was not named",
        "tests/tuning/test_search.py -k damaged",
    ),
    31: (
        "`1.txt` and `01.txt`, or `A.txt` and `a.txt`, were read in the order of the disk",
        "tests/corpus/test_fetch.py::test_names_that_count_alike_have_one_order",
    ),
    32: (
        "after the clock was set back, an older run, dataset or draft was the latest",
        f"{_FINDING} -k clock_was_set_back, tests/serve/test_drafts.py -k clock_was_set_back",
    ),
    33: (
        "a study waited for a dead trial as long as the clock had been set back",
        "tests/tuning/test_search.py -k clock_was_set_back",
    ),
    34: (
        "the seconds of a trial were those of the clock on the wall",
        "tests/tuning/test_search.py -k seconds_of_a_trial",
    ),
    35: (
        "a study below a path with a question mark was kept elsewhere",
        "tests/tuning/test_search.py -k lie_anywhere",
    ),
    36: (
        "names in decomposed letters and in Hindi were refused, or lost their marks",
        f"tests/corpus/test_sources.py -k composed, {_FINDING} -k composed",
    ),
    37: (
        "the same script made another Word document each time",
        "tests/documents/test_word.py::test_what_is_written_has_no_date",
    ),
    38: (
        "`--json` was in the encoding of the locale, and a name that it lacks was not explained",
        "tests/cli/test_errors_boundary.py -k 'encode or json'",
    ),
    51: (
        "lines of white space, and pages of comments, took minutes: each split of a run was tried",
        f"{_CORPORA}::test_what_follows_a_long_line_of_white_space_is_read, -k linear",
    ),
    52: (
        "captions lost the hyphens inside words",
        f"{_CORPORA}::test_a_hyphen_within_a_caption_stays",
    ),
    53: (
        "damage inside a document of Word or a parquet file was not explained",
        f"{_CORPORA}::test_what_is_damaged_or_hostile_is_named",
    ),
    54: (
        "indents of a mile, tables of 60,000 columns and parquet of a billion rows filled the memory",
        f"{_CORPORA}::test_what_is_damaged_or_hostile_is_named, -k mile",
    ),
    55: (
        "a page that declares an encoding its parser does not know was not explained",
        f"{_CORPORA}::test_a_page_may_declare_what_its_parser_does_not_know",
    ),
    61: (
        "an indent of millions of columns filled the memory, comments before a text took for ever",
        "tests/documents/test_harm.py -k 'far_away or comments'",
    ),
    62: (
        "a Word document with an alignment or a style that python-docx does not know was an unexpected error",
        "tests/documents/test_harm.py -k 'layout or would_not_open'",
    ),
    63: (
        "so were saved states with numbers that NumPy does not know, or ids that are no text",
        "tests/generation/test_decoding_state.py -k 'numpy or no_text'",
    ),
    64: (
        "so was a damaged `hub.json` of the run that training starts from",
        "tests/training/test_transfer.py -k record_of_a_pull",
    ),
    65: (
        "so were drafts whose format SQLite does not know",
        "tests/fuzzing/test_found.py -k drafts",
    ),
    66: (
        "so was a web page that declares an encoding that its parser does not know",
        "tests/fuzzing/test_found.py -k chat",
    ),
}
"""By number: what was wrong, and the test that failed before."""


def main(letters: list[str]) -> None:
    """Make some attacks, and write the page."""
    figures: dict[str, Any] = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    for word in letters or ATTACKS:
        letter, _, most = word.partition("=")
        began = time.monotonic()
        parts = ATTACKS[letter].run(int(most) if most else None)
        figures[letter] = {
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "version": scriptforge.__version__,
            "system": f"{platform.system()}, Python {platform.python_version()}, {os.cpu_count()} cores",
            "most": int(most) if most else None,
            "seconds": round(time.monotonic() - began),
            "parts": [asdict(part) for part in parts],
        }
        FIGURES.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    PAGE.write_text(page(figures), encoding="utf-8")


def page(figures: Mapping[str, Any]) -> str:
    """Return the page of the figures that there are."""
    lines = [
        "# Attacks on reliability and security",
        "",
        "<!-- Written by docs/measured/reliability.py. -->",
        "",
        "```",
        "PYTHONPATH=tests python -P docs/measured/reliability.py",
        "```",
        "",
        "What was done to the commands of scriptforge, how often, and how often something was wrong. Short "
        "forms of these attacks are among the tests (`make test-rest`); the command above makes the long "
        "ones, and a letter behind it makes one.",
        "",
        "| | attack | asked for | tried | wrong |",
        "| --- | --- | --- | ---: | ---: |",
    ]
    made = {letter: attack for letter, attack in ATTACKS.items() if letter in figures}
    for letter, attack in made.items():
        tried, wrong = totals(figures[letter]["parts"])
        lines.append(f"| {letter} | {attack.title} | {attack.asked} | {tried:,} | {wrong:,} |")
    for letter, attack in made.items():
        lines += ["", f"## {letter}: {attack.title}", "", *section(figures[letter])]
    if FAULTS:
        lines += ["", "## Faults that were mended", "", "Each with the test that failed before.", ""]
        lines += ["| | fault | test |", "| ---: | --- | --- |"]
        lines += [f"| {number} | {what} | `{test}` |" for number, (what, test) in sorted(FAULTS.items())]
    return "\n".join([*lines, ""])


def section(figures: Mapping[str, Any]) -> list[str]:
    """Return what is said of one attack."""
    lines = [
        f"Made on {figures['date']} with scriptforge {figures['version']} ({figures['system']}), in "
        f"{figures['seconds']:,} seconds"
        + (f"; of each, {figures['most']:,} drawn at random." if figures["most"] else "."),
        "",
        "| what | tried | wrong |",
        "| --- | ---: | ---: |",
    ]
    for part in figures["parts"]:
        lines.append(f"| {part['what']} | {part['tried']:,} | {len(part['failures']):,} |")
    wrong = [f"- {part['what']}: {problem}" for part in figures["parts"] for problem in part["failures"]]
    return [*lines, "", *wrong[:SHOWN]] if wrong else lines


def totals(parts: list[dict[str, Any]]) -> tuple[int, int]:
    """Return how many attempts there were, and how many were wrong."""
    return sum(part["tried"] for part in parts), sum(len(part["failures"]) for part in parts)


if __name__ == "__main__":
    main(sys.argv[1:])
