"""Layout tokens, which mark the structure of a script: their names and their order.

They have the first ids of every vocabulary, so all ids from `layout_size` on are text. In a mix, each script
opens with the token of its source. The module knows nothing of tokenizers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scriptforge.screenplay.script import speaker_key

END = "<end>"
HEADING = "<heading>"
ACTION = "<action>"
TRANSITION = "<transition>"
CUE = "<cue>"
SAYS = "<says>"
UNKNOWN = "<unk>"

_CUE_OF = "<cue:"
_SOURCE_OF = "<source:"


@dataclass(frozen=True, slots=True)
class SpeakerToken:
    """A cue: the token of one speaker.

    Attributes:
        id: the id of the token.
        name: the speaker's display name.
        source: the only source that the speaker occurs in, in a mix that keeps casts apart; None for a
            speaker who may occur anywhere.
    """

    id: int
    name: str
    source: str | None = None


def source_token(source: str) -> str:
    """Return the name of the token that opens a script of a source, in a mix."""
    return f"{_SOURCE_OF}{source}>"


def cue_token(name: str, source: str | None = None) -> str:
    """Return the name of a speaker's cue; neither name may have a colon, which separates source and name."""
    return f"{_CUE_OF}{name}>" if source is None else f"{_CUE_OF}{source}:{name}>"


def sources_in(layout: Sequence[str]) -> dict[str, int]:
    """Return the sources among the layout tokens, each with the id of its token; empty without a mix."""
    inner = (_between(_SOURCE_OF, token) for token in layout)
    return {source: id_ for id_, source in enumerate(inner) if source is not None}


def speaker_tokens_in(layout: Sequence[str]) -> tuple[SpeakerToken, ...]:
    """Return the cues of speakers among the layout tokens, in the order of their ids."""
    sources = sources_in(layout)
    inner = (_between(_CUE_OF, token) for token in layout)
    return tuple(_speaker_token(id_, name, sources) for id_, name in enumerate(inner) if name is not None)


def layout_tokens(
    speakers: Iterable[str], *, plain: bool, sources: Mapping[str, Iterable[str]] | None = None
) -> list[str]:
    """Return the names of all layout tokens of a vocabulary, in the order of their ids.

    The arguments are those of `Vocabulary.train`; of several spellings of a speaker, the first is used.
    """
    if plain:
        return [END]
    sources = sources or {}
    return [
        *(END, HEADING, ACTION, TRANSITION, CUE, SAYS),
        *map(source_token, sources),
        *map(cue_token, _once(speakers)),
        *(cue_token(name, source) for source, own in sources.items() for name in _once(own)),
    ]


def _once(speakers: Iterable[str]) -> Iterable[str]:
    names: dict[str, str] = {}
    for name in speakers:
        names.setdefault(speaker_key(name), name)
    return names.values()


def _between(opening: str, token: str) -> str | None:
    """Return the part of a token between its opening and its final `>`; None if it opens otherwise.

    Only the two ends are examined, so a name may contain any character, `<` and `>` included.
    """
    return token.removeprefix(opening)[:-1] if token.startswith(opening) and token.endswith(">") else None


def _speaker_token(id_: int, name: str, sources: Mapping[str, int]) -> SpeakerToken:
    source, colon, own_name = name.partition(":")
    return SpeakerToken(id_, own_name, source) if colon and source in sources else SpeakerToken(id_, name)
