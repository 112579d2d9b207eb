"""Views of a report: figures, sentences, the text split at its copies, and a web page with all of them.

The terminal and the page show the same parts. The page is one self-contained file, without scripts or network
requests.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from scriptforge.characters import shown
from scriptforge.copying.index import Line
from scriptforge.copying.report import SEQUENCES, SHORTEST_COPY, Copy, Mark, Novelty, OriginalityReport

BANDS = (SHORTEST_COPY, 8, 12, 20)
"""Length, in words, from which a copy is in each band; a higher band has a stronger colour."""

_NAMED = BANDS[1]
"""Length, in words, from which a copy's source is named in the text itself."""


_QUOTED = 200
"""Maximum number of characters of the longest copy that are quoted above the text."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A span of one line that is copied as a whole or not at all.

    Attributes:
        text: the characters of the span.
        copy: copy that it belongs to; None if it is not copied.
        is_first: whether the copy begins here rather than in an earlier line.
    """

    text: str
    copy: Copy | None = None
    is_first: bool = False


def band(copy: Copy) -> int:
    """Return the band of a copy, from 0."""
    return bisect_right(BANDS, copy.words) - 1


def band_names() -> list[str]:
    """Return the names of the bands, that of the shortest copies first."""
    ends = [f"{start} to {stop - 1} words" for start, stop in pairwise(BANDS)]
    return [*ends, f"{BANDS[-1]} words or more"]


def sources_named(segments: list[Segment]) -> list[str]:
    """Return a description of each longer copy that begins in a line."""
    beginning = (segment.copy for segment in segments if segment.copy and segment.is_first)
    return [source_words(copy) for copy in beginning if copy.words >= _NAMED]


def source_words(copy: Copy) -> str:
    """Return a description of a copy: its length, and where it is in the training text."""
    scene = f"scene “{copy.source.scene}”, " if copy.source.scene else ""
    return f"{_words(copy.words)}, as in “{copy.source.document}”, {scene}parsed line {copy.source.line:,}"


def figure_rows(report: OriginalityReport) -> list[tuple[str, str, str]]:
    """Return a row for each figure: its name, its value for the text, its value for human text."""
    longest, human = report.longest_copy, report.human
    copied = _words(longest.words if longest else 0)
    rows = [("longest copy", copied, _words(human.typical_copy) if human else "–")]
    for words in SEQUENCES:
        share = _percent(human.novelty, words) if human else "–"
        rows.append((f"new sequences of {words} words", _percent(report.novelty, words), share))
    return rows


def comparison_words(report: OriginalityReport) -> str:
    """Return a note on what the text was compared with."""
    human = report.human
    if human is None:
        return "There is no held-out text to compare with."
    windows = f"{human.windows} windows" if human.windows > 1 else "one window"
    length = "as many" if human.words == report.words else f"{human.words:,}"
    most = human.longest_copy.words if human.longest_copy else 0
    return (
        f"The text has {_words(report.words)}. The human text was held out from training: {windows} of "
        f"{length} words, with the median of their longest copies (the longest of all has {most:,}) and the "
        "mean of their shares."
    )


def longest_copy_words(report: OriginalityReport) -> str:
    """Return a sentence that quotes the longest copy and says where it is in the training text."""
    copy = report.longest_copy
    if copy is None:
        return "No word of the text is in the training text."
    said = " ".join(copy.text.split())
    quoted = said if len(said) <= _QUOTED else f"{said[: _QUOTED - 2].rstrip()} …"
    return f"The longest copy, “{quoted}”: {source_words(copy)}."


def summary_words(report: OriginalityReport) -> str:
    """Return the report in one line."""
    copy, sequence = report.longest_copy, SEQUENCES[1]
    longest = f"the longest copy is {source_words(copy)}" if copy else "nothing is copied"
    new = f"{_percent(report.novelty, sequence)} of its sequences of {sequence} words are new"
    if report.human is None:
        return f"{longest}; {new}"
    human_copy, human_share = report.human.typical_copy, _percent(report.human.novelty, sequence)
    return f"{longest} (human: {human_copy}); {new} (human: {human_share})"


def marked_lines(report: OriginalityReport) -> Iterator[tuple[Line, list[Segment]]]:
    """Yield every line with its segments, which together are its text."""
    marks: defaultdict[int, list[tuple[Mark, Copy]]] = defaultdict(list)
    for copy in report.copies:
        for mark in copy.marks:
            marks[mark.line].append((mark, copy))
    for number, line in enumerate(report.lines):
        yield line, list(_segments(line.text, marks[number]))


def _segments(text: str, marks: list[tuple[Mark, Copy]]) -> Iterator[Segment]:
    reached = 0
    for mark, copy in marks:
        if mark.start > reached:
            yield Segment(text[reached : mark.start])
        yield Segment(text[mark.start : mark.stop], copy, mark == copy.marks[0])
        reached = mark.stop
    if reached < len(text):
        yield Segment(text[reached:])


def _words(number: int) -> str:
    return f"{number:,} {'word' if number == 1 else 'words'}"


def _percent(novelty: Novelty, words: int) -> str:
    share = novelty[words]
    return "–" if share is None else f"{100 * share:.1f} %"


_STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fcfbf8; --ink: #22201c; --quiet: #6b665c; --rule: #dedad0;
  --band-0: #fdf0b4; --band-1: #fbd28a; --band-2: #f7a77c; --band-3: #ee8080;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #1b1a18; --ink: #e8e4da; --quiet: #a09a8c; --rule: #3a3833;
    --band-0: #4a431c; --band-1: #65481a; --band-2: #7c4020; --band-3: #8f2f32;
  }
}
body { background: var(--paper); color: var(--ink); max-width: 46rem; margin: 0 auto;
  padding: 2rem 1.25rem 4rem; font: 1rem/1.55 Georgia, "Times New Roman", serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1.25rem; }
h2 { font-size: 1.2rem; margin: 3rem 0 .75rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .35rem 0 .35rem 1.5rem; border-bottom: 1px solid var(--rule); }
td:not(:first-child) { overflow-wrap: normal; }
@media (min-width: 40rem) { th, td { padding-left: 1rem; } td + td, th + th { white-space: nowrap; } }
th:first-child, td:first-child { text-align: left; padding-left: 0; font-weight: normal; }
thead th { color: var(--quiet); font-weight: normal; }
.note, .legend { color: var(--quiet); font-size: .9rem; }
.legend { display: flex; flex-wrap: wrap; gap: .5rem 1rem; margin: 1.25rem 0 2rem; padding: 0;
  list-style: none; }
.legend mark { padding: .1rem .5rem; color: var(--ink); }
.source { display: block; color: var(--quiet); font-size: .85rem; font-style: normal; font-weight: normal; }
mark { color: inherit; border-radius: .2em; padding: .05em .1em; box-decoration-break: clone;
  -webkit-box-decoration-break: clone; }
.band-0 { background: var(--band-0); } .band-1 { background: var(--band-1); }
.band-2 { background: var(--band-2); } .band-3 { background: var(--band-3); }
main p { margin: 0 0 .55rem; white-space: pre-wrap; unicode-bidi: isolate; min-height: 1em; }
.heading { font-weight: bold; margin-top: 1.5rem; }
.action, .transition { font-style: italic; }
.transition { text-align: right; }
.speaker { font-variant: small-caps; letter-spacing: .03em; font-weight: bold; }
"""


def render_page(report: OriginalityReport, name: str, noticed: Sequence[Sequence[str]] = ()) -> str:
    """Return the HTML page: name of the text, figures, a legend, and the text with its copies marked.

    Args:
        report: the report to show.
        name: name of the text.
        noticed: rows of a second table, on what a reader notices, headings first; empty leaves it out.
    """
    title = f"Originality of {_shown(name)}"
    heading = ("", "this text", "human text")
    legend = "".join(
        f'<li><mark class="band-{number}">{words}</mark></li>\n' for number, words in enumerate(band_names())
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{title}</h1>
{_table(heading, figure_rows(report))}
<p class="note">{_shown(longest_copy_words(report))}</p>
<p class="note">{_shown(comparison_words(report))}</p>
<ul class="legend"><li>Also in the training text:</li>
{legend}</ul>
<main>
{"".join(_paragraph(line, segments) for line, segments in marked_lines(report))}</main>
{f"<h2>What a reader notices</h2>{_table(noticed[0], noticed[1:])}" if noticed else ""}
</body>
</html>
"""


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{_shown(heading)}</th>" for heading in headings)
    cells = ("".join(f"<td>{_shown(cell)}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{row}</tr>\n" for row in cells)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>"


def _paragraph(line: Line, segments: list[Segment]) -> str:
    speaker = f'<span class="speaker">{_shown(line.speaker)}</span>  ' if line.speaker else ""
    said = "".join(map(_segment, segments))
    sources = "".join(f'<span class="source">↑ {_shown(words)}</span>' for words in sources_named(segments))
    return f'<p class="{_shown(line.kind)}">{speaker}{said}{sources}</p>\n'


def _segment(segment: Segment) -> str:
    text = _shown(segment.text)
    if segment.copy is None:
        return text
    title = _shown(source_words(segment.copy))
    return f'<mark class="band-{band(segment.copy)}" title="{title}">{text}</mark>'


def _shown(text: str) -> str:
    """Return untrusted text, escaped for HTML and without unsafe characters."""
    return escape(shown(text))
