"""Evaluation of models on held-out text.

`evaluate` makes every measurement that its options ask for; each of the other functions makes one.
"""

from scriptforge.evaluation.loss import (
    Extent,
    combine,
    evaluate_ids,
    evaluate_sources,
    evaluate_split,
    extent,
    part_of_split,
    stream_loss,
)
from scriptforge.evaluation.neural_cache import evaluate_cached
from scriptforge.evaluation.ngram import NgramLoss, evaluate_ngram
from scriptforge.evaluation.picture import draw_profile
from scriptforge.evaluation.profile import Profile, profile_of_run, profile_of_text
from scriptforge.evaluation.report import CachedLoss, EvaluationReport, evaluate
from scriptforge.evaluation.speakers import SpeakerRecognition, recognition_of_run
from scriptforge.run.records import Evaluation, LossMetrics

__all__ = [
    "CachedLoss",
    "Evaluation",
    "EvaluationReport",
    "Extent",
    "LossMetrics",
    "NgramLoss",
    "Profile",
    "SpeakerRecognition",
    "combine",
    "draw_profile",
    "evaluate",
    "evaluate_cached",
    "evaluate_ids",
    "evaluate_ngram",
    "evaluate_sources",
    "evaluate_split",
    "extent",
    "part_of_split",
    "profile_of_run",
    "profile_of_text",
    "recognition_of_run",
    "stream_loss",
]
