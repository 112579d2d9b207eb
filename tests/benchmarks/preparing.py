"""The cost of preparing a corpus: tokenising compared with the library alone, each stage's time, and memory.

Tokenising is the stage of `prepare` that turns the parsed text into files of ids: it reads the text back,
splits it, encodes it, counts it and writes the ids. It is compared with the library that does the encoding,
on the very same strings, thousands at a time, with all cores and without offsets (`encode_batch_fast`, the
faster of its two methods), its ids thrown away. Both begin every round with empty caches.

The text is Seinfeld's: `seinfeld.txt` in the folder that the variable CORPORA names, or else fetched as its
card says. Memory is that of a process of its own, on MEGABYTES of text, 60 by default: the same scripts again
and again, each copy with some new words.

`inspect` of a folder of scripts is compared with reading the same files and splitting them into words.
"""

import os
import random
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from support.memory import peak
from tokenizers import Tokenizer

from benchmarks.harness import compare, rate_of
from benchmarks.results import AnyResult, Breakdown, Comparison, Figure
from scriptforge.cores import usable_cores
from scriptforge.corpus.cards import load_cards
from scriptforge.corpus.fetch import Corpus, fetch
from scriptforge.corpus.files import TextFile
from scriptforge.corpus.inspect import inspect
from scriptforge.corpus.passages import ParsedText
from scriptforge.corpus.prepare import prepare_corpora
from scriptforge.corpus.sources import Source, find_source
from scriptforge.corpus.tokenize import encode, write_ids
from scriptforge.dataset import Dataset
from scriptforge.net.client import no_progress
from scriptforge.options import InspectOptions, PrepareOptions
from scriptforge.script_rows import ScriptRow, read_rows
from scriptforge.vocabulary import LEVELS, Level, Vocabulary
from scriptforge.workspace import DatasetFolder, Workspace

ROUNDS = 5
ROUNDS_OF_STAGES = 2
LIBRARY, OURS = "tokenizers alone", "prepare"
BATCH = 8192
"""Number of strings per call of the library, enough for all cores."""

WORDS_BETWEEN_NEW_ONES = 200
CORPORA_VARIABLE, MEGABYTES_VARIABLE = "CORPORA", "MEGABYTES"
MEGABYTE = 1_000_000
SCRIPTS, SIZE_OF_A_SCRIPT = 240, 150_000
SPLITTING, INSPECTING = "reading and splitting into words", "inspect"


def run() -> list[AnyResult]:
    """Measure tokenising and all stages at every level, with and without layout; peak memory; `inspect`."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        source = seinfeld()
        corpus = fetch(source)
        results: list[AnyResult] = []
        stages: dict[str, dict[str, list[float]]] = {}
        for plain in (False, True):
            for level in LEVELS:
                way = f"{level} level, {'plain' if plain else 'script'}"
                stages[way] = stages_of(corpus, level, plain, folder / "data")
                results.append(tokenising(way, Dataset(DatasetFolder(folder / "data"))))
        results.append(Breakdown(title="preparing Seinfeld", unit="s", parts=stages))
        megabytes = int(os.environ.get(MEGABYTES_VARIABLE, "60"))
        long_text = folder / "long.txt"
        write_long_text(corpus, long_text, megabytes * MEGABYTE)
        for words in ([], ["--plain"]):
            results.append(peak_memory(long_text, megabytes, words))
        results.append(inspecting(folder / "scripts"))
    return results


def seinfeld() -> Source:
    """Return the source of the corpus, in the folder of corpora or on the web."""
    corpora = os.environ.get(CORPORA_VARIABLE)
    path = Path(corpora) / "seinfeld.txt" if corpora else None
    return find_source("seinfeld", load_cards(), path=path)


def stages_of(corpus: Corpus, level: Level, plain: bool, folder: Path) -> dict[str, list[float]]:
    """Return the seconds of each stage of preparing, a figure per round; the last dataset stays."""
    options = PrepareOptions(level=level, plain=plain)
    stages: dict[str, list[float]] = {}
    for _ in range(ROUNDS_OF_STAGES):
        begun: dict[str, float] = {}

        def notice(doing: str, done: int, total: int | None, begun: dict[str, float] = begun) -> None:
            begun.setdefault(doing, time.perf_counter())

        prepare_corpora([corpus], options, DatasetFolder(folder), notice)
        ends = [*begun.values(), time.perf_counter()][1:]
        for (stage, start), end in zip(begun.items(), ends, strict=True):
            stages.setdefault(stage.lower(), []).append(end - start)
    return stages


def tokenising(way: str, dataset: Dataset) -> Comparison:
    """Compare our tokenising of a dataset's text with the library's encoding."""
    folder, description = dataset.folder, dataset.description
    assert description.division is not None
    rows = list(read_rows(folder.scripts))
    text = ParsedText(
        path=folder.scripts,
        weights={rows[0].source: 1.0},
        divisions={rows[0].source: description.division},
        sizes=sizes(rows),
        rows=len(rows),
        on_progress=no_progress,
    )
    strings = list(strings_of(rows, dataset.vocabulary))
    characters = sum(map(len, strings))

    def ours() -> float:
        vocabulary = Vocabulary.load(folder.tokenizer)

        def write() -> None:
            passages = ((each, encode(vocabulary, each)) for each in text.passages("") if each.copies)
            write_ids(folder, text.weights, vocabulary, passages)

        return rate_of(write, characters / 1e6)()

    def library() -> float:
        tokenizer = Tokenizer.from_file(str(folder.tokenizer))
        return rate_of(encoding(tokenizer, strings), characters / 1e6)()

    return compare(
        f"tokenising, {way}",
        "million characters/s",
        {LIBRARY: library, OURS: ours},
        rounds=ROUNDS,
        baseline=LIBRARY,
        answers={OURS: "P1"},
    )


def sizes(rows: Sequence[ScriptRow]) -> list[int]:
    """Return the number of characters of each document."""
    found = [0] * (rows[-1].document + 1)
    for row in rows:
        found[row.document] += row.characters
    return found


def strings_of(rows: Sequence[ScriptRow], vocabulary: Vocabulary) -> Iterator[str]:
    """Yield what is encoded as text: the text of each element, and the names of speakers without a cue."""
    for row in rows:
        if row.kind == "dialogue" and vocabulary.speaker_id(row.speaker) is None:
            yield row.speaker
        yield row.text


def encoding(tokenizer: Tokenizer, strings: Sequence[str]) -> Callable[[], None]:
    """Return a function that encodes strings with the library alone."""
    tokenizer.encode_special_tokens = True

    def encode() -> None:
        for start in range(0, len(strings), BATCH):
            tokenizer.encode_batch_fast(strings[start : start + BATCH])

    return encode


def write_long_text(corpus: Corpus, path: Path, size: int) -> None:
    """Write the corpus over and over, up to a size in bytes, each copy with some new words."""
    (text,) = corpus.files
    assert isinstance(text, TextFile)
    words = "".join(text.lines()).split(" ")
    with path.open("w", encoding="utf-8") as file:
        copy = 0
        while file.tell() < size:
            changed = words.copy()
            for place in random.Random(copy).sample(range(len(words)), len(words) // WORDS_BETWEEN_NEW_ONES):
                changed[place] = f"{words[place]}{copy}"
            file.write(" ".join(changed))
            copy += 1
        file.truncate(size)


def inspecting(folder: Path) -> Comparison:
    """Compare `inspect` of a folder of scripts, a process per core, with splitting the files into words."""
    folder.mkdir()
    for number in range(SCRIPTS):
        (folder / f"{number}.txt").write_text(screenplay(number, SIZE_OF_A_SCRIPT), encoding="utf-8")
    paths, workspace = sorted(folder.iterdir()), Workspace(folder.parent)
    megabytes = sum(path.stat().st_size for path in paths) / MEGABYTE
    options = InspectOptions(workers=usable_cores())

    def split() -> None:
        for path in paths:
            path.read_text(encoding="utf-8").split()

    return compare(
        f"inspecting {SCRIPTS} scripts of {SIZE_OF_A_SCRIPT // 1000} kB",
        "MB/s",
        {
            SPLITTING: rate_of(split, megabytes),
            INSPECTING: rate_of(lambda: inspect(f"{folder}/", options, workspace), megabytes),
        },
        rounds=ROUNDS,
        baseline=SPLITTING,
        answers={INSPECTING: "P3"},
    )


def screenplay(seed: int, size: int) -> str:
    """Return a typed screenplay of about that many characters, in which only chance repeats anything."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("etaoinshrdlu", k=draw.randint(2, 8))) for _ in range(2000)]
    names = [word.upper() for word in words[:12]]
    lines: list[str] = []
    length = 0
    while length < size:
        sentence = " ".join(draw.choices(words, k=draw.randint(4, 18))).capitalize() + draw.choice(".?!")
        kind = draw.random()
        if kind < 0.05:
            block = [f"INT. {draw.choice(words).upper()} - DAY"]
        elif kind < 0.3:
            block = textwrap.wrap(sentence, 60)
        else:
            spoken = textwrap.wrap(sentence, 35)
            block = [" " * 22 + draw.choice(names), *(" " * 10 + line for line in spoken)]
        lines += [*block, ""]
        length += sum(map(len, block))
    return "\n".join(lines)


def peak_memory(text: Path, megabytes: int, words: Sequence[str]) -> Figure:
    """Measure the peak memory of a process that prepares a text."""
    held = peak("prepare", text.name, "--force", *words, workspace=text.parent) / MEGABYTE
    return Figure(
        title=" ".join([f"peak memory preparing a text of {megabytes:,} MB", *words]),
        unit="MB",
        value=held,
        answers="P2",
    )
