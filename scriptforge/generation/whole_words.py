"""Whole words: only words of the training text are written.

A model of characters or subwords sometimes spells a word that does not exist: “grably”, “hurgers”. So a token
is forbidden if it cannot lead to a word of the lexicon, and a line ends only between words:

    written so far    allowed                           forbidden
    `the gra`         `nd`, `ss`, `vity`                `b` before `ly`, a space, the end of the line
    `the grand`       `ma`, a space, a comma, the end   `x`
    `the it'`         `s`, a space                      `z`

Spellings are followed byte by byte, so that tokens may end within a character: after the first byte of `…` or
`é` only bytes that can complete a character of the lexicon are allowed. `scriptforge.vocabulary.lexicon`
defines what a word is. A given word may stand as it is, or go on as a word that begins like it. There are no
dead ends: since every byte is a token, an unfinished word can always be finished, and finishing it takes
precedence over rules that would end the line. The module does not depend on models.

Shape letters: B sequences of the batch, V vocabulary.
"""

from bisect import bisect_left
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from scriptforge.generation.grammar import Mask
from scriptforge.vocabulary import Lexicon, Vocabulary
from scriptforge.vocabulary.lexicon import APOSTROPHES, is_letter

_REMEMBERED_BYTES = 1 << 25
_REMEMBERED_ENDINGS = 1 << 16
_MANY = 400
"""Number of spellings from which looking up each token among them is faster than looking at each spelling."""

_HIGHEST = b"\xff"
"""A byte that does not occur in UTF-8, and sorts after all that do."""

_APOSTROPHES = tuple(apostrophe.encode() for apostrophe in APOSTROPHES)
_decoder = getincrementaldecoder("utf-8")


class PartialWord(NamedTuple):
    """The word at the end of a text.

    Attributes:
        letters: its letters, in UTF-8; empty between words, `_HIGHEST` for a given word unlike any known.
        rest: first bytes of an incomplete character.
        may_stand: whether it was given as it is, and so counts as a word even if the lexicon lacks it.
    """

    letters: bytes = b""
    rest: bytes = b""
    may_stand: bool = False


@dataclass(slots=True, eq=False)
class TextEnd:
    """The end of a text, with cached results on what may follow it.

    Attributes:
        begun: the word at the end.
        after: the ending after one more drawn token, by id.
        forbidden_1V: forbidden tokens; None if not computed yet.
        continuation: a token that is allowed, if the word or a character in it has to go on; else None.
        narrowed: for a single sequence, the mask that was given last, and the result for it.
    """

    begun: PartialWord
    after: "dict[int, TextEnd]" = field(default_factory=dict)
    forbidden_1V: Mask | None = None
    continuation: int | None = None
    narrowed: tuple[Mask, Mask] | None = None


class WholeWords:
    """The rule as a constraint on B sequences.

    Args:
        spelling: spellings of the words, for the model's vocabulary.
        batch_size: B.
    """

    def __init__(self, spelling: "Spelling", batch_size: int) -> None:
        self._spelling = spelling
        self._endings = [spelling.ending(PartialWord())] * batch_size

    def forbid(self, forbidden_BV: Mask) -> Mask:
        """See `Constraint.forbid`."""
        if len(self._endings) == 1:
            return self._forbid_one(forbidden_BV, self._endings[0])
        own_BV = np.concatenate([self._spelling.forbidden_after(ending) for ending in self._endings])
        narrowed_BV: Mask = forbidden_BV | own_BV
        ways_on = np.array([ending.continuation or 0 for ending in self._endings])
        may_be_stuck_B = narrowed_BV[np.arange(len(ways_on)), ways_on]
        for row in np.flatnonzero(may_be_stuck_B).tolist():
            if self._endings[row].continuation is not None and narrowed_BV[row].all():
                narrowed_BV[row] = own_BV[row]
        return narrowed_BV

    def _forbid_one(self, forbidden_1V: Mask, ending: TextEnd) -> Mask:
        """Do the same for a single sequence, where the same masks recur and results are cached."""
        if ending.narrowed is not None and ending.narrowed[0] is forbidden_1V:
            return ending.narrowed[1]
        own_1V = self._spelling.forbidden_after(ending)
        narrowed_1V: Mask = forbidden_1V | own_1V
        if ending.continuation is not None and narrowed_1V[0, ending.continuation] and narrowed_1V.all():
            narrowed_1V = own_1V
        ending.narrowed = forbidden_1V, narrowed_1V
        return narrowed_1V

    def advance(self, ids: Sequence[int | None], *, drawn: bool) -> None:
        """See `Constraint.advance`."""
        after = self._spelling.after if drawn else self._spelling.after_given
        self._endings = [
            ending if id_ is None else (drawn and ending.after.get(id_)) or after(ending, id_)
            for ending, id_ in zip(self._endings, ids, strict=True)
        ]

    def copy_sequences(self, copies: Mapping[int, int]) -> None:
        """See `Constraint.copy_sequences`."""
        self._endings = [self._endings[copies.get(row, row)] for row in range(len(self._endings))]


class Spelling:
    """The effect of tokens on the words of a text, and which tokens may follow a part of a word.

    Args:
        lexicon: the words.
        vocabulary: a vocabulary at the bpe or char level.
    """

    def __init__(self, lexicon: Lexicon, vocabulary: Vocabulary) -> None:
        self._spellings = lexicon.spellings
        self._characters = lexicon.characters
        self._beginnings = {each.encode()[:size] for each in lexicon.characters for size in (1, 2, 3)}
        self._tokens = vocabulary.token_bytes
        self._is_text: list[bool] = vocabulary.is_text.tolist()
        self._heads_by_text: dict[bytes, list[int]] = {}
        for id_ in self._text_ids():
            self._heads_by_text.setdefault(self._tokens[id_], []).append(id_)
        self._heads_begun = {text[:size] for text in self._heads_by_text for size in range(1, len(text) + 1)}
        self._longest = max(map(len, self._heads_by_text))
        self._sorted_tokens = sorted(self._heads_by_text)
        self._heads = lru_cache(_REMEMBERED_ENDINGS)(self._find_heads)
        self._most_endings = min(_REMEMBERED_ENDINGS, max(64, _REMEMBERED_BYTES // (3 * vocabulary.size)))
        self._endings: dict[PartialWord, TextEnd] = {}
        self._sort_tokens()

    def ending(self, begun: PartialWord) -> TextEnd:
        """Return the ending with this word, from the cache if possible."""
        ending = self._endings.get(begun)
        if ending is None:
            if len(self._endings) >= self._most_endings:
                self._forget()
            ending = self._endings[begun] = TextEnd(begun)
        return ending

    def after(self, ending: TextEnd, id_: int) -> TextEnd:
        """Return the ending after one more drawn token, allowed or not."""
        after = ending.after.get(id_)
        if after is None:
            apart = None if ending.begun.rest else self._begun_by_apart.get(id_)
            after = ending.after[id_] = self.ending(apart or self._walk(ending.begun, id_)[0])
        return after

    def after_given(self, ending: TextEnd, id_: int) -> TextEnd:
        """Return the ending after a given token, where the word at the end counts as one."""
        after, _ = self._walk(ending.begun, id_)
        return self.ending(after._replace(may_stand=bool(after.letters)))

    def forbidden_after(self, ending: TextEnd) -> Mask:
        """Return the tokens forbidden after an ending: `forbidden_1V`."""
        forbidden_1V = ending.forbidden_1V
        if forbidden_1V is None:
            forbidden_V, ending.continuation = self._forbidden_after(ending.begun)
            forbidden_1V = ending.forbidden_1V = forbidden_V[None]
        return forbidden_1V

    def _forget(self) -> None:
        """Clear the cached results."""
        for ending in self._endings.values():
            ending.after.clear()
            ending.forbidden_1V = ending.narrowed = None
        self._endings.clear()

    def _text_ids(self) -> Iterable[int]:
        return (id_ for id_, is_text in enumerate(self._is_text) if is_text)

    def _sort_tokens(self) -> None:
        """Compute the masks that depend only on whether a word ends before the token."""
        walked = {id_: self._walk(PartialWord(), id_) for id_ in self._text_ids()}
        self._begun_by_apart = {
            id_: begun for id_, (begun, _) in walked.items() if self._tokens[id_].startswith(b" ")
        }
        possible = [id_ for id_, (_, is_possible) in walked.items() if is_possible]
        ending = [id_ for id_ in possible if self._ends_word(self._tokens[id_])]
        apart = [id_ for id_ in ending if not _may_join(self._tokens[id_])]
        layout = [id_ for id_, is_text in enumerate(self._is_text) if not is_text]
        self._forbidden_between_words_V = self._all_but([*layout, *possible])
        self._forbidden_after_apostrophe_V = self._all_but([*layout, *ending])
        self._forbidden_after_word_V = self._all_but([*layout, *apart])
        self._of_several = [id_ for id_ in self._text_ids() if _is_of_several_words(self._tokens[id_])]
        self._inside = [id_ for id_ in self._text_ids() if _begins_inside_character(self._tokens[id_])]

    def _all_but(self, ids: Iterable[int]) -> Mask:
        forbidden_V = np.ones(len(self._tokens), np.bool_)
        forbidden_V[list(ids)] = False
        return forbidden_V

    def _forbidden_after(self, begun: PartialWord) -> tuple[Mask, int | None]:
        """Return the tokens forbidden after part of a word, and an allowed one if it has to go on."""
        letters, rest, _ = begun
        if not letters and not rest:
            return self._forbidden_between_words_V, None
        possible = self._continuing(letters + rest)
        possible += [id_ for id_ in (self._inside if rest else self._of_several) if self._walk(begun, id_)[1]]
        if self._may_end(begun):
            is_after_apostrophe = letters.endswith(_APOSTROPHES)
            forbidden_V = (
                self._forbidden_after_apostrophe_V if is_after_apostrophe else self._forbidden_after_word_V
            ).copy()
            forbidden_V[possible] = False
            return forbidden_V, None
        if possible:
            return self._all_but(possible), possible[0]
        return np.zeros(len(self._tokens), np.bool_), None

    def _walk(self, begun: PartialWord, id_: int) -> tuple[PartialWord, bool]:
        """Return the word at the end after one more token, and whether that token is allowed."""
        if not self._is_text[id_]:
            return PartialWord(), self._may_end(begun)
        letters, rest, may_stand = begun
        token = self._tokens[id_]
        said = token.removeprefix(b" ")
        if not rest and said.isalpha():  # ASCII letters, as in nearly every token: nothing to decode
            is_apart = len(said) < len(token)
            longer = said if is_apart else letters + said
            if self._begins_word(longer):
                return PartialWord(longer), not is_apart or self._may_end(begun)
        decoder = _decoder()
        try:
            text = decoder.decode(rest + token)
        except UnicodeDecodeError:
            return PartialWord(), False
        is_possible = True
        for character in text:
            longer = letters + character.encode()
            if self._begins_word(longer):
                letters, may_stand = longer, may_stand and character in APOSTROPHES
            elif is_letter(character):
                is_possible, letters, may_stand = False, _HIGHEST, True
            else:
                is_known = character.isascii() or character in self._characters
                is_possible = is_possible and is_known and self._may_end(PartialWord(letters, b"", may_stand))
                is_inside = character in APOSTROPHES and letters and not letters.endswith(_APOSTROPHES)
                letters, may_stand = (longer, may_stand) if is_inside else (b"", False)
        after = PartialWord(letters, decoder.getstate()[0], may_stand)
        return after, is_possible and (not after.rest or self._may_go_on(after))

    def _may_end(self, begun: PartialWord) -> bool:
        """Return whether a text may end here, or continue with a character that is not a letter."""
        letters, rest, may_stand = begun
        if rest:
            return False
        if not letters or may_stand or self._is_word(letters):
            return True
        return any(
            letters.endswith(apostrophe) and self._is_word(letters.removesuffix(apostrophe))
            for apostrophe in _APOSTROPHES
        )

    def _may_go_on(self, begun: PartialWord) -> bool:
        """Return whether the incomplete character at the end can become one that is allowed here."""
        return self._begins_word(begun.letters + begun.rest) or (
            begun.rest in self._beginnings and self._may_end(begun._replace(rest=b""))
        )

    def _is_word(self, letters: bytes) -> bool:
        place = bisect_left(self._spellings, letters)
        return place < len(self._spellings) and self._spellings[place] == letters

    def _begins_word(self, letters: bytes) -> bool:
        place = bisect_left(self._spellings, letters)
        return place < len(self._spellings) and self._spellings[place].startswith(letters)

    def _continuing(self, begun: bytes) -> list[int]:
        """Return the tokens that extend `begun` to a whole spelling, or to a longer beginning of one."""
        first = bisect_left(self._spellings, begun)
        last = bisect_left(self._spellings, begun + _HIGHEST, first)
        if last - first > _MANY:
            return list(self._continuing_many(begun, first, last))
        start, stop = len(begun), len(begun) + self._longest
        rests = {spelling[start:stop] for spelling in self._spellings[first:last]}
        return list({id_ for rest in rests for id_ in self._heads(rest)})

    def _continuing_many(self, begun: bytes, first: int, last: int) -> Iterator[int]:
        """Yield the same for many spellings, by looking up each token in sorted order."""
        impossible, spellings = _HIGHEST, self._spellings
        for token in self._sorted_tokens:
            if token.startswith(impossible):
                continue
            longer = begun + token
            first = bisect_left(spellings, longer, first, last)
            if first == last:
                break
            if spellings[first].startswith(longer):
                yield from self._heads_by_text[token]
            else:
                impossible = token

    def _find_heads(self, text: bytes) -> list[int]:
        """Return the tokens that are prefixes of a text."""
        heads: list[int] = []
        for size in range(1, len(text) + 1):
            head = text[:size]
            if head not in self._heads_begun:
                break
            heads += self._heads_by_text.get(head, ())
        return heads

    def _ends_word(self, token: bytes) -> bool:
        """Return whether a token begins with a character that is not a letter, or with a part of one."""
        text = token.decode(errors="ignore")
        return not is_letter(text[0]) if text else token in self._beginnings


def spelling_of(vocabulary: Vocabulary) -> Spelling | None:
    """Return the `Spelling` of a vocabulary; None at the word level or without a lexicon."""
    if vocabulary.lexicon is None or vocabulary.level == "word":
        return None
    return _spelling(vocabulary.lexicon, vocabulary)


_spelling = lru_cache(maxsize=2)(Spelling)
"""Cached, so that later texts reuse what was looked up for earlier ones."""


def _may_join(token: bytes) -> bool:
    """Return whether a token begins with an apostrophe and a letter, as within a word."""
    text = token.decode(errors="ignore")
    return text[:1] in APOSTROPHES and is_letter(text[1:2] or " ")


def _is_of_several_words(token: bytes) -> bool:
    """Return whether a token can continue the word before it, and also goes on after that word."""
    text = token.decode(errors="ignore")
    letters = text.lstrip(APOSTROPHES)
    begins_in_word = len(text) - len(letters) <= 1 and is_letter(letters[:1] or " ")
    return begins_in_word and not all(map(is_letter, letters))


def _begins_inside_character(token: bytes) -> bool:
    return bool(token) and 0x80 <= token[0] < 0xC0
