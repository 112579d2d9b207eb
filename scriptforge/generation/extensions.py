"""The tokens that extend the beginning of a word to a spelling, or to a longer beginning of one.

    spellings: grand, grandma, grass, gravity    begun: `gra`    tokens: `n`, `nd`, `s`, `ss`, `v`, `vity`

Shape letter: V vocabulary.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import lru_cache

from scriptforge.generation.grammar import Mask
from scriptforge.kernel import kernel
from scriptforge.kernel.masks import KernelExtensions

_AFTER_ALL = b"\xff"
"""A byte that does not occur in UTF-8, and sorts after all that do."""

_MAX_CACHED = 1 << 16


class Extensions:
    """The extensions of the beginnings of words.

    Args:
        spellings: spellings of the words, sorted.
        texts: bytes of the text tokens, by id.
    """

    def __init__(self, spellings: Sequence[bytes], texts: Mapping[int, bytes]) -> None:
        self._spellings = spellings
        loaded = kernel()
        self._of_spellings: KernelExtensions | _PythonExtensions
        if loaded is not None:
            ids = sorted(texts, key=texts.__getitem__)
            tokens = [texts[id_] for id_ in ids]
            self._of_spellings = KernelExtensions(loaded, spellings, tokens, ids)
        else:
            self._of_spellings = _PythonExtensions(spellings, texts)

    def allow(self, begun: bytes, forbidden_V: Mask) -> bool:
        """Allow the tokens that extend `begun`, in place; return whether there are any."""
        first = bisect_left(self._spellings, begun)
        last = bisect_left(self._spellings, begun + _AFTER_ALL, first)
        return self._of_spellings.allow(first, last, len(begun), forbidden_V)


class _PythonExtensions:
    """The same as `KernelExtensions`, without the kernel."""

    def __init__(self, spellings: Sequence[bytes], texts: Mapping[int, bytes]) -> None:
        self._spellings = spellings
        self._ids: dict[bytes, list[int]] = {}
        for id_, text in texts.items():
            self._ids.setdefault(text, []).append(id_)
        self._beginnings = {token[:size] for token in self._ids for size in range(1, len(token) + 1)}
        self._longest = max(map(len, self._ids))
        self._prefixes = lru_cache(_MAX_CACHED)(self._find_prefixes)

    def allow(self, first: int, last: int, begun: int, forbidden_V: Mask) -> bool:
        """See `KernelExtensions.allow`."""
        rests = {spelling[begun : begun + self._longest] for spelling in self._spellings[first:last]}
        found = list({id_ for rest in rests for id_ in self._prefixes(rest)})
        forbidden_V[found] = False
        return bool(found)

    def _find_prefixes(self, text: bytes) -> list[int]:
        """Return the tokens that are prefixes of a text."""
        found: list[int] = []
        for size in range(1, len(text) + 1):
            prefix = text[:size]
            if prefix not in self._beginnings:
                break
            found += self._ids.get(prefix, ())
        return found
