"""The readers of scripts: every format of text, every kind of document and table, as `prepare` reads them."""

import io
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from support import tin_roof

from fuzzing.target import Read, Target
from scriptforge.corpus.cards import Cards
from scriptforge.corpus.fetch import fetch
from scriptforge.corpus.parse import Parsing, parse
from scriptforge.corpus.sources import find_source
from scriptforge.documents.kinds import write
from scriptforge.screenplay.formats import FORMATS

_TESTS = Path(__file__).resolve().parent.parent
_CASES = _TESTS / "corpus" / "cases"
_FIXTURES = _TESTS / "screenplay" / "fixtures"
_MAX_SEED = 50_000

_TABLES = {
    ".csv": [b"speaker,line\nNora,Is that the roof?\nOskar,It is only rain.\nNora,A ladder.\n"],
    ".tsv": [b"speaker\tline\nNora\tIs that the roof?\nOskar\tIt is only rain.\n"],
    ".jsonl": [b'{"speaker": "Nora", "line": "Is that the roof?"}\n{"speaker": "Oskar", "line": "Rain."}\n'],
    ".json": [b'[{"title": "Tin Roof", "turns": [{"speaker": "Nora", "line": "The roof?"}]}]\n'],
}


def script_targets() -> Iterator[Target]:
    """Yield every target that reads a script."""
    yield Target("text", _texts, partial(_opened, suffix=".txt"))
    for each in FORMATS:
        suffix = next(iter(each.suffixes), ".txt")
        yield Target(
            each.name, partial(_texts_in, each.name), partial(_opened, suffix=suffix, format=each.name)
        )
    for suffix, seeds in _TABLES.items():
        yield Target(suffix[1:], partial(_files, suffix, seeds), partial(_opened, suffix=suffix))
    for suffix, make in _DOCUMENTS.items():
        yield Target(suffix[1:], partial(_files, suffix, make), partial(_opened, suffix=suffix))
    for suffix, member in _MEMBERS:
        name = f"{suffix[1:]}-{Path(member).stem}"
        yield Target(name, partial(_members, suffix, member), partial(_packed, suffix=suffix, member=member))


def _opened(folder: Path, suffix: str, format: str | None = None) -> Read:
    path = folder / f"script{suffix}"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        read_script(path, format)

    return read


def _packed(folder: Path, suffix: str, member: str) -> Read:
    """Return what reads a document of which a member of its archive is the input."""
    [whole] = _made(suffix)
    read = _opened(folder, suffix)
    return lambda content: read(tin_roof.with_member(whole, member, lambda _: content))


def read_script(path: Path, format: str | None = None) -> None:
    """Read a script to its end, in a format or in the one that is found."""
    source = replace(find_source(str(path), Cards({}, {})), format=format)
    for _ in parse(fetch(source), False, Parsing()):
        pass


def _texts() -> list[bytes]:
    return [*map(str.encode, (tin_roof.FOUNTAIN,)), *_small([*_CASES.glob("*.txt"), *_FIXTURES.iterdir()])]


def _texts_in(format: str) -> list[bytes]:
    told = [
        path.with_suffix("")
        for path in _CASES.glob("*.reads")
        if path.read_text(encoding="utf-8").splitlines()[0] == format
    ]
    own = [tin_roof.FOUNTAIN.encode()] if format == "fountain" else []
    return own + _small([*filter(Path.is_file, told), *_FIXTURES.glob(f"{format}--*")])


def _files(suffix: str, seeds: Callable[[], list[bytes]] | list[bytes]) -> list[bytes]:
    own = seeds if isinstance(seeds, list) else seeds()
    return own + _small(_CASES.glob(f"*{suffix}"))


def _small(paths: Iterable[Path]) -> list[bytes]:
    return [path.read_bytes() for path in sorted(paths) if path.stat().st_size < _MAX_SEED]


def _word() -> list[bytes]:
    return [write([tin_roof.SCRIPT], "docx")]


def _pdf() -> list[bytes]:
    """Return the script as it is written, and as a page whose text is not compressed."""
    from reportlab.pdfgen.canvas import Canvas

    buffer = io.BytesIO()
    canvas = Canvas(buffer, pageCompression=0, invariant=1)
    for number, (kind, text) in enumerate(tin_roof.PARAGRAPHS):
        canvas.drawString(220 if kind == "Character" else 108, 720 - 12 * number, text)
    canvas.save()
    return [buffer.getvalue(), write([tin_roof.SCRIPT], "pdf")]


def _html() -> list[bytes]:
    with zipfile.ZipFile(io.BytesIO(tin_roof.celtx())) as archive:
        return [archive.read("script-aB3.html"), write([tin_roof.SCRIPT], "html")]


_DOCUMENTS: dict[str, Callable[[], list[bytes]]] = {
    ".docx": _word,
    ".pdf": _pdf,
    ".html": _html,
    ".odt": lambda: [tin_roof.open_document()],
    ".fodt": lambda: [tin_roof.flat_open_document().encode()],
    ".zip": lambda: [tin_roof.zipped({"_chat.txt": (_CASES / "whatsapp-iphone.txt").read_bytes()})],
    ".rtf": lambda: [tin_roof.rich_text(has_styles=styles).encode() for styles in (True, False)],
    ".highland": lambda: [tin_roof.zipped({"a.textbundle/text.fountain": tin_roof.FOUNTAIN})],
    ".fadein": lambda: [tin_roof.zipped({"document.xml": tin_roof.open_screenplay()})],
    ".osf": lambda: [tin_roof.open_screenplay().encode(), tin_roof.open_screenplay("NAME", False).encode()],
    ".celtx": lambda: [tin_roof.celtx()],
    ".trelby": lambda: [tin_roof.trelby().encode()],
}
"""By suffix, the documents to begin with."""

_MEMBERS = (
    (".docx", "word/document.xml"),
    (".docx", "word/styles.xml"),
    (".odt", "content.xml"),
    (".odt", "styles.xml"),
    (".fadein", "document.xml"),
    (".celtx", "script-aB3.html"),
)
"""Members of archives that are inputs by themselves: a change in an archive is betrayed by its checksums."""


def _made(suffix: str) -> list[bytes]:
    return _DOCUMENTS[suffix]()


def _members(suffix: str, member: str) -> list[bytes]:
    with zipfile.ZipFile(io.BytesIO(_made(suffix)[0])) as archive:
        return [archive.read(member)]
