"""The Python API: what the command line does, for programs and notebooks.

    import scriptforge

    dataset = scriptforge.prepare("my-script.txt")
    model = scriptforge.train(dataset, minutes=1)
    for script in scriptforge.generate(model, prime="elaine", count=3):
        print(script.text)

Functions take an options object of `scriptforge.options`, its fields as keyword arguments, or both, in which
case keywords override fields. Datasets and runs are in a workspace: the folder named by the argument
`workspace`, else by the environment variable `SCRIPTFORGE_WORKSPACE`, else the current folder. Nothing here
prints, or changes global state such as loggers, environment variables or warning filters. Long operations
show a progress bar in notebooks only; `progress` overrides that.
"""

from scriptforge.api.corpora import inspect, prepare
from scriptforge.api.models import (
    Model,
    evaluate,
    generate,
    load,
    originality,
    resume,
    stream,
    train,
)
from scriptforge.api.sharing import export, open_room, page, pull, push
from scriptforge.api.tuning import tune
from scriptforge.workspace.entries import remove, rename

__all__ = [
    "Model",
    "evaluate",
    "export",
    "generate",
    "inspect",
    "load",
    "open_room",
    "originality",
    "page",
    "prepare",
    "pull",
    "push",
    "remove",
    "rename",
    "resume",
    "stream",
    "train",
    "tune",
]
