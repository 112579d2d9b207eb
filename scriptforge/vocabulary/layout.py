"""The tokens that lay a script out: what each is called, and in which order they head a vocabulary.

They take the first ids of every vocabulary, so that everything from some id on is text. Knows nothing of
tokenizers.
"""

from collections.abc import Iterable

from scriptforge.screenplay.script import speaker_key

END = "<end>"
HEADING = "<heading>"
ACTION = "<action>"
TRANSITION = "<transition>"
CUE = "<cue>"
SAYS = "<says>"
UNKNOWN = "<unk>"

_CUE_OF = "<cue:"


def cue_token(name: str) -> str:
    """The token that opens a line of the speaker whose display name is `name`."""
    return f"{_CUE_OF}{name}>"


def cue_name(token: str) -> str | None:
    """The display name in a cue token; None if it is another token.

    Only the two ends are looked at, so a name may hold any character, `<` and `>` included.
    """
    if token.startswith(_CUE_OF) and token.endswith(">"):
        return token.removeprefix(_CUE_OF)[:-1]
    return None


def layout_tokens(speakers: Iterable[str], *, plain: bool) -> list[str]:
    """All layout tokens of a vocabulary, in the order of their ids.

    Args:
        speakers: display names, the first of several spellings being kept.
        plain: whether the text is not laid out, so that `<end>` between documents is all there is.
    """
    if plain:
        return [END]
    names: dict[str, str] = {}
    for name in speakers:
        names.setdefault(speaker_key(name), name)
    return [END, HEADING, ACTION, TRANSITION, CUE, SAYS, *map(cue_token, names.values())]
