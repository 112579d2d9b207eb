"""How well a model knows a text that it was not trained on."""

from scriptforge.evaluation.loss import (
    Evaluation,
    Extent,
    Figures,
    evaluate,
    evaluate_sources,
    evaluate_split,
    extent,
    stream_figures,
    together,
)
from scriptforge.evaluation.neural_cache import evaluate_cached
from scriptforge.evaluation.speakers import Voice, voice_of_run

__all__ = [
    "Evaluation",
    "Extent",
    "Figures",
    "Voice",
    "evaluate",
    "evaluate_cached",
    "evaluate_sources",
    "evaluate_split",
    "extent",
    "stream_figures",
    "together",
    "voice_of_run",
]
