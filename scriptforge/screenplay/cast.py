"""The cast of a script: who speaks, how much, and from where on."""

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
        first: the number of the first of them among all elements, from 0.
        spellings: every spelling of the name that was met, the commonest first.
    """

    speaker: str
    lines: int
    words: int
    first: int
    spellings: tuple[str, ...]


def cast(elements: Iterable[Element]) -> list[CastMember]:
    """Counts what each speaker says, spellings of one name taken together; most lines first."""
    spellings: defaultdict[str, Counter[str]] = defaultdict(Counter)
    words: Counter[str] = Counter()
    firsts: dict[str, int] = {}
    for number, element in enumerate(elements):
        if element.kind == "dialogue":
            key = speaker_key(element.speaker)
            spellings[key][element.speaker] += 1
            words[key] += len(element.text.split())
            firsts.setdefault(key, number)
    members = []
    for key, counts in spellings.items():
        ordered = tuple(spelling for spelling, _ in counts.most_common())
        members.append(CastMember(ordered[0], counts.total(), words[key], firsts[key], ordered))
    return sorted(members, key=lambda member: (-member.lines, -member.words, member.speaker))
