"""Options and arguments that several commands share, and standard input in place of a file."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from scriptforge.characters import PROGRAM
from scriptforge.cli.completion import run_names
from scriptforge.cli.output import SPINNER, Output

WorkspacePath = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        metavar="PATH",
        help="The folder of data, runs and your own corpora, instead of $SCRIPTFORGE_WORKSPACE or this one.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result and nothing else.")]
AsJSON = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what already has this name.")]


def _run_argument(how_named: str) -> Any:
    return typer.Argument(
        metavar="RUN", help=f"The run, by {how_named}; the latest if left out.", autocompletion=run_names
    )


RunArgument = Annotated[str | None, _run_argument("name or folder")]
PulledRunArgument = Annotated[str | None, _run_argument("name or folder, or OWNER/NAME on the Hub")]
STANDARD_INPUT = "-"


@contextmanager
def input_as_file(output: Output, names: list[str]) -> Iterator[list[str]]:
    """Yield names of corpora, with `-` replaced by a temporary file that contains standard input."""
    if STANDARD_INPUT not in names:
        yield names
        return
    if sys.stdin.isatty():
        output.note("Paste the text, then press Ctrl+D on a line of its own.")
    with TemporaryDirectory(prefix=f"{PROGRAM}-") as folder:
        file = Path(folder) / "stdin"
        SPINNER.stop()
        with file.open("wb") as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
        yield [str(file) if name == STANDARD_INPUT else name for name in names]


Format = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The format of the texts, which is recognised if left out."),
]
Columns = Annotated[
    str | None,
    typer.Option(
        metavar="ROLE=COLUMN,…",
        help="What a table's columns hold, if their names do not say: speaker=Character,line=Line. Join"
        " columns with +: document=Season+Episode.",
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The encoding of the texts, which is recognised if left out."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Processes that parse a large folder; one per processor if left out."
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="The address of a Dask scheduler, tcp://HOST:8786, whose workers parse on other machines.",
    ),
]
