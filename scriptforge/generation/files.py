"""The files of generated texts: formats by file name, and one or several texts in a file or a folder.

The module does not depend on how a text is generated, or on runs. Formats other than `txt` are imported only
when one is requested.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scriptforge.errors import UsageError
from scriptforge.screenplay.script import Script
from scriptforge.workspace import expand_home, is_stream, refuse_existing, turn_to_write, write_output

if TYPE_CHECKING:
    from scriptforge.generation.generate import GeneratedText

TEXT_FORMAT = "txt"
"""The format for plain text, which scripts can have, too."""

_APPENDABLE = {TEXT_FORMAT: "", "fountain": "\n"}
"""Formats whose files can be appended to, with the separator between a text and its continuation."""

_TAKEN = "Replace it with --force, append to it with --append, or name another one."
_PRINT = "Write -o {stem}.pdf"
_OPEN = "Word processors open -o {stem}.docx, and screenwriting programs -o {stem}.fdx or {stem}.fountain"
_NOT_WRITTEN = {
    **dict.fromkeys(("ps",), _PRINT),
    **dict.fromkeys(("doc", "odt", "rtf", "pages", "epub", "fdr", "fadein", "celtx", "highland"), _OPEN),
}
"""What to do instead, for the suffixes of common documents that cannot be written."""


def format_of(path: Path | None, asked: str | None = None) -> str:
    """Return the format asked for, else the one of the file's suffix, else `txt`.

    Raises:
        UsageError: the suffix is that of a document that cannot be written.
    """
    if asked:
        return asked
    if path is None:
        return TEXT_FORMAT
    suffix = path.suffix.lower().removeprefix(".")
    if suffix in _NOT_WRITTEN:
        raise UsageError(f"A .{suffix} file cannot be written.", _NOT_WRITTEN[suffix].format(stem=path.stem))
    return _format_by_suffix(path) or TEXT_FORMAT


def _format_by_suffix(path: Path) -> str | None:
    """Return the format of a file's suffix; None if it has none."""
    if not path.suffix:
        return None
    from scriptforge.documents.kinds import written_format

    return written_format(path)


def _is_document(format: str) -> bool:
    """Return whether a format is binary, such as `pdf`."""
    if format == TEXT_FORMAT:
        return False
    from scriptforge.documents.kinds import DOCUMENT_WRITERS

    return format in DOCUMENT_WRITERS


def check_several(count: int, format: str, folder: str = "FOLDER") -> None:
    """Check that one document of a format can hold `count` scripts.

    Raises:
        UsageError: a document holds one script only.
    """
    if count == 1 or format == TEXT_FORMAT:
        return
    from scriptforge.documents import kinds

    kinds.check_several(count, format, f"Give a folder for them: -o {folder} --format {format}")


def lay_out(text: "GeneratedText", format: str) -> str:
    """Return a text laid out in a format, a key of `scriptforge.screenplay.formats.WRITERS`.

    Raises:
        UsageError: plain text cannot be laid out in this format, or the format is binary.
    """
    if format == TEXT_FORMAT:
        return text.text
    check_printable(format)
    from scriptforge.screenplay.formats import write

    return write(_script(text, format), format)


def lay_out_several(texts: "Sequence[GeneratedText]", format: str) -> str:
    """Return several texts laid out in one document; in `txt`, each below a line with its seed.

    Raises:
        UsageError: the format holds one script, or plain text cannot be laid out in it, or it is binary.
    """
    if len(texts) == 1:
        return lay_out(texts[0], format)
    if format == TEXT_FORMAT:
        return "\n".join(f"{_heading(text)}\n{text.text}" for text in texts)
    check_several(len(texts), format)
    check_printable(format)
    from scriptforge.screenplay.formats import write_several

    return write_several([_script(text, format) for text in texts], format)


def check_printable(format: str) -> None:
    """Check that texts in a format can be printed in a terminal.

    Raises:
        UsageError: the format is binary.
    """
    if _is_document(format):
        raise UsageError(
            f"A {format} document cannot be printed in a terminal.",
            f"Name a file for it: -o page.{format}",
        )


def _contents(texts: "Sequence[GeneratedText]", format: str) -> str | bytes:
    """Return the contents of a file with these texts."""
    if _is_document(format):
        from scriptforge.documents.kinds import write as write_document

        return write_document([_script(text, format) for text in texts], format)
    return lay_out_several(texts, format)


def _heading(text: "GeneratedText") -> str:
    return f"--- seed {text.seed} ---"


def _script(text: "GeneratedText", format: str) -> Script:
    if not text.elements:
        raise UsageError(
            f"This model writes plain text, which cannot be laid out as {format}.",
            "Leave --format out, or train on a corpus prepared without --plain.",
        )
    return Script.from_elements("", text.elements)


@dataclass(frozen=True)
class Destination:
    """Where texts are written: a file or stream, or a folder with a file for each text.

    Attributes:
        path: where to; for several texts, a name without the suffix of a format is a folder.
        format: format of the texts.
        force: whether to replace existing files.
        append: whether to append to the file instead.
    """

    path: Path
    format: str
    force: bool = False
    append: bool = False

    def is_folder(self, count: int) -> bool:
        """Return whether `count` texts are written to a folder."""
        is_file = self.append or is_stream(self.path) or _format_by_suffix(self.path) is not None
        return self.path.is_dir() or (count > 1 and not is_file)

    def check(self, count: int) -> None:
        """Check that `count` texts can be written, before they are generated.

        Raises:
            UsageError: the file exists, or the format does not allow it.
        """
        if self.append:
            self._check_appending()
        if not self.is_folder(count):
            check_several(count, self.format, self.path.stem or "FOLDER")
            refuse_existing(self.path, self.force or self.append, _TAKEN)

    def write(
        self, texts: "Sequence[GeneratedText]", name: str
    ) -> "Iterator[tuple[Path, list[GeneratedText]]]":
        """Write texts; in a folder, to files called `NAME-seed-SEED.FORMAT`.

        Yields:
            Each file written, and its texts.

        Raises:
            UsageError: as in `check`, or plain text cannot be laid out in the format.
        """
        self.check(len(texts))
        if not self.is_folder(len(texts)):
            self._write_together(texts)
            yield self.path, list(texts)
            return
        for text in texts:
            file = self.path / f"{name}-seed-{text.seed}.{self.format}"
            write_output(file, _contents([text], self.format), force=self.force, hint=_TAKEN)
            yield file, [text]

    def _write_together(self, texts: "Sequence[GeneratedText]") -> None:
        if is_stream(self.path):
            write_output(self.path, _contents(texts, self.format), force=False)
            return
        with turn_to_write(self.path):
            is_continued = self.append and self.path.exists()
            content = self._concatenate(texts) if is_continued else _contents(texts, self.format)
            write_output(self.path, content, force=self.force or is_continued, hint=_TAKEN)

    def _check_appending(self) -> None:
        if self.format not in _APPENDABLE:
            raise UsageError(
                f"Nothing can be appended to a {self.format} document.",
                f"Only {' and '.join(_APPENDABLE)} files can be appended to: leave --append out, or name"
                " such a file.",
            )
        if self.path.is_dir():
            raise UsageError(f"{self.path} is a folder.", "Name the file to append to: -o page.txt")

    def _concatenate(self, texts: "Sequence[GeneratedText]") -> str:
        """Return what the file holds already, followed by the texts."""
        news = lay_out_several(texts, self.format)
        try:
            held = self.path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            raise UsageError(
                f"{self.path} is not UTF-8 text, so nothing can be appended in its encoding.",
                "Name another file.",
            ) from None
        if held and not held.endswith("\n"):
            held += "\n"
        if not held or (len(texts) == 1 and texts[0].continues):
            return f"{held}{_APPENDABLE[self.format] if held else ''}{news}"
        if self.format != TEXT_FORMAT:
            from scriptforge.screenplay.fountain import PAGE_BREAK

            return f"{held}\n{PAGE_BREAK}\n\n{news}"
        return f"{held}\n{news}" if len(texts) > 1 else f"{held}\n{_heading(texts[0])}\n{news}"


def save(
    texts: "Sequence[GeneratedText]",
    path: str | Path,
    *,
    format: str | None = None,
    append: bool = False,
    force: bool = False,
    name: str = "script",
) -> list[Path]:
    """Write texts to a file, or each to a file of its own in a folder, as `generate -o` does.

    Args:
        texts: the texts that `generate` returned.
        path: where to; for several texts, a name without the suffix of a format is a folder.
        format: `txt`, `fountain`, `fdx`, `json`, `html`, `docx` or `pdf`; None leaves it to the suffix.
        append: whether to append to the file, such as the continuation of a saved script.
        force: whether to replace existing files.
        name: what the names of files in a folder begin with.

    Returns:
        The files written.

    Raises:
        UsageError: the format cannot hold these texts, or the file exists.
    """
    file = expand_home(path)
    destination = Destination(file, format_of(file, format), force, append)
    return [written for written, _ in destination.write(texts, name)]
