"""Between two vocabularies: which tokens of an old one say what a token of a new one says.

Knows nothing of models; what is done with the rows of such tokens is not settled here.
"""

from scriptforge.vocabulary.vocabulary import Vocabulary


def counterparts(new: Vocabulary, old: Vocabulary) -> list[list[int]]:
    """For each token of a vocabulary, the ids of those of another that together come closest to it.

    A token that both have is its own counterpart. Another one's are what the old vocabulary makes of its
    text; of a speaker or source that only the new one has, all speakers or sources of the old one. A token
    with which nothing compares has none.

    Source: Gee et al. 2022, arXiv:2402.09977, for the text.
    """
    ids = {token: id_ for id_, token in enumerate(old.tokens)}
    speakers = {voice.id for voice in new.voices}
    sources = set(new.sources.values())

    def of(id_: int, token: str) -> list[int]:
        if token in ids:
            return [ids[token]]
        if id_ in speakers:
            return [voice.id for voice in old.voices]
        if id_ in sources:
            return list(old.sources.values())
        return [known for known in old.encode(new.token_texts[id_]) if known != old.unknown]

    return [of(id_, token) for id_, token in enumerate(new.tokens)]
