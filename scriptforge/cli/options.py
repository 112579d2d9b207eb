"""The options that several commands share, as annotations for their parameters."""

from pathlib import Path
from typing import Annotated

import typer

WorkspacePath = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        metavar="PATH",
        help="The folder of data, runs and your own corpora, instead of $SCRIPTFORGE_WORKSPACE or this one.",
    ),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print the result and nothing else."),
]
AsJSON = Annotated[
    bool,
    typer.Option("--json", help="Print the result as one JSON document."),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Replace what has this name already."),
]
