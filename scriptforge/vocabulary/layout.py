"""The tokens that lay a script out: what each is called, and in which order they head a vocabulary.

They take the first ids of every vocabulary, so that everything from some id on is text. In a mix of several
sources, each script opens with the token of its source. Knows nothing of tokenizers.
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
    """A speaker with a token of their own.

    Attributes:
        id: the token's.
        name: the display name.
        source: in a mix with casts apart, the one source whose scripts this speaker is in; None for a
            speaker who may come anywhere.
    """

    id: int
    name: str
    source: str | None = None


def source_token(source: str) -> str:
    """Return the token that opens a script of a source, in a mix."""
    return f"{_SOURCE_OF}{source}>"


def cue_token(name: str, source: str | None = None) -> str:
    """Return the token that opens a line of a speaker; no name holds a colon, which parts source and name."""
    return f"{_CUE_OF}{name}>" if source is None else f"{_CUE_OF}{source}:{name}>"


def sources_in(layout: Sequence[str]) -> dict[str, int]:
    """Return the sources that have a token among the layout tokens, with its id; none but in a mix."""
    inner = (_between(_SOURCE_OF, token) for token in layout)
    return {source: id_ for id_, source in enumerate(inner) if source is not None}


def speaker_tokens_in(layout: Sequence[str]) -> tuple[SpeakerToken, ...]:
    """Return the speakers that have a token among the layout tokens, in the order of their ids."""
    sources = sources_in(layout)
    inner = (_between(_CUE_OF, token) for token in layout)
    return tuple(_speaker_token(id_, name, sources) for id_, name in enumerate(inner) if name is not None)


def layout_tokens(
    speakers: Iterable[str], *, plain: bool, sources: Mapping[str, Iterable[str]] | None = None
) -> list[str]:
    """Return all layout tokens of a vocabulary, in the order of their ids.

    Arguments are those of `Vocabulary.train`; of several spellings of a speaker, the first is kept.
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
    """Return what a token holds between its opening and its last bracket; None if it opens otherwise.

    Only the two ends are looked at, so a name may hold any character, `<` and `>` included.
    """
    return token.removeprefix(opening)[:-1] if token.startswith(opening) and token.endswith(">") else None


def _speaker_token(id_: int, name: str, sources: Mapping[str, int]) -> SpeakerToken:
    source, colon, own_name = name.partition(":")
    return SpeakerToken(id_, own_name, source) if colon and source in sources else SpeakerToken(id_, name)
