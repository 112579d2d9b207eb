"""The files of writing programs, in the versions that are about, and broken ones."""

import sys
from pathlib import Path

import pytest
from support import tin_roof
from support.tin_roof import write, zipped

from scriptforge.errors import CorpusError

from .conftest import Read

OSF = "<document type='Open Screenplay Format document'>"
BLANK = "\n" * 1_000_001
BLANK_TEXT = f"<paragraphs><para><text>{BLANK}</text></para></paragraphs></document>"

FILES: dict[str, tuple[str, str | bytes]] = {
    "a.highland": (
        "fountain",
        zipped({"Tin Roof.textbundle/text.fountain": tin_roof.FOUNTAIN, "info.json": "{}"}),
    ),
    "b.highland": ("fountain", zipped({"text.md": "Title: Tin Roof\n\n" + tin_roof.FOUNTAIN})),
    "a.fadein": ("fadein", zipped({"document.xml": tin_roof.open_screenplay()})),
    "b.fadein": ("fadein", zipped({"document.xml": tin_roof.open_screenplay("baseStyleName")})),
    "a.osf": ("osf", tin_roof.open_screenplay("basestyle")),
    "b.osf": ("osf", tin_roof.open_screenplay("NAME", title_page=False)),
    "a.celtx": ("celtx", tin_roof.celtx()),
    "a.trelby": ("trelby", tin_roof.trelby()),
    "a.rtf": ("rtf", tin_roof.rich_text()),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_holds_the_script(tmp_path: Path, read: Read, name: str) -> None:
    format, content = FILES[name]
    found, rows = read(write(tmp_path, name, content))
    assert found == format
    assert [row.element for row in rows] == list(tin_roof.ELEMENTS)
    if name not in ("a.highland", "b.osf", "a.celtx"):
        assert rows[0].title == "Tin Roof"


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_what_it_holds_whatever_its_suffix(tmp_path: Path, read: Read, name: str) -> None:
    _, content = FILES[name]
    wrong = ".pdf" if not name.endswith((".osf", ".trelby")) else ".txt"
    assert [row.element for row in read(write(tmp_path, f"a{wrong}", content))[1]] == list(tin_roof.ELEMENTS)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_cut_off_is_named_and_the_rest_of_its_folder_kept(
    tmp_path: Path, read: Read, name: str
) -> None:
    content = FILES[name][1]
    whole = content.encode() if isinstance(content, str) else content
    broken = write(tmp_path, name, whole[: len(whole) * 2 // 3].rstrip(b"\n"))
    with pytest.raises(CorpusError, match=f"“{name}” .*(damaged|breaks off)"):
        read(broken)
    write(tmp_path, "whole.fountain", tin_roof.FOUNTAIN)
    assert len(read(tmp_path)[1]) == len(tin_roof.ELEMENTS)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.celtx", zipped({"project.rdf": "<rdf/>"}), "Celtx project without a script"),
        ("a.highland", zipped({"info.json": "{}"}), "not one of documents of Highland"),
        ("a.osf", "<document type='Open Screenplay Format document'></document>", "no paragraphs"),
        ("a.trelby", "#Version 9\nxyz\n..no\n", "is not Trelby's"),
        ("a.fadein", "INT. KITCHEN\n\nNORA\nTea?\n", "is not what its name says, documents of Fade In"),
        ("a.docx", b"\xd0\xcf\x11\xe0" + b"\0" * 600, r"old office document \(.doc"),
        ("a.docx", b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), "encrypted with a password"),
        ("up.fadein", zipped({"../document.xml": "<a/>"}), "leads out of it"),
        ("root.fadein", zipped({"/etc/document.xml": "<a/>"}), "leads out of it"),
        ("many.docx", zipped({f"word/{number}": "" for number in range(12_000)}), "12,000 members"),
        ("bomb.fadein", zipped({"document.xml": b" " * (65 << 20)}), "unpacks to more than 32 MB"),
        ("tags.fadein", zipped({"document.xml": b"<a/>" * 500_001}), "a Fade In .*more than 500,000 tags"),
        ("tags.osf", OSF + "<a/>" * 500_001, "an Open Screenplay Format .*more than 500,000 tags"),
        ("tags.celtx", zipped({"project.rdf": "", "script.html": b"<a>" * 500_001}), "500,000 tags"),
        ("lines.highland", zipped({"text.md": BLANK}), "has more than 1,000,000 lines"),
        ("lines.fadein", zipped({"document.xml": f"{OSF}{BLANK_TEXT}"}), "has more than 1,000,000 lines"),
        ("lines.osf", f"{OSF}{BLANK_TEXT}", "has more than 1,000,000 lines"),
        ("lines.celtx", zipped({"project.rdf": "", "script.html": f"<pre>{BLANK}"}), "1,000,000 lines"),
        ("lines.trelby", f"#Version 3\n{BLANK}", "has more than 1,000,000 lines"),
        ("entities.fadein", zipped({"document.xml": '<!DOCTYPE a [<!ENTITY b "c">]><document/>'}), "entit"),
    ],
)  # fmt: skip
def test_what_is_broken_or_hostile_is_refused_in_one_line(
    tmp_path: Path, read: Read, name: str, content: str | bytes, problem: str
) -> None:
    with pytest.raises(CorpusError, match=f"^“{name}” .*{problem}") as caught:
        read(write(tmp_path, name, content))
    assert "\n" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    ("name", "content", "library"),
    [
        ("a.pdf", b"%PDF-1.4\n%%EOF", "pypdfium2"),
        ("a.docx", zipped({"word/document.xml": ""}), "docx"),
        ("a.html", "<html><p>NORA: Tea?</p></html>", "lxml"),
    ],
)
def test_without_its_library_a_document_is_left_out_with_what_to_install(
    tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch, name: str, content: str | bytes, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(CorpusError, match="needs libraries that are not installed") as caught:
        read(write(tmp_path, name, content))
    assert "scriptforge-lm[documents]" in caught.value.hint
    write(tmp_path, "whole.fountain", tin_roof.FOUNTAIN)
    assert len(read(tmp_path)[1]) == len(tin_roof.ELEMENTS)
