"""Chats that WhatsApp exports with media: a ZIP archive of the text and of what was sent with it.

    _chat.txt                                    the text, from an iPhone
    WhatsApp Chat with Nora.txt                  the text, from Android, named in the language of the phone
    00000004-PHOTO-2021-03-12-09-14-05.jpg       a picture; also sound, films, contacts, documents

The name of the text identifies such an archive, which must have one of them. Whatever else is in it is not
read. In any other archive, a text beside pictures may be a licence or a list of them as well as a script.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from scriptforge.documents.document import Document, lines_of, open_archive
from scriptforge.screenplay.format import BrokenScript

_ON_AN_IPHONE = "_chat.txt"
_IN_THE_NAME = "whatsapp"
_FIRST_BYTES = b"PK\x03\x04"


def chat_in(names: Sequence[str]) -> str:
    """Return the name of the member that is a chat; empty if there is none, or more than one."""
    found = [name for name in names if PurePosixPath(name).name == _ON_AN_IPHONE]
    found = found or [name for name in names if _is_named_by_whatsapp(PurePosixPath(name).name.lower())]
    return found[0] if len(found) == 1 else ""


def _is_named_by_whatsapp(name: str) -> bool:
    """Return whether a name in lower case is that of a chat, and not of its properties on a Mac."""
    return name.endswith(".txt") and _IN_THE_NAME in name and not name.startswith("._")


def is_chat(path: Path, kind: str) -> bool:
    """Return whether an archive is an exported chat; `kind` is what messages call it.

    Raises:
        BrokenScript: it is damaged, encrypted, or looks malicious.
    """
    with open_archive(path, kind, has_media=True) as archive:
        return bool(chat_in(archive.names))


def may_be_chat(path: Path) -> bool:
    """Return whether a file is an exported chat, or an archive that cannot be opened and may be one.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if file.read(len(_FIRST_BYTES)) != _FIRST_BYTES:
            return False
    try:
        return is_chat(path, "zipped")
    except BrokenScript:
        return True


def read(path: Path, encoding: str | None) -> Document:
    """Return the chat in an archive; it is UTF-8 unless the user gave another encoding.

    Raises:
        BrokenScript: the archive is damaged, or the text in it is far too large or has far too many lines.
    """
    with open_archive(path, "WhatsApp", has_media=True) as archive:
        content = archive.content(chat_in(archive.names))
    lines = lines_of(content.decode(encoding or "utf-8-sig", errors="replace"))
    return Document("", (), lines, "in a chat that WhatsApp exported")
