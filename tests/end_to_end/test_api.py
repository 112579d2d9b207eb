"""The library as a program sees it."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from support.command import scriptforge as command
from support.loopback_hub import Hub
from support.process_state import changed_by
from support.tiny import SPEAKERS

import scriptforge
from scriptforge import EvaluateOptions, GenerateOptions, TrainOptions, TuneOptions
from scriptforge.workspace import RunFolder

TINY = {"hidden_size": 16, "embedding_size": 8, "batch_size": 4, "sequence_length": 16, "precision": "fp32"}

IMPORTS = """
import accelerate, datasets, huggingface_hub, matplotlib.pyplot, numpy, torch
import torch._dynamo  # which brings filters of its own, as the others do
"""
VERBS = f"""
import scriptforge
dataset = scriptforge.prepare(sys.argv[1], name="play")
model = scriptforge.train(dataset, epochs=1, settings={TINY!r}, device="cpu")
scriptforge.generate(model, lines=2, max_copy=5)
list(scriptforge.stream(model, lines=2))
scriptforge.evaluate(model, split="validation")
scriptforge.originality("A line.", model)
"""


@pytest.fixture
def place(tiny_run: RunFolder) -> Path:
    return tiny_run.path.parent.parent


def test_exported_names() -> None:
    verbs = {
        "convert",
        "evaluate",
        "export",
        "generate",
        "inspect",
        "load",
        "open_room",
        "originality",
        "page",
        "prepare",
        "pull",
        "push",
        "resume",
        "save",
    }
    options = {
        "ConvertOptions",
        "EvaluateOptions",
        "ExportOptions",
        "GenerateOptions",
        "InspectOptions",
        "PrepareOptions",
        "PushOptions",
        "ServeOptions",
        "TrainOptions",
        "TuneOptions",
    }
    others = {"Model", "ScriptforgeError", "UsageError", "Workspace", "__version__"}
    results = {
        "Dataset",
        "EvaluationReport",
        "GeneratedText",
        "Inspection",
        "OriginalityReport",
        "PushResult",
    }
    verbs |= {"stream", "train", "tune", "rename", "remove"}
    assert set(scriptforge.__all__) == verbs | options | results | others
    assert set(dir(scriptforge)) == set(scriptforge.__all__)
    for name in scriptforge.__all__:
        assert getattr(scriptforge, name) is not None


class TestTheWholeWay:
    def test_a_text_is_inspected_as_by_the_command(self, tiny_text: Path, tmp_path: Path) -> None:
        found = scriptforge.inspect(tiny_text, format="name-line", workspace=tmp_path)
        done = command("inspect", str(tiny_text), "--format", "name-line", "--json", workspace=tmp_path)
        assert [member.speaker for member in found.cast] == [
            member["speaker"] for member in json.loads(done.stdout)["cast"]
        ]

    def test_a_file_name_is_not_taken_for_a_text(self, tiny_text: Path) -> None:
        with pytest.raises(scriptforge.UsageError, match="is a file"):
            scriptforge.originality(str(tiny_text))

    def test_from_a_text_to_a_text(self, tiny_text: Path, tmp_path: Path) -> None:
        dataset = scriptforge.prepare(tiny_text, level="word", name="play", workspace=tmp_path)
        assert dataset.name == "play"
        assert dataset.description.level == "word"
        options = TrainOptions(epochs=1, settings=TINY, device="cpu")
        model = scriptforge.train(dataset, options, name="first", workspace=tmp_path)
        assert model.run.folder.name == "first"
        texts = scriptforge.generate(model, lines=3, count=2, seed=4)
        assert [text.seed for text in texts] == [4, 5]
        assert "".join(scriptforge.stream("first", lines=3, seed=5, workspace=tmp_path)) == texts[1].text
        measured = scriptforge.evaluate(model, EvaluateOptions(split="validation"))
        result = model.run.description.result
        assert result and measured.whole.stream == result.best.stream
        with pytest.raises(scriptforge.UsageError, match="is a file"):
            model.generate(prime=str(tiny_text))
        report = scriptforge.originality(texts[0].text, model)
        assert report.words > 0

    def test_a_room_is_served_and_a_page_written(self, tiny_run: RunFolder, tmp_path: Path) -> None:
        model = scriptforge.load(tiny_run.path, workspace=tmp_path)
        assert "index.html" in scriptforge.page(model, tmp_path / "page")
        assert (tmp_path / "page" / "index.html").is_file()
        with scriptforge.open_room(model, port=0) as room:
            address, _, token = room.link.partition("#token=")
            headers = {"authorization": f"Bearer {token}"}
            answer = httpx.get(f"{address}api/about", headers=headers, timeout=30, trust_env=False)
            assert answer.status_code == 200
        with pytest.raises(httpx.ConnectError):
            httpx.get(address, trust_env=False)

    @pytest.mark.slow
    def test_a_training_is_continued(self, tiny_text: Path, tmp_path: Path) -> None:
        scriptforge.prepare(tiny_text, name="play", workspace=tmp_path)
        first = scriptforge.train("play", epochs=1, settings=TINY, device="cpu", workspace=tmp_path)
        again = scriptforge.resume(epochs=1, device="cpu", workspace=tmp_path)
        assert again.run.folder == first.run.folder
        before, after = first.run.description.result, again.run.description.result
        assert before and after and after.seconds > before.seconds


class TestOptions:
    def test_a_keyword_wins_over_the_object(self, place: Path) -> None:
        options = GenerateOptions(lines=2, seed=3, temperature=0.5)
        (text,) = scriptforge.generate("harbour", options, seed=9, workspace=place)
        (same,) = scriptforge.generate("harbour", lines=2, seed=9, temperature=0.5, workspace=place)
        assert text == same
        assert text.seed == 9

    def test_an_unknown_one_is_refused_with_the_nearest(self, place: Path) -> None:
        with pytest.raises(scriptforge.UsageError, match="no option named “temprature”") as problem:
            scriptforge.generate("harbour", temprature=1, workspace=place)
        assert "temperature" in problem.value.hint

    @pytest.mark.parametrize("verb", [scriptforge.export, scriptforge.push, scriptforge.evaluate])
    def test_every_verb_refuses_an_unknown_one(self, verb: Callable[..., object], place: Path) -> None:
        with pytest.raises(scriptforge.UsageError, match="no option named “onx”"):
            verb("harbour", onx="m", workspace=place)

    def test_a_value_out_of_range_is_refused(self) -> None:
        with pytest.raises(scriptforge.UsageError, match="top p must be between 0 and 1"):
            GenerateOptions(top_p=2)


def test_a_search_is_continued_and_trained_with(tiny_text: Path, tmp_path: Path) -> None:
    space = tmp_path / "space.toml"
    space.write_text("hidden_size = {choices = [8, 16]}\nbatch_size = 4\n")
    scriptforge.prepare(tiny_text, name="play", level="word", workspace=tmp_path)
    first = scriptforge.tune(space=space, trials=1, seconds=0.3, device="cpu", workspace=tmp_path)
    found = scriptforge.tune("play", TuneOptions(seconds=0.3), space=space, trials=2, workspace=tmp_path)
    assert found.records[0] == first.records[0] and len(found.records) == 2
    options = found.options_for(TrainOptions(epochs=0.1, device="cpu"))
    model = scriptforge.train(found.dataset, options, workspace=tmp_path)
    assert model.open_dataset().name == found.dataset.name


@pytest.mark.usefixtures("workspace_path")
class TestTheHome:
    """A `~` in a path is the home, whoever is given it."""

    def test_texts_and_states_are_kept_there(self, place: Path, own_home: Path) -> None:
        first = scriptforge.generate("harbour", lines=2, seed=3, save_state="~/end", workspace=place)
        assert scriptforge.save(first, "~/page.txt") == [own_home / "page.txt"]
        assert (own_home / "page.txt").read_text(encoding="utf-8") == first[0].text
        (rest,) = scriptforge.generate("harbour", lines=1, continue_from="~/end", workspace=place)
        assert rest.continues

    def test_models_are_exported_there(self, place: Path, own_home: Path) -> None:
        (own_home / "model").touch()
        with pytest.raises(scriptforge.UsageError, match="is a file, not a folder"):
            scriptforge.export("harbour", onnx="~/model", workspace=place)


class TestModel:
    def test_it_writes_what_the_command_writes(self, place: Path) -> None:
        model = scriptforge.load("harbour", workspace=place)
        options = ("--lines", "6", "--temperature", "0.5", "--seed", "4")
        done = command("generate", "harbour", "--prime", SPEAKERS[0], *options, workspace=place)
        assert done.returncode == 0, done.stderr
        assert model.generate(SPEAKERS[0], lines=6, temperature=0.5, seed=4) == done.stdout

    def test_defaults_are_those_of_the_command(self, place: Path) -> None:
        done = command("generate", "harbour", "--seed", "1", workspace=place)
        assert scriptforge.load("harbour", workspace=place).generate(seed=1) == done.stdout

    def test_a_cast_can_be_named(self, place: Path) -> None:
        speakers = SPEAKERS[:2]
        text = scriptforge.load(workspace=place).generate(cast=speakers, turns=8)
        said = {line.partition(":")[0] for line in text.splitlines() if ":" in line}
        assert said <= set(speakers)

    def test_it_is_shared_and_loaded_by_its_name_there(self, hub: Hub, place: Path, tmp_path: Path) -> None:
        model = scriptforge.load("harbour", workspace=place)
        (result,) = model.push("ann/harbour")
        assert result.is_new
        again = scriptforge.load("ann/harbour", workspace=tmp_path)
        assert again.generate(seed=5, lines=4) == model.generate(seed=5, lines=4)
        assert scriptforge.pull("ann/harbour", workspace=tmp_path).run.fingerprint == model.run.fingerprint

    def test_what_does_not_exist_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(scriptforge.ScriptforgeError, match="There is no run here yet"):
            scriptforge.load("nothing", workspace=tmp_path)


class TestProcess:
    """What a notebook would notice."""

    @pytest.mark.slow
    def test_the_verbs_change_nothing_and_print_nothing(self, tiny_text: Path, tmp_path: Path) -> None:
        assert changed_by(VERBS, tiny_text, setup=IMPORTS, folder=tmp_path) == {}

    def test_a_bar_is_shown_where_it_is_asked_for(
        self, tiny_text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        scriptforge.prepare(tiny_text, name="play", workspace=tmp_path)
        assert capsys.readouterr() == ("", "")
        scriptforge.train(epochs=1, settings=TINY, device="cpu", workspace=tmp_path, progress=True)
        out, err = capsys.readouterr()
        assert out == ""
        assert "Training" in err
