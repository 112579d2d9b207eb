"""A mix of two small corpora and the demo, through the real commands."""

import json
from typing import Any

import pytest
from support.command import SMALL, TrainedWorkspace, scriptforge
from support.generation import generate
from support.tiny import comedy

from scriptforge.options import GenerateOptions
from scriptforge.run.run import Run
from scriptforge.screenplay.formats import read
from scriptforge.workspace import RunFolder

pytestmark = pytest.mark.slow

FIGURES = ("nats_per_token", "perplexity", "nats_per_character", "bits_per_character")


@pytest.fixture(scope="module")
def mix(tmp_path_factory: pytest.TempPathFactory) -> TrainedWorkspace:
    """`prepare harbour.txt=2 tales demo`, and a training on it."""
    path = tmp_path_factory.mktemp("mix")
    (path / "harbour.txt").write_text(comedy(200))
    (path / "tales").mkdir()
    for number in range(12):
        play = comedy(25, seed=number + 1).replace("Mrs Ash:", "Pia:")
        (path / "tales" / f"{number}.txt").write_text(play)
    told = ("--level", "word", "--name", "mix", "--json")
    prepared = scriptforge("prepare", "harbour.txt=2", "tales", "demo", *told, workspace=path)
    settings = ("--epochs", "0.5", *SMALL, "--set=validations=2", "--json")
    trained = scriptforge("train", "mix", "--name", "run", *settings, workspace=path)
    assert prepared.returncode == 0 and "nearly the same" in prepared.stderr  # as comedies are
    assert (trained.returncode, trained.stderr) == (0, ""), trained.stderr
    return TrainedWorkspace(path, json.loads(prepared.stdout), json.loads(trained.stdout))


def test_the_dataset_says_what_it_is_a_mix_of(mix: TrainedWorkspace) -> None:
    assert [(each["name"], each["weight"]) for each in mix.prepared["sources"]] == [
        ("harbour", 2), ("tales", 1), ("demo", 1),
    ]  # fmt: skip
    assert mix.prepared["sources"][2]["origin"]["licence"] == "Apache-2.0"
    config = json.loads((mix.path / "runs" / "run" / "config.json").read_text())
    assert [each["name"] for each in config["dataset"]["sources"]] == ["harbour", "tales", "demo"]
    assert config["dataset"]["sources"][2]["origin"]["card"] == "demo"


def test_evaluate_tells_of_each_source(mix: TrainedWorkspace) -> None:
    done = scriptforge("evaluate", "run", "--split", "validation", "--json", workspace=mix.path)
    assert (done.returncode, done.stderr) == (0, "")
    document: dict[str, Any] = json.loads(done.stdout)
    assert document.keys() == {"run", "split", "tokens", "characters", "stream", "cold_256", "sources"}
    assert document["sources"].keys() == {"harbour", "tales", "demo"}
    for protocol in ("stream", "cold_256"):
        nats = sum(each["tokens"] * each[protocol]["nats_per_token"] for each in document["sources"].values())
        assert document[protocol]["nats_per_token"] == pytest.approx(nats / document["tokens"], rel=1e-12)
        assert document[protocol].keys() == set(FIGURES)
    best = {key: value for key, value in document.items() if key != "sources"}
    assert best == mix.trained["best"]


def test_people_see_a_row_for_each_source(mix: TrainedWorkspace) -> None:
    printed = scriptforge("evaluate", "run", workspace=mix.path).stdout.splitlines()
    assert printed[0].split()[:2] == ["source", "protocol"]
    assert [line.split()[:2] for line in printed[1:]] == [
        [source, protocol]
        for source in ("all", "harbour", "tales", "demo")
        for protocol in ("stream", "cold-256")
    ]


def test_every_script_is_well_formed_and_of_one_source(mix: TrainedWorkspace) -> None:
    run = Run(RunFolder(mix.path / "runs" / "run"))
    request = GenerateOptions(lines=8, count=40, seed=3, temperature=1, min_p=0)
    for text in generate(run.model, run.vocabulary, request):
        assert len(text.elements) == 8
        assert tuple(read(text.text.splitlines(), "name-line")) == text.elements
        assert set.intersection(
            set(run.vocabulary.sources),
            *(
                {token.source for token in tokens}
                for element in text.elements
                if (tokens := run.vocabulary.speaker_tokens_named(element.speaker))
            ),
        )


DEMO = {"DEE", "PRU", "MARGO", "WALT", "OTIS", "LEO", "IDA", "HARGROVE", "TOLLY", "KIT", "CLIVE", "GOOSE"}


@pytest.mark.parametrize(
    ("words", "speakers"),
    [
        (("--source", "demo"), DEMO),
        (("--source", "harbour", "--prime", "bo: my aunt"), {"Bo", "ELAINE", "Mrs Ash"}),
        (("--cast", "walt,elaine", "--prime", "walt"), {"WALT"}),
        (("--cast", "bo,otis", "--source", "tales"), {"Bo"}),
    ],
)
def test_one_may_say_whose_script_it_is(
    mix: TrainedWorkspace, words: tuple[str, ...], speakers: set[str]
) -> None:
    done = scriptforge("generate", "run", *words, "--turns", "8", "--json", workspace=mix.path)
    assert done.returncode == 0, done.stderr
    vocabulary = Run(RunFolder(mix.path / "runs" / "run")).vocabulary
    spoke = {element["speaker"] for element in json.loads(done.stdout)["elements"] if element["speaker"]}
    assert {speaker for speaker in spoke if vocabulary.speaker_tokens_named(speaker)} <= speakers


@pytest.mark.parametrize(
    ("words", "problem", "hint"),
    [
        (("--source", "harbor"), "no source named “harbor”", "harbour"),
        (("--source", "demo", "--prime", "bo: no"), "bo cannot speak in the scripts of demo", "one corpus"),
        (("--prime", "walt: no\nbo: yes"), "walt, bo cannot speak in any one corpus", "one corpus"),
    ],
)
def test_a_source_in_which_they_cannot_speak_is_refused(
    mix: TrainedWorkspace, words: tuple[str, ...], problem: str, hint: str
) -> None:
    done = scriptforge("generate", "run", *words, workspace=mix.path)
    assert (done.returncode, done.stdout) == (2, "")
    assert problem in done.stderr
    assert hint in done.stderr


def test_generate_writes_from_a_mix(mix: TrainedWorkspace) -> None:
    done = scriptforge("generate", "run", "--lines", "5", "--seed", "2", "--json", workspace=mix.path)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["elements"]) == 5


def test_people_see_what_each_source_has(mix: TrainedWorkspace) -> None:
    done = scriptforge("prepare", "harbour.txt=2", "tales", workspace=mix.path)
    assert done.returncode == 0
    assert "dataset               harbour_tales" in done.stdout
    assert "of harbour            weight 2; documents: 1, split by block" in done.stdout
    assert "of tales              weight 1; documents: 12, split by document" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("harbour.txt=nan", "tales"), 2, "an invalid weight, nan"),
        (("demo", "tales", "--from", "harbour.txt"), 2, "--from works with one corpus"),
        (("harbour.txt", "note.txt"), 1, "“note” is too short"),
    ],
)
def test_what_cannot_be_mixed_is_said_in_two_lines(
    mix: TrainedWorkspace, words: tuple[str, ...], code: int, problem: str
) -> None:
    (mix.path / "note.txt").write_text("Bo: Hm.\n")
    done = scriptforge("prepare", *words, "--name", "never", "--quiet", workspace=mix.path)
    assert (done.returncode, done.stdout) == (code, "")
    error, hint = done.stderr.splitlines()
    assert error.startswith("Error: ") and problem in error and hint
    assert not (mix.path / "data" / "never").exists()
