"""From a text to new scripts, through real commands; what their JSON promises."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from support.command import COMMAND, TrainedWorkspace, scriptforge

FIGURES = {"nats_per_token", "perplexity", "nats_per_character", "bits_per_character"}
EVALUATION = {"run", "split", "tokens", "characters", "stream", "cold_256"}


def test_prepare_says_what_dataset_json_says(stage: TrainedWorkspace) -> None:
    written = json.loads((stage.path / "data" / "harbour" / "dataset.json").read_text(encoding="utf-8"))
    assert stage.prepared == written
    assert stage.prepared["splits"].keys() == {"train", "validation", "test"}
    assert {path.name for path in (stage.path / "data" / "harbour").iterdir()} == {
        "dataset.json", "tokenizer.json", "scripts.parquet", "train.npy", "validation.npy", "test.npy",
    }  # fmt: skip


def test_train_says_how_good_the_best_is(stage: TrainedWorkspace) -> None:
    assert stage.trained.keys() >= {"run", "best", "seconds", "tokens_per_second", "diagnosis"}
    assert stage.trained["run"] == stage.trained["best"]["run"] == "play"
    assert stage.trained["best"].keys() == EVALUATION
    run = stage.path / "runs" / "play"
    files = {path.name for path in run.iterdir() if not path.name.startswith(".")}
    assert files >= {
        "config.json", "tokenizer.json", "model.safetensors", "metrics.jsonl", "samples", "checkpoints",
    }  # fmt: skip
    result = json.loads((run / "config.json").read_text())["result"]
    assert {**result["best"], "run": "play", "split": "validation"} == stage.trained["best"]


def test_evaluate(stage: TrainedWorkspace) -> None:
    done = scriptforge("evaluate", "play", "--split", "validation", "--json", workspace=stage.path)
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document.keys() == EVALUATION
    assert document["stream"].keys() == document["cold_256"].keys() == FIGURES
    assert document == stage.trained["best"]


def test_eight_bits_are_measured_and_generate(stage: TrainedWorkspace) -> None:
    words = ("evaluate", "play", "--split", "validation", "--int8", "--json")
    document = json.loads(scriptforge(*words, workspace=stage.path).stdout)
    assert document.pop("int8") is True
    exact = stage.trained["best"]["stream"]["perplexity"]
    assert document["stream"]["perplexity"] != exact
    assert document["stream"]["perplexity"] == pytest.approx(exact, rel=0.01)
    done = scriptforge("generate", "play", "--int8", "--lines", "4", "--json", workspace=stage.path)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)["elements"]) == 4


def test_the_same_seed_gives_the_same_script(stage: TrainedWorkspace) -> None:
    words = ("generate", "play", "--seed", "7", "--lines", "6", "--prime", "elaine")
    printed = scriptforge(*words, workspace=stage.path, fresh=True)
    told = scriptforge(*words, "--json", workspace=stage.path, fresh=True)
    assert printed.returncode == told.returncode == 0
    assert printed.stderr == told.stderr == ""
    document = json.loads(told.stdout)
    assert document.keys() == {"run", "seed", "text", "elements"}
    assert (document["run"], document["seed"]) == ("play", 7)
    assert printed.stdout == document["text"]
    assert printed.stdout.startswith("ELAINE: ")
    assert len(document["elements"]) == 6
    assert document["elements"][0]["speaker"] == "ELAINE"
    assert all(element.keys() == {"kind", "speaker", "text"} for element in document["elements"])


@pytest.mark.slow
def test_several_scripts_go_into_a_folder_after_a_piped_prime(
    stage: TrainedWorkspace, tmp_path: Path
) -> None:
    words = ("generate", "play", "-n", "3", "--seed", "5", "--lines", "4", "-o", tmp_path / "new")
    done = scriptforge(*words, workspace=stage.path, stdin="Bo: My aunt\n")
    assert (done.returncode, done.stdout) == (0, "")
    files = sorted((tmp_path / "new").iterdir())
    assert [re.findall(r"\d+", file.name) for file in files] == [["5"], ["6"], ["7"]]
    texts = [file.read_text(encoding="utf-8") for file in files]
    assert all(text.startswith("Bo: My aunt") for text in texts)
    assert len(set(texts)) == 3
    assert done.stderr.count("seed") == 3 + 3  # once in each name, once beside it
    again = scriptforge(*words, workspace=stage.path, stdin="Bo: My aunt\n")
    assert again.returncode == 2
    assert "already" in again.stderr and "--force" in again.stderr


def test_a_script_from_another_folder(stage: TrainedWorkspace, tmp_path: Path) -> None:
    run = stage.path / "runs" / "play"
    words = ("generate", run, "--lines", "3", "-n", "2", "--seed", "1", "--json")
    done = scriptforge(*words, workspace=tmp_path)
    assert done.returncode == 0
    assert [document["seed"] for document in json.loads(done.stdout)] == [1, 2]


def test_generating_ends_when_the_reader_goes_away(stage: TrainedWorkspace) -> None:
    """`scriptforge generate | head -1`."""
    generating = subprocess.Popen(
        [*COMMAND, "generate", "play", "--lines", "100000", "--seed", "1"],
        cwd=stage.path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert generating.stdout is not None and generating.stderr is not None
    generating.stdout.read(10)
    generating.stdout.close()
    assert generating.wait(timeout=60) == 1
    assert generating.stderr.read() == ""
    generating.stderr.close()


@pytest.mark.slow
def test_the_demo_goes_the_whole_way(tmp_path: Path) -> None:
    done = scriptforge("demo", "--minutes", "0.05", workspace=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line[:2] for line in done.stderr.splitlines() if re.match(r"\d\. ", line)] == ["1.", "2.", "3."]
    assert len(done.stdout.splitlines()) >= 24
    assert (tmp_path / "runs" / "demo" / "model.safetensors").is_file()
    assert "Stopped at step" not in done.stderr
    assert "Time is up before all was read 8 times" in done.stderr
    assert "train --resume demo\n" in done.stderr
