"""Surroundings in which a command must do what it does anywhere: clocks, locales, zones, seeds, paths.

Of the product's clocks, `datetime.now` says when a run, a dataset or a draft was made or changed, and what is
the latest; SQLite's clock, which is the same one, when a process that works on a trial was last heard of. The
length of trainings, the pace of reports, waiting, and heartbeats that stay the same go by `time.perf_counter`
and `time.monotonic`. Locks ask no clock, and copies from the Hub and of the page are known by their hashes.
Only where folders cannot be locked, on Windows, does `time.time` say whether a scratch folder was left.
"""

import os
import random
import shutil
import subprocess
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import pytest
from support import skips

from reliability.furnished import clean_environment

CLOCKS = Path(__file__).resolve().parent / "clocks"
_DAY, _YEAR = 86400, 365 * 86400
_UNCOERCED = {"PYTHONCOERCECLOCALE": "0"}
_CODES = {"de_DE": "ISO-8859-1", "tr_TR": "ISO-8859-9", "ar_SA": "ISO-8859-6"}
"""What a locale without a code is in."""


@dataclass(frozen=True)
class Surroundings:
    """What is around a command.

    Attributes:
        sort: of which sort it is.
        what: what is peculiar.
        variables: of the environment.
        place: what the folder of the workspace is called.
        shifts: by how many seconds the clock on the wall is wrong, for one command after the other.
        locale: what has to be compiled for it.
        is_utf8: whether names of files and what is printed can have any letter.
    """

    sort: str
    what: str
    variables: Mapping[str, str] = field(default_factory=dict)
    place: str = "workspace"
    shifts: tuple[str, ...] = ()
    locale: str | None = None
    is_utf8: bool = True


ORDINARY = Surroundings("ordinary", "nothing")


def _clocks() -> list[Surroundings]:
    ways = {
        "a day behind": (f"-{_DAY}",),
        "a year ahead": (f"{_YEAR}",),
        "a day back before every second command": ("0", f"-{_DAY}"),
        "a year ahead before every second command": (f"{_YEAR}", "0"),
        "further back before each command": tuple(f"-{hours * 3600}" for hours in range(40)),
        "a day back and forth within a command": (f"-{_DAY} 3",),
        "a year ahead and back within a command": (f"{_YEAR} 3",),
    }
    found = [Surroundings("clocks", f"the clock is {what}", shifts=shifts) for what, shifts in ways.items()]
    forward = {
        "coarse": "what measures time ticks every 16 ms",
        "still": "what measures time stands still",
        "jump": "a year passes while a command begins",
    }
    return [
        *found,
        *(Surroundings("clocks", what, {"CLOCK_FORWARD": how}) for how, what in forward.items()),
    ]


def _languages() -> list[Surroundings]:
    named = [
        Surroundings("languages", f"LC_ALL={name}", {"LC_ALL": name}, locale=name, is_utf8="." in name)
        for name in ("de_DE", "de_DE.UTF-8", "tr_TR", "tr_TR.UTF-8", "ar_SA", "ar_SA.UTF-8")
    ]
    bare = [
        Surroundings("languages", f"LC_ALL={name}", {"LC_ALL": name, **more})
        for name, more in (("C", {}), ("C", _UNCOERCED), ("POSIX", _UNCOERCED), ("xx_YY.nonsense", {}))
    ]
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", **_UNCOERCED}
    return [
        *named, *bare, Surroundings("languages", "LC_ALL=C, all in ASCII", ascii_only, is_utf8=False),
    ]  # fmt: skip


def _zones() -> list[Surroundings]:
    def until(moment: datetime) -> str:
        return str(round((moment - datetime.now(UTC)).total_seconds()))

    autumn = datetime(2026, 10, 25, 0, 59, 50, tzinfo=UTC)  # ten seconds later it is an hour earlier
    spring = datetime(2026, 3, 29, 0, 59, 50, tzinfo=UTC)
    return [
        *(
            Surroundings("zones", f"TZ={zone}", {"TZ": zone})
            for zone in ("Asia/Kathmandu", "Pacific/Kiritimati", "America/St_Johns", "Nowhere/Atall")
        ),
        *(
            Surroundings(
                "zones", f"TZ=Europe/Berlin, {what}", {"TZ": "Europe/Berlin"}, shifts=(until(moment),)
            )
            for what, moment in (("as summer ends", autumn), ("as summer begins", spring))
        ),
    ]


def _processes() -> list[Surroundings]:
    return [
        *(
            Surroundings("processes", f"PYTHONHASHSEED={seed}", {"PYTHONHASHSEED": seed})
            for seed in ("0", "1", "2", "random")
        ),
        Surroundings("processes", "8 threads", {"OMP_NUM_THREADS": "8", "RAYON_NUM_THREADS": "8"}),
        Surroundings("processes", "1 thread of tokenizers", {"RAYON_NUM_THREADS": "1"}),
        Surroundings("processes", "PYTHONOPTIMIZE=1", {"PYTHONOPTIMIZE": "1"}),
    ]


def _places() -> list[Surroundings]:
    names = {
        "with spaces": " a work  space ",
        "with a line break": "work\nspace",
        "with quotes": 'it\'s "a" `work` $space',
        "of 250 letters": "w" * 250,
        "in composed letters": unicodedata.normalize("NFC", "Amélie ハングル 한글"),
        "in decomposed letters": unicodedata.normalize("NFD", "Amélie ハングル 한글"),
        "with what addresses use": "50 %41? yes #1 & more=2",
        "with what patterns use": "[w]*{o}rk\\space",
        "with a dash before": "--workspace",
    }
    places = [Surroundings("places", f"a workspace {what}", place=name) for what, name in names.items()]
    return [*places, Surroundings("places", "TMPDIR elsewhere", {"TMPDIR": "scratch it's\nthere"})]


def all_surroundings() -> list[Surroundings]:
    """Return all of them, sort by sort."""
    return [*_clocks(), *_languages(), *_zones(), *_processes(), *_places()]


def sample(seed: int, count: int = 1) -> list[Surroundings]:
    """Return so many of each sort, or all that there are."""
    draw = random.Random(seed)
    sorts = (_clocks(), _languages(), _zones(), _processes(), _places())
    return [each for sort in sorts for each in draw.sample(sort, min(count, len(sort)))]


class Workshop:
    """Makes environments of processes, and compiles what they need.

    Args:
        folder: an empty one, whose path has nothing peculiar.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def environment(self, around: Surroundings, home: Path, command: int) -> dict[str, str]:
        """Return the environment of a command; `command` is its number in the journey."""
        found = {**clean_environment(home), **around.variables}
        if "TMPDIR" in found:
            found["TMPDIR"] = str(home / found["TMPDIR"])
            Path(found["TMPDIR"]).mkdir(exist_ok=True)
        if "CLOCK_FORWARD" in found:
            paths = (str(CLOCKS), found.get("PYTHONPATH", ""))
            found["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        if around.shifts:
            found["CLOCK_SHIFT"] = around.shifts[command % len(around.shifts)]
            found["LD_PRELOAD"] = str(self._wall)
        if around.locale:
            self._compile(around.locale)
            found["LOCPATH"] = str(self._folder / "locales")
        return found

    @cached_property
    def _wall(self) -> Path:
        library = self._folder / "wall.so"
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None or os.uname().sysname != "Linux":
            pytest.skip(skips.NO_FAULTS)
        _succeed((compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(CLOCKS / "wall.c")))
        return library

    def _compile(self, locale: str) -> None:
        """Compile a locale, where the system can; elsewhere it is one that does not exist."""
        target = self._folder / "locales" / locale
        if target.exists() or shutil.which("localedef") is None:
            return
        target.parent.mkdir(exist_ok=True)
        name, _, code = locale.partition(".")
        words = ("localedef", "--no-archive", "-i", name, "-f", code or _CODES[name], str(target))
        subprocess.run(words, capture_output=True)


def _succeed(words: Iterable[str]) -> None:
    subprocess.run(tuple(words), check=True, capture_output=True)
