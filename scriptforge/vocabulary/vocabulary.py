"""`Vocabulary`: text or script elements to token ids and back, at any level.

It wraps a trained `tokenizers.Tokenizer`, and everything in it follows from `tokenizer.json` but one setting:
that `<action>` in a text is encoded as text, not as a layout token. The library does not store that setting,
so `Vocabulary` makes it; other programs that load the file must do so themselves (`split_special_tokens=True`
in transformers). A vocabulary may also have the lexicon of the training text, which says which words may be
generated and has no influence on encoding. The module knows nothing of PyTorch, datasets or models.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tokenizers import Tokenizer

from scriptforge.errors import DatasetError, nearest
from scriptforge.options import Level
from scriptforge.screenplay.script import Element, Kind, speaker_key
from scriptforge.vocabulary import levels
from scriptforge.vocabulary.encoding import INCOMPLETE, Encoded, Encoder, TextStream
from scriptforge.vocabulary.layout import (
    ACTION,
    CUE,
    END,
    HEADING,
    SAYS,
    TRANSITION,
    UNKNOWN,
    SpeakerToken,
    layout_tokens,
    sources_in,
    speaker_tokens_in,
)
from scriptforge.vocabulary.lexicon import Lexicon
from scriptforge.vocabulary.word import MARKS
from scriptforge.workspace import parse_json

_KIND_TOKENS: dict[Kind, str] = {"heading": HEADING, "action": ACTION, "transition": TRANSITION}


class Vocabulary:
    """The tokens of a model, and their conversion from and to text and script elements.

    Args:
        tokenizer: a trained pipeline of one of the levels, with the layout tokens at its first ids.
        level: the level.
        lower: whether it converts text to lower case.
        layout: the names of the layout tokens, in the order of their ids.

    Attributes:
        size: number of tokens.
        dtype: the smallest unsigned type that holds the ids.
        plain: whether the text is plain, so that `<end>` is the only layout token.
        end: the id of `<end>`, which ends a script or document.
        unknown: the id of `<unk>`; None except at word level.
        speaker_tokens: the cues of speakers with a token of their own, in the order of their ids.
        speakers: the ids of these cues by display name; of namesakes in a mix, the first.
        sources: the sources of a mix, each with the id of the token that opens its scripts; else empty.
        lexicon: the words of the training text; None if unknown.
    """

    lexicon: Lexicon | None = None

    def __init__(self, tokenizer: Tokenizer, level: Level, lower: bool, layout: Sequence[str]) -> None:
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer
        self._layout = {token: id_ for id_, token in enumerate(layout)}
        self.level: Level = level
        self.lower = lower
        self.size: int = tokenizer.get_vocab_size()
        self.dtype: np.dtype[np.unsignedinteger[Any]] = np.min_scalar_type(self.size - 1)
        self.plain = HEADING not in self._layout
        self.end = self._layout[END]
        self.unknown: int | None = tokenizer.token_to_id(UNKNOWN) if level == "word" else None
        self.sources: dict[str, int] = sources_in(layout)
        self.speaker_tokens: tuple[SpeakerToken, ...] = speaker_tokens_in(layout)
        self.speakers: dict[str, int] = {}
        self._speaker_tokens_by_key: dict[str, list[SpeakerToken]] = {}
        for token in self.speaker_tokens:
            self.speakers.setdefault(token.name, token.id)
            self._speaker_tokens_by_key.setdefault(speaker_key(token.name), []).append(token)
        self._before_text = lru_cache(maxsize=4096)(self._opening)
        self._words_after = lru_cache(maxsize=1 << 14)(self._find_words_after)
        parts = levels.parts(level)
        self._encoder = Encoder(tokenizer, parts, self.dtype, reserved=len(layout), unknown=self.unknown)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the tokenizer and its settings, without the lexicon and the caches."""
        return type(self), (self._tokenizer, self.level, self.lower, tuple(self._layout))

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        level: Level,
        *,
        size: int | None = None,
        min_count: int = 1,
        lower: bool = False,
        speakers: Sequence[str] = (),
        plain: bool = False,
        sources: Mapping[str, Sequence[str]] | None = None,
    ) -> Self:
        """Train a vocabulary on text.

        Args:
            texts: the training text in pieces such as lines or elements; one huge piece would be slow. The
                names of speakers without a token of their own are text, too.
            level: the level.
            size: number of tokens in all, fewer if the texts do not have as many. None gives every word or
                character a token, and 2,000 tokens at the bpe level.
            min_count: number of occurrences that a word, character or pair needs to get a token.
            lower: whether to convert text to lower case.
            speakers: display names of the speakers who get a token of their own.
            plain: whether the text is plain, not a script: its only layout token is `<end>`.
            sources: in a mix, the names of the sources, each with the display names of speakers who get a
                token in its scripts only.

        Raises:
            UsageError: `size` is too small for the level.
        """
        layout = layout_tokens(speakers, plain=plain, sources=sources)
        tokenizer = levels.train(texts, level, layout, size=size, min_count=min_count, lower=lower)
        return cls(tokenizer, level, lower, layout)

    @classmethod
    def from_merges(
        cls,
        merges: Sequence[tuple[str, str]],
        *,
        lower: bool = False,
        speakers: Sequence[str] = (),
        sources: Mapping[str, Sequence[str]] | None = None,
    ) -> Self:
        """Return a vocabulary for scripts at the bpe level, with given merges instead of learned ones.

        Args:
            merges: the merges, as of the property of that name.
            lower: as in `train`.
            speakers: as in `train`.
            sources: as in `train`.
        """
        layout = layout_tokens(speakers, plain=False, sources=sources)
        return cls(levels.of_merges(merges, layout, lower=lower), "bpe", lower, layout)

    @classmethod
    def load(cls, path: Path, lexicon: Path | None = None) -> Self:
        """Read a vocabulary from files.

        Args:
            path: its `tokenizer.json`.
            lexicon: its `lexicon.txt`, which may be missing.

        Raises:
            DatasetError: the vocabulary is missing, or a file is damaged or not written by scriptforge.
        """
        vocabulary = cls(*levels.read_tokenizer(path))
        if lexicon is not None and lexicon.exists():
            vocabulary.lexicon = Lexicon.load(lexicon)
        return vocabulary

    def save(self, path: Path) -> None:
        """Write `tokenizer.json`."""
        path.write_text(self._tokenizer.to_str(pretty=True), encoding="utf-8")

    @cached_property
    def fingerprint(self) -> str:
        """Return the SHA-256 of the tokenizer as JSON with sorted keys: equal for equal vocabularies."""
        document = parse_json(self._tokenizer.to_str())
        canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def heading(self) -> int:
        """Return the id of the token before a heading."""
        return self._layout_id(HEADING)

    @property
    def action(self) -> int:
        """Return the id of the token before an action."""
        return self._layout_id(ACTION)

    @property
    def transition(self) -> int:
        """Return the id of the token before a transition."""
        return self._layout_id(TRANSITION)

    @property
    def non_dialogue_ids(self) -> list[int]:
        """Return the ids of the tokens before elements other than dialogue; none in a plain vocabulary."""
        return [] if self.plain else [self.heading, self.action, self.transition]

    @property
    def cue(self) -> int:
        """Return the id of the generic cue, before the name of a speaker without a token of their own."""
        return self._layout_id(CUE)

    @property
    def says(self) -> int:
        """Return the id of the token between such a name and the line."""
        return self._layout_id(SAYS)

    @cached_property
    def is_cue(self) -> NDArray[np.bool_]:
        """Return whether each layout token opens a line of dialogue; shape (layout_size,)."""
        cues = {token.id for token in self.speaker_tokens} | (set() if self.plain else {self.cue})
        return np.isin(np.arange(self.layout_size), list(cues))

    @property
    def layout_size(self) -> int:
        """Return the number of layout tokens; they have the first ids, and speakers' cues are their last."""
        return len(self._layout)

    @property
    def merges(self) -> list[tuple[str, str]]:
        """Return the BPE merges, pairs of tokens in order of priority; only at the levels bpe and char."""
        return levels.merges_of(self._tokenizer)

    @property
    def sizes(self) -> dict[str, int]:
        """Return the sizes that a model takes from its vocabulary, as arguments of `config_from_settings`."""
        return {
            "vocabulary_size": self.size,
            "layout_size": self.layout_size,
            "speakers": len(self.speaker_tokens),
        }

    @cached_property
    def is_text(self) -> NDArray[np.bool_]:
        """Return whether each id is text, `<unk>` included, and not layout; shape (size,)."""
        return np.arange(self.size) >= self.layout_size

    @cached_property
    def tokens(self) -> list[str]:
        """Return the name of each token in `tokenizer.json`, by id."""
        ids = self._tokenizer.get_vocab()
        return sorted(ids, key=ids.__getitem__)

    @cached_property
    def token_texts(self) -> list[str]:
        """Return the text of each token by itself, by id; empty for layout tokens."""
        texts: list[str] = self._tokenizer.decode_batch([[id_] for id_ in range(self.size)])
        return texts

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """Return the UTF-8 bytes of each token, by id, perhaps a part of a character; empty for layout."""
        if self.level == "word":
            return [text.encode() for text in self.token_texts]
        names = enumerate(self.tokens)
        return [levels.bytes_of(name) if id_ >= len(self._layout) else b"" for id_, name in names]

    @cached_property
    def texts_after_word(self) -> list[str]:
        """Return the text that each token adds after a word, by id; at word level with the space before."""
        if self.unknown is None:
            return self.token_texts
        word = self.decode([self.unknown])
        first = self.unknown + 1  # the marks come next, and only they can do without a space
        return [
            self.decode([self.unknown, id_])[len(word) :]
            if 0 <= id_ - first < len(MARKS)
            else text and f" {text}"
            for id_, text in enumerate(self.token_texts)
        ]

    @cached_property
    def _whole_texts(self) -> list[str]:
        """Return the text of each token, by id; empty if it ends within a character."""
        return ["" if text.endswith(INCOMPLETE) else text for text in self.token_texts]

    @cached_property
    def _nothing(self) -> list[str]:
        return [""] * self.size

    def speaker_tokens_named(self, name: str) -> list[SpeakerToken]:
        """Return the cues of a speaker's name in any spelling; in a mix there may be several."""
        return self._speaker_tokens_by_key.get(speaker_key(name), [])

    def speaker_id(self, name: str, source: str | None = None) -> int | None:
        """Return the id of a speaker's cue, for any spelling of the name; None if there is none.

        In a mix, `source` is the source of the script; without it, the first speaker of that name is taken.
        """
        known = self.speaker_tokens_named(name)
        return next((token.id for token in known if source is None or token.source in (None, source)), None)

    def encode(self, text: str) -> list[int]:
        """Encode a text; layout tokens are never among the ids."""
        return self._tokenizer.encode(text).ids

    def encode_texts(self, texts: Iterable[str]) -> Encoded:
        """Encode a long text given in pieces, such as lines with their line breaks."""
        return self._encoder.encode(texts)

    def encode_elements(self, elements: Iterable[Element], source: str | None = None) -> Encoded:
        """Encode script elements with their layout tokens, without the tokens that open and end a script.

        In a mix, `source` is the source of the script, which distinguishes speakers of the same name.

        Raises:
            DatasetError: the vocabulary is plain.
        """
        return self._encoder.encode(
            piece
            for element in elements
            for piece in (*self._before_text(element.kind, element.speaker, source), element.text)
        )

    def decode(self, ids: ArrayLike) -> str:
        """Decode ids, shape (tokens,); layout tokens are left out."""
        return self._tokenizer.decode(np.asarray(ids, dtype=np.int64).tolist())

    def text_stream(self) -> TextStream:
        """Return a streaming decoder for the text of one element, or for plain text."""
        if self.level == "word":
            return TextStream(self._nothing, self._words_after)
        return TextStream(self._whole_texts, self._bytes_after)

    def unknown_words(self, text: str) -> list[str]:
        """Return the distinct words of a text that have no token, in order; none below word level."""
        return list(dict.fromkeys(text[start:stop] for start, stop in self._encoder.unknown_spans(text)))

    def suggest(self, word: str) -> list[str]:
        """Return known words similar to an unknown one, nearest first; none below word level."""
        first = len(self._layout) + 1 + len(MARKS)  # after layout, `<unk>` and marks
        return nearest(word, self.tokens[first:]) if self.level == "word" else []

    def _find_words_after(self, said: tuple[int, ...], kept: tuple[int, ...]) -> str:
        """Return the text that the ids `kept` add after the ids `said`, at word level."""
        return self.decode(said + kept)[len(self.decode(said)) :]

    def _bytes_after(self, said: tuple[int, ...], kept: tuple[int, ...]) -> str:
        """Return the text that the ids `kept` add after a complete character, below word level."""
        return b"".join(map(self.token_bytes.__getitem__, kept)).decode(errors="replace")

    def _layout_id(self, token: str) -> int:
        if self.plain:
            raise DatasetError(
                f"This vocabulary is plain and has no {token} token.",
                "Prepare the dataset without --plain to work with script elements.",
            )
        return self._layout[token]

    def _opening(self, kind: Kind, speaker: str, source: str | None) -> tuple[str | int, ...]:
        """Return the ids, and for the generic cue the name, that precede the text of an element."""
        if kind != "dialogue":
            return (self._layout_id(_KIND_TOKENS[kind]),)
        id_ = self.speaker_id(speaker, source)
        return (self.cue, speaker, self.says) if id_ is None else (id_,)
