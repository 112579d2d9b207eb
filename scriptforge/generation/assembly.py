"""Assembly of a decoding loop from its parts, as the options require.

Parts that depend only on the vocabulary and the statistics are cached, so that further loops of a run are
assembled quickly; parts that few texts need are imported on demand.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scriptforge.errors import UsageError
from scriptforge.generation.automata import Automata, Automaton
from scriptforge.generation.brackets import BalancedBrackets
from scriptforge.generation.cast import ResolvedCast
from scriptforge.generation.decoder import Decoder, ModelDecoder
from scriptforge.generation.decoding import DecodingLoop
from scriptforge.generation.grammar import grammar_of
from scriptforge.generation.repetition import AnyAdaptivePenalty, new_adaptive_penalty
from scriptforge.generation.sampling import Sampler
from scriptforge.generation.speaker_rules import CastConstraint, KnownNames
from scriptforge.generation.spelling import WholeWords, spelling_of
from scriptforge.generation.turn_taking import TurnTaking, statistics_for_cast
from scriptforge.generation.voice import GuidedDecoder, resolve_voices
from scriptforge.inference import InferenceModel
from scriptforge.options import GenerateOptions
from scriptforge.text_statistics import TextStatistics
from scriptforge.text_statistics.turns import TurnStatistics
from scriptforge.vocabulary import Vocabulary

if TYPE_CHECKING:
    from scriptforge.copying import Index
    from scriptforge.generation.best_of import BestOf
    from scriptforge.generation.copy_limit import CopyLimit


def new_decoder(model: InferenceModel, vocabulary: Vocabulary, options: GenerateOptions) -> ModelDecoder:
    """Return the decoder that reads all texts and candidates; with voices, their contrasts, too.

    Raises:
        UsageError: the options do not fit the vocabulary.
    """
    rows = options.count * options.best_of
    voices = resolve_voices(options, vocabulary, model.config)
    return GuidedDecoder(model, rows, voices) if voices else ModelDecoder(model, rows)


def new_copy_limit(
    index: "Index | None", vocabulary: Vocabulary, options: GenerateOptions
) -> "CopyLimit | None":
    """Return the limit on copying; None if none is asked for.

    Raises:
        UsageError: there is no index of the training text.
    """
    if options.max_copy is None:
        return None
    if index is None:
        raise UsageError(
            "Copies cannot be limited without the training text.",
            "Give its index, or the dataset, or leave max_copy out.",
        )
    from scriptforge.generation.copy_limit import CopyLimit

    return CopyLimit(index, vocabulary, options.max_copy, options.count * options.best_of)


def new_loop(
    reader: ModelDecoder,
    vocabulary: Vocabulary,
    options: GenerateOptions,
    cast: ResolvedCast,
    seeds: Sequence[int],
    statistics: TextStatistics,
    copy_limit: "CopyLimit | None" = None,
) -> DecodingLoop:
    """Return the decoding loop for the options.

    Args:
        reader: result of `new_decoder` for these options.
        vocabulary: the model's vocabulary.
        options: generation options.
        cast: result of `resolve_cast` for these options.
        seeds: one for each sequence.
        statistics: statistics of the training text.
        copy_limit: limit on copying for as many sequences; None for no limit.
    """
    return DecodingLoop(
        _decoder(reader, vocabulary, options, cast, statistics.turns),
        grammar_of(vocabulary),
        _automata(options, vocabulary, cast, statistics),
        Sampler(
            options,
            seeds,
            vocabulary.is_text,
            vocabulary.non_dialogue_ids,
            _adaptive_penalties(statistics, options, vocabulary),
        ),
        vocabulary.is_cue,
        reader.batch_size,
        copy_limit,
    )


def best_of(
    loop: DecodingLoop, reader: ModelDecoder, vocabulary: Vocabulary, options: GenerateOptions
) -> "BestOf":
    """Return a loop that wraps another one and keeps the best of several candidates for each line."""
    from scriptforge.generation.best_of import BestOf

    return BestOf(loop, reader, vocabulary, options.count, options.best_of)


def _decoder(
    reader: ModelDecoder,
    vocabulary: Vocabulary,
    options: GenerateOptions,
    cast: ResolvedCast,
    statistics: TurnStatistics | None,
) -> Decoder:
    decoder: Decoder = reader
    if options.cache:
        from scriptforge.generation.neural_cache import CachedDecoder, CacheParameters

        decoder = CachedDecoder(reader, CacheParameters(options.cache), vocabulary)
    if statistics and cast.members:
        statistics = statistics_for_cast(statistics, len(cast.keys))
    return TurnTaking(decoder, statistics, vocabulary, reader.batch_size) if statistics else decoder


def _adaptive_penalties(
    statistics: TextStatistics, options: GenerateOptions, vocabulary: Vocabulary
) -> list[AnyAdaptivePenalty]:
    """Return the penalties on repetition: one for all texts, or one for the candidates of each text."""
    if statistics.repetition is None:
        return []
    batch_size, count = (options.count, 1) if options.best_of == 1 else (options.best_of, options.count)
    return [
        new_adaptive_penalty(statistics.repetition, vocabulary, batch_size, statistics.frequencies)
        for _ in range(count)
    ]


def _automata(
    options: GenerateOptions, vocabulary: Vocabulary, cast: ResolvedCast, statistics: TextStatistics
) -> Automata:
    constraints: list[Automaton] = []
    must_speak = options.turns is not None
    if cast.restricts or must_speak:
        constraints.append(CastConstraint(cast, vocabulary, must_speak=must_speak))
    rows = options.count * options.best_of
    return Automata(_rules(options, vocabulary, statistics), constraints, vocabulary.size, rows)


def _rules(options: GenerateOptions, vocabulary: Vocabulary, statistics: TextStatistics) -> list[Automaton]:
    rules: list[Automaton] = (
        [BalancedBrackets(statistics.brackets, vocabulary)] if statistics.brackets else []
    )
    if options.invent_words:
        return rules
    spelling = spelling_of(vocabulary)
    if spelling:
        rules.append(WholeWords(spelling))
    if statistics.names and not vocabulary.plain:
        rules.append(KnownNames(statistics.names, vocabulary))
    return rules
