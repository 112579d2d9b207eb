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
from dataclasses import dataclass
from functools import lru_cache

from scriptforge.copying import Index
from scriptforge.copying.index import BOUNDARY, fold
from scriptforge.errors import UsageError
from scriptforge.generation.grammar import Mask
from scriptforge.vocabulary import Vocabulary

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"
_MAX_CACHED = 1 << 12

CopiedRun = tuple[int, ...]
"""The longest run of words at the end of a text, N at most, that the training text has; as word numbers."""


class CopyLimit:
    """The limit on B sequences.

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
                f"The limit of copied words in a row cannot be {words}.", "Allow 1 or more; 8 is usual."
            )
        tokens = _Tokens(vocabulary)
        self._rule = _Rule(_Runs(index, words), tokens)
        self._new_words, self._goes_on_after = tokens.new_words, tokens.goes_on_after
        self._limit = words
        self._sequences = [_Sequence() for _ in range(batch_size)]
        # Far from a copy, as usual, only words are counted: what copies N words has N words.
        self._unread: list[list[int]] = [[] for _ in range(batch_size)]
        self._most_words = [self._rule.most_words(sequence) for sequence in self._sequences]
        self._goes_on = [False] * batch_size  # whether a word is unfinished at the end

    @property
    def limit_overrides(self) -> int:
        """Return how often the limit was ignored in a sequence, since it would have left no token."""
        return sum(sequence.limit_overrides for sequence in self._sequences)

    def forbid(self, forbidden_BV: Mask) -> Mask:
        """Forbid what would copy too much; return the mask unchanged, as usual, if that is nothing.

        Args:
            forbidden_BV: tokens that are forbidden already, true where forbidden.
        """
        near = [row for row, words in enumerate(self._most_words) if words > self._limit]
        copying = {row: ids for row in near if (ids := self._find_copying(row))}
        if not copying:
            return forbidden_BV
        limited_BV = forbidden_BV.copy()
        for row, ids in copying.items():
            limited_BV[row, ids] = True
            if limited_BV[row].all():
                self._sequences[row].limit_overrides += 1
                limited_BV[row] = forbidden_BV[row]
        return limited_BV

    def advance(self, ids: Sequence[int | None]) -> None:
        """Take the next id of each sequence, drawn or given, or None where there is none."""
        for row, id_ in enumerate(ids):
            if id_ is not None:
                goes_on = self._goes_on[row]
                self._unread[row].append(id_)
                self._most_words[row] += self._new_words[goes_on][id_]
                self._goes_on[row] = self._goes_on_after[goes_on][id_]

    def copy_sequences(self, copies: Mapping[int, int]) -> None:
        """Copy the state of some sequences to others."""
        for row, source in copies.items():
            self._sequences[row] = copy(self._sequences[source])
            self._unread[row] = list(self._unread[source])
            self._most_words[row] = self._most_words[source]
            self._goes_on[row] = self._goes_on[source]

    def _find_copying(self, row: int) -> list[int]:
        """Read the latest tokens of a sequence, and return those that would copy too much."""
        sequence = self._sequences[row]
        self._rule.push(sequence, self._unread[row])
        self._unread[row].clear()
        ids = self._rule.find_copying(sequence)
        self._most_words[row] = self._rule.most_words(sequence)
        self._goes_on[row] = bool(sequence.letters)
        return ids


@dataclass(slots=True)
class _Sequence:
    """The end of one sequence.

    Attributes:
        run: the copied run at its end when it was last looked up.
        since: the words completed since then, the last N.
        letters: folded letters of the unfinished word after them.
        broken: the tokens after these, if the last one ends within a character: none has a form yet.
        is_in_name: whether it is in the name of a speaker, which is not part of the text.
        limit_overrides: how often the limit was ignored, since it would have left no token.
    """

    run: CopiedRun = ()
    since: tuple[int, ...] = ()
    letters: str = ""
    broken: tuple[int, ...] = ()
    is_in_name: bool = False
    limit_overrides: int = 0


class _Rule:
    """The tokens that a sequence must not go on with, since they would copy more than N words in a row.

    Args:
        runs: runs of words in the training text.
        tokens: the tokens of the vocabulary.
    """

    def __init__(self, runs: "_Runs", tokens: "_Tokens") -> None:
        self._runs = runs
        self._limit = runs.limit
        self._tokens = tokens
        self._beginnings = lru_cache(_MAX_CACHED)(self._find_beginnings)

    def push(self, sequence: _Sequence, ids: Sequence[int]) -> None:
        """Append tokens to a sequence."""
        forms: list[str] = []
        for id_ in ids:
            is_layout = self._tokens.is_layout[id_]
            if is_layout or not sequence.is_in_name:
                form = self._tokens.form_after(sequence.broken, id_)
                sequence.broken = (*sequence.broken, id_) if form is None else ()
                forms.append(form or "")
            if is_layout:
                sequence.is_in_name = id_ == self._tokens.cue
        self._append(sequence, "".join(forms))

    def most_words(self, sequence: _Sequence) -> int:
        """Return an upper limit of the number of copied words at the end of a sequence and one more token."""
        return len(sequence.run) + len(sequence.since) + self._most_words_with_next(sequence)

    def find_copying(self, sequence: _Sequence) -> list[int]:
        """Return the tokens that would complete, or begin, one copied word too many."""
        if sequence.is_in_name:
            return []
        if self.most_words(sequence) <= self._limit:
            return []
        run, letters = self._copied_run(sequence), sequence.letters
        if self.most_words(sequence) <= self._limit:  # as usual: the run is shorter than it could have been
            return []
        if sequence.broken or (letters and self._runs.may_continue(run, letters)):
            # The form depends on the letters or bytes before the token, so every token is tried. Letters that
            # can still become a forbidden word were given.
            forms = ((id_, self._tokens.form_after(sequence.broken, id_)) for id_ in self._tokens.ids)
            return [id_ for id_, form in forms if form and self._goes_too_far(run, letters, form)]
        # Otherwise an unfinished word is no copy, and only a word that begins with the next token can be one:
        # tokens of a single word are looked up by their letters, and only those of several words are tried.
        several = self._tokens.several.items()
        tried = [id_ for id_, form in several if self._goes_too_far(run, letters, form)]
        before_next = self._runs.extend(run, letters) if letters else run
        return self._beginnings(before_next, bool(letters)) + tried

    def _append(self, sequence: _Sequence, form: str) -> None:
        """Append the form of some tokens to the words of a sequence."""
        *whole, sequence.letters = (sequence.letters + form).split(BOUNDARY)
        sequence.since = self._runs.with_next(sequence.since, *filter(None, whole))

    def _copied_run(self, sequence: _Sequence) -> CopiedRun:
        """Return the copied run at the end of the complete words; it is looked up only when needed."""
        if sequence.since:
            sequence.run = self._runs.find_longest((*sequence.run, *sequence.since)[-self._limit :])
            sequence.since = ()
        return sequence.run

    def _most_words_with_next(self, sequence: _Sequence) -> int:
        """Return the maximum number of words that the unfinished one and the next token have letters of."""
        words = bool(sequence.letters) + self._tokens.most_words
        return words + self._tokens.words_in(sequence.broken) if sequence.broken else words

    def _goes_too_far(self, run: CopiedRun, letters: str, form: str) -> bool:
        """Return whether a token completes, or begins, one copied word too many.

        Args:
            run: copied run at the end of the complete words.
            letters: letters of the unfinished word. A token may always end that word as it is.
            form: form of the token.
        """
        # A word that ends here as it is can only be a copy if it was given, and a prime may copy.
        if letters and form.startswith(BOUNDARY):
            run, letters = self._runs.extend(run, letters), ""
        *whole, begun = (letters + form).split(BOUNDARY)
        for word in filter(None, whole):
            if word in self._runs.forbidden_after(run):
                return True
            run = self._runs.extend(run, word)
        return bool(begun) and self._runs.may_continue(run, begun)

    def _find_beginnings(self, run: CopiedRun, apart: bool) -> list[int]:
        """Return the tokens of a single word that must not follow a run; see `_Tokens.beginnings_of`."""
        words = self._runs.forbidden_after(run)
        return [id_ for word in words for id_ in self._tokens.beginnings_of(word, apart=apart)]


class _Runs:
    """Runs of words in the training text, and the words that must not follow them.

    Args:
        index: index of the training text.
        limit: N.
    """

    def __init__(self, index: Index, limit: int) -> None:
        self._index = index
        self.limit = limit
        self._longest = lru_cache(_MAX_CACHED)(self.find_longest)
        self.forbidden_after = lru_cache(_MAX_CACHED)(self._find_forbidden)

    def with_next(self, words: tuple[int, ...], *more: str) -> tuple[int, ...]:
        """Return the numbers of the last N words after more words."""
        return (*words, *map(self._index.number, more))[-self.limit :]

    def extend(self, run: CopiedRun, word: str) -> CopiedRun:
        """Return the copied run at the end of a text after one more word."""
        return self._longest(self.with_next(run, word))

    def may_continue(self, run: CopiedRun, letters: str) -> bool:
        """Return whether letters begin a word that must not follow a run."""
        return any(word.startswith(letters) for word in self.forbidden_after(run))

    def find_longest(self, words: tuple[int, ...]) -> CopiedRun:
        """Return the copied run at the end of some words."""
        # Words before the longest suffix that occurs can be dropped, since no later run can include them.
        # Equal runs then share one entry of the caches.
        return words[len(words) - self._index.longest_ending(words) :]

    def _find_forbidden(self, run: CopiedRun) -> frozenset[str]:
        """Return the words that must not follow a run; none unless it has N words."""
        return self._index.words_after(run) if len(run) == self.limit else frozenset()


class _Tokens:
    """The effect of each token on the words of a text.

    The form of a token is its folded letters, with a single boundary wherever a word begins or ends. A token
    of the word level has a boundary on both sides; a layout token is a boundary.

    Attributes:
        ids: all ids.
        is_layout: whether each token is layout, by id.
        several: form of each token with letters of several words, by id.
        most_words: maximum number of words that a token has letters of.
        new_words: how many words begin in each token at most, by id; first where no word goes on at the end
            of the text before it, then where one does.
        goes_on_after: whether a word goes on after each token, likewise; false if that is uncertain.
        cue: token that begins a spelled name, which ends at the next layout token; None for plain text.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._texts = vocabulary.token_texts
        self.ids = range(vocabulary.size)
        self.is_layout: list[bool] = (~vocabulary.is_text).tolist()
        self.cue = None if vocabulary.plain else vocabulary.cue
        self._forms = [self._form_alone(id_) for id_ in self.ids]
        self._begun: dict[tuple[str, bool], list[int]] = {}
        self._whole: dict[tuple[str, bool], list[int]] = {}
        self.several: dict[int, str] = {}
        self.most_words = 0
        before = (False, True)
        self.new_words = [[self._count_new_words(id_, goes_on) for id_ in self.ids] for goes_on in before]
        self.goes_on_after = [[self._goes_on_after(id_, goes_on) for id_ in self.ids] for goes_on in before]
        for id_, form in enumerate(self._forms):
            words = len(form.split()) if form else 0
            self.most_words = max(self.most_words, words)
            if form and words == 1:
                table = self._whole if form.endswith(BOUNDARY) else self._begun
                table.setdefault((form.strip(), form.startswith(BOUNDARY)), []).append(id_)
            elif form and words > 1:
                self.several[id_] = form

    def beginnings_of(self, word: str, *, apart: bool) -> list[int]:
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

    def form_after(self, broken: Sequence[int], id_: int) -> str | None:
        """Return the form of tokens that have none yet, and one more; None if they still have none."""
        if not broken:
            return self._forms[id_]
        if self.is_layout[id_]:
            return _form(self._vocabulary.decode(broken) + BOUNDARY)
        text = self._vocabulary.decode([*broken, id_])
        return None if text.endswith(_UNFINISHED) else _form(text)

    def words_in(self, broken: Sequence[int]) -> int:
        """Return the maximum number of words that tokens without a form have letters of."""
        return len(fold(self._vocabulary.decode(broken)).split()) + 1  # the incomplete character may be one

    def _count_new_words(self, id_: int, goes_on: bool) -> int:
        """Return how many words begin in a token at most.

        Args:
            id_: the token.
            goes_on: whether a word may go on in it.
        """
        form = self._forms[id_]
        if form is None:
            return self.words_in([id_])
        words = len(form.split())
        return words - (goes_on and words > 0 and not form.startswith(BOUNDARY))

    def _goes_on_after(self, id_: int, goes_on: bool) -> bool:
        """Return whether a word goes on after a token, for certain."""
        form = self._forms[id_]
        return goes_on if form == "" else form is not None and not form.endswith(BOUNDARY)

    def _form_alone(self, id_: int) -> str | None:
        """Return the form of a token; None for one that ends within a character, so that it has none yet."""
        text = self._texts[id_]
        if self.is_layout[id_]:
            return BOUNDARY
        if self._vocabulary.level == "word":
            return _form(f"{BOUNDARY}{text}{BOUNDARY}")
        return None if text.endswith(_UNFINISHED) else _form(text)


def _form(text: str) -> str:
    """Return a folded text, with a single boundary in place of several in a row."""
    folded = fold(text)
    inner = BOUNDARY.join(folded.split())
    if not inner:
        return BOUNDARY if folded else ""
    return f"{BOUNDARY if folded[0] == BOUNDARY else ''}{inner}{BOUNDARY if folded[-1] == BOUNDARY else ''}"
