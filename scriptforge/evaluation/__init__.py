"""How well a model knows a text that it was not trained on."""

from scriptforge.evaluation.loss import Evaluation, Extent, Figures, evaluate, stream_figures

__all__ = ["Evaluation", "Extent", "Figures", "evaluate", "stream_figures"]
