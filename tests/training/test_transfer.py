"""A run that begins with another one's weights, though its vocabulary is another."""

import shutil
from pathlib import Path

import pytest
import torch
from support.tiny import comedy, finish, prepared, small

from scriptforge.architectures import ARCHITECTURES
from scriptforge.config import Settings
from scriptforge.dataset import Dataset
from scriptforge.errors import UsageError
from scriptforge.inference import config_from_settings
from scriptforge.models import TrainableModel, build
from scriptforge.run.records import RunDescription
from scriptforge.run.run import Run
from scriptforge.training.checkpoint import newest_checkpoint
from scriptforge.training.trainer import resume, start
from scriptforge.training.transfer import (
    describe_init_from,
    token_mapping,
    transfer_weights,
    transferred_settings,
)
from scriptforge.workspace import RunFolder

LATER = "ELAINE: The umbrella was hidden in the harbour.\n\nKIT: Zounds! My aunt has two boats.\n\n" * 60


def settings(**changes: object) -> Settings:
    return small(hidden_size=16, embedding_size=16, epochs=0.2, validations=1, **changes)


@pytest.fixture
def later(tmp_path: Path) -> Dataset:
    path = tmp_path / "later.txt"
    path.write_text(LATER + comedy(40, seed=5), encoding="utf-8")
    return prepared(path, tmp_path / "data" / "later")


@pytest.fixture(params=ARCHITECTURES)
def init_from(request: pytest.FixtureRequest, tiny_dataset: Dataset, tmp_path: Path) -> Run:
    folder = RunFolder(tmp_path / "runs" / "parent")
    finish(start(tiny_dataset, settings(arch=request.param), folder, "cpu"))
    return Run(folder)


def heir_of(init_from: Run, dataset: Dataset) -> TrainableModel:
    model = build(config_from_settings(init_from.description.settings, **dataset.vocabulary.sizes))
    transfer_weights(model, dataset.vocabulary, init_from)
    return model


def test_a_model_of_the_same_vocabulary_is_the_same(init_from: Run, tiny_dataset: Dataset) -> None:
    heir = heir_of(init_from, tiny_dataset).eval()
    ids_BT = torch.from_numpy(tiny_dataset.ids("validation")[:64].astype("int64"))[None]
    with torch.no_grad():
        expected_BTV, _ = init_from.model(ids_BT, init_from.model.initial_state(1))
        found_BTV, _ = heir(ids_BT, heir.initial_state(1))
    assert torch.equal(found_BTV, expected_BTV)


def test_known_tokens_are_scored_as_before_and_unknown_ones_as_their_mean(
    init_from: Run, later: Dataset
) -> None:
    heir = heir_of(init_from, later).eval()
    ids = token_mapping(later.vocabulary, init_from.vocabulary)
    known = [(new, old[0]) for new, old in enumerate(ids) if len(old) == 1]
    new_N, old_N = (torch.tensor(column) for column in zip(*known, strict=True))
    with torch.no_grad():
        expected_BTV, _ = init_from.model(old_N[None, :40], init_from.model.initial_state(1))
        found_BTV, _ = heir(new_N[None, :40], heir.initial_state(1))
    torch.testing.assert_close(found_BTV[..., new_N], expected_BTV[..., old_N])
    unknown = [new for new, old in enumerate(ids) if not old]
    mean_BT = expected_BTV.mean(-1)
    torch.testing.assert_close(found_BTV[..., unknown[0]], mean_BT, rtol=1e-4, atol=1e-5)


def test_a_new_speaker_begins_as_the_mean_of_those_known(
    tiny_dataset: Dataset, later: Dataset, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path / "runs" / "parent")
    finish(start(tiny_dataset, settings(), folder, "cpu"))
    parent = Run(folder)
    old = parent.model.state_dict()["speaker_embedding.input.current.weight"]
    torch.nn.init.normal_(old)
    new = heir_of(parent, later).state_dict()["speaker_embedding.input.current.weight"]
    names = [token.name for token in later.vocabulary.speaker_tokens]
    known = [token.name for token in tiny_dataset.vocabulary.speaker_tokens]
    assert set(names) - set(known) and set(names) & set(known)
    for row, name in enumerate(names, 1):
        expected = old[1 + known.index(name)] if name in known else old[1:].mean(0)
        torch.testing.assert_close(new[row], expected)
    assert torch.equal(new[0], old[0])


def test_a_run_that_begins_with_anothers_weights_says_so_and_can_be_resumed(
    init_from: Run, later: Dataset, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path / "runs" / "heir")
    arch = init_from.description.settings.arch
    finish(start(later, settings(arch=arch), folder, "cpu", init_from=init_from))
    record = RunDescription.load(folder).init_from
    assert record is not None
    assert (record.name, record.fingerprint) == ("parent", init_from.fingerprint)
    before = newest_checkpoint(folder)[0].name
    assert finish(resume(later, folder, "cpu", epochs=0.2)).best.tokens == len(later.ids("validation"))
    assert newest_checkpoint(folder)[0].name > before
    assert RunDescription.load(folder).init_from == record


def test_another_architecture_size_or_level_is_refused(
    init_from: Run, later: Dataset, tmp_path: Path
) -> None:
    about = init_from.description
    taken = transferred_settings(about, later, {"epochs": 3})
    assert taken["arch"] == about.settings.arch
    assert taken["hidden_size"] == 16
    other = "rnn" if about.settings.arch != "rnn" else "gru"
    for chosen in ({"arch": other}, {"hidden_size": 32}):
        with pytest.raises(UsageError, match=r"Run “parent” has (arch|hidden_size) = "):
            transferred_settings(about, later, chosen)
    characters = prepared(tmp_path / "later.txt", tmp_path / "data" / "chars", level="char")
    with pytest.raises(UsageError, match="word level"):
        transferred_settings(about, characters, {})


@pytest.mark.parametrize("record", ["[]", '{"repository": 1}', "{", "[" * 9000])
def test_a_damaged_record_of_a_pull_is_none(tiny_run: RunFolder, tmp_path: Path, record: str) -> None:
    folder = RunFolder(shutil.copytree(tiny_run.path, tmp_path / "parent"))
    folder.hub.write_text(record)
    about = describe_init_from(Run(folder))
    assert (about.name, about.repository, about.revision) == ("parent", None, None)
