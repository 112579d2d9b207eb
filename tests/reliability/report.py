"""The attacks by letter, their figures, and the page that shows them.

Figures are a JSON document: by letter, when and where an attack was made, and its parts. What several
processes have made of one attack, each a share, is put together here.
"""

import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, NamedTuple

from support.campaign import DRAW, SHARE, SHARES, Part

import scriptforge
from reliability.mended import FAULTS

Figures = dict[str, Any]
_SHOWN = 5


class Attack(NamedTuple):
    """An attack: what is done and asked for, and the function that does it, as `module:function`."""

    title: str
    asked: str
    function: str

    def figures(self, most: int | None) -> Figures:
        """Make it, in its long form or with so many attempts at each thing; return its figures."""
        module, _, name = self.function.partition(":")
        function: Callable[[int | None], list[Part]] = getattr(import_module(module), name)
        began = time.monotonic()
        parts = function(most)
        return {
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "version": scriptforge.__version__,
            "system": f"{platform.system()}, Python {platform.python_version()}, {os.cpu_count()} cores",
            "most": most,
            "draw": DRAW,
            "share": [SHARE, SHARES],
            "seconds": round(time.monotonic() - began),
            "parts": [asdict(part) for part in parts],
        }


ATTACKS: Mapping[str, Attack] = {
    "A": Attack(
        "SIGKILL at every call that changes the disk, and of `push` at every one to the Hub",
        "0 lost, training runs resumed to the same bits, nothing left behind after the next command",
        "reliability.killed:long_attack",
    ),
    "B": Attack(
        "full, read-only and failing disks, and connections that break, at every such call",
        "one line that says what and one what to do, the right exit code, the last good state usable",
        "reliability.refused:long_attack",
    ),
    "C": Attack(
        "Ctrl+C and SIGTERM at random moments of each command, and twice in a row",
        "130 or 143, training runs saved, never a traceback, never a wrong 0",
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

UNTRIED = (
    "**The loss of power.** Processes are killed, and what they have not synced is still in the memory of the"
    " system. Tests see that files and their folders are synced before anything is replaced, and in what"
    " order; what a drive does with that was not tried.",
    "**Network drives.** There was no NFS and no SMB. File systems that sync no folders, cannot exchange two"
    " names or lock no files are imitated, not used.",
    "**Windows and macOS.** Faults are made below the C library of Linux. Elsewhere the tests of the same"
    " modules run, but no call is made to fail.",
    "**Calls that pass by the C library,** such as those of `io_uring`, and what SQLite writes through mapped"
    " memory: nothing counts them.",
    "**The real Hub.** A server on the same machine speaks its protocol, without TLS and without Xet, by"
    " which large files are sent there.",
    "**Machines that are really several.** Two hosts are two network namespaces of one machine, with one"
    " clock and one disk.",
    "**Memory that runs out.** Address space is limited (`ulimit -v`); no process was killed by the system"
    " because others had taken its memory.",
    "**GPUs.** All attacks compute on the processor.",
    "**Browsers other than Chromium,** and what a browser keeps when it is killed or its disk is full.",
    "**The results of a search.** `tune` measures its trials in seconds, so that two searches differ. That"
    " they can be read and gone on with is asked, not that they are the same.",
    "**Every moment of two processes.** Of each pair, the second one comes at three places of the first,"
    " drawn at random, and three processes were not tried.",
)
"""What the attacks leave out, a paragraph each."""


def merged(shares: Iterable[Figures]) -> Figures:
    """Put the figures of processes together that made shares of attacks.

    Args:
        shares: the document of each process.

    Returns:
        The document of all. A share that is missing is a failure of its attack.
    """
    by_letter: dict[str, list[Figures]] = {}
    for document in shares:
        for letter, figures in document.items():
            by_letter.setdefault(letter, []).append(figures)
    return {letter: _together(by_letter[letter]) for letter in sorted(by_letter)}


def _together(several: list[Figures]) -> Figures:
    parts: dict[str, Part] = {}
    for figures in several:
        for each in figures["parts"]:
            part = parts.setdefault(each["what"], Part(each["what"]))
            part.tried += each["tried"]
            part.failures += each["failures"]
            part.calls = max(filter(None, (part.calls, each.get("calls"))), default=None)
    count = max(figures["share"][1] for figures in several)
    missing = sorted({*range(1, count + 1)} - {figures["share"][0] for figures in several})
    if missing:
        came = "shares that came to their end"
        parts[came] = Part(came, count, [f"share {number} of {count} did not" for number in missing])
    seconds = sum(figures["seconds"] for figures in several)
    whole = {"share": [1, 1], "seconds": seconds, "parts": [asdict(part) for part in parts.values()]}
    return {**several[0], **whole}


def wrong(figures: Figures) -> int:
    """Return how many attempts were wrong, of all attacks of a document."""
    return sum(_totals(each["parts"])[1] for each in figures.values())


def page(figures: Figures) -> str:
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
        "ones, and a letter behind it makes one. A workflow makes all of them each night, with other draws, "
        "and keeps this page and its figures. Seconds are those of a processor that finds a "
        "million words in 0.1 s; on a slower one there are more in proportion.",
        "",
        "| | attack | asked for | tried | wrong |",
        "| --- | --- | --- | ---: | ---: |",
    ]
    for letter, attack in ATTACKS.items():
        counts = _totals(figures[letter]["parts"]) if letter in figures else ()
        cells = [f"{count:,}" for count in counts] or ["not yet", ""]
        lines.append(f"| {letter} | {attack.title} | {attack.asked} | {cells[0]} | {cells[1]} |")
    for letter, attack in ATTACKS.items():
        if letter in figures:
            lines += ["", f"## {letter}: {attack.title}", "", *_section(figures[letter])]
    return "\n".join([*lines, *_untried(), *_faults(), ""])


def _section(figures: Figures) -> list[str]:
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
        calls = f", {part['calls']:,} calls" if part.get("calls") is not None else ""
        lines.append(f"| {part['what']}{calls} | {part['tried']:,} | {len(part['failures']):,} |")
    told = [f"- {part['what']}: {problem}" for part in figures["parts"] for problem in part["failures"]]
    return [*lines, "", *told[:_SHOWN]] if told else lines


def _untried() -> list[str]:
    return ["", "## What could not be tried, and why", "", *(f"- {each}" for each in UNTRIED)]


def _faults() -> list[str]:
    lines = [
        "",
        "## Faults that were mended",
        "",
        "Each with the tests that failed before.",
        "",
        "| | fault | tests |",
        "| ---: | --- | --- |",
    ]
    for number, fault in enumerate(FAULTS, start=1):
        lines.append(f"| {number} | {fault.what} | {', '.join(f'`{test}`' for test in fault.tests)} |")
    return lines


def _totals(parts: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    """Return how many attempts there were, and how many were wrong."""
    counts = [(part["tried"], len(part["failures"])) for part in parts]
    return sum(tried for tried, _ in counts), sum(failed for _, failed in counts)
