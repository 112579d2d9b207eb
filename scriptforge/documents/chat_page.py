"""Chats exported as web pages: by Telegram, or from Discord by DiscordChatExporter.

Both group consecutive messages of an author under a single name. The exports are recognised by the classes of
their HTML elements alone.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from scriptforge.screenplay.paragraphs import CUE, DIALOGUE, Paragraph

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_LONGEST_NAME = 200


def read(page: "HtmlElement") -> list[Paragraph]:
    """Return the messages on a page, each after its author's cue; empty if the page is no such export."""
    return list(_of_telegram(page)) or list(_of_discord(page))


def _of_telegram(page: "HtmlElement") -> Iterator[Paragraph]:
    """Yield the messages; one without a name has the author of the message above it."""
    author = ""
    for message in page.xpath(f"//div[{_outermost('message')} and div[{_has('body')}]]"):
        body = message.xpath(f"div[{_has('body')}]")[0]
        names = body.xpath(f"div[{_has('from_name')}]")
        if names:
            author = (names[0].text or "").strip()
        forwarded = f"div[{_has('forwarded')}]/div[{_has('text')}]"
        for text in body.xpath(f"div[{_has('text')}] | {forwarded}"):
            yield from _said(author, text)


def _of_discord(page: "HtmlElement") -> Iterator[Paragraph]:
    groups = page.xpath(f"//div[{_outermost('chatlog__message-group')}]")
    for group in groups:
        authors = group.xpath(f".//span[{_has('chatlog__author')} or {_has('chatlog__author-name')}]")
        author = " ".join(authors[0].text_content().split()) if authors else ""
        for text in group.xpath(f".//div[{_outermost('chatlog__content')}]"):
            yield from _said(author, text)


def _said(author: str, text: "HtmlElement") -> Iterator[Paragraph]:
    for line_break in text.iter("br"):
        line_break.tail = f"\n{line_break.tail or ''}"
    said = text.text_content().strip()
    if said and author:
        yield Paragraph(CUE, author[:_LONGEST_NAME])
        yield Paragraph(DIALOGUE, said)
    elif said:
        yield Paragraph("action", said)


def _outermost(name: str) -> str:
    """Return the XPath condition that a `div` has a class, and none around it has: no text is read twice."""
    return f"{_has(name)} and not(ancestor::div[{_has(name)}])"


def _has(name: str) -> str:
    """Return the XPath condition that an element has a class."""
    return f"contains(concat(' ', normalize-space(@class), ' '), ' {name} ')"
