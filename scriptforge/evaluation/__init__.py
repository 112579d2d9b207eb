"""How well a model knows a text that it was not trained on."""

from scriptforge.evaluation.loss import Evaluation, Extent, Figures, evaluate, stream_figures
from scriptforge.evaluation.split import evaluate_sources, evaluate_split, extent, together

__all__ = [
    "Evaluation",
    "Extent",
    "Figures",
    "evaluate",
    "evaluate_sources",
    "evaluate_split",
    "extent",
    "stream_figures",
    "together",
]
