"""Attacks what scriptforge writes and reads, and counts what it withstood; writes reliability.md.

    PYTHONPATH=tests python -P docs/measured/reliability.py [A B=20 …] [--figures FILE]
    PYTHONPATH=tests python -P docs/measured/reliability.py --merge [FILE …]

Without a letter every attack is made, which takes days; with some, these, and the figures of the others stay
as they are in reliability.json. A number limits the attempts at each thing that is attacked, drawn at random.
`DRAW=7` in the environment draws others, and `SHARE=3/16` makes the third of sixteen equal shares of all
attempts: its figures go into a file of their own, with --figures, and --merge puts such files together. Alone
it writes the page anew. `FUZZ_SECONDS=60` is how long K fuzzes each target, in place of 600. With -P, the
folder of this script is not searched for the package of the tests that has its name. The exit code is 1 if
anything was wrong.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from reliability.report import ATTACKS, Figures, merged, page, wrong
from support.command import heed_interrupts

PAGE = Path(__file__).with_suffix(".md")
FIGURES = Path(__file__).with_suffix(".json")


def main() -> int:
    """Make some attacks, or put shares of them together, and write the page; return the exit code."""
    parser = argparse.ArgumentParser(description="Attack what scriptforge writes and reads.")
    parser.add_argument("words", nargs="*", metavar="LETTER[=MOST]", help=f"of {', '.join(ATTACKS)}")
    parser.add_argument("--figures", type=Path, metavar="FILE", help="write figures there, and no page")
    parser.add_argument("--merge", action="store_true", help="what is named are files of --figures")
    asked = parser.parse_args()
    heed_interrupts()
    # Commands run in other folders, and one in a folder that is gone, where Python takes no relative path.
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join(str(Path(path).absolute()) for path in given if path)
    if asked.merge:
        made = merged(map(_read, map(Path, asked.words)))
    else:
        made = _attack(asked.words or list(ATTACKS), asked.figures)
    if asked.figures is None:
        figures = {**_read(FIGURES), **made}
        FIGURES.write_text(f"{json.dumps(figures, indent=1, sort_keys=True)}\n", encoding="utf-8")
        PAGE.write_text(page(figures), encoding="utf-8")
    return bool(wrong(made))


def _attack(words: list[str], file: Path | None) -> Figures:
    """Make the attacks that are named, and keep the figures of each as soon as there are some."""
    made: Figures = {}
    for word in words:
        letter, _, most = word.partition("=")
        made[letter] = ATTACKS[letter].figures(int(most) if most else None)
        if file is not None:
            file.write_text(f"{json.dumps(made, indent=1, sort_keys=True)}\n", encoding="utf-8")
    return made


def _read(file: Path) -> Figures:
    figures: Figures = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return figures


if __name__ == "__main__":
    sys.exit(main())
