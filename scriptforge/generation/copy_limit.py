"""A limit to copying, kept while a text is written: never more than N words in a row of the training text.

When the last N words of a lane stand in the training text as they do here, the next word may not begin like
one that follows them there: a token whose letters begin such a word is forbidden, as is one that is the word
and ends it. A word that begins otherwise is another word, so no run of N + 1 copied words ever comes into
being, at any level, and nothing has to be taken back.

What a word is, `scriptforge.copying.index` says; names of speakers are no part of the text. Knows nothing
of models.

Shape letters: B lanes, V vocabulary.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from scriptforge.copying import Index
from scriptforge.copying.index import BOUNDARY, fold
from scriptforge.errors import UsageError
from scriptforge.vocabulary import Vocabulary

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"
_REMEMBERED = 1 << 12

Run = tuple[int, ...]
"""The words at the end of a text, N at most, that stand in the training text in a row; by their numbers."""


class CopyLimit:
    """The limit as a constraint on B lanes.

    Words that are given count as the others do, but what is given is not forbidden: a prime may copy.

    Args:
        index: the training text.
        vocabulary: the model's.
        words: N, how many words in a row may be copied, 1 or more.
        lanes: B.

    Attributes:
        relaxed: how often it had to let everything pass on a lane, as nothing else could have come there.

    Raises:
        UsageError: `words` is less than 1.
    """

    def __init__(self, index: Index, vocabulary: Vocabulary, words: int, lanes: int) -> None:
        if words < 1:
            raise UsageError(
                f"At most {words} copied words in a row cannot be asked for.", "Allow 1 or more; 8 is usual."
            )
        rule = _Rule(index, words, _Tokens(vocabulary))
        self._lanes = [_Lane(rule) for _ in range(lanes)]
        self.relaxed = 0

    def forbid(self, forbidden_BV: Tensor) -> Tensor:
        """See `Constraint.forbid`."""
        for number, lane in enumerate(self._lanes):
            copying = lane.copying()
            if not copying:
                continue
            forbidden_V = forbidden_BV[number].clone()
            forbidden_V[torch.tensor(copying, device=forbidden_V.device)] = True
            if forbidden_V.all():
                self.relaxed += 1
            else:
                forbidden_BV = forbidden_BV.clone()
                forbidden_BV[number] = forbidden_V
        return forbidden_BV

    def advance(self, ids: Sequence[int]) -> None:
        """See `Constraint.advance`."""
        for lane, id_ in zip(self._lanes, ids, strict=True):
            lane.push(id_)


class _Tokens:
    """What each token does to the words of a text.

    A token's form is its letters, folded, with single boundaries: before the first of several words, between
    them, after the last. A token of the word level is bounded on both sides, a layout token is a boundary.

    Args:
        vocabulary: any.

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
        """The tokens of letters of one word that are the beginning of `word`, or all of it.

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
        """The form of tokens that tell nothing yet with one more; None if that tells nothing either."""
        if not kept:
            return self.forms[id_]
        if self.is_layout[id_]:
            return _form(self._vocabulary.decode(kept) + BOUNDARY)
        text = self._vocabulary.decode([*kept, id_])
        return None if text.endswith(_UNFINISHED) else _form(text)

    def words_kept(self, kept: Sequence[int]) -> int:
        """How many words, at most, tokens that tell nothing yet hold letters of."""
        return len(fold(self._vocabulary.decode(kept)).split()) + 1  # which the last character may be

    def _form_alone(self, id_: int) -> str | None:
        text = self._texts[id_]
        if self.is_layout[id_]:
            return BOUNDARY
        if self._vocabulary.level == "word":
            return _form(f"{BOUNDARY}{text}{BOUNDARY}")
        return None if text.endswith(_UNFINISHED) else _form(text)


class _Rule:
    """What may follow copied words.

    Args:
        index: the training text.
        limit: N.
        tokens: of the vocabulary.
    """

    def __init__(self, index: Index, limit: int, tokens: _Tokens) -> None:
        self._index = index
        self.limit = limit
        self.tokens = tokens
        self.extended = lru_cache(_REMEMBERED)(self._extended)
        self.following = lru_cache(_REMEMBERED)(self._following)
        self.beginnings = lru_cache(_REMEMBERED)(self._beginnings)

    def goes_too_far(self, run: Run, letters: str, form: str) -> bool:
        """Whether a token makes, or begins, one copied word too many.

        Args:
            run: at the end of the whole words written.
            letters: those of a word that is begun. If the token ends that word as it is, it is let pass.
            form: the token's.
        """
        if letters and form.startswith(BOUNDARY):
            run, letters = self.extended(run, letters), ""
        *whole, begun = (letters + form).split(BOUNDARY)
        for word in filter(None, whole):
            if word in self.following(run):
                return True
            run = self.extended(run, word)
        return bool(begun) and self.may_become_copied(run, begun)

    def may_become_copied(self, run: Run, letters: str) -> bool:
        """Whether letters begin a word that follows a run of N words in the training text."""
        return any(word.startswith(letters) for word in self.following(run))

    def _extended(self, run: Run, word: str) -> Run:
        """The run at the end of a text after one more word."""
        words = (*run, self._index.number(word))[-self.limit :]
        return words[len(words) - self._index.longest_ending(words) :]

    def _following(self, run: Run) -> frozenset[str]:
        """The words that must not follow a run: none unless it has N words."""
        return self._index.words_after(run) if len(run) == self.limit else frozenset()

    def _beginnings(self, run: Run, apart: bool) -> list[int]:
        """The tokens of one word that must not follow a run; see `_Tokens.beginning`."""
        return [id_ for word in self.following(run) for id_ in self.tokens.beginning(word, apart=apart)]


class _Lane:
    """How far one lane is: the copied words at its end, and what has come of the next word.

    Args:
        rule: the same for all lanes.
    """

    def __init__(self, rule: _Rule) -> None:
        self._rule = rule
        self._tokens = rule.tokens
        self._run: Run = ()
        self._letters = ""
        self._kept: list[int] = []
        self._is_in_name = False

    def push(self, id_: int) -> None:
        """Takes the next token."""
        is_layout = self._tokens.is_layout[id_]
        if is_layout or not self._is_in_name:
            form = self._tokens.form_after(self._kept, id_)
            self._kept = [*self._kept, id_] if form is None else []
            self._add(form or "")
        if is_layout:
            self._is_in_name = id_ == self._tokens.cue

    def copying(self) -> list[int]:
        """The tokens that would make, or begin, one copied word too many."""
        if self._is_in_name or not self._is_near():
            return []
        forms = self._tokens.forms
        if self._kept or self._is_about_to_copy():
            later = ((id_, self._tokens.form_after(self._kept, id_)) for id_ in range(len(forms)))
            return [id_ for id_, form in later if form and self._goes_too_far(form)]
        run = self._rule.extended(self._run, self._letters) if self._letters else self._run
        several = [id_ for id_ in self._tokens.several if self._goes_too_far(forms[id_] or "")]
        return self._rule.beginnings(run, bool(self._letters)) + several

    def _add(self, form: str) -> None:
        if BOUNDARY not in form:
            self._letters += form
            return
        *whole, self._letters = (self._letters + form).split(BOUNDARY)
        for word in filter(None, whole):
            self._run = self._rule.extended(self._run, word)

    def _is_near(self) -> bool:
        """Whether one more token can make a run of more than N copied words, as far as their number goes."""
        words = len(self._run) + bool(self._letters) + self._tokens.most_words
        if self._kept:
            words += self._tokens.words_kept(self._kept)
        return words > self._rule.limit

    def _is_about_to_copy(self) -> bool:
        """Whether the word begun, which was given or let pass, may still become a copied one too many."""
        return bool(self._letters) and self._rule.may_become_copied(self._run, self._letters)

    def _goes_too_far(self, form: str) -> bool:
        return self._rule.goes_too_far(self._run, self._letters, form)


def _form(text: str) -> str:
    """A text, folded, with a single boundary where there are several."""
    folded = fold(text)
    inner = BOUNDARY.join(folded.split())
    if not inner:
        return BOUNDARY if folded else ""
    return f"{BOUNDARY if folded[0] == BOUNDARY else ''}{inner}{BOUNDARY if folded[-1] == BOUNDARY else ''}"
