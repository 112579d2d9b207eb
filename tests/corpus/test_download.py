import hashlib
from pathlib import Path

import datasets
import huggingface_hub.constants
import pytest
from support.web_server import Web

from scriptforge.corpus.cards import WebFile, WebFiles
from scriptforge.corpus.fetch import Corpus, fetch
from scriptforge.corpus.files import TextFile
from scriptforge.corpus.parse import Parsing, parse
from scriptforge.corpus.sources import Source
from scriptforge.errors import CorpusError
from scriptforge.net import errors as network

SCRIPT = b"A: Hello.\nB: And you.\n" * 5000
SHA256 = hashlib.sha256(SCRIPT).hexdigest()


def source(*files: WebFile) -> Source:
    return Source("show", WebFiles(files=files))


def text_of(fetched: Corpus) -> str:
    return "".join(line for file in fetched.files if isinstance(file, TextFile) for line in file.lines())


def kept_files() -> list[Path]:
    return [path for path in Path(datasets.config.HF_DATASETS_CACHE).rglob("*") if path.is_file()]


def test_a_file_is_downloaded_once_and_then_read_without_a_network(web: Web) -> None:
    web.files["/a/my show.txt"] = SCRIPT
    asked = source(WebFile(url=f"{web.address}/a/my%20show.txt?token=secret", sha256=SHA256))
    told: list[tuple[str, int, int | None]] = []
    first = fetch(asked, on_progress=lambda *report: told.append(report))
    web.stop()
    second = fetch(asked)
    assert text_of(first) == text_of(second) == SCRIPT.decode()
    assert web.asked == ["/a/my show.txt"]
    assert told[-1] == ("my show.txt", len(SCRIPT), len(SCRIPT))
    (record,) = second.origin.files
    assert (record.name, record.sha256) == ("my show.txt", SHA256)
    assert record.url == f"{web.address}/a/my%20show.txt"


def test_an_address_without_a_hash_is_remembered_too(web: Web) -> None:
    web.files["/show.txt"] = SCRIPT
    asked = source(WebFile(url=f"{web.address}/show.txt"))
    fetch(asked)
    web.stop()
    assert fetch(asked).origin.files[0].sha256 == SHA256


@pytest.mark.parametrize("content", [b"\xff\xfe", b"../../../etc", b"\0", SHA256.upper().encode()])
def test_an_index_that_is_damaged_is_written_anew(web: Web, content: bytes) -> None:
    web.files["/show.txt"] = SCRIPT
    asked = source(WebFile(url=f"{web.address}/show.txt"))
    fetch(asked)
    (index,) = (path for path in kept_files() if path.parent.name == "urls")
    index.write_bytes(content)
    assert text_of(fetch(asked)) == SCRIPT.decode()
    assert len(web.asked) == 2 and index.read_text() == SHA256


def test_several_files_keep_the_order_of_the_card(web: Web) -> None:
    web.files |= {"/2.txt": b"A: two\n", "/10.txt": b"A: ten\n"}
    fetched = fetch(source(*(WebFile(url=f"{web.address}{path}") for path in ("/10.txt", "/2.txt"))))
    assert text_of(fetched) == "A: ten\nA: two\n"


def test_a_file_that_is_not_the_promised_one_is_not_kept(web: Web) -> None:
    web.files["/show.txt"] = b"A: Something else.\n"
    with pytest.raises(CorpusError) as caught:
        fetch(source(WebFile(url=f"{web.address}/show.txt", sha256=SHA256)))
    assert SHA256 in caught.value.message
    assert hashlib.sha256(web.files["/show.txt"]).hexdigest() in caught.value.message
    assert kept_files() == []


def test_a_damaged_copy_is_fetched_again(web: Web) -> None:
    web.files["/show.txt"] = SCRIPT
    asked = source(WebFile(url=f"{web.address}/show.txt", sha256=SHA256))
    fetch(asked)
    (kept,) = kept_files()
    kept.write_bytes(b"A: damaged\n")
    assert text_of(fetch(asked)) == SCRIPT.decode()


def test_a_connection_that_breaks_is_tried_again_and_leaves_nothing(web: Web) -> None:
    web.files["/show.txt"] = SCRIPT
    web.broken_off.add("/show.txt")
    with pytest.raises(CorpusError, match="the connection broke"):
        fetch(source(WebFile(url=f"{web.address}/show.txt")))
    assert len(web.asked) == 3
    assert kept_files() == []


@pytest.mark.parametrize(
    ("status", "words", "attempts"),
    [
        (401, "needs a login", 1),
        (403, "refused you access", 1),
        (404, "does not exist", 1),
        (418, "answered 418", 1),
        (429, "was requested too often", 1),
        (500, "the server failed", 3),
    ],
)
def test_each_refusal_has_its_own_words(web: Web, status: int, words: str, attempts: int) -> None:
    web.statuses["/show.txt"] = status
    with pytest.raises(CorpusError, match=words) as caught:
        fetch(source(WebFile(url=f"{web.address}/show.txt")))
    assert "show.txt” on 127.0.0.1" in caught.value.message
    assert len(web.asked) == attempts


def test_a_server_that_is_not_there_is_said_to_be_unreachable(web: Web) -> None:
    web.stop()
    with pytest.raises(CorpusError, match="cannot be reached"):
        fetch(source(WebFile(url=f"{web.address}/show.txt")))


def test_a_server_that_says_nothing_is_not_waited_for(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "TIMEOUT_SECONDS", 0.2)
    web.silent.add("/show.txt")
    with pytest.raises(CorpusError, match="did not answer"):
        fetch(source(WebFile(url=f"{web.address}/show.txt")))


def test_offline_means_that_nothing_is_asked(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CorpusError, match="HF_HUB_OFFLINE"):
        fetch(source(WebFile(url=f"{web.address}/show.txt")))
    assert web.asked == []


def test_a_web_page_is_not_taken_for_a_script(web: Web) -> None:
    web.files["/show.txt"] = b"<!DOCTYPE html>\n<p>Sign in</p>\n"
    fetched = fetch(source(WebFile(url=f"{web.address}/show.txt")))
    with pytest.raises(CorpusError, match=r"“show.txt” is a web page on which nobody speaks"):
        list(parse(fetched, False, Parsing()))
