"""A report as a web page: one file that needs no other, asks nothing of the network and runs no script."""

from collections.abc import Iterator
from html import escape

from scriptforge.characters import UNSAFE
from scriptforge.copying.report import OriginalityReport
from scriptforge.copying.view import (
    BANDS,
    Segment,
    band,
    band_names,
    comparison_words,
    figure_rows,
    marked_lines,
    source_words,
    sources_named,
)
from scriptforge.copying.words import Line

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
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .35rem 0 .35rem 1.5rem; border-bottom: 1px solid var(--rule); }
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


def render_page(report: OriginalityReport, name: str) -> str:
    """Return the page: the figures, a legend, and the text with its copies marked.

    Args:
        report: the report on the text.
        name: the name of the text, for the title.
    """
    title = f"Originality of {_shown(name)}"
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
<table>
<thead><tr><th></th><th>this text</th><th>human script</th></tr></thead>
<tbody>
{"".join(_rows(report))}</tbody>
</table>
<p class="note">{_shown(comparison_words(report))}</p>
<ul class="legend"><li>Also in the training text:</li>
{"".join(_legend())}</ul>
<main>
{"".join(_paragraph(line, segments) for line, segments in marked_lines(report))}</main>
</body>
</html>
"""


def _rows(report: OriginalityReport) -> Iterator[str]:
    for row in figure_rows(report):
        yield f"<tr>{''.join(f'<td>{_shown(cell)}</td>' for cell in row)}</tr>\n"


def _legend() -> Iterator[str]:
    for number, name in zip(range(len(BANDS)), band_names(), strict=True):
        yield f'<li><mark class="band-{number}">{name}</mark></li>\n'


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
    """Return text from elsewhere as text on the page, whatever it contains."""
    return escape(UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text))
