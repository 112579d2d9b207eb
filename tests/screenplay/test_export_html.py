"""Writing a page: its parts, and that whatever a script says is only ever text."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.scripts import scripts

from scriptforge.screenplay.formats import write
from scriptforge.screenplay.script import KINDS, Element, Script, normalise

EXPECTED: dict[str, Any] = {
    "html": [set()],
    "head": [set()],
    "meta": [
        {("charset", "utf-8")},
        {
            ("http-equiv", "Content-Security-Policy"),
            ("content", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"),
        },
        {("name", "viewport"), ("content", "width=device-width, initial-scale=1")},
    ],
    "title": [set()],
    "style": [set()],
    "body": [set()],
    "main": [{("class", "script")}],
    "header": [{("class", "title-page")}],
    "h1": [{("dir", "auto")}],
    "section": [{("class", "scene")}],
    "h2": [{("class", "heading"), ("dir", "auto")}],
    "div": [{("class", "speech")}],
    "p": [
        {("class", name), ("dir", "auto")}
        for name in ("action", "transition", "cue", "parenthetical", "dialogue")
    ],
    "br": [set()],
}
"""Every element that a page may have, with the attributes that it may have."""

HOSTILE = [
    "</p></main><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</title><style>*{}</style>",
    "&lt;b&gt;&amp;amp;", "\" onload='x'", "<!--", "-->", "]]>", "<![CDATA[", "javascript:",
    "\u202eevil\u2066", "{{x}}", "<p class=cue>", "</style>",
]  # fmt: skip
ORDINARY = ["a", " ", "\n", "(", ")", "(O.S.) "]
hostile_texts = st.lists(st.sampled_from(HOSTILE + ORDINARY), min_size=1).map("".join)


@dataclass
class Block:
    """A piece of text on the page, and what it is."""

    name: str
    text: str = ""


@dataclass
class Page(HTMLParser):
    """A page read back: its blocks, and every element with its attributes."""

    blocks: list[Block] = field(default_factory=list)
    elements: list[tuple[str, set[tuple[str, str | None]]]] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, set(attrs)))
        if tag == "br":
            self.blocks[-1].text += "\n"
        elif tag != "meta":
            self._open.append(tag)
            self.blocks.append(Block(dict(attrs).get("class") or tag))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and data.strip():
            self.blocks[-1].text += data

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    def handle_pi(self, data: str) -> None:
        self.others.append(data)

    def unknown_decl(self, data: str) -> None:
        self.others.append(data)


def read_page(script: Script) -> Page:
    page = Page()
    page.feed(write(script, "html"))
    page.close()
    return page


def blocks_of(*elements: Element) -> list[tuple[str, str]]:
    blocks = read_page(Script.from_elements("", elements)).blocks
    return [
        (block.name, block.text) for block in blocks if block.text and block.name not in ("style", "title")
    ]


def test_every_element_is_what_it_is() -> None:
    assert blocks_of(
        Element("heading", "INT. DINER"),
        Element("action", "Rain.  Tea & toast."),
        Element("dialogue", "Any cars?", "DEE"),
        Element("transition", "CUT TO:"),
    ) == [
        ("heading", "INT. DINER"),
        ("action", "Rain.  Tea & toast."),
        ("cue", "DEE"),
        ("dialogue", "Any cars?"),
        ("transition", "CUT TO:"),
    ]


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("(O.S.) Hi.", [("cue", "DEE (O.S.)"), ("dialogue", "Hi.")]),
        (
            "(V.O.) (softly) Hi.\n(beat)\nHo, (not) ho.\nVerse.",
            [
                ("cue", "DEE (V.O.)"),
                ("parenthetical", "(softly)"),
                ("dialogue", "Hi."),
                ("parenthetical", "(beat)"),
                ("dialogue", "Ho, (not) ho.\nVerse."),
            ],
        ),
        (
            "Hi. (beat) Ho.\nNo. (leaves)",
            [
                ("cue", "DEE"),
                ("dialogue", "Hi."),
                ("parenthetical", "(beat)"),
                ("dialogue", "Ho.\nNo. (leaves)"),
            ],
        ),
        ("(she nods)", [("cue", "DEE"), ("parenthetical", "(she nods)")]),
        ("(one) and (two)", [("cue", "DEE"), ("parenthetical", "(one)"), ("dialogue", "and (two)")]),
    ],
)
def test_what_stands_in_brackets_stands_where_it_should(text: str, blocks: list[tuple[str, str]]) -> None:
    assert blocks_of(Element("dialogue", text, "DEE")) == blocks


def test_there_is_a_title_page_if_there_is_a_title() -> None:
    with_title = write(Script("Exact Change", ()), "html")
    without = write(Script("", ()), "html")
    assert '<header class="title-page"><h1 dir="auto">Exact Change</h1></header>' in with_title
    assert "<title>Exact Change</title>" in with_title
    assert "<header" not in without and "<title>Script</title>" in without


def test_scenes_are_sections_with_or_without_a_heading() -> None:
    elements = [Element("action", "One."), Element("heading", ""), Element("action", "Two.")]
    page = write(Script.from_elements("", elements), "html")
    assert page.count('<section class="scene">') == page.count("</section>") == 2
    assert "<h2" not in page


def test_a_page_asks_nothing_of_anybody_else() -> None:
    page = write(Script("", ()), "html")
    assert not any(
        word in page for word in ("http:", "https:", "url(", "@import", "src=", "href=", "<script")
    )


def assert_only_text(script: Script) -> None:
    page = read_page(script)
    assert not page.others
    for tag, attributes in page.elements:
        assert attributes in EXPECTED[tag]
    said = " ".join(f"{element.speaker} {element.text}" for element in script.elements)
    shown = [block.text for block in page.blocks if block.name not in ("style", "title", "h1")]
    assert " ".join(shown).split() == neutral(said).split()
    (title,) = (block.text for block in page.blocks if block.name == "title")
    assert title.split() == (neutral(script.title).split() or ["Script"])


def neutral(text: str) -> str:
    """The text with what turns the reading direction made visible."""
    turning = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd")
    return text.translate(turning)


@given(scripts)
@example(Script.from_elements("", [Element("dialogue", "(O.S.) (a) (b)\n(c)", "A")]))
def test_any_script_stays_text(script: Script) -> None:
    assert_only_text(script)


@given(st.lists(st.builds(Element, st.sampled_from(KINDS), hostile_texts, hostile_texts)), hostile_texts)
def test_hostile_text_stays_text(printed: list[Element], title: str) -> None:
    elements = [element for element in map(normalise, printed) if element]
    assert_only_text(Script.from_elements(title, elements))


def test_nothing_turns_the_reading_direction() -> None:
    script = Script.from_elements("a\u202eb\x00\x1b", [Element("action", "c\u2066\u202dd \u200fשלום\u200f")])
    page = write(script, "html")
    assert "<title>a\ufffdb</title>" in page and "c\ufffd\ufffdd \u200fשלום\u200f</p>" in page
