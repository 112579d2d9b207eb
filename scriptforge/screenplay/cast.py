"""The cast of a script: who speaks, and how much."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from scriptforge.screenplay.script import Element, speaker_key


@dataclass(frozen=True, slots=True)
class CastMember:
    """One speaker.

    Attributes:
        speaker: the name in its commonest spelling.
        lines: how many elements of dialogue are theirs.
        words: how many words those have, parted by white space.
    """

    speaker: str
    lines: int
    words: int


def cast(elements: Iterable[Element]) -> list[CastMember]:
    """Counts what each speaker says, spellings of one name taken together; most lines first."""
    spellings: defaultdict[str, Counter[str]] = defaultdict(Counter)
    words: Counter[str] = Counter()
    for element in elements:
        if element.kind == "dialogue":
            key = speaker_key(element.speaker)
            spellings[key][element.speaker] += 1
            words[key] += len(element.text.split())
    members = [
        CastMember(names.most_common(1)[0][0], names.total(), words[key]) for key, names in spellings.items()
    ]
    return sorted(members, key=lambda member: (-member.lines, -member.words, member.speaker))
