"""I: commands in odd environments, which work there or say in a line why not.

Streams that are closed or full, homes that cannot be written to, links in loops, names that are not UTF-8,
little memory, few files, old terminals, and more of what people and their systems come up with.
"""

import os
import random
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from support.campaign import DRAW, Part, share
from support.command import COMMAND

from reliability.furnished import add_draft, clean_environment, copied, furnish, unexplained

_PATIENCE = 120  # seconds
_CAFE = os.fsdecode(b"caf\xe9")


@dataclass(frozen=True)
class Environment:
    """An odd environment.

    Attributes:
        what: what is odd about it.
        words: what follows `scriptforge`.
        shell: what a shell does before, in the workspace.
        redirected: where streams lead to, as a shell says it.
        variables: of the environment; None removes one.
        around: what starts the command, as a shell says it.
        codes: with which the command may end.
        is_silent: whether nobody hears why it failed.
    """

    what: str
    words: tuple[str, ...]
    shell: str = "true"
    redirected: str = ""
    around: str = ""
    variables: dict[str, str | None] = field(default_factory=dict)
    codes: tuple[int, ...] = (0, 1, 2)
    is_silent: bool = False

    def attempt(self, workspace: Path) -> str | None:
        """Run the command in a workspace; return what was wrong."""
        home = workspace.parent / "home"
        home.mkdir(exist_ok=True)
        environment = clean_environment(home)
        for name, value in self.variables.items():
            environment.pop(name, None)
            if value is not None:
                environment[name] = value
        script = f'{self.shell} && exec {self.around} "$@" {self.redirected}'
        try:
            done = subprocess.run(
                ("/bin/bash", "-c", script, "sh", *COMMAND, *self.words),
                cwd=workspace,
                env=environment,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=_PATIENCE,
            )
        except subprocess.TimeoutExpired:
            return f"it did not end in {_PATIENCE} seconds"
        errors = done.stderr.decode(errors="replace")
        if self.is_silent:
            return None if done.returncode in self.codes else f"it ended with {done.returncode}"
        return unexplained(done.returncode, errors, self.codes)


_RUNS, _INSPECT = ("runs",), ("inspect", "play.txt")
_WRITE = ("generate", "play", "--lines", "2", "--seed", "1")
_FAILS, _WORKS = (1, 2), (0,)


def _prepare(corpus: str = "play.txt") -> tuple[str, ...]:
    return ("prepare", corpus, "--name", "odd", "--level", "char")


def _streams() -> list[Environment]:
    return [
        Environment("stdin closed", _WRITE, redirected="<&-", codes=_WORKS),
        Environment("stdin closed and read", _prepare("-"), redirected="<&-", codes=_FAILS),
        Environment("stdin noise", _prepare("-"), redirected="< <(head -c 3000 /dev/urandom)"),
        Environment("stdin NULs", _prepare("-"), redirected="< <(head -c 3000 /dev/zero)", codes=_FAILS),
        Environment("stdout closed", _RUNS, redirected=">&-", codes=_FAILS),
        Environment("stdout closed while something is written", _WRITE, redirected=">&-", codes=_FAILS),
        Environment("stdout closed for help", ("--help",), redirected=">&-", codes=_FAILS),
        Environment("stderr closed", _RUNS, redirected="2>&-", codes=_WORKS),
        Environment("stderr closed in an error", ("inspect", "no.txt"), redirected="2>&-", is_silent=True),
        Environment(
            "all streams closed", _prepare(), redirected="<&- >&- 2>&-", codes=(0, 1), is_silent=True
        ),
        Environment("stdout full", _RUNS, redirected="> /dev/full", codes=_FAILS),
        Environment("stdout full for JSON", ("runs", "--json"), redirected="> /dev/full", codes=_FAILS),
        Environment("stdout full while written to", _WRITE, redirected="> /dev/full", codes=_FAILS),
        Environment("stdout full for help", ("train", "--help"), redirected="> /dev/full", codes=_FAILS),
        Environment("stdout full for the version", ("--version",), redirected="> /dev/full", codes=_FAILS),
        Environment("stderr full", _prepare(), redirected="2> /dev/full", codes=(0, 1), is_silent=True),
        Environment("stdout to be read only", _RUNS, redirected="1< /dev/null", codes=_FAILS),
        Environment("a reader that went away", _INSPECT, redirected="> >(true); sleep 0", is_silent=True),
    ]


def _homes() -> list[Environment]:
    found = [
        Environment(f"HOME {what}, {words[0]}", words, variables={"HOME": home}, codes=_WORKS)
        for what, home in {
            "missing": None,
            "empty": "",
            "not there": "/nonexistent/home",
            "read-only": "/proc",
            "a file": "/etc/passwd",
            "relative": "plays",
        }.items()
        for words in (_prepare("play.csv"), _WRITE)
    ]
    return [
        *found,
        Environment(
            "HF_HOME read-only", _prepare("play.parquet"), variables={"HF_HOME": "/proc"}, codes=_WORKS
        ),
        Environment(
            "XDG_CACHE_HOME read-only", _INSPECT, variables={"XDG_CACHE_HOME": "/proc"}, codes=_WORKS
        ),
        Environment("HOME read-only, doctor", ("doctor",), variables={"HOME": "/proc"}, codes=_WORKS),
        Environment("HOME missing, pull", ("pull", "ann/play"), variables={"HOME": None}, codes=_FAILS),
        Environment("HOME read-only, pull", ("pull", "ann/play"), variables={"HOME": "/proc"}, codes=_FAILS),
        Environment("the home of nobody", ("inspect", "~nobody/play.txt"), codes=_FAILS),
        Environment("the home of a stranger", ("inspect", "~nosuchuser/play.txt"), codes=_FAILS),
        Environment("a workspace of a stranger", ("runs", "--workspace", "~nosuchuser/w"), codes=(0, 1)),
        Environment(
            "a workspace of a stranger, by variable",
            _RUNS,
            variables={"SCRIPTFORGE_WORKSPACE": "~nosuchuser/w"},
            codes=(0, 1),
        ),
        Environment("a page for a stranger", ("page", "play", "-o", "~nosuchuser/page")),
        Environment("a PDF for a stranger", ("convert", "play.txt", "~nosuchuser/play.pdf")),
    ]


def _files() -> list[Environment]:
    return [
        Environment("a link to itself", ("inspect", "loop.txt"), "ln -s loop.txt loop.txt", codes=_FAILS),
        Environment(
            "links in a circle", ("inspect", "ring"), "mkdir ring && ln -s . ring/ring", codes=_FAILS
        ),
        Environment("a workspace in a circle", ("runs", "--workspace", "o"), "ln -s o o", codes=(0, 1)),
        Environment("cards in a circle", ("corpora",), "ln -s corpora corpora", codes=(0, 1)),
        Environment("a run in a circle", _RUNS, "ln -s circle runs/circle", codes=_WORKS),
        Environment(
            "a file for a workspace", ("prepare", "play.txt", "--workspace", "play.csv"), codes=_FAILS
        ),
        Environment("a file for data/", _prepare(), "rm -r data && touch data", codes=_FAILS),
        Environment("a file for runs/", _RUNS, "rm -r runs && touch runs", codes=(0, 1)),
        Environment(
            "a file for train",
            ("train", "harbour", "--epochs", "0.1"),
            "rm -r runs && touch runs",
            codes=_FAILS,
        ),
        Environment("a folder for config.json", _RUNS, "mkdir -p runs/odd/config.json", codes=_WORKS),
        Environment(
            "a name in Latin-1", ("inspect", f"{_CAFE}.txt"), "cp play.txt $'caf\\xe9.txt'", codes=_WORKS
        ),
        Environment(
            "a name in Latin-1, prepared",
            ("prepare", f"{_CAFE}.txt"),
            "cp play.txt $'caf\\xe9.txt'",
            codes=_WORKS,
        ),
        Environment("a name in Latin-1, a table", _prepare(f"{_CAFE}.csv"), "cp play.csv $'caf\\xe9.csv'"),
        Environment(
            "a name in Latin-1, in a folder",
            _prepare("plays"),
            "cp play.txt $'plays/caf\\xe9.txt'",
            codes=_WORKS,
        ),
        Environment(
            "a name in Latin-1, to PDF",
            ("convert", f"{_CAFE}.txt", f"{_CAFE}.pdf"),
            "cp play.txt $'caf\\xe9.txt'",
            codes=_WORKS,
        ),
        Environment("a name in Latin-1 that is not there", ("inspect", f"{_CAFE}.txt"), codes=_FAILS),
        Environment("a workspace in Latin-1", ("prepare", "play.txt", "--workspace", _CAFE), codes=_WORKS),
        Environment("a run in Latin-1", _RUNS, "cp -r runs/play $'runs/caf\\xe9'", codes=_WORKS),
        Environment("a word in Latin-1", ("generate", "play", "--prime", _CAFE), codes=(0, 1, 2)),
        Environment("a name of two lines", ("inspect", "a\nb.txt"), "cp play.txt $'a\\nb.txt'", codes=_WORKS),
        Environment("a name of 300 letters", ("inspect", "n" * 300 + ".txt"), codes=_FAILS),
        Environment("no folder any more", _RUNS, "mkdir gone && cd gone && rmdir ../gone", codes=(0, 1)),
        Environment(
            "no folder any more, inspect",
            ("inspect", "play.txt"),
            "mkdir gone && cd gone && rmdir ../gone",
            codes=_FAILS,
        ),
        Environment("a pipe with a name", ("inspect", "pipe.txt"), "mkfifo pipe.txt", codes=_FAILS),
        Environment("a device", ("inspect", "/dev/zero"), codes=_FAILS),
        Environment("no bytes", ("inspect", "/dev/null"), codes=_FAILS),
        Environment("a file of the system", ("inspect", "/proc/self/mem"), codes=_FAILS),
        Environment("umask 777", _prepare(), "umask 777"),
    ]


def _settings() -> list[Environment]:
    found = [
        Environment(f"{name}={value}, {words[0]}", words, variables={name: value}, codes=_WORKS)
        for name, value, words in (
            ("LC_ALL", "C", _INSPECT),
            ("LC_ALL", "xx_YY.nonsense", _WRITE),
            ("LANG", "C", _RUNS),
            ("PYTHONIOENCODING", "ascii", _WRITE),
            ("TERM", "dumb", _RUNS),
            ("TERM", "", _INSPECT),
            ("TERM", "nonsense", _RUNS),
            ("COLUMNS", "1", _INSPECT),
            ("COLUMNS", "0", _RUNS),
            ("COLUMNS", "wide", _RUNS),
            ("COLUMNS", "999999999", _INSPECT),
            ("LINES", "0", _RUNS),
            ("TZ", "Nowhere/Atall", _RUNS),
            ("PATH", "", _WRITE),
            ("PYTHONOPTIMIZE", "2", ("train", "--help")),
            ("PYTHONOPTIMIZE", "2", _prepare()),
            ("PYTHONWARNINGS", "default", _WRITE),
            ("FORCE_COLOR", "1", _RUNS),
            ("OMP_NUM_THREADS", "many", _WRITE),
            ("OMP_NUM_THREADS", "0", _WRITE),
        )
    ]
    return [
        *found,
        Environment(
            "PYTHONUTF8=0 in C",
            _prepare(),
            variables={"PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
            codes=_WORKS,
        ),
        Environment(
            "a proxy that is none",
            ("pull", "ann/play"),
            variables={"HTTPS_PROXY": "nonsense", "HF_HUB_OFFLINE": "0"},
            codes=_FAILS,
        ),
    ]


def _limits() -> list[Environment]:
    return [
        *(
            Environment(f"TMPDIR {what}, {words[0]}", words, variables={"TMPDIR": path}, codes=codes)
            for what, path in {
                "not there": "/nonexistent",
                "read-only": "/proc",
                "a file": "/etc/passwd",
            }.items()
            for words, codes in ((_prepare("plays"), (0, 1)), (("inspect", "-"), (1, 2)))
        ),
        Environment("16 files, inspect", _INSPECT, "ulimit -n 16"),
        Environment("16 files, a table", _prepare("play.csv"), "ulimit -n 16"),
        Environment("16 files, written", _WRITE, "ulimit -n 16"),
        Environment("100 MB, runs", _RUNS, "ulimit -v 100000"),
        Environment("200 MB, inspect", _INSPECT, "ulimit -v 200000"),
        Environment("300 MB, a table", _prepare("play.csv"), "ulimit -v 300000"),
        Environment("300 MB, written", _WRITE, "ulimit -v 300000"),
        Environment("files of 8 KB", _prepare(), "ulimit -f 8"),
        Environment("a stack of 256 KB", _INSPECT, "ulimit -s 256"),
        *_without_shared_memory(),
    ]


def _rooms() -> list[Environment]:
    """Return rooms in odd environments: one that begins is stopped as a person stops it."""
    serve, stopped = ("serve", "play", "--no-browser", "--port", "0"), (130,)
    stop = "timeout --preserve-status --signal=INT 10"
    fine: dict[str, dict[str, str | None]] = {
        "HOME missing": {"HOME": None},
        "HOME read-only": {"HOME": "/proc"},
        "TMPDIR not there": {"TMPDIR": "/nonexistent"},
        "LC_ALL=C": {"LC_ALL": "C"},
        "COLUMNS=0": {"COLUMNS": "0"},
        "PATH=": {"PATH": ""},
    }
    return [
        *(
            Environment(f"{what}, serve", serve, around=f"/usr/bin/{stop}", variables=each, codes=stopped)
            for what, each in fine.items()
        ),
        Environment("stdin closed, serve", serve, around=stop, redirected="<&-", codes=stopped),
        Environment("stderr closed, serve", serve, around=stop, redirected="2>&-", codes=stopped),
        Environment("stdout full, serve", serve, around=stop, redirected="> /dev/full", codes=_FAILS),
        Environment("stdout closed, serve", serve, around=stop, redirected=">&-", codes=_FAILS),
        Environment("a file for room/, serve", serve, "rm -r room && touch room", around=stop, codes=_FAILS),
        Environment("a room in a circle, serve", serve, "rm -r room && ln -s room room", around=stop),
        Environment(
            "a run in Latin-1, serve", serve, "cp -r runs/play $'runs/caf\\xe9'", around=stop, codes=stopped
        ),
        Environment(
            "a password that is not there, serve", (*serve, "--password-file", "no.txt"), codes=_FAILS
        ),
        Environment("64 files, serve", serve, "ulimit -n 64", around=stop, codes=(1, 2, 130)),
        Environment("a host that is none, serve", (*serve, "--host", "nowhere.invalid"), codes=_FAILS),
    ]


def _writers() -> list[Environment]:
    """Return what writes files of a person's, and what takes longest, in the environments of the others."""
    words = {
        "export": ("export", "play", "--onnx", "out"),
        "page": ("page", "play", "-o", "out"),
        "drafts": ("drafts", "--export", "out.docx"),
        "evaluate": ("evaluate", "play"),
        "tune": ("tune", "harbour", "--trials", "1", "--seconds", "0.1"),
    }
    found = []
    for name, own in words.items():
        found += [
            Environment(f"HOME missing, {name}", own, variables={"HOME": None}, codes=_WORKS),
            Environment(f"HOME read-only, {name}", own, variables={"HOME": "/proc"}, codes=_WORKS),
            Environment(f"TMPDIR not there, {name}", own, variables={"TMPDIR": "/nonexistent"}),
            Environment(f"LC_ALL=C, {name}", own, variables={"LC_ALL": "C"}, codes=_WORKS),
            Environment(f"stdin closed, {name}", own, redirected="<&-", codes=_WORKS),
            Environment(f"stdout full, {name}", own, redirected="> /dev/full", codes=_FAILS),
            Environment(f"stderr closed, {name}", own, redirected="2>&-", codes=_WORKS),
            Environment(f"files of 8 KB, {name}", own, "ulimit -f 8"),
            Environment(f"16 files, {name}", own, "ulimit -n 16"),
            Environment(f"a run in a circle, {name}", own, "ln -s circle runs/circle", codes=_WORKS),
        ]
    return [
        *found,
        Environment("a file in the way, export", (*words["export"][:3], "play.txt"), codes=_FAILS),
        Environment("a file in the way, page", (*words["page"][:3], "play.txt"), codes=_FAILS),
        Environment("a link to itself, export", words["export"], "ln -s out out", codes=_FAILS),
        Environment("a link to itself, page", words["page"], "ln -s out out", codes=_FAILS),
        Environment("a link to itself, drafts", ("drafts", "--export", "o/x.pdf"), "ln -s o o", codes=_FAILS),
        Environment("a name in Latin-1, page", ("page", "play", "-o", _CAFE), codes=_WORKS),
        Environment("a name in Latin-1, drafts", ("drafts", "--export", f"{_CAFE}.docx"), codes=_WORKS),
        Environment("a folder for drafts.db", ("drafts",), "rm room/*; mkdir room/drafts.db", codes=(0, 1)),
        Environment("a file for studies/, tune", words["tune"], "touch studies", codes=_FAILS),
        Environment("no data/, evaluate", words["evaluate"], "rm -r data", codes=_FAILS),
        Environment("no data/, drafts", words["drafts"], "rm -r data runs", codes=_WORKS),
    ]


def _without_shared_memory() -> list[Environment]:
    """Return an environment in which /dev/shm cannot be written, where a user may have one of their own.

    The mount is in a namespace of a new user: from there it cannot reach the system's, whoever tests.
    """
    mounted = (
        "unshare --user --map-root-user --mount --propagation private"
        " bash -c 'mount -t tmpfs -o ro none /dev/shm && exec \"$@\"' sh"
    )
    if subprocess.run(("/bin/bash", "-c", f"{mounted} true"), capture_output=True).returncode:
        return []
    many = "for n in $(seq 20); do for m in $(seq 20); do cat play.txt; done > plays/$n.txt; done"
    return [Environment("no shared memory", (*_prepare("plays"), "--workers", "2"), many, around=mounted)]


_SORTS = (_streams, _homes, _files, _settings, _limits, _rooms, _writers)
_FAILED_ONCE = (
    "stdin closed", "stdout full", "HOME read-only, prepare", "the home of a stranger", "a link to itself",
    "a name in Latin-1",
)  # fmt: skip
"""Of each sort of the first attack's finds, one."""


def environments() -> list[Environment]:
    """Return all of them."""
    return [each for sort in _SORTS for each in sort()]


def attack(furnished: Path, chosen: Sequence[Environment] | None = None) -> list[Part]:
    """Run commands in odd environments, each in a copy of a workspace."""
    part = Part("commands in odd environments")
    for number, each in share(enumerate(environments() if chosen is None else chosen)):
        with TemporaryDirectory(prefix="odd-") as folder:
            workspace = copied(furnished, Path(folder) / f"workspace-{number}")
            add_draft(workspace)
            problem = each.attempt(workspace)
        part.count(problem and f"{each.what}: {problem}")
    return [part]


def sample(count: int, seed: int) -> list[Environment]:
    """Return those that failed once, and of every sort so many others, drawn at random."""
    once = [each for each in environments() if each.what in _FAILED_ONCE]
    draw = random.Random(seed)
    others = [[each for each in sort() if each not in once] for sort in _SORTS]
    return [*once, *(each for many in others for each in draw.sample(many, min(count, len(many))))]


def long_attack(most: int | None = None) -> list[Part]:
    """Run all of them, or so many of every sort."""
    with TemporaryDirectory(prefix="odd-") as folder:
        return attack(furnish(Path(folder) / "furnished"), sample(most, seed=DRAW) if most else None)
