"""Make `docs/reference/` and the printouts on other pages from the code, so that they match it.

    python docs/making [FOLDER]

The pages are written below FOLDER, or in the repository by default.

Options, settings, formats and cards are read from their declarations; the keys of the JSON documents and the
files of the folders from a small dataset and run in a temporary workspace. `meanings.py` says what each key
means; a key without a meaning, or a meaning without a key, is an error.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from declared import cards, commands, exit_codes, formats, settings
from pages import page
from printouts import filled, printouts
from served import http_api
from written import SampleWorkspace, folders, json_documents

REPOSITORY = Path(__file__).resolve().parent.parent.parent
NOTICE = "<!-- Made from the code by docs/making; `make docs` writes it anew. -->"


def main() -> None:
    """Write the pages below the given folder, or in the repository."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY
    os.environ["COLUMNS"] = "80"
    with TemporaryDirectory() as name:
        trial = SampleWorkspace(Path(name))
        pages = {
            "commands": commands(),
            "settings": settings(),
            "formats": formats(),
            "cards": cards(),
            "json": json_documents(trial),
            "folders": folders(trial),
            "exit-codes": exit_codes(),
            "http-api": http_api(),
        }
    pages["README"] = contents(pages)
    for name, text in pages.items():
        write(root / "docs" / "reference" / f"{name}.md", f"{NOTICE}\n\n{text}")
    with TemporaryDirectory() as name:
        made = printouts(Path(name))
    for path in [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")]:
        text = path.read_text("utf-8")
        if "<!-- made: " in text:
            write(root / path.relative_to(REPOSITORY), filled(text, made))


def write(path: Path, text: str) -> None:
    """Write a page, and create its folder if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def contents(pages: Mapping[str, str]) -> str:
    """Return the page that lists the other pages by their headings."""
    lines = (f"- [{text.partition(chr(10))[0].lstrip('# ')}]({name}.md)" for name, text in pages.items())
    return page("Reference", "Made from the code, so it says what the code does.", "\n".join(lines))


if __name__ == "__main__":
    main()
