"""Web pages: transcripts in the forms that sites have, what surrounds them, and pages that hold none."""

from pathlib import Path

import pytest
from support import tin_roof
from support.tin_roof import write

from scriptforge.documents.kinds import write as write_scripts
from scriptforge.errors import CorpusError

from .conftest import Read

LINES = [("Nora", "Is that the roof?"), ("Oskar", "It is only rain."), ("Nora", "It sounded like a ladder.")]


def lines(template: str) -> str:
    """Return the lines of the script, each in a piece of a page."""
    return "\n".join(template.format(name=name, NAME=name.upper(), text=text) for name, text in LINES)


def page(body: str, title: str = "Tin Roof | Scripts") -> str:
    """Return a page as sites have them, with all that surrounds a script."""
    return f"""<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>{title}</title><style>p {{ color: red }}</style>
<script>var names = "A: b";</script></head><body class="single">
<header class="site-header"><a href="/">Scripts</a></header>
<nav><ul><li><a href="/a">Home: all</a></li><li><a href="/b">Films: all</a></li></ul></nav>
<div id="content"><h1>Tin Roof</h1>
{body}
<p><a href="/next">Next: Mud</a></p>
</div>
<div class="sidebar">Popular: Mud</div><form>Search: <input></form>
<div id="comments"><p>bob: first!</p></div>
<footer>Copyright: nobody</footer></body></html>"""


@pytest.mark.parametrize(
    "template",
    [
        "<p>{name}: {text}</p>",
        "<p><b>{name}:</b> {text}</p>",
        "<p><strong>{name}</strong>: {text}</p>",
        "<p><b>{name}</b> {text}</p>",
        "<p><b>{name}</b><br>{text}</p>",
        "<p><b>{name}</b></p><p>{text}</p>",
        "<b>{name}:</b> {text}<br><br>",
        "<div class='line'><span class='speaker'>{name}</span><span class='text'> {text}</span></div>",
        "<table><tr><td>{name}</td><td>{text}</td></tr></table>",
        "<dl><dt>{name}</dt><dd>{text}</dd></dl>",
        "<p><a href='/w/{name}'>{name}</a>: {text}<sup class='reference'>[1]</sup></p>",
        "<ul><li><em>{name}</em> — {text}</li></ul>",
    ],
)
def test_a_transcript_is_cut_out_of_its_page(tmp_path: Path, read: Read, template: str) -> None:
    _, rows = read(write(tmp_path, "a.html", page(lines(template))))
    assert [(row.kind, row.speaker, row.text.lstrip("— ")) for row in rows] == [
        ("dialogue", name, text) for name, text in LINES
    ]
    assert rows[0].title == "Tin Roof"


@pytest.mark.parametrize("tag", ["pre", "table><tr><td class='scrtext'><pre"])
def test_a_screenplay_between_pre_tags_has_its_margins(tmp_path: Path, read: Read, tag: str) -> None:
    body = "<b>EXT. YARD - DAWN\n</b>\nMud everywhere.\n\n" + lines(
        "<b>               {NAME}\n</b>     {text}\n\n"
    )
    found, rows = read(write(tmp_path, "a.txt", page(f"<{tag}>{body}</pre>")))
    assert found == "indented"
    assert [(row.speaker, row.text) for row in rows] == [
        ("", "EXT. YARD - DAWN"),
        ("", "Mud everywhere."),
        *((name.upper(), text) for name, text in LINES),
    ]


def test_our_own_page_reads_as_the_script(tmp_path: Path, read: Read) -> None:
    found, rows = read(write(tmp_path, "a.html", write_scripts([tin_roof.SCRIPT], "html")))
    assert (found, rows[0].title) == ("html", "Tin Roof")
    assert [row.element for row in rows] == list(tin_roof.ELEMENTS)


def test_a_word_in_bold_is_no_speaker(tmp_path: Path, read: Read) -> None:
    body = (
        lines("<p>{name}: {text}</p>") + "<p><b>Later</b> he pulls the door shut.</p><p><b>EXT. YARD</b></p>"
    )
    _, rows = read(write(tmp_path, "a.html", page(body)))
    assert [(row.kind, row.text) for row in rows[3:]] == [
        ("action", "Later he pulls the door shut."),
        ("heading", "EXT. YARD"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "windows-1252", "windows-1251"])
def test_a_page_is_in_the_encoding_that_it_declares(tmp_path: Path, read: Read, encoding: str) -> None:
    name = "Нора" if encoding == "windows-1251" else "Élodie"
    text = f'<meta charset="{encoding}"><p>{name}: Tea?</p><p>Ben: No.</p><p>{name}: Oh.</p>'
    _, rows = read(write(tmp_path, "a.html", f"<html>{text}</html>".encode(encoding)))
    assert [row.speaker for row in rows] == [name, "Ben", name]


@pytest.mark.parametrize(
    "body",
    [
        "<p>This is <b>important</b>.</p><p>Please <b>note</b> it.</p>",
        "<h2>Install</h2><pre>pip install tin\nroof --help</pre>",
        "<div>Sign in to go on</div>",
        "",
    ],
)
def test_a_page_on_which_nobody_speaks_is_refused(tmp_path: Path, read: Read, body: str) -> None:
    with pytest.raises(CorpusError, match=r"^“a.html” is a web page (on which nobody speaks|without text)"):
        read(write(tmp_path, "a.html", page(body) if body else "<html></html>"))


@pytest.mark.parametrize(
    "text",
    [
        "<b> hi\n<b> hello\n[12:00] <b> x\n",
        "NORA: a <b>bold</b> move.\nOSKAR: Hm.\nNORA: Yes.\n",
        "<3 <3\n\nNORA\nTea?\n",
    ],
)
def test_a_text_with_tags_in_it_is_no_page(tmp_path: Path, read: Read, text: str) -> None:
    assert read(write(tmp_path, "a.txt", text))[0] != "html"
    assert "On a web page" not in read(write(tmp_path, "a.txt", text))[0]


def test_what_stands_in_pre_tags_is_read_once(tmp_path: Path, read: Read) -> None:
    page = "<html><pre>NORA: Is that the roof?\n<pre>OSKAR: It is only rain.\n</pre></pre></html>"
    assert [row.text for row in read(write(tmp_path, "a.html", page))[1]] == [
        "Is that the roof?",
        "It is only rain.",
    ]


def test_the_name_of_an_author_is_cut(tmp_path: Path, read: Read) -> None:
    said = "<div class='message'><div class='body'>{}<div class='text'>Rain.</div></div></div>"
    name = "<div class='from_name'>" + "Ida " * 10_000 + "</div>"
    path = write(tmp_path, "a.html", "<html>" + said.format(name) + said.format("") * 2 + "</html>")
    assert [len(row.speaker) for row in read(path)[1]] == [199] * 3


def test_a_page_may_be_nested_deeply_and_cut_off(tmp_path: Path, read: Read) -> None:
    deep = "<div>" * 100 + lines("<p>{name}: {text}</p>")
    assert len(read(write(tmp_path, "a.html", f"<html><body>{deep}"))[1]) == len(LINES)
