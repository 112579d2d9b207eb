"""Writers for formats that screenwriters do not type: an HTML page for people, a JSON document for programs.

The page can be read on a screen and printed like a screenplay. On paper it has a screenplay's margins and
twelve-point typewriter type, with ten characters and six lines to the inch, so that a page lasts about a
minute. A title has a page of its own, the other pages have numbers, and no cue is at the foot of a page
without its dialogue. A parenthetical that opens a speech, is between two sentences or has a line to itself is
set on its own line; `(O.S.)` and `(V.O.)` are beside the name. The page is self-contained: it has no
JavaScript, fonts, images or links, and forbids the browser to load any. Text from the script is always
escaped. There is no reader for the page.

The JSON document looks like this:

    {
      "title": "Exact Change",
      "elements": [
        {"kind": "dialogue", "speaker": "DEE", "text": "Any cars?"}
      ]
    }

Each element has a line of its own, so that two drafts can be compared line by line. `table` reads it back:
the elements are turns.
"""

import json
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from operator import attrgetter

from scriptforge.characters import BIDI_CONTROLS
from scriptforge.screenplay.format import split_at_parentheticals, split_cue_extension
from scriptforge.screenplay.script import Element, Scene, Script, strip_lines

_UNTITLED = "Script"

_STYLE = """\
:root { color-scheme: light dark; --desk: #e6e3db; --paper: #fdfcf9; --ink: #1c1b19; }
@media (prefers-color-scheme: dark) { :root { --desk: #0f0f10; --paper: #1b1b1d; --ink: #e3e1db; } }
* { box-sizing: border-box; margin: 0; padding: 0; }
body {
  background: var(--desk); color: var(--ink);
  font: 12pt/1.25 "Courier Prime", "Courier Final Draft", Courier, "Courier New", "Nimbus Mono PS",
    "Liberation Mono", monospace;
  -webkit-text-size-adjust: 100%; text-size-adjust: 100%;
}
h1, h2, p { font: inherit; white-space: pre-wrap; overflow-wrap: anywhere; orphans: 2; widows: 2; }
.script { max-width: 85ch; margin: 2rem auto; padding: 6rem 10ch 6rem 15ch; background: var(--paper); }
.title-page { padding: 8rem 0 14rem; text-align: center; text-decoration: underline; }
.scene + .scene { margin-top: 2em; }
.scene + .scene:not(:has(.heading))::before { content: "* * *"; display: block; text-align: center; }
.action, .speech, .transition { margin-top: 1em; }
.heading, .cue, .transition { text-transform: uppercase; }
.heading, .cue { break-after: avoid; }
.cue { margin-inline-start: 22ch; }
.parenthetical { margin-inline-start: 16ch; max-width: 25ch; padding-inline-start: 1ch; text-indent: -1ch; }
.parenthetical:not(:last-child) { break-after: avoid; }
.dialogue { margin-inline-start: 10ch; max-width: 35ch; }
.transition { text-align: end; break-before: avoid; }
@media screen and (max-width: 52rem) {
  .script { margin: 0; max-width: none; min-height: 100vh; padding: 3rem 6vw; font-size: 11pt; }
  .title-page { padding: 3rem 0 6rem; }
  .cue { margin-inline-start: 30%; }
  .parenthetical { margin-inline-start: 18%; max-width: 64%; }
  .dialogue { margin-inline-start: 8%; max-width: 84%; }
}
@page {
  margin: 1in 1in 1in 1.5in;
  @top-right { content: counter(page) "."; font: 12pt/1 Courier, "Courier New", monospace; }
}
@page :first { @top-right { content: none; } }
@page title { margin: 1in; counter-increment: page 0; }
@media print {
  :root { color-scheme: light; --desk: white; --paper: white; --ink: black; }
  body { line-height: 1; }
  .script { max-width: none; margin: 0; padding: 0; }
  .title-page { padding: 3in 0 0; page: title; break-after: page; }
  .script + .script { break-before: page; }
}"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def write_html(script: Script) -> Iterator[str]:
    """Lay out a script as an HTML page."""
    return write_html_page([script])


def write_html_page(scripts: Sequence[Script]) -> Iterator[str]:
    """Lay out one or several scripts as one HTML page, each on its own sheets when printed."""
    titles = [" ".join(strip_lines(script.title).split()) for script in scripts]
    yield from f"""\
<!doctype html>
<html>
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(next(filter(None, titles), _UNTITLED))}</title>
<style>
{_STYLE}
</style>
</head>
<body>""".split("\n")
    tag = "main" if len(scripts) == 1 else "article"
    for title, script in zip(titles, scripts, strict=True):
        yield f'<{tag} class="script">'
        if title:
            yield f'<header class="title-page"><h1 dir="auto">{_text(title)}</h1></header>'
        for scene in script.scenes:
            yield from _render_scene(scene)
        yield f"</{tag}>"
    yield from ("</body>", "</html>")


def _render_scene(scene: Scene) -> Iterator[str]:
    yield '<section class="scene">'
    if scene.heading:
        yield _block("h2", "heading", scene.heading)
    for element in scene.elements:
        if element.kind == "dialogue":
            yield from _render_speech(element)
        else:
            yield _block("p", element.kind, element.text)
    yield "</section>"


def _render_speech(element: Element) -> Iterator[str]:
    extension, said = split_cue_extension(element.text)
    parts = (part for line in said.split("\n") for part in split_at_parentheticals(line))
    yield '<div class="speech">'
    yield _block("p", "cue", f"{element.speaker} {extension}".rstrip())
    for is_parenthetical, run in groupby(parts, key=attrgetter("is_parenthetical")):
        if is_parenthetical:
            yield from (_block("p", "parenthetical", part.text) for part in run)
        else:
            yield _block("p", "dialogue", "\n".join(part.text for part in run))
    yield "</div>"


def _block(tag: str, name: str, text: str) -> str:
    lines = "<br>".join(map(_text, text.split("\n")))
    return f'<{tag} class="{name}" dir="auto">{lines}</{tag}>'


def _text(text: str) -> str:
    """Escape text for HTML, and replace characters that would turn the reading direction of later text."""
    return escape(BIDI_CONTROLS.sub("\ufffd", text))


def write_json(script: Script) -> Iterator[str]:
    """Lay out a script as JSON."""
    elements = [
        _json({"kind": element.kind, "speaker": element.speaker, "text": element.text})
        for element in script.elements
    ]
    yield "{"
    yield f'  "title": {_json(script.title)},'
    if elements:
        yield '  "elements": ['
        yield from (f"    {element}," for element in elements[:-1])
        yield f"    {elements[-1]}"
        yield "  ]"
    else:
        yield '  "elements": []'
    yield "}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
