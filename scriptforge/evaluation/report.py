"""The evaluation of a run on held-out text, and its report as JSON."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from scriptforge.dataset import Dataset
from scriptforge.evaluation.loss import combine, evaluate_sources, extent
from scriptforge.evaluation.neural_cache import evaluate_cached
from scriptforge.evaluation.ngram import NgramLoss, evaluate_ngram
from scriptforge.evaluation.profile import Profile, profile_of_run
from scriptforge.evaluation.speakers import SpeakerRecognition, recognition_of_run, require_classifier
from scriptforge.generation.neural_cache import CacheParameters
from scriptforge.models import LanguageModel, TensorAdapter
from scriptforge.options import EvaluateOptions, GenerateOptions, HeldOut
from scriptforge.run.records import Evaluation, LossMetrics
from scriptforge.run.run import Run


@dataclass(frozen=True)
class CachedLoss:
    """The `stream` loss of a model with a neural cache.

    Attributes:
        options: the parameters of the cache.
        metrics: the loss of the mixture of model and cache.
    """

    options: CacheParameters
    metrics: LossMetrics


@dataclass(frozen=True)
class EvaluationReport:
    """The results of an evaluation; what was not requested is None.

    Attributes:
        run: the name of the run.
        split: the split that was read.
        int8: whether the model computed in 8-bit integers.
        whole: the loss on the split.
        by_source: the loss on each source of a mix; empty for a single corpus.
        ngram: the loss of an n-gram model.
        cached: the loss with a neural cache.
        speakers: how often a classifier recognises the speaker of a line.
        profile: the measures of the model's pages beside people's.
    """

    run: str
    split: HeldOut
    int8: bool
    whole: Evaluation
    by_source: Mapping[str, Evaluation] = field(default_factory=dict)
    ngram: NgramLoss | None = None
    cached: CachedLoss | None = None
    speakers: SpeakerRecognition | None = None
    profile: Profile | None = None

    def document(self) -> dict[str, Any]:
        """Return the JSON document; what was not requested, or does not apply, has no key."""
        document = {"run": self.run, "split": self.split, **asdict(self.whole)}
        if self.int8:
            document["int8"] = True
        if self.by_source:
            document["sources"] = {source: asdict(each) for source, each in self.by_source.items()}
        if self.ngram:
            document["ngram"] = self.ngram.document()
        if self.cached:
            document["stream_cached"] = {**asdict(self.cached.options), **asdict(self.cached.metrics)}
        if self.speakers:
            document["voice"] = asdict(self.speakers)
        if self.profile:
            document["profile"] = self.profile.document()
        return document


def evaluate(run: Run, dataset: Dataset, options: EvaluateOptions | None = None) -> EvaluationReport:
    """Evaluate a run on the held-out text of the dataset that it was trained on.

    Args:
        run: the run.
        dataset: the dataset, as returned by `run.description.open_dataset`.
        options: what to measure; None is the loss on the test split alone.

    Raises:
        DatasetError: the split is empty; or speakers or a profile are requested, and the dataset has too few
            lines or is plain text.
        UsageError: speakers or a profile are requested, and scikit-learn is not installed.
    """
    options = options or EvaluateOptions()
    if options.speakers or options.profile:
        require_classifier("--speakers" if options.speakers else "--profile")
    model: LanguageModel = TensorAdapter(run.inference("int8")) if options.int8 else run.model
    by_source = evaluate_sources(model, dataset, options.split)
    cache = CacheParameters(options.cache) if options.cache is not None else None
    return EvaluationReport(
        run=run.folder.name,
        split=options.split,
        int8=options.int8,
        whole=combine(by_source.values(), extent(dataset, options.split)),
        by_source=by_source if dataset.description.sources else {},
        ngram=evaluate_ngram(dataset, options.split) if options.ngram else None,
        cached=CachedLoss(cache, evaluate_cached(model, dataset, options.split, cache)) if cache else None,
        speakers=(
            recognition_of_run(run, dataset, GenerateOptions(int8=options.int8)) if options.speakers else None
        ),
        profile=_profile(run, dataset, options) if options.profile else None,
    )


def _profile(run: Run, dataset: Dataset, options: EvaluateOptions) -> Profile:
    """Return the profile, and save it with the run if its pages use the default options of `generate`."""
    writing = replace(options.writing, int8=options.int8 or options.writing.int8)
    profile = profile_of_run(run, dataset, writing)
    if writing == GenerateOptions():
        with suppress(OSError):  # the run may be read-only, or removed by now
            profile.save(run.folder)
    return profile
