"""Trains by the course's recipe, tunes, and begins with another model; writes recipes.md beside this file.

    python docs/measured/recipes.py CORPORA WORKSPACE

CORPORA is a folder with `seinfeld.txt`, `biglebowski.txt` and `southpark/`. What is in the workspace already
is not made again, so that an interrupted measurement goes on; in an empty one it takes two hours.
"""

import json
import math
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scriptforge import __version__
from scriptforge.cli.train import COURSE_GOAL
from scriptforge.training.machine import measure

PAGE = Path(__file__).with_suffix(".md")
AS_THE_COURSE_DOES = ("--plain", "--level", "word", "--lower", "--min-count", "1")
GOAL = 3.2
HALF_AN_HOUR = 1800
TRIALS, TRIAL_SECONDS = 20, 30
PARENT_MINUTES, MINUTES = "3", "1"
SEEDS = (1, 2, 3)


def main(corpora: Path, workspace: Path) -> None:
    """Makes what is missing, and writes the page."""
    place = Place(corpora, workspace)
    course(place)
    tuning(place)
    inheriting(place)
    PAGE.write_text(page(place), encoding="utf-8")


class Place:
    """The workspace, and where the corpora are."""

    def __init__(self, corpora: Path, workspace: Path) -> None:
        self.corpora = corpora
        self.path = workspace

    def run(self, *words: str) -> str:
        """Runs a command, and gives what it prints."""
        command = [sys.executable, "-m", "scriptforge", *words]
        return subprocess.run(command, cwd=self.path, stdout=subprocess.PIPE, text=True, check=True).stdout

    def prepare(self, card: str, source: str, *options: str) -> None:
        """Makes a dataset of a corpus, unless it is there."""
        name = options[options.index("--name") + 1] if "--name" in options else card
        if not (self.path / "data" / name).is_dir():
            self.run("prepare", card, "--from", str((self.corpora / source).resolve()), *options)

    def train(self, dataset: str, name: str, *options: str) -> None:
        """Makes a run, unless it is there."""
        if not (self.path / "runs" / name).is_dir():
            self.run("train", dataset, "--name", name, "--cpu", *options)

    def config(self, name: str) -> dict[str, Any]:
        """The `config.json` of a run."""
        found: dict[str, Any] = json.loads((self.path / "runs" / name / "config.json").read_text())
        return found

    def tuned(self) -> dict[str, Any]:
        """What the search came to."""
        found: dict[str, Any] = json.loads((self.path / "tune.json").read_text())
        return found

    def bits(self, name: str) -> float:
        """Bits per character of a run's best weights."""
        bits: float = self.config(name)["result"]["best"]["stream"]["bits_per_character"]
        return bits

    def history(self, name: str) -> list[dict[str, Any]]:
        """The validations of a run."""
        lines = (self.path / "runs" / name / "metrics.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


def course(place: Place) -> None:
    """The course's recipe on words, and three scripts of what came of it."""
    place.prepare("seinfeld", "seinfeld.txt", *AS_THE_COURSE_DOES, "--name", "seinfeld-words")
    place.train("seinfeld-words", "classroom", "--preset", "classroom")
    if not (place.path / "scripts").is_dir():
        place.run("generate", "classroom", "-n", "3", "--seed", "1", "-o", "scripts")


def tuning(place: Place) -> None:
    """A search on Seinfeld; then its best and what `train` does by itself, three seeds of each in turns."""
    place.prepare("seinfeld", "seinfeld.txt")
    if not (place.path / "tune.json").is_file():
        words = ("tune", "seinfeld", "--trials", str(TRIALS), "--seconds", str(TRIAL_SECONDS))
        (place.path / "tune.json").write_text(place.run(*words, "--seed", "1", "--cpu", "--json"))
    best = place.tuned()["best"]["settings"]
    level = ("--level", str(best.pop("level")))
    sizes = [str(best.pop(key)) for key in list(best) if key.endswith("_vocabulary_size")]
    size = ("--vocab-size", *sizes) if sizes else ()
    place.prepare("seinfeld", "seinfeld.txt", *level, *size, "--name", "seinfeld-tuned")
    chosen = [word for key, value in best.items() for word in ("--set", f"{key}={value}")]
    for seed in SEEDS:
        options = ("--minutes", str(TRIAL_SECONDS / 60), "--set", f"seed={seed}")
        place.train("seinfeld", f"default-{seed}", *options)
        place.train("seinfeld-tuned", f"tuned-{seed}", *options, *chosen)


def inheriting(place: Place) -> None:
    """The Big Lebowski, from nothing and from South Park, in turns."""
    place.prepare("south-park", "southpark")
    place.prepare("big-lebowski", "biglebowski.txt")
    place.train("south-park", "south-park", "--minutes", PARENT_MINUTES)
    for seed in SEEDS:
        options = ("--minutes", MINUTES, "--set", f"seed={seed}")
        place.train("big-lebowski", f"alone-{seed}", *options)
        place.train("big-lebowski", f"from-{seed}", "--from", "south-park", *options)


def page(place: Place) -> str:
    """The page, in Markdown."""
    machine = measure("cpu")
    return "\n".join(
        [
            "# The course's recipe, a search, and a model to begin with",
            "",
            "<!-- Written by docs/measured/recipes.py. -->",
            "",
            f"Measured on {datetime.now(UTC):%Y-%m-%d} with scriptforge {__version__}, on a processor that",
            f"makes {machine.operations_per_second / 1e9:,.0f} billion operations a second in"
            f" {machine.precision}.",
            "",
            "```",
            "python docs/measured/recipes.py CORPORA WORKSPACE",
            "```",
            "",
            *course_section(place),
            *tuning_section(place),
            *inheriting_section(place),
        ]
    )


def course_section(place: Place) -> list[str]:
    """The loss of the course's recipe, validation by validation."""
    history, settings = place.history("classroom"), place.config("classroom")["settings"]
    in_time = [row for row in history if row["seconds"] <= HALF_AN_HOUR]
    rows = [
        [
            f"{row['epochs']:.2f}",
            f"{row['seconds'] / 60:.1f}",
            f"{row['training_nats_per_token']:.3f}",
            f"{row['nats_per_token']:.3f}",
        ]
        for row in history
    ]
    return [
        "## The course's recipe on Seinfeld",
        "",
        "`scriptforge train --preset classroom` on the words of the plain text, line ends among them, as the",
        "course counts them: two layers of 512 units, an embedding of 463,",
        f"{settings['batch_size']} streams read {settings['sequence_length']} words a step, Adam at 0.001.",
        "",
        f"**Within half an hour: {reached(in_time[-1])} At the end: {reached(history[-1])}**",
        "",
        *table(["epochs", "minutes", "training, nats/word", "validation"], rows),
        "",
        "How one of the scripts that it then wrote begins:",
        "",
        "```text",
        *sorted((place.path / "scripts").iterdir())[0].read_text().strip().split("\n")[:16],
        "```",
        "",
    ]


def reached(row: dict[str, Any]) -> str:
    """How far a training run was at a validation, and what that is against the course's goal and ours."""
    loss = row["training_nats_per_token"]
    goals = " and ".join(
        f"{'below' if loss < goal else 'not below'} {whose} {goal}"
        for whose, goal in (("the course's", COURSE_GOAL), ("our", GOAL))
    )
    return (
        f"{row['epochs']:.1f} epochs after {row['seconds'] / 60:.0f} minutes, training loss {loss:.3f} nats"
        f" per word, {goals}."
    )


def tuning_section(place: Place) -> list[str]:
    """What a search was worth, in itself and when both are trained again."""
    found = place.tuned()
    default, best = found["default_bits_per_character"], found["best"]["bits_per_character"]
    own = next(trial["settings"] for trial in found["trials"] if trial["is_default"])
    states = [trial["state"] for trial in found["trials"]]
    rows = [[f"`{key}`", cell(own.get(key)), cell(value)] for key, value in found["best"]["settings"].items()]
    again = [[place.bits(f"{kind}-{seed}") for kind in ("default", "tuned")] for seed in SEEDS]
    gains = [100 * (1 - tuned / own_bits) for own_bits, tuned in again]
    mean = math.fsum(gains) / len(gains)
    verdict = "something better than" if min(gains) > 0 else "nothing that is surely better than"
    return [
        "## A search on Seinfeld",
        "",
        f"`scriptforge tune seinfeld --trials {TRIALS} --seconds {TRIAL_SECONDS}`:",
        f"{states.count('complete')} trials came to their end, {states.count('pruned')} were ended early,"
        f" {states.count('failed')} failed.",
        "",
        f"The best trial has {best:.4f} bits per character, what `train` does by itself {default:.4f}:"
        f" {100 * (1 - best / default):.1f} % less.",
        "",
        *table(["", "`train` by itself", "the best trial"], rows),
        "",
        "The best of twenty is also the luckiest. So both were trained again as long, in turns:",
        "",
        f"**{-mean:+.1f} % on average, so the search found {verdict} the default recipe.**",
        "",
        *table(
            ["seed", "`train` by itself", "as the best trial", ""],
            [
                [str(seed), *(f"{bits:.4f}" for bits in pair), f"{-gain:+.1f} %"]
                for seed, pair, gain in zip(SEEDS, again, gains, strict=True)
            ],
        ),
        "",
    ]


def inheriting_section(place: Place) -> list[str]:
    """What a model to begin with is worth."""
    rows = []
    for seed in SEEDS:
        bits = [place.bits(f"{kind}-{seed}") for kind in ("alone", "from")]
        first = [place.history(f"{kind}-{seed}")[0]["bits_per_character"] for kind in ("alone", "from")]
        rows.append(
            [
                str(seed),
                *(f"{figure:.4f}" for figure in bits),
                f"{100 * (bits[1] / bits[0] - 1):+.1f} %",
                *(f"{figure:.3f}" for figure in first),
            ]
        )
    mean = math.fsum(float(row[3].removesuffix(" %")) for row in rows) / len(rows)
    return [
        "## The Big Lebowski, from South Park",
        "",
        f"`scriptforge train big-lebowski --minutes {MINUTES}`, and the same with `--from south-park`, a run",
        f"of {PARENT_MINUTES} minutes. Bits per character on the validation split.",
        "",
        f"**With the other model to begin with, {-mean:.1f} % less on average, in the same time.**",
        "",
        *table(["seed", "alone", "from South Park", "", "alone, first validation", "from, first"], rows),
        "",
    ]


def cell(value: Any) -> str:
    """A setting in a table."""
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def table(heads: list[str], rows: list[list[str]]) -> list[str]:
    """Rows under heads, in Markdown."""
    return [f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows)]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
