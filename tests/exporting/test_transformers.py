"""A run for transformers: a built-in class loads it, computes the same, and its pipeline writes a script."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from support.tiny import SPEAKERS, finish, small

import scriptforge
from scriptforge.dataset import Dataset
from scriptforge.errors import ExportError, UsageError
from scriptforge.exporting import Exported
from scriptforge.exporting.starcoder import starcoder_config, starcoder_weights
from scriptforge.exporting.transformers_folder import cue_texts, fast_tokenizer
from scriptforge.inference.configs import TransformerConfig
from scriptforge.models import build
from scriptforge.screenplay.formats import read
from scriptforge.training.trainer import start
from scriptforge.vocabulary import Level, Vocabulary
from scriptforge.workspace import RunFolder

V = 30
WORDS = 'my aunt lost a bell, again! (no) "yes" - mrs. ash\'s harbour-light?'


@pytest.mark.parametrize(
    "config",
    [
        TransformerConfig(V, 12, layers=2, heads=3, memory=5, tied=True),
        TransformerConfig(V, 8, memory=40, heads=1),
    ],
)
def test_starcoder2_computes_the_same(config: TransformerConfig, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1.5) if weight.any() else weight.normal_()
    weights = {name: model.state_dict()[name].numpy() for name in config.weight_shapes()}
    (tmp_path / "config.json").write_text(json.dumps(starcoder_config(config, 0)))
    save_file(starcoder_weights(config, weights), tmp_path / "model.safetensors", metadata={"format": "pt"})
    loaded: Any = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    other, about = loaded
    assert type(other) is transformers.Starcoder2ForCausalLM
    assert not any(about.values()), "no weight is missing, left over or of another shape"
    ids_BT = torch.randint(0, V, (2, 60))
    with torch.no_grad():
        expected_BTV, _ = model(ids_BT, model.initial_state(2))
        torch.testing.assert_close(other(ids_BT).logits, expected_BTV, atol=1e-5, rtol=0)
        past = None
        for step in range(60):
            said = other(ids_BT[:, step : step + 1], past_key_values=past, use_cache=True)
            past = said.past_key_values
            torch.testing.assert_close(said.logits[:, 0], expected_BTV[:, step], atol=1e-5, rtol=0)


def trained(dataset: Dataset, path: Path, **changes: Any) -> RunFolder:
    run = RunFolder(path / "runs" / "play")
    chosen = {"arch": "transformer", "layers": 1, "memory": 16, "validations": 2, **changes}
    finish(start(dataset, small(**chosen), run, "cpu"))
    return run


@pytest.fixture(scope="module")
def exported(tiny_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    path = tmp_path_factory.mktemp("transformers")
    run = trained(tiny_dataset, path, hidden_size=32, speaker_embedding=False, epochs=8, learning_rate=0.01)
    (done,) = scriptforge.export(run.path, transformers=path / "out")
    return done


def test_the_pipeline_writes_a_script(exported: Exported) -> None:
    write = transformers.pipeline("text-generation", str(exported.folder))
    torch.manual_seed(0)
    (said,) = write("ELAINE: My aunt", max_new_tokens=150)
    assert said["generated_text"].startswith("ELAINE: My aunt")
    lines = said["generated_text"].rpartition("\n")[0].splitlines()
    elements = list(read(lines, "name-line"))
    assert len(elements) == len(lines) > 3
    assert all(element.kind == "dialogue" and element.text for element in elements)
    assert {element.speaker for element in elements} <= set(SPEAKERS)
    parity = exported.parity["model.safetensors"]
    assert parity.largest <= 1e-4 * parity.size and parity.size > 1


def test_no_code_comes_along(exported: Exported) -> None:
    assert {Path(name).suffix for name in exported.files} == {".json", ".safetensors", ".md"}
    assert "auto_map" not in (exported.folder / "config.json").read_text()


def loaded_tokenizer(path: Path, vocabulary: Vocabulary) -> Any:
    """What transformers makes of the tokenizer that is exported."""
    vocabulary.save(path / "own.json")
    (path / "tokenizer.json").write_text(fast_tokenizer(path / "own.json", vocabulary))
    kind: Any = transformers.PreTrainedTokenizerFast
    return kind(tokenizer_file=str(path / "tokenizer.json"), eos_token="<end>")


def vocabulary_of(level: Level, *texts: str, speakers: tuple[str, ...] = SPEAKERS) -> Vocabulary:
    return Vocabulary.train([*texts] * 3, level, size=400, speakers=speakers)


@pytest.mark.parametrize("level", ["word", "bpe", "char"])
def test_lines_are_tokens_and_tokens_lines(level: Level, tmp_path: Path) -> None:
    vocabulary = vocabulary_of(level, WORDS)
    tokenizer = loaded_tokenizer(tmp_path, vocabulary)
    cues = [vocabulary.speakers[name] for name in SPEAKERS]
    first, second = "my aunt lost a bell, again!", '(no) "yes" - mrs. ash\'s harbour-light?'
    for text in (f"ELAINE: {first}\nMrs Ash: {second}", f"ELAINE:{first} Mrs Ash:\n{second}"):
        ids = tokenizer(text).input_ids
        wanted = [cues[0], *vocabulary.encode(first), cues[2], *vocabulary.encode(second)]
        assert ids == [vocabulary.end, *wanted]
    written = tokenizer.decode(ids, skip_special_tokens=True)
    assert written == f"\nELAINE: {first}\nMrs Ash: {second}"
    kinds = [vocabulary.heading, *vocabulary.encode("a bell"), vocabulary.action, *vocabulary.encode("again")]
    name = [vocabulary.cue, *vocabulary.encode("my aunt"), vocabulary.says, *vocabulary.encode("no")]
    lines = tokenizer.decode(kinds + name).strip().splitlines()
    assert [(each.kind, each.speaker, each.text) for each in read(lines, "name-line")] == [
        ("heading", "", "a bell"),
        ("action", "", "again"),
        ("dialogue", "my aunt", "no"),
    ]


@pytest.fixture(scope="module")
def spelled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Vocabulary, Any]:
    """A vocabulary, and the tokenizer that transformers has of it."""
    vocabulary = vocabulary_of("bpe", WORDS)
    return vocabulary, loaded_tokenizer(tmp_path_factory.mktemp("bpe"), vocabulary)


@given(text=st.text(st.sampled_from("ab é花.,()-\"!<>' "), max_size=30).map(str.strip))
def test_text_is_text_as_before(spelled: tuple[Vocabulary, Any], text: str) -> None:
    vocabulary, tokenizer = spelled
    assert tokenizer(text).input_ids == [vocabulary.end, *vocabulary.encode(text)]
    assert tokenizer.decode(vocabulary.encode(text)) == text


def test_a_name_that_is_a_word_of_the_text_is_spelled_otherwise(tmp_path: Path) -> None:
    vocabulary = vocabulary_of("word", "tell elaine: no", speakers=("elaine", "bo"))
    assert "elaine:" in vocabulary.tokens
    assert list(cue_texts(vocabulary).values()) == ["@elaine:", "bo:"]


def test_what_no_class_holds_is_refused_and_the_way_out_named(
    tiny_run: RunFolder, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="implements the architecture lstm") as caught:
        scriptforge.export(tiny_run.path, transformers=tmp_path / "out")
    assert "--onnx" in caught.value.hint
    told = trained(tiny_dataset, tmp_path, epochs=0.2)
    with pytest.raises(ExportError, match="is told at every step who speaks") as caught:
        scriptforge.export(told.path, transformers=tmp_path / "out")
    assert "speaker_embedding=false" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_without_transformers_the_extra_is_named(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UsageError, match="transformers, which is not installed") as caught:
        scriptforge.export(exported.folder.parent / "runs" / "play", transformers=tmp_path / "out")
    assert "scriptforge-lm[transformers]" in caught.value.hint
