"""The library: what the command line does, for programs and notebooks.

    import scriptforge

    dataset = scriptforge.prepare("my-script.txt")
    model = scriptforge.train(dataset, minutes=1)
    for script in scriptforge.generate(model, prime="elaine", count=3):
        print(script.text)

Each verb takes an options object of `scriptforge.options`, or its fields as keyword arguments, or both, where
a keyword wins. Datasets and runs stand in a workspace: the folder in `SCRIPTFORGE_WORKSPACE`, or the current
one, unless another is named. Nothing here prints, and nothing changes in the process: no logger, environment
variable or warning filter. Long work shows a bar in a notebook and is quiet elsewhere; `progress` overrides
that.
"""

from scriptforge.api.models import (
    Model,
    evaluate,
    generate,
    load,
    originality,
    prepare,
    resume,
    stream,
    train,
)
from scriptforge.api.sharing import export, open_room, page, pull, push
from scriptforge.workspace.entries import remove, rename

__all__ = [
    "Model",
    "evaluate",
    "export",
    "generate",
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
]
