"""Turn scripts into small language models, and write new scripts in the same voice.

    import scriptforge

    dataset = scriptforge.prepare("my-script.txt")
    model = scriptforge.train(dataset, minutes=3)
    print(model.generate("elaine:"))

The public names are imported on first use, so `import scriptforge` itself is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scriptforge.api import Model as Model
    from scriptforge.api import evaluate as evaluate
    from scriptforge.api import export as export
    from scriptforge.api import generate as generate
    from scriptforge.api import inspect as inspect
    from scriptforge.api import load as load
    from scriptforge.api import open_room as open_room
    from scriptforge.api import originality as originality
    from scriptforge.api import page as page
    from scriptforge.api import prepare as prepare
    from scriptforge.api import pull as pull
    from scriptforge.api import push as push
    from scriptforge.api import remove as remove
    from scriptforge.api import rename as rename
    from scriptforge.api import resume as resume
    from scriptforge.api import stream as stream
    from scriptforge.api import train as train
    from scriptforge.api import tune as tune
    from scriptforge.copying import OriginalityReport as OriginalityReport
    from scriptforge.corpus.convert import convert as convert
    from scriptforge.corpus.inspect import Inspection as Inspection
    from scriptforge.dataset import Dataset as Dataset
    from scriptforge.errors import ScriptforgeError as ScriptforgeError
    from scriptforge.errors import UsageError as UsageError
    from scriptforge.evaluation import EvaluationReport as EvaluationReport
    from scriptforge.generation.files import save as save
    from scriptforge.generation.generate import GeneratedText as GeneratedText
    from scriptforge.hub.push import PushResult as PushResult
    from scriptforge.options import ConvertOptions as ConvertOptions
    from scriptforge.options import EvaluateOptions as EvaluateOptions
    from scriptforge.options import ExportOptions as ExportOptions
    from scriptforge.options import GenerateOptions as GenerateOptions
    from scriptforge.options import InspectOptions as InspectOptions
    from scriptforge.options import PrepareOptions as PrepareOptions
    from scriptforge.options import PushOptions as PushOptions
    from scriptforge.options import ServeOptions as ServeOptions
    from scriptforge.options import TrainOptions as TrainOptions
    from scriptforge.options import TuneOptions as TuneOptions
    from scriptforge.workspace import Workspace as Workspace

    __version__: str

_FUNCTIONS = (
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
)
_OPTIONS = (
    "ConvertOptions",
    "EvaluateOptions",
    "ExportOptions",
    "GenerateOptions",
    "InspectOptions",
    "PrepareOptions",
    "PushOptions",
    "ServeOptions",
    "TrainOptions",
    "TuneOptions",
)
_MODULES = {
    "Dataset": "scriptforge.dataset",
    "EvaluationReport": "scriptforge.evaluation",
    "GeneratedText": "scriptforge.generation.generate",
    "Inspection": "scriptforge.corpus.inspect",
    "Model": "scriptforge.api",
    "OriginalityReport": "scriptforge.copying",
    "PushResult": "scriptforge.hub.push",
    "ScriptforgeError": "scriptforge.errors",
    "UsageError": "scriptforge.errors",
    "convert": "scriptforge.corpus.convert",
    "save": "scriptforge.generation.files",
    "Workspace": "scriptforge.workspace",
    **dict.fromkeys(_FUNCTIONS, "scriptforge.api"),
    **dict.fromkeys(_OPTIONS, "scriptforge.options"),
}

__all__ = ["__version__", *_MODULES]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("scriptforge-lm")
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
