"""A model goes to the Hub and comes back."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from support.generation import generate
from support.loopback_hub import Hub
from support.pushing import push_run
from support.tiny import finish, prepared, small

from scriptforge.characters import UNSAFE
from scriptforge.cli.app import run as run_command
from scriptforge.dataset import Dataset
from scriptforge.errors import HubError, UsageError
from scriptforge.evaluation.profile import Figure, Profile
from scriptforge.hub.pull import find_run, pull
from scriptforge.hub.push import build_payload, push
from scriptforge.net.client import user_name
from scriptforge.options import GenerateOptions, PushOptions
from scriptforge.run.records import RunDescription
from scriptforge.run.run import Run
from scriptforge.training.trainer import start
from scriptforge.training.transfer import transferred_settings
from scriptforge.vocabulary import Level
from scriptforge.workspace import RunFolder, Workspace

FILES = {"README.md", "config.json", "model.safetensors", "tokenizer.json"}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def pushed(hub: Hub, tiny_run: RunFolder) -> Hub:
    push_run(Run(tiny_run), "ann/harbour")
    return hub


def test_a_pushed_model_comes_back_with_the_same_bytes_and_writes_the_same(
    pushed: Hub, tiny_run: RunFolder, workspace: Workspace
) -> None:
    result = pull(workspace, "ann/harbour")
    assert result.folder.weights.read_bytes() == tiny_run.weights.read_bytes()
    own, pulled = Run(tiny_run), Run(result.folder)
    request = GenerateOptions(seed=3, lines=5)
    assert generate(own.model, own.vocabulary, request) == generate(pulled.model, pulled.vocabulary, request)


def test_what_is_pushed_is_one_commit_of_four_files(pushed: Hub) -> None:
    repository = pushed.repositories["model", "ann/harbour"]
    assert set(repository.files) == FILES
    assert [commit.message for commit in repository.history[1:]] == ["Push a model with scriptforge"]


def test_the_words_of_the_text_travel_along(
    hub: Hub, tiny_text: Path, workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = Workspace(tmp_path_factory.mktemp("elsewhere"))
    dataset = prepared(tiny_text, elsewhere.new_dataset("tide").path, level="char")
    folder = elsewhere.new_run("tide")
    finish(start(dataset, small(epochs=0.1), folder, "cpu"))
    words = folder.lexicon.read_bytes()
    assert words == dataset.folder.lexicon.read_bytes()
    assert b"\nferryman\n" in words

    push(elsewhere, Run(folder), PushOptions(repository="ann/tide"))
    pulled = pull(workspace, "ann/tide").folder
    assert pulled.lexicon.read_bytes() == words
    pulled.lexicon.unlink()
    assert pull(workspace, "ann/tide").folder.lexicon.read_bytes() == words


def test_pushing_again_changes_nothing_and_uploads_nothing(pushed: Hub, tiny_run: RunFolder) -> None:
    head = pushed.repositories["model", "ann/harbour"].head
    uploads = len(pushed.asked("PUT"))
    result = push_run(Run(tiny_run), "ann/harbour")
    assert (result.commit, result.is_new) == (head, False)
    assert len(pushed.asked("PUT")) == uploads


def test_other_files_of_a_repository_stay(hub: Hub, tiny_run: RunFolder) -> None:
    hub.publish("model", "ann/harbour", {"notes.txt": b"mine"})
    push_run(Run(tiny_run), "ann/harbour")
    assert set(hub.repositories["model", "ann/harbour"].files) == FILES | {"notes.txt"}


def test_a_private_repository_is_for_its_owner(
    hub: Hub, tiny_run: RunFolder, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_run(Run(tiny_run), "ann/secret", private=True)
    monkeypatch.setenv("HF_TOKEN", "")
    with pytest.raises(HubError, match="does not exist, or is private"):
        pull(workspace, "ann/secret")


def test_a_pull_request_leaves_the_main_branch_alone(pushed: Hub, tiny_run: RunFolder) -> None:
    repository = pushed.repositories["model", "ann/harbour"]
    head = repository.head
    repository.commit("refs/heads/main", {"config.json": b"{}"}, "Break it")
    result = push_run(Run(tiny_run), "ann/harbour", create_pr=True, message="Mend it")
    assert result.url and result.url.endswith("/ann/harbour/discussions/1")
    assert repository.files["config.json"] == b"{}"
    found = repository.find("refs/pr/1")
    assert found and found.files["config.json"] != b"{}"
    assert head != repository.head


def test_the_name_is_the_users_own(hub: Hub) -> None:
    assert user_name() == "ann"


def test_nobody_pushes_without_a_login(
    hub: Hub, tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(HubError, match="nobody is logged in") as caught:
        user_name()
    assert "hf auth login" in caught.value.hint


@pytest.mark.parametrize("id_", ["harbour", "ann/../bob", "ann/har bour", "/ann", "ann/x/y", "ann/ä"])
def test_what_is_no_repository_is_refused(id_: str, workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="not the id of a repository"):
        pull(workspace, id_)


def test_an_older_commit_can_be_pulled_by_branch_tag_or_name(
    pushed: Hub, workspace: Workspace, tiny_run: RunFolder
) -> None:
    repository = pushed.repositories["model", "ann/harbour"]
    first = repository.head
    repository.refs["refs/tags/v1"] = first
    repository.commit("refs/heads/main", {"README.md": b"# New\n"}, "Say more")
    assert pull(workspace, "ann/harbour", "v1").record.revision == first
    assert pull(workspace, "ann/harbour", first).record.revision == first
    assert pull(workspace, "ann/harbour").record.revision == repository.head
    with pytest.raises(HubError, match="has no revision “v9”"):
        pull(workspace, "ann/harbour", "v9")


def test_a_change_since_the_last_time_is_said(pushed: Hub, workspace: Workspace) -> None:
    assert pull(workspace, "ann/harbour").notes == ()
    pushed.repositories["model", "ann/harbour"].commit("refs/heads/main", {"README.md": b"# New\n"}, "More")
    (note,) = pull(workspace, "ann/harbour").notes
    assert "ann/harbour has changed" in note


def test_what_is_here_is_not_fetched_again(pushed: Hub, workspace: Workspace) -> None:
    pull(workspace, "ann/harbour")
    pushed.seen.clear()
    pull(workspace, "ann/harbour")
    assert [seen.path for seen in pushed.seen] == ["/api/models/ann/harbour"]


def test_a_damaged_copy_is_fetched_again(pushed: Hub, workspace: Workspace) -> None:
    folder = pull(workspace, "ann/harbour").folder
    before = folder.weights.read_bytes()
    folder.weights.write_bytes(before[:-1] + b"?")
    assert pull(workspace, "ann/harbour").folder.weights.read_bytes() == before


def test_a_run_of_ones_own_is_never_replaced(pushed: Hub, workspace: Workspace, tiny_run: RunFolder) -> None:
    own = workspace.root / "runs" / "ann--harbour"
    shutil.copytree(tiny_run.path, own)
    (own / "notes.txt").write_text("mine")
    with pytest.raises(HubError, match="was not pulled from the Hub"):
        pull(workspace, "ann/harbour")
    assert (own / "notes.txt").read_text() == "mine"


def test_what_is_kept_beside_a_pulled_model_stays(pushed: Hub, workspace: Workspace) -> None:
    own = pull(workspace, "ann/harbour").folder.path
    (own / "samples" / "best").mkdir(parents=True)
    (own / "samples" / "best" / "model.safetensors").write_text("mine")
    (own / "run.sh").write_text("echo")
    (own / "run.sh").chmod(0o700)
    (own / "link").symlink_to("nowhere")
    pushed.publish("model", "ann/harbour", {"README.md": b"# New\n", "lexicon.txt": b"sea\n"})
    pull(workspace, "ann/harbour")
    assert (own / "README.md").read_text() == "# New\n"
    assert (own / "samples" / "best" / "model.safetensors").read_text() == "mine"
    assert (own / "run.sh").stat().st_mode & 0o777 == 0o700
    assert (own / "link").readlink() == Path("nowhere")
    head = pushed.repositories["model", "ann/harbour"]
    head.commit("refs/heads/main", {"lexicon.txt": None}, "Less")
    pull(workspace, "ann/harbour")
    mine = {"samples", "run.sh", "link"}
    assert {path.name for path in own.iterdir()} == FILES | {"hub.json"} | mine


def test_a_file_of_ones_own_is_not_replaced_by_one_that_is_new_on_the_hub(
    pushed: Hub, workspace: Workspace
) -> None:
    folder = pull(workspace, "ann/harbour").folder
    before = folder.hub.read_bytes()
    folder.lexicon.write_text("mine")
    pushed.publish("model", "ann/harbour", {"lexicon.txt": b"sea\n"})
    with pytest.raises(HubError, match=r"lexicon.txt was not pulled .* in the way") as caught:
        pull(workspace, "ann/harbour")
    assert "Rename or move it" in caught.value.hint
    assert (folder.lexicon.read_text(), folder.hub.read_bytes()) == ("mine", before)


@pytest.mark.parametrize("what", ["folder", "file", "link", "dangling link"])
def test_what_no_pull_has_made_is_never_replaced(
    pushed: Hub, workspace: Workspace, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place, kept = workspace.root / "runs" / "ann--harbour", workspace.root / "kept"
    place.parent.mkdir()
    match what:
        case "folder":
            place.mkdir()
            (place / ".model.safetensors").write_text("mine")
        case "file":
            place.write_text("mine")
        case "link":
            pull(workspace, "ann/harbour").folder.path.rename(kept)
            (kept / "model.safetensors").write_text("mine")
            place.symlink_to(kept)
        case _:
            place.symlink_to(kept)
    before = _tree(workspace.root)
    for command in ("pull", "generate"):
        assert run_command([command, "ann/harbour", "--workspace", str(workspace.root)]) == 1
        error, hint = capsys.readouterr().err.splitlines()[-2:]
        assert error.startswith("Error: There is something at ") and "Rename or move it" in hint
    assert _tree(workspace.root) == before


def _tree(root: Path) -> list[tuple[str, object]]:
    """Return what is below a folder."""
    return sorted(
        (str(path), path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None)
        for path in root.rglob("*")
    )


def test_an_empty_folder_is_in_nobodys_way(pushed: Hub, workspace: Workspace) -> None:
    (workspace.root / "runs" / "ann--harbour").mkdir(parents=True)
    assert pull(workspace, "ann/harbour").folder.weights.is_file()


def test_only_files_of_a_run_are_taken(pushed: Hub, workspace: Workspace) -> None:
    pushed.publish("model", "ann/harbour", {"evil.py": b"boom", "../up.txt": b"up"})
    folder = pull(workspace, "ann/harbour").folder
    assert {path.name for path in folder.path.iterdir()} == FILES | {"hub.json"}
    assert not (folder.path.parent / "up.txt").exists()


def test_a_model_can_be_used_by_its_name_on_the_hub_with_and_without_a_network(
    pushed: Hub, workspace: Workspace
) -> None:
    folder, notes = find_run(workspace, "ann/harbour")
    assert (folder.name, notes) == ("ann--harbour", [])
    pushed.stop()
    again, notes = find_run(workspace, "ann/harbour")
    assert again == folder
    assert "as it was pulled" in notes[-1]


def test_the_card_says_what_it_is_and_nothing_of_this_machine(
    pushed: Hub, tiny_run: RunFolder, own_home: Path
) -> None:
    card = pushed.repositories["model", "ann/harbour"].files["README.md"].decode()
    assert "library_name: scriptforge" in card
    assert "scriptforge generate ann/harbour" in card
    assert "model-index" in card
    assert str(own_home) not in card
    assert str(tiny_run.path.parent.parent) not in card
    best = json.loads(tiny_run.config.read_text())["result"]["best"]["stream"]
    assert f"{best['bits_per_character']:.4f}" in card


def test_the_card_shows_what_the_command_writes(
    pushed: Hub, tiny_run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    card = pushed.repositories["model", "ann/harbour"].files["README.md"].decode()
    sample = card.split("````text\n")[1].split("\n````")[0]
    capsys.readouterr()
    assert run_command(["generate", str(tiny_run.path), "--seed", "1"]) == 0
    written = capsys.readouterr().out.strip()
    both = min(len(sample), len(written))
    assert both > 100
    assert sample[:both] == written[:both]
    assert "novelty_8" not in card


def test_the_card_says_how_much_is_copied_where_that_can_be_told(
    tiny_run: RunFolder, tiny_dataset: Dataset
) -> None:
    card = build_payload(Run(tiny_run), "ann/harbour", tiny_dataset).card
    assert "| new sequences of 8 words |" in card
    assert "type: novelty_8" in card


def test_the_card_shows_the_profile_that_the_run_keeps(tiny_run: RunFolder, tmp_path: Path) -> None:
    run = Run(RunFolder(shutil.copytree(tiny_run.path, tmp_path / "harbour")))
    assert "What a reader notices" not in build_payload(run, "ann/harbour").card
    figure = Figure(people=0.03, low=0.01, high=0.06, model=0.26, auc=1.0)
    counts = {"lines": 150, "words": 1000, "people_pages": 40, "model_pages": 32}
    profile = Profile(weights=run.fingerprint, **counts, figures={"same_speaker_again": figure})
    profile.save(run.folder)
    payload = build_payload(run, "ann/harbour")
    assert "| same speaker again | 3.0 % | 1.0 % … 6.0 % | 26.0 % | outside |" in payload.card
    assert set(payload.files) == FILES


def test_the_card_names_the_model_that_it_began_with(
    pushed: Hub, workspace: Workspace, tiny_dataset: Dataset
) -> None:
    parent = Run(pull(workspace, "ann/harbour").folder)
    folder = RunFolder(workspace.root / "runs" / "heir")
    settings = small(epochs=0.1, **transferred_settings(parent.description, tiny_dataset, {}))
    finish(start(tiny_dataset, settings, folder, "cpu", init_from=parent))
    card = build_payload(Run(folder), "ann/heir").card
    assert "base_model: ann/harbour" in card
    assert f"weights of ann/harbour at {pushed.repositories['model', 'ann/harbour'].head}" in card


EVIL = "x\n---\n# y\n<script>z</script> [a](javascript:b) `c` &lt;d&gt; $e$ \x1b[2J\u202e"


def test_the_card_of_a_strangers_model_holds_nothing_that_acts(tiny_run: RunFolder) -> None:
    run = Run(tiny_run)
    told = run.description.model_dump()
    file = {"name": EVIL, "sha256": "", "size": 1, "url": EVIL}
    words = dict.fromkeys(("card", "licence", "rights", "hub", "revision"), EVIL)
    told["dataset"] |= {"name": EVIL, "cast": [EVIL], "origin": {**words, "files": [file]}}
    told["versions"] = {"scriptforge": EVIL, "torch": EVIL}
    told["init_from"] = {"name": EVIL, "fingerprint": "", "repository": EVIL, "revision": EVIL}
    told["result"] |= {"hardware": EVIL}
    run.description = RunDescription.model_validate_json(json.dumps(told))
    _, front, body = build_payload(run, "eve/zoo").card.split("---\n", 2)
    assert set(re.findall(r"^\w+", front, re.MULTILINE)) <= {
        "datasets", "library_name", "pipeline_tag", "tags", "model", "base_model",
    }  # fmt: skip
    blocks = MarkdownIt("commonmark").parse(body)
    tokens = [each for block in blocks for each in (block, *(block.children or ()))]
    assert not [each.type for each in tokens if each.type.startswith("html")]
    assert not [each.attrs for each in tokens if each.type in ("link_open", "image")]
    assert [each.content for each in tokens if each.type == "fence" and "<script>" in each.content] == []
    assert not UNSAFE.search(front + body)
    assert "<d>" not in "".join(each.content for each in tokens if each.type == "text")


def test_a_run_that_has_not_ended_is_not_pushed(hub: Hub, tiny_run: RunFolder, tmp_path: Path) -> None:
    run = Run(tiny_run)
    run.description = run.description.model_copy(update={"result": None})
    with pytest.raises(HubError, match="is not finished"):
        build_payload(run, "ann/harbour")


READS_IN_TRANSFORMERS = """
import json, sys
from transformers import PreTrainedTokenizerFast
said = sys.argv[1]
for repository in sys.argv[2:]:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(repository)
    ids = tokenizer(said)["input_ids"]
    print(json.dumps([ids, tokenizer.decode(ids)]))
"""


@pytest.mark.slow
def test_transformers_reads_the_vocabulary_of_a_pushed_model(
    hub: Hub, tiny_text: Path, tmp_path: Path
) -> None:
    said = "My aunt hid the last ticket in the rain!"
    expected = []
    levels: tuple[Level, ...] = ("word", "bpe", "char")
    for level in levels:
        dataset = prepared(tiny_text, tmp_path / "data" / level, level=level)
        folder = RunFolder(tmp_path / "runs" / level)
        finish(start(dataset, small(epochs=0.1), folder, "cpu"))
        push_run(Run(folder), f"ann/{level}")
        expected.append([dataset.vocabulary.encode(said), said])
    command = [sys.executable, "-c", READS_IN_TRANSFORMERS, said, *(f"ann/{level}" for level in levels)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [json.loads(line) for line in done.stdout.splitlines()] == expected
