"""Whole words: only words of the training text are written.

A model of characters or subwords sometimes spells a word that does not exist: “grably”, “hurgers”. So a token
is forbidden if it cannot lead to a word of the lexicon, and a line ends only between words:

    written so far    allowed                           forbidden
    `the gra`         `nd`, `ss`, `vity`                `b` before `ly`, a space, the end of the line
    `the grand`       `ma`, a space, a comma, the end   `x`
    `the it'`         `s`, a space                      `z`

Words are followed byte by byte, so that tokens may end within a character: after the first byte of `…` or
`é` only bytes that can complete a character of the lexicon are allowed. There are no dead ends: since every
byte is a token, an unfinished word can always be finished, and finishing it takes precedence over rules that
would end the line. What may follow depends only on the word at the end, so it is computed once for each:

    between words    what can begin a word, and all that is not a letter
    `gra`            what extends it to a spelling or to a longer beginning of one: `nd`, `ss`, `vity`
    `grand`          what extends it, and all that ends a word

`scriptforge.vocabulary.lexicon` defines what a word is. A given word may stand as it is, or go on as a word
that begins like it. The module does not depend on models.

Shape letter: V vocabulary.
"""

from bisect import bisect_left
from codecs import getincrementaldecoder
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from scriptforge.generation.automata import AfterIdle, Forbidden
from scriptforge.generation.extensions import Extensions
from scriptforge.generation.grammar import Mask
from scriptforge.vocabulary import Lexicon, Vocabulary
from scriptforge.vocabulary.lexicon import APOSTROPHES, is_letter

_CACHE_BYTES = 1 << 25
"""Size of all cached masks together."""

_MIN_CACHED, _MAX_CACHED = 64, 1 << 16
"""Limits on the number of cached results, whatever their masks take."""

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


_BETWEEN_WORDS = PartialWord()


class Spelling:
    """The effect of tokens on the words of a text, and the tokens that may follow; results are cached.

    Args:
        lexicon: the words.
        vocabulary: a vocabulary at the bpe or char level.

    Attributes:
        word_after_break: the word at the end after each token that ends any word before it, by id.
    """

    def __init__(self, lexicon: Lexicon, vocabulary: Vocabulary) -> None:
        self._words = _Words(lexicon)
        self._tokens = vocabulary.token_bytes
        self._is_text: list[bool] = vocabulary.is_text.tolist()
        texts = {id_: self._tokens[id_] for id_, is_text in enumerate(self._is_text) if is_text}
        self._extensions = Extensions(lexicon.spellings, texts)
        self._of_several = [id_ for id_, text in texts.items() if _is_of_several_words(text)]
        self._inside = [id_ for id_, text in texts.items() if _begins_inside_character(text)]
        begun = {id_: self._words.walk(_BETWEEN_WORDS, text) for id_, text in texts.items()}
        layout = (id_ for id_, is_text in enumerate(self._is_text) if not is_text)
        self.word_after_break = dict.fromkeys(layout, _BETWEEN_WORDS) | {
            id_: word for id_, (word, _) in begun.items() if _begins_with_break(texts[id_])
        }
        self._masks = self._boundary_masks([id_ for id_, (_, is_allowed) in begun.items() if is_allowed])
        fitting = _CACHE_BYTES // vocabulary.size
        cached = lru_cache(min(_MAX_CACHED, max(_MIN_CACHED, fitting)))
        self.forbidden_after = cached(self._find_forbidden)
        """Returns the tokens forbidden after a word, `forbidden_V`, and whether it must go on."""

    def after(self, word: PartialWord, id_: int) -> PartialWord:
        """Return the word at the end after one more drawn token, allowed or not."""
        if not word.rest and id_ in self.word_after_break:
            return self.word_after_break[id_]
        if self._is_text[id_]:
            return self._words.after(word, self._tokens[id_])
        return _BETWEEN_WORDS

    def after_given(self, word: PartialWord, id_: int) -> PartialWord:
        """Return the word at the end after a given token, where the word at the end counts as one."""
        after, _ = self._walk(word, id_)
        return after._replace(may_stand=bool(after.letters))

    def _walk(self, word: PartialWord, id_: int) -> tuple[PartialWord, bool]:
        """Return the word at the end after one more token, and whether that token is allowed."""
        if self._is_text[id_]:
            return self._words.walk(word, self._tokens[id_])
        return _BETWEEN_WORDS, self._words.may_end(word)

    def _find_forbidden(self, word: PartialWord) -> tuple[Mask, bool]:
        if word == _BETWEEN_WORDS:
            return self._masks.between_words_V, False
        may_end = self._words.may_end(word)
        mask_V = self._masks.after(word).copy() if may_end else np.ones(len(self._tokens), np.bool_)
        can_go_on = self._extensions.allow(word.letters + word.rest, mask_V)
        for id_ in self._inside if word.rest else self._of_several:
            if self._walk(word, id_)[1]:
                mask_V[id_] = False
                can_go_on = True
        if not (may_end or can_go_on):
            return np.zeros_like(mask_V), False
        return mask_V, not may_end

    def _boundary_masks(self, possible: Sequence[int]) -> "_BoundaryMasks":
        """Return the masks that depend only on whether a word ends before the token.

        Args:
            possible: the text tokens that are allowed between words.
        """
        layout = [id_ for id_, is_text in enumerate(self._is_text) if not is_text]
        ending = [id_ for id_ in possible if self._words.may_end_before(self._tokens[id_])]
        apart = [id_ for id_ in ending if not _may_join(self._tokens[id_])]
        return _BoundaryMasks(
            between_words_V=self._all_but([*layout, *possible]),
            after_word_V=self._all_but([*layout, *apart]),
            after_apostrophe_V=self._all_but([*layout, *ending]),
        )

    def _all_but(self, ids: Sequence[int]) -> Mask:
        forbidden_V = np.ones(len(self._tokens), np.bool_)
        forbidden_V[ids] = False
        return forbidden_V


class _BoundaryMasks(NamedTuple):
    """The tokens that are forbidden where a word may end, before those that extend it are allowed.

    Attributes:
        between_words_V: where there is no word.
        after_word_V: after a letter, where an apostrophe and a letter would extend the word.
        after_apostrophe_V: after an apostrophe, where another one ends the word.
    """

    between_words_V: Mask
    after_word_V: Mask
    after_apostrophe_V: Mask

    def after(self, word: PartialWord) -> Mask:
        """Return the mask after a word that may end."""
        return self.after_apostrophe_V if word.letters.endswith(_APOSTROPHES) else self.after_word_V


class _Words:
    """The words of a lexicon, and the effect of further bytes on the word at the end of a text."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._spellings = lexicon.spellings
        self._characters = lexicon.characters
        self._first_bytes = {each.encode()[:size] for each in lexicon.characters for size in (1, 2, 3)}

    def after(self, word: PartialWord, said: bytes) -> PartialWord:
        """Return the word at the end after further bytes, allowed or not."""
        if not word.rest and said.isalpha() and self._is_beginning(word.letters + said):
            return PartialWord(word.letters + said)  # as for most tokens
        return self.walk(word, said)[0]

    def walk(self, word: PartialWord, said: bytes) -> tuple[PartialWord, bool]:
        """Return the word at the end after further bytes, and whether these are allowed."""
        unspaced = said.removeprefix(b" ")
        if not word.rest and unspaced.isalpha():  # ASCII letters, as in nearly every token: nothing to decode
            is_apart = len(unspaced) < len(said)
            longer = unspaced if is_apart else word.letters + unspaced
            if self._is_beginning(longer):
                return PartialWord(longer), not is_apart or self.may_end(word)
        decoder = _decoder()
        try:
            text = decoder.decode(word.rest + said)
        except UnicodeDecodeError:
            return _BETWEEN_WORDS, False
        after, is_allowed = self._after_text(word, text)
        rest, _ = decoder.getstate()
        if not rest:
            return after, is_allowed
        after = after._replace(rest=rest)
        return after, is_allowed and self._may_complete(after)

    def may_end(self, word: PartialWord) -> bool:
        """Return whether a text may end here, or continue with a character that is not a letter."""
        letters, rest, may_stand = word
        if rest:
            return False
        if not letters or may_stand or self._is_word(letters):
            return True
        return any(
            letters.endswith(apostrophe) and self._is_word(letters.removesuffix(apostrophe))
            for apostrophe in _APOSTROPHES
        )

    def may_end_before(self, token: bytes) -> bool:
        """Return whether a token begins with a character that is not a letter, or with a part of one."""
        text = token.decode(errors="ignore")
        return not is_letter(text[0]) if text else token in self._first_bytes

    def _after_text(self, word: PartialWord, text: str) -> tuple[PartialWord, bool]:
        """Return the word at the end after whole characters, and whether these are allowed."""
        letters, _, may_stand = word
        is_allowed = True
        for character in text:
            longer = letters + character.encode()
            if self._is_beginning(longer):
                letters, may_stand = longer, may_stand and character in APOSTROPHES
            elif is_letter(character):
                is_allowed, letters, may_stand = False, _HIGHEST, True
            else:
                is_known = character.isascii() or character in self._characters
                is_allowed = is_allowed and is_known and self.may_end(PartialWord(letters, b"", may_stand))
                is_inside = character in APOSTROPHES and letters and not letters.endswith(_APOSTROPHES)
                letters, may_stand = (longer, may_stand) if is_inside else (b"", False)
        return PartialWord(letters, b"", may_stand), is_allowed

    def _may_complete(self, word: PartialWord) -> bool:
        """Return whether the incomplete character at the end can become one that is allowed here."""
        return self._is_beginning(word.letters + word.rest) or (
            word.rest in self._first_bytes and self.may_end(word._replace(rest=b""))
        )

    def _is_word(self, letters: bytes) -> bool:
        place = bisect_left(self._spellings, letters)
        return place < len(self._spellings) and self._spellings[place] == letters

    def _is_beginning(self, letters: bytes) -> bool:
        place = bisect_left(self._spellings, letters)
        return place < len(self._spellings) and self._spellings[place].startswith(letters)


class WholeWords:
    """The rule as an `Automaton`, whose states are the words at the end of a text.

    Args:
        spelling: spellings of the words, for the model's vocabulary.
    """

    start = PartialWord()

    def __init__(self, spelling: Spelling) -> None:
        self._spelling = spelling

    def after(self, state: PartialWord, id_: int, *, drawn: bool) -> PartialWord:
        """See `Automaton.after`."""
        return self._spelling.after(state, id_) if drawn else self._spelling.after_given(state, id_)

    def forbidden(self, state: PartialWord) -> Forbidden:
        """See `Automaton.forbidden`; what finishes a word takes precedence over rules that end the line."""
        mask_V, must_go_on = self._spelling.forbidden_after(state)
        return Forbidden(mask_V, otherwise_V=mask_V if must_go_on else None)

    def is_idle(self, state: PartialWord) -> bool:
        """See `Automaton.is_idle`."""
        return not state.rest

    def after_idle(self, id_: int) -> PartialWord | AfterIdle:
        """See `Automaton.after_idle`."""
        return self._spelling.word_after_break.get(id_, AfterIdle.UNDECIDED)


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


def _begins_with_break(token: bytes) -> bool:
    """Return whether a token begins with a whole character that is neither a letter nor an apostrophe."""
    text = token.decode(errors="ignore")
    return (
        bool(text) and text.encode()[:1] == token[:1] and not (is_letter(text[0]) or text[0] in APOSTROPHES)
    )


def _begins_inside_character(token: bytes) -> bool:
    return bool(token) and 0x80 <= token[0] < 0xC0
