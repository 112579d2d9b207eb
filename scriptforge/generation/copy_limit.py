"""A limit on copying during generation: never more than N words in a row of the training text.

If the last N words of a sequence occur in the training text in a row, the next word must not begin like one
that follows them there: a token is forbidden if its letters begin such a word, or are the whole word. A word
that begins otherwise is another word, so a run of N + 1 words is never copied, at any vocabulary level, and
no token has to be taken back.

For example, let the training text be `It is the goose, and it is the lamp.` and N = 3. After `who? it is the`
the last three words occur in the text twice, followed by `goose` and by `lamp`. At the word level these two
tokens are forbidden. At the char level, `g` and `l` are forbidden: `goat` would not be a copy, but whether
`g` becomes `goat` or `goose` is not known before it is too late. Only a prime can have letters of `goose`
there: after a given `goo` the letter `s` is forbidden, but the given letters stay.

`scriptforge.copying.index` defines what a word is; names of speakers are not part of the text. The module
does not depend on models.

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
"""The longest run of words at the end of a text, N at most, that the training text has; as word numbers."""


class CopyLimit:
    """The limit as a constraint on B sequences.

    Given words count like drawn ones, but are never forbidden: a prime may copy.

    Args:
        index: index of the training text.
        vocabulary: the model's vocabulary.
        words: N, the number of words in a row that may be copied, 1 or more.
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
    def limit_overrides(self) -> int:
        """Return how often the limit was ignored in a sequence, since it would have left no token."""
        return sum(sequence.limit_overrides for sequence in self._sequences)

    def forbid(self, forbidden_BV: Mask) -> Mask:
        """See `Constraint.forbid`."""
        copying = [sequence.copying() for sequence in self._sequences]
        if not any(copying):
            return forbidden_BV  # unchanged, as usual, so that the loop skips `redistribute_layout`
        rows = zip(forbidden_BV, copying, self._sequences, strict=True)
        return np.stack([_forbidden_row(row_V, ids, sequence) for row_V, ids, sequence in rows])

    def advance(self, ids: Sequence[int | None], *, drawn: bool) -> None:
        """See `Constraint.advance`; given words count like drawn ones."""
        for sequence, id_ in zip(self._sequences, ids, strict=True):
            if id_ is not None:
                sequence.push(id_)

    def copy_sequences(self, copies: Mapping[int, int]) -> None:
        """See `Constraint.copy_sequences`."""
        for row, source in copies.items():
            self._sequences[row] = copy(self._sequences[source])


class _Tokens:
    """The effect of each token on the words of a text.

    The form of a token is its folded letters, with a single boundary wherever a word begins or ends. A token
    of the word level has a boundary on both sides; a layout token is a boundary.

    Attributes:
        is_layout: whether each token is layout, by id.
        forms: form of each token, by id; None for one that ends within a character, so that it has none yet.
        several: ids of the tokens with letters of several words.
        most_words: maximum number of words that a token has letters of.
        cue: token that begins a spelled name, which ends at the next layout token; None for plain text.
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
        """Return the tokens with letters of a single word that are the beginning of `word`, or all of it.

        Args:
            word: a folded word.
            apart: whether to return only tokens that begin with a boundary.
        """
        found: list[int] = []
        for is_apart in (True,) if apart else (True, False):
            found += self._whole.get((word, is_apart), ())
            for length in range(1, len(word) + 1):
                found += self._begun.get((word[:length], is_apart), ())
        return found

    def form_after(self, kept: Sequence[int], id_: int) -> str | None:
        """Return the form of kept tokens without a form, and one more; None if they still have none."""
        if not kept:
            return self.forms[id_]
        if self.is_layout[id_]:
            return _form(self._vocabulary.decode(kept) + BOUNDARY)
        text = self._vocabulary.decode([*kept, id_])
        return None if text.endswith(_UNFINISHED) else _form(text)

    def words_kept(self, kept: Sequence[int]) -> int:
        """Return the maximum number of words that kept tokens without a form have letters of."""
        return len(fold(self._vocabulary.decode(kept)).split()) + 1  # the incomplete character may be one

    def _form_alone(self, id_: int) -> str | None:
        text = self._texts[id_]
        if self.is_layout[id_]:
            return BOUNDARY
        if self._vocabulary.level == "word":
            return _form(f"{BOUNDARY}{text}{BOUNDARY}")
        return None if text.endswith(_UNFINISHED) else _form(text)


class _Rule:
    """The words and tokens that must not follow N copied words, where N is the limit."""

    def __init__(self, index: Index, limit: int, tokens: _Tokens) -> None:
        self._index = index
        self.limit = limit
        self.tokens = tokens
        self.longest = lru_cache(_REMEMBERED)(self._longest)
        self.following = lru_cache(_REMEMBERED)(self._following)
        self.beginnings = lru_cache(_REMEMBERED)(self._beginnings)

    def goes_too_far(self, run: CopiedRun, letters: str, form: str) -> bool:
        """Return whether a token completes, or begins, one copied word too many.

        Args:
            run: copied run at the end of the complete words.
            letters: letters of the unfinished word. A token may always end that word as it is.
            form: form of the token.
        """
        # A word that ends here as it is can only be a copy if it was given, and a prime may copy.
        if letters and form.startswith(BOUNDARY):
            run, letters = self.extended(run, letters), ""
        *whole, begun = (letters + form).split(BOUNDARY)
        for word in filter(None, whole):
            if word in self.following(run):
                return True
            run = self.extended(run, word)
        return bool(begun) and self.may_become_copied(run, begun)

    def may_become_copied(self, run: CopiedRun, letters: str) -> bool:
        """Return whether letters begin a word that must not follow a run."""
        return any(word.startswith(letters) for word in self.following(run))

    def with_next(self, words: tuple[int, ...], word: str) -> tuple[int, ...]:
        """Return the numbers of the last N words after one more word."""
        return (*words, self._index.number(word))[-self.limit :]

    def extended(self, run: CopiedRun, word: str) -> CopiedRun:
        """Return the copied run at the end of a text after one more word."""
        return self.longest(self.with_next(run, word))

    def _longest(self, words: tuple[int, ...]) -> CopiedRun:
        """Return the copied run at the end of some words."""
        # Words before the longest suffix that occurs can be dropped, since no later run can include them.
        # Equal runs then share one entry of the caches.
        return words[len(words) - self._index.longest_ending(words) :]

    def _following(self, run: CopiedRun) -> frozenset[str]:
        """Return the words that must not follow a run; none unless it has N words."""
        return self._index.words_after(run) if len(run) == self.limit else frozenset()

    def _beginnings(self, run: CopiedRun, apart: bool) -> list[int]:
        """Return the tokens of a single word that must not follow a run; see `_Tokens.beginning`."""
        return [id_ for word in self.following(run) for id_ in self.tokens.beginning(word, apart=apart)]


class _Sequence:
    """The state of one sequence: the copied run at its end, and the unfinished word after it."""

    def __init__(self, rule: _Rule) -> None:
        self._rule = rule
        self._tokens = rule.tokens
        self._latest: tuple[int, ...] = ()  # last words; the copied run is at their end
        self._is_exact = True  # whether they are just the copied run
        self._letters = ""
        self._kept: list[int] = []
        self._is_in_name = False
        self.limit_overrides = 0

    @property
    def _run(self) -> CopiedRun:
        """Return the copied run at the end; it is looked up only when needed."""
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
        """Return the tokens that would complete, or begin, one copied word too many."""
        if self._is_in_name or not self._is_near():
            return []  # the usual case, which must be cheap
        forms = self._tokens.forms
        if self._kept or (self._letters and self._rule.may_become_copied(self._run, self._letters)):
            # The form depends on the letters or bytes before the token, so every token is tried. Letters that
            # can still become a forbidden word were given.
            later = ((id_, self._tokens.form_after(self._kept, id_)) for id_ in range(len(forms)))
            return [id_ for id_, form in later if form and self._goes_too_far(form)]
        # Otherwise an unfinished word is no copy, and only a word that begins with the next token can be one:
        # tokens of a single word are looked up by their letters, and only those of several words are tried.
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
        """Return whether one more token can extend the copied run to more than N words, copied or not."""
        more = bool(self._letters) + self._tokens.most_words
        if self._kept:
            more += self._tokens.words_kept(self._kept)
        return len(self._latest) + more > self._rule.limit and len(self._run) + more > self._rule.limit

    def _goes_too_far(self, form: str) -> bool:
        return self._rule.goes_too_far(self._run, self._letters, form)


def _forbidden_row(forbidden_V: Mask, copying: Sequence[int], sequence: _Sequence) -> Mask:
    """Return the mask of one sequence, with copying tokens forbidden, too, if any token is left then."""
    if not copying:
        return forbidden_V
    limited_V = forbidden_V.copy()
    limited_V[list(copying)] = True
    if limited_V.all():
        sequence.limit_overrides += 1
        return forbidden_V
    return limited_V


def _form(text: str) -> str:
    """Return a folded text, with a single boundary in place of several in a row."""
    folded = fold(text)
    inner = BOUNDARY.join(folded.split())
    if not inner:
        return BOUNDARY if folded else ""
    return f"{BOUNDARY if folded[0] == BOUNDARY else ''}{inner}{BOUNDARY if folded[-1] == BOUNDARY else ''}"
