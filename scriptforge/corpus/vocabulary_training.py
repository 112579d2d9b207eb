"""Learning a vocabulary from the training text: who gets a token of their own, and which words.

Every passage that is trained on counts once, whatever weight repeats it: a word does not become less rare by
being read twice, and one that is never read must not have a token.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from scriptforge.corpus.options import Options
from scriptforge.corpus.parsed import ParsedText
from scriptforge.screenplay.script import CastMember, Element, cast, speaker_key
from scriptforge.vocabulary import Vocabulary

SPEAKER_MIN_LINES = 10
"""A speaker with fewer lines in the training text spells their name instead of having a token."""

SPEAKERS_AT_MOST = 200
"""Of one cast."""

_ONE_CAST = ""


def train_vocabulary(text: ParsedText, options: Options) -> tuple[Vocabulary, int]:
    """A vocabulary of what is trained on, and how many different characters that has."""
    alphabet: set[str] = set()
    casts = _count(text, options, alphabet)
    with_token = _with_token(casts)
    if options.plain or not text.is_mixed:
        sources = None
    else:
        sources = {source: with_token.get(source, []) for source in text.weights}
    vocabulary = Vocabulary.train(
        _texts(text, with_token),
        options.level,
        size=options.vocabulary_size,
        min_count=options.min_count,
        lower=options.lower,
        speakers=with_token.get(_ONE_CAST, []),
        plain=options.plain,
        sources=sources,
    )
    return vocabulary, len(alphabet)


def casts_apart(options: Options, text: ParsedText) -> bool:
    """Whether each source has a cast of its own, of which nobody speaks in another."""
    return text.is_mixed and not options.merge_casts


def _count(text: ParsedText, options: Options, alphabet: set[str]) -> dict[str, list[CastMember]]:
    """The casts that are kept apart, by source, or all as one; on the way, the alphabet."""
    apart = casts_apart(options, text)

    def spoken() -> Iterator[tuple[str, Element]]:
        for passage in text.training_passages("Counting"):
            for piece in passage.pieces:
                alphabet.update(piece.text.lower() if options.lower else piece.text)
                if not options.plain:
                    yield passage.source if apart else _ONE_CAST, piece.element

    grouped = groupby(spoken(), key=lambda each: each[0])
    return {source: cast(element for _, element in group) for source, group in grouped}


def _with_token(casts: dict[str, list[CastMember]]) -> dict[str, list[str]]:
    """Who gets a token, by cast: those most heard."""
    return {
        source: [member.speaker for member in members[:SPEAKERS_AT_MOST] if member.lines >= SPEAKER_MIN_LINES]
        for source, members in casts.items()
    }


def _texts(text: ParsedText, with_token: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """What is tokenised as text: what is said, and the names that have no token."""
    keys = {source: set(map(speaker_key, names)) for source, names in with_token.items()}
    for passage in text.training_passages("Learning the vocabulary"):
        known = keys.get(passage.source, keys.get(_ONE_CAST, set()))
        for piece in passage.pieces:
            yield piece.text
            if piece.speaker and speaker_key(piece.speaker) not in known:
                yield piece.speaker
