"""Chats exported as JSON by Telegram, Slack, Discord, Messenger and Instagram.

    Telegram    {"name": …, "messages": [{"type": "message", "from": "Nora", "text": "…" or [parts]}]}
    Slack       [{"type": "message", "user": "U1", "text": "… <@U2> …", "ts": "…"}]
    Discord     {"channel": …, "messages": [{"type": "Default", "author": {"name": …}, "content": "…"}]}
    Messenger   {"messages": [{"sender_name": "Nora", "timestamp_ms": …, "content": "…"}]}, the newest first

A chat becomes a row: its title, and its messages as turns. Events noted by the program, such as a person who
joins, are action; messages without text, such as pictures, are left out. This module does not read files.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import unescape
from typing import Any

_SAID_ON_DISCORD = frozenset({"Default", "Reply", "0", "19", "ChatInputCommand", "ThreadStarterMessage"})
_SAID_ON_SLACK = frozenset({"", "bot_message", "thread_broadcast", "file_share", "file_comment"})
_LINK = re.compile(r"<(?P<sign>[@#!]?)(?P<target>[^<>|]{1,2000})(?:\|(?P<label>[^<>]{0,2000}))?>")
_LONGEST_TITLE = 200
_LONGEST_NAME = 200
_LONGEST_NAME_ON_SLACK = 80
"""What Slack allows. A name stands for each of its mentions, which are as short as `<@U1>`."""


Turn = dict[str, str]


def chats(document: object, names: Mapping[str, str]) -> list[dict[str, object]]:
    """Return a row for each chat in a JSON document, with `title` and `chat`; none if it is not an export.

    Args:
        document: parsed JSON.
        names: names by user id, for exports of Slack, which list them in another file (see `people`).
    """
    found = [_chat(each, names) for each in _candidates(document)]
    rows = [row for row in found if row]
    return rows if len(rows) == len(found) else []


def people(users: object) -> dict[str, str]:
    """Return the names in Slack's list of users, by user id; empty if it is not such a list."""
    if not isinstance(users, list) or not all(isinstance(user, dict) for user in users):
        return {}
    named = {_text(user.get("id")): _slack_name(user) for user in users}
    return {number: name for number, name in named.items() if number and name}


def _candidates(document: object) -> Sequence[object]:
    """Return the values that may be chats: those in Telegram's complete export, or the document itself."""
    if isinstance(document, Mapping) and isinstance(document.get("chats"), Mapping):
        listed = document["chats"].get("list")
        return [chat for chat in listed if chat.get("messages")] if _are_objects(listed) else []
    return [document]


def _chat(document: object, names: Mapping[str, str]) -> dict[str, object] | None:
    is_object = isinstance(document, Mapping)
    turns: Iterable[Turn]
    messages: Any = document.get("messages") if isinstance(document, Mapping) else document
    if not _are_objects(messages):
        return None
    fields = {field for message in messages for field in message}
    if not is_object and {"type", "ts"} <= fields and fields & {"user", "username", "bot_id"}:
        turns = (_of_slack(message, names) for message in messages)
    elif is_object and {"author", "content", "timestamp"} <= fields:
        turns = map(_of_discord, messages)
    elif is_object and {"sender_name", "timestamp_ms"} <= fields:
        turns = map(_of_messenger, sorted(messages, key=_moment))
    elif is_object and {"type", "text"} <= fields and fields & {"from", "actor"}:
        turns = map(_of_telegram, messages)
    else:
        return None
    return {"title": _title(document), "chat": [turn for turn in turns if turn["text"].strip()]}


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, Mapping) for each in value)


def _title(document: object) -> str:
    if not isinstance(document, Mapping):
        return ""
    channel = document.get("channel")
    name = (
        channel.get("name") if isinstance(channel, Mapping) else document.get("name", document.get("title"))
    )
    return _repaired(_text(name))[:_LONGEST_TITLE]


def _said(speaker: str, text: str) -> Turn:
    return {"speaker": speaker[:_LONGEST_NAME], "text": text, "kind": "dialogue"}


def _done(text: str) -> Turn:
    return {"speaker": "", "text": text, "kind": "action"}


def _of_telegram(message: Mapping[str, Any]) -> Turn:
    if message.get("type") != "message":
        action = _text(message.get("action")).replace("_", " ")
        return _done(" ".join(filter(None, (_text(message.get("actor")), action))))
    return _said(_text(message.get("from")) or "Deleted Account", _joined(message.get("text")))


def _of_discord(message: Mapping[str, Any]) -> Turn:
    author = message.get("author")
    author = author if isinstance(author, Mapping) else {"name": author}
    name = _text(author.get("nickname")) or _text(author.get("global_name")) or _text(author.get("name"))
    name = name or _text(author.get("username"))
    text = _text(message.get("content"))
    if str(message.get("type", "Default")) in _SAID_ON_DISCORD:
        return _said(name, text)
    return _done(f"{name}: {text}" if text else "")


def _of_messenger(message: Mapping[str, Any]) -> Turn:
    return _said(_repaired(_text(message.get("sender_name"))), _repaired(_text(message.get("content"))))


def _moment(message: Mapping[str, Any]) -> float:
    moment = message.get("timestamp_ms")
    return moment if isinstance(moment, int | float) else 0.0


def _of_slack(message: Mapping[str, Any], names: Mapping[str, str]) -> Turn:
    profile = message.get("user_profile")
    number = _text(message.get("user"))
    name = names.get(number, "") or (_slack_name(profile) if isinstance(profile, Mapping) else "")
    name = name or _text(message.get("username")) or number
    text = unescape(_LINK.sub(lambda link: _linked(link, names), _text(message.get("text"))))
    return _said(name, text) if _text(message.get("subtype")) in _SAID_ON_SLACK else _done(text)


def _linked(link: re.Match[str], names: Mapping[str, str]) -> str:
    """Return a link to a page, a person or a channel as Slack shows it."""
    sign = "@" if link["sign"] == "!" else link["sign"]
    return f"{sign}{link['label'] or names.get(link['target'], link['target'])}"


def _slack_name(user: Mapping[str, Any]) -> str:
    """Return the name in the profile of a user, or else another one; a very long name is cut."""
    profile = user.get("profile")
    places = [profile, user] if isinstance(profile, Mapping) else [user]
    names = (_text(place.get(key)) for place in places for key in ("display_name", "real_name", "name"))
    return next(filter(None, names), "")[:_LONGEST_NAME_ON_SLACK]


def _joined(text: object) -> str:
    """Return a text as one string, also if it is a list of strings and of objects with a `text`."""
    parts = text if isinstance(text, list) else [text]
    return "".join(_text(part.get("text")) if isinstance(part, Mapping) else _text(part) for part in parts)


def _repaired(text: str) -> str:
    """Return a text, repaired if each of its UTF-8 bytes was exported as a character, as Messenger does."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
