"""Words generated per second: the course's network, with the course's loop and with ours, in fp32 and int8.

Also the cost of constraints on the text: real words, names, voices, a cast, and no long copies.

All contenders have the same sizes and random weights, and draw from the five likeliest words. Ours is a
`Generation`, as everybody uses it, text and grammar included. For comparison, the machine reads in the same
rounds as many bytes as the weights that a word needs have, and multiplies large matrices.

Shape letters: B sequences, T steps, V vocabulary, H hidden, L layers, K likeliest tokens.
"""

import math
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, product
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.nn.functional as F

from benchmarks.harness import rate_of, turns
from benchmarks.learners import SIZES, VOCABULARY_SIZE, products_of_token
from benchmarks.machine import matrix_products, reading_weights
from benchmarks.results import Comparison, Figure
from scriptforge.classroom import RNN, TOP_K
from scriptforge.classroom import generate as generate_as_taught
from scriptforge.config import resolve
from scriptforge.copying import index_training
from scriptforge.corpus.cards import load_cards
from scriptforge.corpus.fetch import fetch
from scriptforge.corpus.prepare import prepare_corpora
from scriptforge.corpus.sources import find_source
from scriptforge.dataset import Dataset
from scriptforge.evaluation import evaluate_split
from scriptforge.generation.generate import Generation
from scriptforge.inference.configs import RecurrentConfig
from scriptforge.models import TensorAdapter
from scriptforge.models.recurrent import Recurrent
from scriptforge.options import GenerateOptions, PrepareOptions
from scriptforge.run.run import Run
from scriptforge.training.trainer import start
from scriptforge.vocabulary import Vocabulary
from scriptforge.workspace import DatasetFolder, RunFolder

ROUNDS = 9
SEQUENCES, MOST_SEQUENCES = 32, 128
SAMPLING = GenerateOptions(seed=1, temperature=1, top_k=TOP_K, min_p=0)
TRAINING = {"minutes": 0.5, "hidden_size": 256}
TAUGHT, PLAIN = "the course's loop", "nn.LSTM, state carried along"
OURS, INT8 = "ours", "ours, --int8"
MANY, MANY_INT8 = f"ours, {SEQUENCES} at once", f"ours, {SEQUENCES} at once, --int8"
MOST = f"ours, {MOST_SEQUENCES} at once"
MACHINE, PRODUCTS = "reading as many bytes", "matrix products, fp32"
FREE, DEFAULTS, LIMITED = "held to nothing", "as by default", "a cast and no long copies, too"


def run() -> list[Comparison | Figure]:
    """Measure words and characters per second, and what constraints and int8 cost."""
    with TemporaryDirectory() as folder:
        run, dataset = trained(Path(folder))
        return [
            *words(),
            *characters(),
            *(held_to(run, dataset, count) for count in (1, SEQUENCES)),
            perplexity(run, dataset),
        ]


def words() -> list[Comparison]:
    """Measure the course's network, with a vocabulary as large as that of the course's corpus."""
    vocabulary = word_vocabulary(VOCABULARY_SIZE)
    model = random_model(RecurrentConfig(vocabulary.size, **SIZES))
    megabytes = bytes_of_token(model.config) / 1e6
    figures = turns(
        {
            TAUGHT: rate_of(lambda: taught(model, 40), 40),
            PLAIN: rate_of(lambda: plain(model, 80), 80),
            OURS: steps(Generation(model, vocabulary, request(1)), 400),
            INT8: steps(Generation(model, vocabulary, request(1, int8=True)), 800),
            MANY: steps(Generation(model, vocabulary, request(SEQUENCES)), 60, SEQUENCES),
            MANY_INT8: steps(Generation(model, vocabulary, request(SEQUENCES, int8=True)), 100, SEQUENCES),
            MOST: steps(Generation(model, vocabulary, request(MOST_SEQUENCES)), 20, MOST_SEQUENCES),
            MACHINE: reading_weights(megabytes, columns=512, repetitions=60),
            PRODUCTS: matrix_products(torch.float32),
        },
        ROUNDS,
    )
    machine, products = figures.pop(MACHINE), figures.pop(PRODUCTS)
    gigaflop = sum(products_of_token(model.config).values()) / 3e9  # forward only
    return [
        Comparison(
            title="writing with the course's network",
            unit="words/s",
            baseline=TAUGHT,
            figures=figures,
            answers={OURS: "G1", INT8: "G2", MANY: "G3", MANY_INT8: "G3"},
        ),
        Comparison(
            title=f"reading weights, {megabytes:.0f} MB a word",
            unit="GB/s",
            baseline=MACHINE,
            figures={OURS: [rate * megabytes / 1000 for rate in figures[OURS]], MACHINE: machine},
            answers={OURS: "G4"},
        ),
        Comparison(
            title=f"multiplying, {1000 * gigaflop:.0f} MFLOP a word",
            unit="GFLOP/s",
            baseline=PRODUCTS,
            figures={
                **{name: [rate * gigaflop for rate in figures[name]] for name in (MANY, MOST)},
                PRODUCTS: products,
            },
            answers={MANY: "G7", MOST: "G7"},
        ),
    ]


def characters() -> list[Comparison]:
    """Measure one layer of 512 units that writes characters."""
    vocabulary = Vocabulary.train([string.ascii_letters + " \n.,;:!?'-&$3"], "char", plain=True)
    model = random_model(RecurrentConfig(vocabulary.size, embedding_size=64, hidden_size=512))
    contenders = {
        PLAIN: rate_of(lambda: plain(model, 500), 500),
        OURS: steps(Generation(model, vocabulary, request(1)), 2000),
        INT8: steps(Generation(model, vocabulary, request(1, int8=True)), 3000),
        MANY: steps(Generation(model, vocabulary, request(SEQUENCES)), 300, SEQUENCES),
        MANY_INT8: steps(Generation(model, vocabulary, request(SEQUENCES, int8=True)), 400, SEQUENCES),
    }
    figures = turns(contenders, ROUNDS)
    title, unit = "writing with one layer of 512 units", "characters/s"
    rounded = {name: figures[name] for name in (OURS, INT8)}
    return [
        Comparison(title=title, unit=unit, baseline=PLAIN, figures=figures, answers={OURS: "G5"}),
        Comparison(
            title=f"{title}, in int8", unit=unit, baseline=OURS, figures=rounded, answers={INT8: "G5i"}
        ),
    ]


def trained(folder: Path) -> tuple[Run, Dataset]:
    """Train a model for half a minute on the demo's corpus, and return the run and the dataset."""
    data = DatasetFolder(folder / "data" / "demo")
    prepare_corpora([fetch(find_source("demo", load_cards()))], PrepareOptions(), data)
    dataset = Dataset(data)
    runs = RunFolder(folder / "runs" / "demo")
    for _ in start(dataset, resolve(TRAINING), runs, "cpu"):
        pass
    return Run(runs), dataset


def held_to(run: Run, dataset: Dataset, count: int) -> Comparison:
    """Compare a trained model without constraints, with the defaults, and with a cast and no long copies."""
    vocabulary, statistics = run.vocabulary, run.description.dataset.statistics
    asked = GenerateOptions(seed=1, length=10**9, count=count)
    free = replace(asked, voice=0, invent_words=True)
    limited = replace(asked, cast=tuple(vocabulary.speakers)[:3], max_copy=8)
    writing = {
        FREE: Generation(run, vocabulary, free),
        DEFAULTS: Generation(run, vocabulary, asked, statistics=statistics),
        LIMITED: Generation(run, vocabulary, limited, statistics=statistics, index=index_training(dataset)),
    }
    number = 1000 if count == 1 else 100
    return Comparison(
        title=f"holding a text to words, names, voices and more, {count} at once",
        unit="tokens/s",
        baseline=FREE,
        figures=turns({name: steps(each, number, count) for name, each in writing.items()}, ROUNDS),
        answers={DEFAULTS: "G6", LIMITED: "G6"},
    )


def perplexity(run: Run, dataset: Dataset) -> Figure:
    """Measure how much int8 raises the perplexity of a trained model."""
    exact, rounded = (
        evaluate_split(each, dataset, "validation").stream
        for each in (run.model, TensorAdapter(run.model.inference("int8")))
    )
    return Figure(
        title="perplexity of a trained model with --int8, more than without",
        unit="%",
        value=100 * (rounded.perplexity / exact.perplexity - 1),
    )


def request(sequences: int, *, int8: bool = False) -> GenerateOptions:
    """Return options for an endless text in a number of sequences."""
    return replace(SAMPLING, length=10**9, count=sequences, int8=int8)


def steps(writing: Generation, count: int, sequences: int = 1) -> Callable[[], float]:
    """Return a contender: `count` steps of an endless text, in tokens per second of all sequences."""
    going = iter(writing)
    return rate_of(lambda: last(islice(going, count)), count * sequences)


def last(steps: Iterator[Sequence[str]]) -> Sequence[str]:
    """Return the last item of an iterator."""
    *_, final = steps
    return final


def taught(model: Recurrent, count: int) -> None:
    """Write words as the course does, with the weights of one of our models."""
    sizes = (model.config.embedding_size, model.config.hidden_size, model.config.layers)
    size = model.config.vocabulary_size
    with torch.device("meta"):
        network = RNN(size, size, *sizes)
    assert isinstance(model.recurrent, torch.nn.LSTM)
    network.embedding, network.lstm, network.fc = model.embedding, model.recurrent, model.head
    generate_as_taught(network, 1, dict.fromkeys(range(size), "word"), {}, 0, count)


@torch.inference_mode()
def plain(model: Recurrent, count: int) -> None:
    """Write tokens with PyTorch's own layers, carrying the state from one to the next."""
    id_11 = torch.zeros(1, 1, dtype=torch.int64)
    state = model.recurrent(model.embedding(id_11))[1]
    for _ in range(count):
        output_11H, state = model.recurrent(model.embedding(id_11), state)
        chances_1K, best_1K = F.softmax(model.head(output_11H[:, -1]), dim=1).topk(TOP_K)
        id_11 = best_1K.gather(1, torch.multinomial(chances_1K, 1))


def random_model(config: RecurrentConfig) -> Recurrent:
    """Return an untrained model whose likeliest tokens change with every step and are often frequent ones."""
    torch.manual_seed(1)
    model = Recurrent(config).eval()
    with torch.no_grad():
        model.get_parameter("head.weight").mul_(10)
        model.get_parameter("head.bias").copy_(-torch.arange(1, config.vocabulary_size + 1).log() / 2)
    return model


def word_vocabulary(size: int) -> Vocabulary:
    """Return a word-level vocabulary of plain text, of the given size."""
    spelled = map("".join, product(string.ascii_lowercase, repeat=math.ceil(math.log(size, 26))))
    entries = list(islice(spelled, size))
    lines = [" ".join(entries[place : place + 10]) + "\n" for place in range(0, size, 10)]
    return Vocabulary.train(lines, "word", size=size, plain=True)


def bytes_of_token(config: RecurrentConfig) -> int:
    """Return the bytes of the weights read for a token whose part of the first layer is looked up."""
    known = {"embedding.weight", "recurrent.weight_ih_l0"}
    shapes = (shape for name, shape in config.weight_shapes().items() if name not in known)
    return 4 * sum(math.prod(shape) for shape in shapes)
