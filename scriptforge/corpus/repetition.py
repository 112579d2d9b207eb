"""Which documents, scenes and lines of a corpus are there more than once."""

from bisect import bisect_right
from collections import Counter

from scriptforge.corpus.findings import Place, Repeat, Repeats

_EXAMPLES = 5
_TEXTS_KEPT = 200


class Documents:
    """Where each document begins: elements are numbered from 0 throughout the corpus."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.titles: list[str] = []

    def begin(self, title: str, start: int) -> None:
        """Takes in one more document, by its title and the number of its first element."""
        self.titles.append(title)
        self.starts.append(start)

    def place(self, number: int) -> Place:
        """Where the element of a number stands."""
        document = bisect_right(self.starts, number) - 1
        return Place(self.titles[document], number - self.starts[document] + 1)


class Repetition:
    """Finds out, by hashes, which of many things of one sort have been there before."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._firsts: dict[int, int] = {}
        self._repeats: Counter[int] = Counter()
        self._examples: dict[int, tuple[str, int]] = {}

    def add(self, hash_: int, text: str, number: int) -> None:
        """Takes in one more thing.

        Args:
            hash_: of all that makes it the same as another.
            text: what to call it.
            number: of its first element.
        """
        first = self._firsts.setdefault(hash_, number)
        if first == number:
            return
        self._repeats[first] += 1
        if len(self._examples) < _TEXTS_KEPT:
            self._examples.setdefault(first, (text, number))

    @property
    def found(self) -> Repeats:
        """How many repeat another, and those that do so most often."""
        often = sorted(self._examples, key=lambda first: (-self._repeats[first], first))[:_EXAMPLES]
        place = self._documents.place
        examples = [
            Repeat(text, self._repeats[first] + 1, place(first), place(again))
            for first in often
            for text, again in [self._examples[first]]
        ]
        return Repeats(self._repeats.total(), tuple(examples))
