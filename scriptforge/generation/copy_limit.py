"""A limit to copying, kept while a text is written: never more than N words in a row of the training text.

If the last N words of a sequence stand in the training text in the same order, the next word may not begin
like one that follows them there: a token whose letters begin such a word is forbidden, and so is one that is
the word and ends it. A word that begins otherwise is another word, so that there is never a run of N + 1
copied words, at any level, and no token has to be removed again.

For example, let the training text be `It is the goose, and it is the lamp.` and N = 3. After `who? it is the`
the last three words stand in the text twice, followed by `goose` and by `lamp`. At the word level these two
tokens are forbidden. At the char level it is `g` and `l`: `goat` would not be a copy, but whether `g` becomes
`goat` or `goose` is not known before it is too late. After `it is the`, `g` itself could only be given by a
prime; then `goo` may not become `goose`, but the given letters may stand.

`scriptforge.copying.index` says what a word is; names of speakers are no part of the text. The module
knows nothing of models.

Shape letters: B sequences of the batch, V vocabulary.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from functools import lru_cache

import numpy as np

from scriptforge.copying import Index
from scriptforge.copying.index import BOUNDARY, fold
from scriptforge.errors import UsageError
from scriptforge.generation.grammar import Mask
from scriptforge.vocabulary import Vocabulary

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"
_REMEMBERED = 1 << 12

CopiedRun = tuple[int, ...]
"""The words at the end of a text, N at most, that stand in the training text in a row; by their numbers."""


class CopyLimit:
    """The limit as a constraint on B sequences.

    Words that are given count as the others do, but what is given is not forbidden: a prime may copy.

    Args:
        index: the training text.
        vocabulary: the model's.
        words: N, how many words in a row may be copied, 1 or more.
        batch_size: B.

    Raises:
        UsageError: `words` is less than 1.
    """

    def __init__(self, index: Index, vocabulary: Vocabulary, words: int, batch_size: int) -> None:
        if words < 1:
            raise UsageError(
                f"At most {words} copied words in a row cannot be asked for.", "Allow 1 or more; 8 is usual."
            )
        rule = _Rule(index, words, _Tokens(vocabulary))
        self._sequences = [_Sequence(rule) for _ in range(batch_size)]

    @property
    def relaxed(self) -> int:
        """Return how often it had to let everything pass in a sequence, as nothing else could come there."""
        return sum(sequence.relaxed for sequence in self._sequences)

    def forbid(self, forbidden_BV: Mask) -> Mask:
        """See `Constraint.forbid`."""
        copying = [sequence.copying() for sequence in self._sequences]
        if not any(copying):
            return forbidden_BV  # nothing is near a copy, which is usual: the draw then skips `keep_ends`
        rows = zip(forbidden_BV, copying, self._sequences, strict=True)
        return np.stack([_forbidden_row(row_V, ids, sequence) for row_V, ids, sequence in rows])

    def advance(self, ids: Sequence[int | None], *, drawn: bool) -> None:
        """See `Constraint.advance`; given words count as drawn ones do."""
        for sequence, id_ in zip(self._sequences, ids, strict=True):
            if id_ is not None:
                sequence.push(id_)

    def copy_sequences(self, copies: Mapping[int, int]) -> None:
        """See `Constraint.copy_sequences`."""
        for row, source in copies.items():
            self._sequences[row] = copy(self._sequences[source])


class _Tokens:
    """What each token does to the words of a text.

    A token's form is its letters, folded, with single boundaries: before the first of several words, between
    them, after the last. A token of the word level is bounded on both sides, a layout token is a boundary.

    Attributes:
        is_layout: by id.
        forms: by id; None for a token that ends within a character, which tells nothing yet.
        several: the ids of tokens with letters of several words.
        most_words: the greatest number of words that a token has letters of.
        cue: what the name of a speaker follows, up to another layout token; None where there are no names.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._texts = vocabulary.token_texts
        self.is_layout: list[bool] = (~vocabulary.is_text).tolist()
        self.forms = [self._form_alone(id_) for id_ in range(vocabulary.size)]
        counts = [len((form or "").split()) for form in self.forms]
        self.several = [id_ for id_, words in enumerate(counts) if words > 1]
        self.most_words = max(counts)
        self.cue = None if vocabulary.plain else vocabulary.cue
        self._begun: dict[tuple[str, bool], list[int]] = {}
        self._whole: dict[tuple[str, bool], list[int]] = {}
        for id_, (form, words) in enumerate(zip(self.forms, counts, strict=True)):
            if form and words == 1:
                table = self._whole if form.endswith(BOUNDARY) else self._begun
                table.setdefault((form.strip(), form.startswith(BOUNDARY)), []).append(id_)

    def beginning(self, word: str, *, apart: bool) -> list[int]:
        """Return the tokens of letters of one word that are the beginning of `word`, or all of it.

        Args:
            word: folded.
            apart: whether to take only those that end a word before.
        """
        found: list[int] = []
        for is_apart in (True,) if apart else (True, False):
            found += self._whole.get((word, is_apart), ())
            for length in range(1, len(word) + 1):
                found += self._begun.get((word[:length], is_apart), ())
        return found

    def form_after(self, kept: Sequence[int], id_: int) -> str | None:
        """Return the form of tokens that tell nothing yet and one more; None if that tells nothing either."""
        if not kept:
            return self.forms[id_]
        if self.is_layout[id_]:
            return _form(self._vocabulary.decode(kept) + BOUNDARY)
        text = self._vocabulary.decode([*kept, id_])
        return None if text.endswith(_UNFINISHED) else _form(text)

    def words_kept(self, kept: Sequence[int]) -> int:
        """Return how many words, at most, tokens that tell nothing yet hold letters of."""
        return len(fold(self._vocabulary.decode(kept)).split()) + 1  # which the last character may be

    def _form_alone(self, id_: int) -> str | None:
        text = self._texts[id_]
        if self.is_layout[id_]:
            return BOUNDARY
        if self._vocabulary.level == "word":
            return _form(f"{BOUNDARY}{text}{BOUNDARY}")
        return None if text.endswith(_UNFINISHED) else _form(text)


class _Rule:
    """What may follow N copied words, the limit, in the training text of an index."""

    def __init__(self, index: Index, limit: int, tokens: _Tokens) -> None:
        self._index = index
        self.limit = limit
        self.tokens = tokens
        self.longest = lru_cache(_REMEMBERED)(self._longest)
        self.following = lru_cache(_REMEMBERED)(self._following)
        self.beginnings = lru_cache(_REMEMBERED)(self._beginnings)

    def goes_too_far(self, run: CopiedRun, letters: str, form: str) -> bool:
        """Return whether a token makes, or begins, one copied word too many.

        Args:
            run: at the end of the whole words written.
            letters: those of a word that is begun. If the token ends that word as it is, it is let pass.
            form: the token's.
        """
        # A given word that ends here as it is may be a copy: a prime may copy, and cannot be changed.
        if letters and form.startswith(BOUNDARY):
            run, letters = self.extended(run, letters), ""
        *whole, begun = (letters + form).split(BOUNDARY)
        for word in filter(None, whole):
            if word in self.following(run):
                return True
            run = self.extended(run, word)
        return bool(begun) and self.may_become_copied(run, begun)

    def may_become_copied(self, run: CopiedRun, letters: str) -> bool:
        """Return whether letters begin a word that follows a run of N words in the training text."""
        return any(word.startswith(letters) for word in self.following(run))

    def with_next(self, words: tuple[int, ...], word: str) -> tuple[int, ...]:
        """Return words, by their numbers, and one more; N of them at most, the last ones."""
        return (*words, self._index.number(word))[-self.limit :]

    def extended(self, run: CopiedRun, word: str) -> CopiedRun:
        """Return the run at the end of a text after one more word."""
        return self.longest(self.with_next(run, word))

    def _longest(self, words: tuple[int, ...]) -> CopiedRun:
        """Return the copied words at the end of some words."""
        # Only the longest ending that occurs in the training text is kept: what a shorter ending adds later
        # is found again from there, and equal runs share one entry of the caches.
        return words[len(words) - self._index.longest_ending(words) :]

    def _following(self, run: CopiedRun) -> frozenset[str]:
        """Return the words that must not follow a run: none unless it has N words."""
        return self._index.words_after(run) if len(run) == self.limit else frozenset()

    def _beginnings(self, run: CopiedRun, apart: bool) -> list[int]:
        """Return the tokens of one word that must not follow a run; see `_Tokens.beginning`."""
        return [id_ for word in self.following(run) for id_ in self.tokens.beginning(word, apart=apart)]


class _Sequence:
    """How far one sequence is: the copied words at its end, and what has come of the next word."""

    def __init__(self, rule: _Rule) -> None:
        self._rule = rule
        self._tokens = rule.tokens
        self._latest: tuple[int, ...] = ()  # words, at the end of which the copied ones are
        self._is_exact = True  # whether these are the copied ones
        self._letters = ""
        self._kept: list[int] = []
        self._is_in_name = False
        self.relaxed = 0

    @property
    def _run(self) -> CopiedRun:
        """Return the copied words at the end; they are looked up where it matters how many they are."""
        if not self._is_exact:
            self._latest, self._is_exact = self._rule.longest(self._latest), True
        return self._latest

    def push(self, id_: int) -> None:
        """Take the next token."""
        is_layout = self._tokens.is_layout[id_]
        if is_layout or not self._is_in_name:
            form = self._tokens.form_after(self._kept, id_)
            self._kept = [*self._kept, id_] if form is None else []
            self._add(form or "")
        if is_layout:
            self._is_in_name = id_ == self._tokens.cue

    def copying(self) -> list[int]:
        """Return the tokens that would make, or begin, one copied word too many."""
        if self._is_in_name or not self._is_near():
            return []  # the usual case, and the only one that must cost nothing
        forms = self._tokens.forms
        if self._kept or (self._letters and self._rule.may_become_copied(self._run, self._letters)):
            # What a token makes of the letters or bytes before it depends on these: every token is tried.
            # Letters that may still become a copied word too many were given.
            later = ((id_, self._tokens.form_after(self._kept, id_)) for id_ in range(len(forms)))
            return [id_ for id_, form in later if form and self._goes_too_far(form)]
        # Else a word begun is certainly no copy, and only a word that begins with this token can be one: such
        # tokens are looked up by their letters, and only those of several words are tried.
        run = self._rule.extended(self._run, self._letters) if self._letters else self._run
        several = [id_ for id_ in self._tokens.several if self._goes_too_far(forms[id_] or "")]
        return self._rule.beginnings(run, bool(self._letters)) + several

    def _add(self, form: str) -> None:
        if BOUNDARY not in form:
            self._letters += form
            return
        *whole, self._letters = (self._letters + form).split(BOUNDARY)
        for word in filter(None, whole):
            self._latest = self._rule.with_next(self._latest, word)
            self._is_exact = False

    def _is_near(self) -> bool:
        """Return whether one more token can make a run of more than N words, copied or not."""
        more = bool(self._letters) + self._tokens.most_words
        if self._kept:
            more += self._tokens.words_kept(self._kept)
        return len(self._latest) + more > self._rule.limit and len(self._run) + more > self._rule.limit

    def _goes_too_far(self, form: str) -> bool:
        return self._rule.goes_too_far(self._run, self._letters, form)


def _forbidden_row(forbidden_V: Mask, copying: Sequence[int], sequence: _Sequence) -> Mask:
    """Return the mask of one sequence, without the tokens that would copy if something else is left."""
    if not copying:
        return forbidden_V
    limited_V = forbidden_V.copy()
    limited_V[list(copying)] = True
    if limited_V.all():
        sequence.relaxed += 1
        return forbidden_V
    return limited_V


def _form(text: str) -> str:
    """Return a text, folded, with a single boundary where there are several."""
    folded = fold(text)
    inner = BOUNDARY.join(folded.split())
    if not inner:
        return BOUNDARY if folded else ""
    return f"{BOUNDARY if folded[0] == BOUNDARY else ''}{inner}{BOUNDARY if folded[-1] == BOUNDARY else ''}"
