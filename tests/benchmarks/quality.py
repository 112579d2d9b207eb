"""What a training reaches in a given time: real commands on real corpora, measured on held-out text.

    python -m benchmarks.quality Q1 --corpora FOLDER        one series: Q1 Q2 Q3 Q4 Q5 T3 A H1 H2 H3
    python -m benchmarks.quality Q1 --seeds 1               a part of one

A training is saved as soon as it ends, and a saved one is not made again: an interrupted series goes on. When
all benchmarks run, this one makes only the shortest training. The corpora are those of the cards, as
`biglebowski.txt`, `seinfeld.txt` and `tinyshakespeare.txt` in one folder, which `--corpora` or the variable
CORPORA names.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from benchmarks.results import AnyResult, Machine, Training, last_reports, printed, report_of, today
from scriptforge import architectures
from scriptforge.config import Settings
from scriptforge.workspace import RunFolder

CORPORA_VARIABLE = "CORPORA"


class Corpus(NamedTuple):
    """A corpus, and how it is prepared.

    Attributes:
        card: the name of its card.
        file: its file in the folder of corpora; None for the corpus that ships with the package.
        options: options of `scriptforge prepare`.
    """

    card: str
    file: str | None
    options: tuple[str, ...] = ()


class Task(NamedTuple):
    """A training to make.

    Attributes:
        series: the row of the table of goals that it belongs to.
        corpus: what to train on, a key of `CORPORA`.
        asked: options of `scriptforge train`.
        seed: the seed of its weights.
        changed: settings made by hand.
    """

    series: str
    corpus: str
    asked: tuple[str, ...]
    seed: int = 1
    changed: dict[str, Any] = {}  # noqa: RUF012 (never written to)

    @property
    def title(self) -> str:
        """Return its name in a table."""
        changes = [f"{name}={value}" for name, value in self.changed.items()]
        return " ".join([self.series, self.corpus, *self.asked, *changes])

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """Return the key of the training that it becomes; see `Training.key`."""
        return self.series, self.corpus, str(list(self.asked)), str(self.changed), self.seed


_TENTH = ("--plain", "--level", "char", "--validation", "0.1", "--test", "0")
CORPORA = {
    "demo": Corpus("demo", None),
    "big-lebowski": Corpus("big-lebowski", "biglebowski.txt"),
    "tiny-shakespeare": Corpus("tiny-shakespeare", "tinyshakespeare.txt"),
    "seinfeld": Corpus("seinfeld", "seinfeld.txt"),
    "tiny Shakespeare, nanoGPT's split": Corpus("tiny-shakespeare", "tinyshakespeare.txt", _TENTH),
    "Seinfeld, plain": Corpus("seinfeld", "seinfeld.txt", ("--plain", "--validation", "0.05", "--test", "0")),
    "Seinfeld, words": Corpus(
        "seinfeld", "seinfeld.txt", ("--plain", "--level", "word", "--validation", "0.05", "--test", "0")
    ),
}

SHAKESPEARE, SEINFELD, SEINFELD_WORDS = (
    "tiny Shakespeare, nanoGPT's split",
    "Seinfeld, plain",
    "Seinfeld, words",
)
AMOUNTS = {"demo": "little", "big-lebowski": "little", "tiny-shakespeare": "much", "seinfeld": "much"}
NANOGPT_MINUTES = f"{145 / 60:.4f}"
SEEDS = (1, 2, 3)
HAND_TUNED: dict[str, tuple[dict[str, Any], ...]] = {
    "little": (
        {"hidden_size": 128, "learning_rate": 2e-2},
        {"hidden_size": 384, "dropout_output": 0.6, "dropout_input": 0.6},
        {"batch_size": 8, "matrix_learning_rate": 5e-3},
    ),
    "much": (
        {"hidden_size": 256, "dropout_output": 0.1},
        {"hidden_size": 512, "dropout_output": 0.2},
        {"batch_size": 16, "matrix_learning_rate": 2e-2},
    ),
}
"""Settings that a patient person would try by hand, for little text and for much (Q5)."""

HEAD_SAMPLES = (512, 2048, 4096)
ARCHITECTURES = "A"
"""The series that compares architectures."""
WRITTEN_CHARACTERS, WRITINGS = 2000, 5


def tasks() -> Iterator[Task]:
    """Yield every training of every series."""
    for series, corpus, minutes in (
        ("Q1", SHAKESPEARE, NANOGPT_MINUTES),
        ("Q2", SHAKESPEARE, "6"),
        ("Q3", SHAKESPEARE, "20"),
        ("Q4", SEINFELD, "6"),
    ):
        for seed in SEEDS:
            yield Task(series, corpus, ("--cpu", "--minutes", minutes), seed)
    for minutes in ("1", "5"):
        for corpus, amount in AMOUNTS.items():
            for changed in ({}, *HAND_TUNED[amount]):
                yield Task("Q5", corpus, ("--cpu", "--minutes", minutes), changed=changed)
    if "sampled_softmax" in Settings.model_fields:
        course = ("--cpu", "--preset", "classroom", "--epochs", "1")
        for samples in (0, *HEAD_SAMPLES):
            changed = {"batch_size": 64, "sequence_length": 64, "sampled_softmax": samples}
            yield Task("T3", SEINFELD_WORDS, course, changed=changed)
    for seed, arch in product(SEEDS, architectures.ARCHITECTURES):
        yield Task(ARCHITECTURES, SHAKESPEARE, ("--cpu", "--arch", arch, "--minutes", NANOGPT_MINUTES), seed)
    for seed in SEEDS:
        yield Task("H1", SHAKESPEARE, ("--gpu", "--minutes", "0.5"), seed)
    yield Task("H2", SHAKESPEARE, ("--gpu", "--epochs", "20"), changed={"layers": 2, "hidden_size": 512})
    course = ("--gpu", "--preset", "classroom", "--epochs", "5")
    yield Task("H3", SEINFELD_WORDS, course, changed={"batch_size": 256})


def run() -> Sequence[AnyResult]:
    """Make the shortest training, 145 seconds of tiny Shakespeare; return it with all earlier ones."""
    folder = os.environ.get(CORPORA_VARIABLE)
    if missing := missing_corpora(folder, [SHAKESPEARE]):
        print(missing)
    else:
        first = next(tasks())
        for training in trained([first], folder):
            keep(training)
    return kept()


def main() -> None:
    """Make the trainings that the command line names and that have not been made."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    known = sorted({task.series for task in tasks()})
    parser.add_argument("series", nargs="*", metavar="SERIES", help=f"of {', '.join(known)}; else all")
    parser.add_argument("--corpora", default=os.environ.get(CORPORA_VARIABLE), metavar="FOLDER")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="only these seeds")
    parser.add_argument("--corpus", nargs="+", default=list(CORPORA), help="only on these corpora")
    parser.add_argument("--minutes", help="train for so long instead, to try things out; nothing is kept")
    parser.add_argument(
        "--on", choices=("cpu", "gpu"), help="with --minutes: on this, whatever the series asks"
    )
    parser.add_argument("--again", action="store_true", help="make those that were made before, too")
    options = parser.parse_args()
    asked = [
        task
        for task in tasks()
        if task.series in (options.series or known)
        and task.seed in options.seeds
        and task.corpus in options.corpus
    ]
    if not asked:
        parser.error(f"nothing to train; the series are {', '.join(known)}")
    if missing := missing_corpora(options.corpora, [task.corpus for task in asked]):
        parser.exit(1, f"{missing}\n")
    if options.minutes:
        device = (f"--{options.on}",) if options.on else ()
        asked = [task._replace(asked=_shortened(task.asked, options.minutes, device)) for task in asked]
    made = set() if options.again or options.minutes else {training.key for training in kept()}
    for training in trained([task for task in asked if task.key not in made], options.corpora):
        print(f"{printed([training])}\n", flush=True)
        if not options.minutes:
            keep(training)


def _shortened(asked: Sequence[str], minutes: str, device: Sequence[str]) -> tuple[str, ...]:
    """Return the options of a training with another length, and perhaps on another device."""
    kept = list(asked)
    for option in ("--minutes", "--epochs"):
        if option in kept:
            place = kept.index(option)
            del kept[place : place + 2]
    return (*(device or kept[:1]), *kept[1:], "--minutes", minutes)


def missing_corpora(folder: str | None, names: Sequence[str]) -> str | None:
    """Return why these corpora cannot be read; None if they can."""
    files = sorted({file for name in names if (file := CORPORA[name].file)})
    if not files:
        return None
    if not folder:
        return f"Quality is measured on {', '.join(files)}: name their folder with {CORPORA_VARIABLE}=FOLDER."
    absent = [file for file in files if not (Path(folder) / file).is_file()]
    return f"There is no {', '.join(absent)} in the folder of corpora." if absent else None


def trained(asked: Sequence[Task], folder: str | None) -> Iterator[Training]:
    """Yield trainings, made one after the other in a temporary workspace."""
    with TemporaryDirectory() as workspace:
        prepared: dict[str, str] = {}
        for task in asked:
            if task.corpus not in prepared:
                name = f"corpus-{len(prepared)}"
                prepare(CORPORA[task.corpus], name, folder, workspace)
                prepared[task.corpus] = name
            yield train(task, prepared[task.corpus], workspace)


def prepare(corpus: Corpus, name: str, folder: str | None, workspace: str) -> None:
    """Prepare a dataset from a corpus."""
    source = ("--from", str(Path(folder or "") / corpus.file)) if corpus.file else ()
    scriptforge("prepare", corpus.card, *source, *corpus.options, "--name", name, workspace=workspace)


def train(task: Task, dataset: str, workspace: str) -> Training:
    """Make one training."""
    changes = {"seed": task.seed, **task.changed}
    settings = [word for name, value in changes.items() for word in ("--set", f"{name}={value}")]
    begun = time.perf_counter()
    result = json.loads(
        scriptforge(
            "train", dataset, *task.asked, *settings, "--name", "measured", "--force", workspace=workspace
        )
    )
    taken = time.perf_counter() - begun
    # A training that ran out of time has validated on only a part of the split.
    losses = json.loads(scriptforge("evaluate", "measured", "--split", "validation", workspace=workspace))
    folder = RunFolder(Path(workspace) / "runs" / "measured")
    described = json.loads(folder.config.read_text(encoding="utf-8"))
    return Training(
        title=task.title,
        series=task.series,
        corpus=task.corpus,
        asked=list(task.asked),
        changed=task.changed,
        seed=task.seed,
        seconds=result["seconds"],
        process_seconds=taken,
        tokens_per_second=result["tokens_per_second"],
        stream=losses["stream"],
        cold_256=losses["cold_256"],
        settings=described["settings"],
        parameters=described["parameters"],
        written_per_second=writing_speed(folder) if task.series == ARCHITECTURES else None,
        measured=today(),
        machine=Machine.here(),
    )


def writing_speed(folder: RunFolder) -> float:
    """Return the characters per second that a model writes: the median over several texts of one length."""
    from scriptforge.generation.generate import Session
    from scriptforge.options import GenerateOptions
    from scriptforge.run.run import Run

    run = Run(folder)

    def write(seed: int) -> float:
        begun = time.perf_counter()
        (text,) = Session(run, GenerateOptions(length=WRITTEN_CHARACTERS, seed=seed)).write()
        return len(text.text) / (time.perf_counter() - begun)

    return statistics.median(write(seed) for seed in range(WRITINGS))


def scriptforge(*words: str, workspace: str) -> str:
    """Run a command in a process of its own, and return the JSON that it prints."""
    command = [sys.executable, "-m", "scriptforge", *words, "--json", "--workspace", workspace]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"scriptforge {' '.join(words[:2])} failed:\n{done.stderr}")
    return done.stdout


def kept() -> list[Training]:
    """Return every training on this machine saved so far."""
    here = (report for report in last_reports("quality") if report.machine.name == Machine.here().name)
    return [result for report in here for result in report.results if isinstance(result, Training)]


def keep(training: Training) -> None:
    """Save a training in place of an earlier one with the same key."""
    others = [other for other in kept() if other.key != training.key]
    report_of("quality", [*others, training]).save()


if __name__ == "__main__":
    main()
