from io import BytesIO
from pathlib import Path
from typing import Any

import huggingface_hub
import huggingface_hub.constants
import pyarrow
import pyarrow.parquet
import pytest
from support.loopback_hub import Fault, Hub
from support.tiny import prepared

from scriptforge.corpus.cards import HubDataset
from scriptforge.corpus.fetch import Corpus, fetch
from scriptforge.corpus.files import TableFile
from scriptforge.corpus.sources import Source
from scriptforge.errors import CorpusError
from scriptforge.net import errors as network

CSV = b"speaker,line\nA,Hello.\n"


SCRIPT = "ANN: Tea?\n\nBEN: No.\n\n" * 50


def parquet(*lines: str) -> bytes:
    return table({"line": list(lines)})


def table(columns: dict[str, list[Any]]) -> bytes:
    buffer = BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


def fetch_hub(hub: str, revision: str | None = None, files: tuple[str, ...] = ()) -> Corpus:
    return fetch(Source("show", HubDataset(hub=hub, revision=revision, files=files)))


def lines_of(fetched: Corpus) -> list[str]:
    return [row["line"] for file in fetched.files if isinstance(file, TableFile) for row in file.rows()]


def test_the_newest_commit_is_taken_and_recorded(hub: Hub) -> None:
    revision = hub.publish("dataset", "owner/show", {"show.csv": CSV, "README.md": b"# Show\n"}).head
    fetched = fetch_hub("owner/show")
    assert lines_of(fetched) == ["Hello."]
    assert (fetched.origin.hub, fetched.origin.revision) == ("owner/show", revision)
    assert [file.name for file in fetched.origin.files] == ["show.csv"]


def test_tables_are_read_training_split_first(hub: Hub) -> None:
    files = {f"data/{split}-0.parquet": parquet(split) for split in ("test", "validation", "train")}
    hub.publish("dataset", "owner/show", {**files, "notes.csv": CSV, "dataset_infos.json": b"{}"})
    assert lines_of(fetch_hub("owner/show")) == ["train", "validation", "test"]


def test_the_files_of_a_card_are_read_in_its_order(hub: Hub) -> None:
    revision = hub.publish(
        "dataset", "owner/show", {"2.csv": b"line\ntwo\n", "1.csv": b"line\none\n", "3.csv": CSV}
    ).head
    assert lines_of(fetch_hub("owner/show", revision, ("2.csv", "1.csv"))) == ["two", "one"]
    assert not any(seen.path.endswith("3.csv") for seen in hub.seen)


def test_the_name_of_a_file_is_no_pattern(hub: Hub) -> None:
    names = ("scenes[1].csv", "what?.csv", "*.csv")
    hub.publish("dataset", "owner/show", {name: b"line\n%d\n" % n for n, name in enumerate(names)})
    assert lines_of(fetch_hub("owner/show", files=names)) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("show.parquet", table({"title": ["One"] * 4, "script": [SCRIPT] * 4})),
        ("show.parquet", table({"speaker": ["ANN", "BEN"] * 200, "line": ["Tea?", "No."] * 200})),
        (
            "show.parquet",
            table(
                {
                    "conversations": [[{"role": "ANN", "content": "Tea?"}, {"role": "BEN", "content": "No."}]]
                    * 200
                }
            ),
        ),
        ("show.parquet", table({"text": [SCRIPT * 4]})),
        ("show.csv", b"speaker,line\n" + b"ANN,Tea?\nBEN,No.\n" * 200),
        ("show.jsonl", b'{"speaker": "ANN", "line": "Tea?"}\n{"speaker": "BEN", "line": "No."}\n' * 200),
        ("show.txt", SCRIPT.encode() * 4),
    ],
)
def test_a_repository_of_any_usual_shape_is_a_script(
    hub: Hub, tmp_path: Path, name: str, content: bytes
) -> None:
    hub.publish("dataset", "owner/show", {name: content})
    dataset = prepared("hf:owner/show", tmp_path / "data" / "show")
    assert {member.speaker for member in dataset.description.cast} == {"ANN", "BEN"}


@pytest.mark.parametrize("files", [(), ("show.csv",)])
def test_a_pinned_commit_is_read_again_without_a_network(hub: Hub, files: tuple[str, ...]) -> None:
    revision = hub.publish("dataset", "owner/show", {"show.csv": CSV, "other.txt": b"A: No.\n"}).head
    fetch_hub("owner/show", revision, files)
    hub.stop()
    assert lines_of(fetch_hub("owner/show", revision, files)) == ["Hello."]


@pytest.mark.parametrize("is_listed", [False, True])
def test_a_part_that_another_program_fetched_is_completed(hub: Hub, is_listed: bool) -> None:
    files = {"data/train-0.parquet": parquet("one"), "data/train-1.parquet": parquet("two")}
    revision = hub.publish("dataset", "owner/show", files).head
    part: dict[str, Any] = {"repo_type": "dataset", "revision": revision}
    if is_listed:
        huggingface_hub.snapshot_download("owner/show", allow_patterns="*0.parquet", **part)
    else:
        huggingface_hub.hf_hub_download("owner/show", "data/train-0.parquet", **part)
    assert lines_of(fetch_hub("owner/show", revision)) == ["one", "two"]


def test_another_commit_is_never_taken_for_the_pinned_one(hub: Hub) -> None:
    hub.publish("dataset", "owner/show", {"show.csv": CSV})
    fetch_hub("owner/show")
    with pytest.raises(CorpusError, match="no revision"):
        fetch_hub("owner/show", "0" * 40)
    hub.stop()
    with pytest.raises(CorpusError, match="cannot be reached"):
        fetch_hub("owner/show", "0" * 40)


def test_a_dataset_that_does_not_exist(hub: Hub) -> None:
    with pytest.raises(CorpusError, match="does not exist, or is private"):
        fetch_hub("owner/nothing")


@pytest.mark.parametrize("status", [401, 403])
def test_a_gated_dataset_says_how_to_get_in(hub: Hub, status: int) -> None:
    hub.publish("dataset", "owner/show", {"show.csv": CSV}, gated=status)
    with pytest.raises(CorpusError, match="is gated") as caught:
        fetch_hub("owner/show")
    assert "Accept the conditions" in caught.value.hint


@pytest.mark.parametrize(("status", "words"), [(500, "the server failed"), (429, "was requested too often")])
def test_a_hub_in_trouble_is_not_our_fault(hub: Hub, status: int, words: str) -> None:
    hub.misbehave(Fault(status=status), path="/api/datasets/owner/show")
    with pytest.raises(CorpusError, match=words):
        fetch_hub("owner/show")


def test_a_hub_that_says_nothing_is_not_waited_for(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "TIMEOUT_SECONDS", 0.2)
    hub.misbehave(Fault(stalls=True), path="/api/datasets/owner/show")
    with pytest.raises(CorpusError, match="did not answer"):
        fetch_hub("owner/show")


def test_offline_means_that_nothing_is_asked(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CorpusError, match="HF_HUB_OFFLINE"):
        fetch_hub("owner/show")
    assert hub.seen == []


def test_tables_that_the_hub_made_stand_in_for_a_loading_script(hub: Hub) -> None:
    repository = hub.publish("dataset", "owner/show", {"show.py": b"print()\n"})
    names = ("b/train/0.parquet", "a/test/0.parquet", "a/train/0.parquet", "a/train/1.parquet")
    commit = repository.commit("refs/convert/parquet", {name: parquet(name) for name in names}, "convert")
    fetched = fetch_hub("owner/show")
    assert lines_of(fetched) == ["a/train/0.parquet", "a/train/1.parquet", "a/test/0.parquet"]
    assert fetched.origin.revision == commit.oid
    with pytest.raises(CorpusError, match="neither tables nor text"):
        fetch_hub("owner/show", "main")


def test_a_loading_script_is_not_a_dataset(hub: Hub) -> None:
    hub.publish("dataset", "owner/show", {"show.py": b"print()\n"})
    with pytest.raises(CorpusError, match="neither tables nor text"):
        fetch_hub("owner/show")


def test_a_file_that_the_dataset_lacks_is_named(hub: Hub) -> None:
    hub.publish("dataset", "owner/show", {"show.csv": CSV})
    with pytest.raises(CorpusError, match=r"no file “season\.csv”"):
        fetch_hub("owner/show", files=("season.csv",))


@pytest.mark.parametrize("revision", [None, "0" * 40])
def test_a_name_that_the_hub_forbids(hub: Hub, revision: str | None) -> None:
    with pytest.raises(CorpusError, match="no such name"):
        fetch_hub("owner/a--b", revision)


@pytest.mark.parametrize("fault", [Fault(corrupts=True), Fault(keeps=0.5), Fault(adds=3)], ids=repr)
def test_a_file_damaged_on_the_way_is_not_kept_and_heals(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.publish("dataset", "owner/show", {"show.csv": CSV})
    hub.misbehave(fault, method="GET", path="/show.csv")
    with pytest.raises(CorpusError):
        fetch_hub("owner/show")
    hub.behave()
    assert lines_of(fetch_hub("owner/show")) == ["Hello."]
