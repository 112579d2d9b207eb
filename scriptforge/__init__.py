"""Turn scripts into small language models, and write new ones in the same voice.

    import scriptforge

    model = scriptforge.load("owner/name")
    print(model.generate("elaine:"))

The names below are imported when they are first used, so `import scriptforge` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scriptforge.errors import ScriptforgeError as ScriptforgeError
    from scriptforge.model import Model as Model
    from scriptforge.model import load as load
    from scriptforge.workspace import Workspace as Workspace

    __version__: str

_HOMES = {
    "Model": "scriptforge.model",
    "ScriptforgeError": "scriptforge.errors",
    "Workspace": "scriptforge.workspace",
    "load": "scriptforge.model",
}

__all__ = ["Model", "ScriptforgeError", "Workspace", "__version__", "load"]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("scriptforge-lm")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
