"""Learning a vocabulary from the training text: who gets a token of their own, and which words.

Every passage that is trained on counts once, whatever weight repeats it: a word does not become less rare by
being read twice, and one that is never read must not have a token.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby

from scriptforge.corpus.options import Options
from scriptforge.corpus.parsed import ParsedText
from scriptforge.screenplay.cast import CastMember, cast
from scriptforge.screenplay.script import Element, speaker_key
from scriptforge.vocabulary import Vocabulary

SPEAKER_MIN_LINES = 10
"""A speaker with fewer lines in the training text spells their name instead of having a token."""

SPEAKERS_AT_MOST = 200


def train_vocabulary(text: ParsedText, options: Options) -> tuple[Vocabulary, int]:
    """A vocabulary of what is trained on, and how many different characters that has."""
    alphabet: set[str] = set()
    casts = _count(text, options, alphabet)
    shared, own = _with_token(casts)
    if options.plain or not text.is_mixed:
        sources = None
    else:
        sources = {source: own.get(source, []) for source in text.weights}
    vocabulary = Vocabulary.train(
        _texts(text, shared, own),
        options.level,
        size=options.vocabulary_size,
        min_count=options.min_count,
        lower=options.lower,
        speakers=shared,
        plain=options.plain,
        sources=sources,
    )
    return vocabulary, len(alphabet)


def casts_apart(options: Options, text: ParsedText) -> bool:
    """Whether namesakes of different sources are different people."""
    return text.is_mixed and not options.merge_casts


def _count(text: ParsedText, options: Options, alphabet: set[str]) -> dict[str, list[CastMember]]:
    """The casts that are kept apart, by source, or all as one; on the way, the alphabet."""
    apart = casts_apart(options, text)

    def spoken() -> Iterator[tuple[str, Element]]:
        for passage in text.training_passages("Counting"):
            for piece in passage.pieces:
                alphabet.update(piece.text.lower() if options.lower else piece.text)
                if not options.plain:
                    yield passage.source if apart else "", piece.element

    grouped = groupby(spoken(), key=lambda each: each[0])
    return {source: cast(element for _, element in group) for source, group in grouped}


def _with_token(casts: dict[str, list[CastMember]]) -> tuple[list[str], dict[str, list[str]]]:
    """The speakers who get a token: those without a namesake in another cast, and by source the others."""
    namesakes = Counter(speaker_key(member.speaker) for members in casts.values() for member in members)
    heard = [
        (source, member)
        for source, members in casts.items()
        for member in members
        if member.lines >= SPEAKER_MIN_LINES
    ]
    heard.sort(key=lambda each: (-each[1].lines, -each[1].words, each[1].speaker))
    shared: list[str] = []
    own: dict[str, list[str]] = {}
    for source, member in heard[:SPEAKERS_AT_MOST]:
        has_namesake = namesakes[speaker_key(member.speaker)] > 1
        (own.setdefault(source, []) if has_namesake else shared).append(member.speaker)
    return shared, own


def _texts(text: ParsedText, shared: Iterable[str], own: dict[str, list[str]]) -> Iterator[str]:
    """What is tokenised as text: what is said, and the names that have no token."""
    everywhere = set(map(speaker_key, shared))
    with_token = {source: everywhere | set(map(speaker_key, names)) for source, names in own.items()}
    for passage in text.training_passages("Learning the vocabulary"):
        known = with_token.get(passage.source, everywhere)
        for piece in passage.pieces:
            yield piece.text
            if piece.speaker and speaker_key(piece.speaker) not in known:
                yield piece.speaker
