"""A page shows what the report says, and lets nothing of the text act."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from support.documents import documents, lines_of

from scriptforge.copying import ComparedText, Index, Line, examine
from scriptforge.copying.view import BANDS, figure_rows, marked_lines, render_page, summary_words

EVIL = '<script>alert("1")</script> & \x1b[31m\u202e\x00 \'"> <img src=x onerror=y>'
WORDS = "one two three four five six seven eight nine ten"


class Page(HTMLParser):
    """What a browser makes of a page: its tags, its text, and what each mark says."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: set[str] = set()
        self.marks: list[tuple[str | None, str | None]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.tags.add(tag)
        self.links |= {"src", "href"} & known.keys()
        if tag == "mark" and "title" in known:
            self.marks.append((known["class"], known["title"]))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_page_shows_figures_and_marks_copies_by_length() -> None:
    index = Index(lines_of([["", WORDS]]))
    people = ComparedText(lines_of([["one two and nothing else " * 5]]), index)
    report = examine(lines_of([[f"So {WORDS}!", "and five six seven eight nine"]]), index, people)
    page = Page(render_page(report, "draft.txt"))
    assert page.marks == [
        ("band-1", "10 words, as in “document 0”, parsed line 2"),
        ("band-0", "5 words, as in “document 0”, parsed line 2"),
    ]
    for row in figure_rows(report):
        assert all(cell in page.text for cell in row)
    assert figure_rows(report)[0] == ("longest copy", "10 words", "2 words")
    assert f"Ida  So {WORDS}!↑ 10 words, as in" in page.text
    assert page.text.count("↑") == 1
    assert "Originality of draft.txt" in page.text
    assert f"{BANDS[-1]} words or more" in page.text


def test_nothing_foreign_acts() -> None:
    index = Index([Line(0, EVIL, 1, "dialogue", EVIL, WORDS)])
    text = [Line(0, "", 1, "dialogue", EVIL, EVIL), Line(0, "", 2, "action", "", WORDS)]
    written = render_page(examine(text, index), EVIL, [("", EVIL), (EVIL, "1 %")])
    page = Page(written)
    assert not page.tags & {"script", "img", "link", "iframe"}
    assert not page.links
    # Two titles, a speaker, a line, a source twice, and two cells of a table.
    assert page.text.count('<script>alert("1")</script>') == 8
    assert not set("\x1b\x00\u202e") & set(written)
    assert "http" not in written.replace("http-equiv", "")


@given(documents, documents, st.booleans())
def test_segments_join_to_the_lines(training: list[list[str]], text: list[list[str]], folds: bool) -> None:
    lines = lines_of([[line.upper() if folds else line for line in each] for each in text])
    report = examine(lines, Index(lines_of(training)))
    shown = list(marked_lines(report))
    assert [line for line, _ in shown] == lines
    for line, segments in shown:
        assert "".join(segment.text for segment in segments) == line.text
        assert all(segment.text for segment in segments)
    begun = [segment.copy for _, segments in shown for segment in segments if segment.is_first]
    assert begun == list(report.copies)


def test_a_report_in_a_line() -> None:
    index = Index(lines_of([[WORDS]]))
    people = ComparedText(lines_of([["one two three and so on and so forth"]]), index)
    text = lines_of([["one two three four is how it goes"]])
    assert summary_words(examine(text, index, people)) == (
        "the longest copy is 4 words, as in “document 0”, parsed line 1 (human: 3); "
        "100.0 % of its sequences of 6 words are new (human: 100.0 %)"
    )
    assert summary_words(examine(lines_of([["hm"]]), index)) == (
        "nothing is copied; – of its sequences of 6 words are new"
    )
