"""`Vocabulary`: text or script elements to token ids and back, at any level.

A trained `tokenizers.Tokenizer` and nothing beside it: everything here follows from `tokenizer.json`. One
thing is not in that file: that text which happens to contain `<action>` is text. The library keeps that
setting out of it, so `Vocabulary` makes it; other programs that load the file ask for it themselves
(`split_special_tokens=True` in transformers). Beside it there may be the lexicon of the training text, which
says which words are written, and not how. Knows nothing of torch, datasets or models.
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
    """What a model reads and writes, and how that is text.

    Args:
        tokenizer: a trained pipeline of one of the levels, with the layout tokens at its first ids.
        level: which level.
        lower: whether it reads everything in lower case.
        layout: the layout tokens, in the order of their ids.

    Attributes:
        speaker_tokens: the speakers that have a token of their own, in the order of their ids.
        speakers: the same by display name, each with its id; of namesakes in a mix, the first.
        sources: the sources of a mix, each with the id of the token that opens its scripts; else empty.
        lexicon: the words of the training text; None where they are not known.
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
        """Pass to another process what encodes and decodes; the lexicon stays behind."""
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
        """Learn a vocabulary from the training text.

        Args:
            texts: the text in pieces, lines or elements; one huge piece would make training slow. The names
                of speakers without a token of their own are text, too.
            level: what a token is.
            size: tokens in all, fewer if the texts have no more. None gives every word or character a token,
                and bpe 2,000.
            min_count: how often a word, character or pair must occur to have a token.
            lower: whether to read everything in lower case.
            speakers: display names that get a token of their own.
            plain: whether the text is not laid out as a script; there is only `<end>` between documents then.
            sources: in a mix, the names of the sources, each with the display names of speakers who get a
                token for its scripts alone.

        Raises:
            UsageError: if `size` is too small for the level.
        """
        layout = layout_tokens(speakers, plain=plain, sources=sources)
        tokenizer = levels.train(texts, level, layout, size=size, min_count=min_count, lower=lower)
        return cls(tokenizer, level, lower, layout)

    @classmethod
    def of_pieces(
        cls,
        pieces: Sequence[tuple[str, str]],
        *,
        lower: bool = False,
        speakers: Sequence[str] = (),
        sources: Mapping[str, Sequence[str]] | None = None,
    ) -> Self:
        """Return a vocabulary of scripts at the bpe level that is told its `pieces` and learns none.

        The other arguments are those of `train`.
        """
        layout = layout_tokens(speakers, plain=False, sources=sources)
        return cls(levels.of_merges(pieces, layout, lower=lower), "bpe", lower, layout)

    @classmethod
    def load(cls, path: Path, lexicon: Path | None = None) -> Self:
        """Read a vocabulary that `save` wrote.

        Args:
            path: its file.
            lexicon: the file of its lexicon, which may be missing.

        Raises:
            DatasetError: if the vocabulary is missing, or one of the two damaged or not one of ours.
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
        """Return the id that opens a heading."""
        return self._layout_id(HEADING)

    @property
    def action(self) -> int:
        """Return the id that opens an action."""
        return self._layout_id(ACTION)

    @property
    def transition(self) -> int:
        """Return the id that opens a transition."""
        return self._layout_id(TRANSITION)

    @property
    def unspoken(self) -> list[int]:
        """Return the ids that open what nobody says; none in a plain vocabulary."""
        return [] if self.plain else [self.heading, self.action, self.transition]

    @property
    def cue(self) -> int:
        """Return the id that opens the name of a speaker without a token of their own."""
        return self._layout_id(CUE)

    @property
    def says(self) -> int:
        """Return the id between such a name and what is said."""
        return self._layout_id(SAYS)

    @property
    def layout_size(self) -> int:
        """Return how many tokens are layout: the first ones, of which those of speakers are the last."""
        return len(self._layout)

    @property
    def pieces(self) -> list[tuple[str, str]]:
        """Return what pieces of words are made of, two smaller ones each, in the order of their making."""
        return levels.merges_of(self._tokenizer)

    @property
    def sizes(self) -> dict[str, int]:
        """Return what the sizes of a model follow, by the names that `config_from_settings` has for them."""
        return {
            "vocabulary_size": self.size,
            "layout_size": self.layout_size,
            "speakers": len(self.speaker_tokens),
        }

    @cached_property
    def is_text(self) -> NDArray[np.bool_]:
        """Return which ids are text, `<unk>` included, and which are layout; shape (size,)."""
        return np.arange(self.size) >= self.layout_size

    @cached_property
    def tokens(self) -> list[str]:
        """Return the name of each token in `tokenizer.json`, by id."""
        ids = self._tokenizer.get_vocab()
        return sorted(ids, key=ids.__getitem__)

    @cached_property
    def token_texts(self) -> list[str]:
        """Return what each token says by itself, by id; layout tokens say nothing."""
        texts: list[str] = self._tokenizer.decode_batch([[id_] for id_ in range(self.size)])
        return texts

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """Return the text of each token in UTF-8, by id, perhaps a part of a character; layout has none."""
        if self.level == "word":
            return [text.encode() for text in self.token_texts]
        names = enumerate(self.tokens)
        return [levels.bytes_of(name) if id_ >= len(self._layout) else b"" for id_, name in names]

    @cached_property
    def texts_after_word(self) -> list[str]:
        """Return what each token adds right behind a word, by id: at word level with the space before it."""
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
        """Return the text of each token by id where it consists of whole characters, else nothing."""
        return ["" if text.endswith(INCOMPLETE) else text for text in self.token_texts]

    @cached_property
    def _nothing(self) -> list[str]:
        return [""] * self.size

    def speaker_tokens_named(self, name: str) -> list[SpeakerToken]:
        """Return the speakers of a name, however it is spelled: in a mix there may be several."""
        return self._speaker_tokens_by_key.get(speaker_key(name), [])

    def speaker_id(self, name: str, source: str | None = None) -> int | None:
        """Return the id of a speaker's own token, however the name is spelled; None if there is none.

        In a mix, `source` says whose script it is; without it, the first speaker of that name is found.
        """
        known = self.speaker_tokens_named(name)
        return next((token.id for token in known if source is None or token.source in (None, source)), None)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text; no layout token is ever among them."""
        return self._tokenizer.encode(text).ids

    def encode_texts(self, texts: Iterable[str]) -> Encoded:
        """Return the ids of a long text that comes in pieces, such as lines with their line breaks."""
        return self._encoder.encode(texts)

    def encode_elements(self, elements: Iterable[Element], source: str | None = None) -> Encoded:
        """Return the ids of script elements as they are laid out, without what opens and ends a script.

        In a mix, the source whose script it is tells speakers from their namesakes.

        Raises:
            DatasetError: if the vocabulary is plain.
        """
        return self._encoder.encode(
            piece
            for element in elements
            for piece in (*self._before_text(element.kind, element.speaker, source), element.text)
        )

    def decode(self, ids: ArrayLike) -> str:
        """Return the text of ids, shape (tokens,); layout tokens leave no trace in it."""
        return self._tokenizer.decode(np.asarray(ids, dtype=np.int64).tolist())

    def text_stream(self) -> TextStream:
        """Return a decoder for the text of one element, or of a plain text, that takes one id at a time."""
        if self.level == "word":
            return TextStream(self._nothing, self._words_after)
        return TextStream(self._whole_texts, self._bytes_after)

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of a text that have no token, each once, in order; none but at word level."""
        return list(dict.fromkeys(text[start:stop] for start, stop in self._encoder.unknown_spans(text)))

    def suggest(self, word: str) -> list[str]:
        """Return known words like one that is not, nearest first; none but at word level."""
        first = len(self._layout) + 1 + len(MARKS)  # behind the layout, `<unk>` and the marks
        return nearest(word, self.tokens[first:]) if self.level == "word" else []

    def _find_words_after(self, said: tuple[int, ...], kept: tuple[int, ...]) -> str:
        """Return what ids add to a text that ends with others, at word level."""
        return self.decode(said + kept)[len(self.decode(said)) :]

    def _bytes_after(self, said: tuple[int, ...], kept: tuple[int, ...]) -> str:
        """Return what ids add to a text that ends with a whole character, at the levels below words."""
        return b"".join(map(self.token_bytes.__getitem__, kept)).decode(errors="replace")

    def _layout_id(self, token: str) -> int:
        if self.plain:
            raise DatasetError(
                f"This vocabulary is plain and has no {token} token.",
                "Prepare the dataset without --plain to work with script elements.",
            )
        return self._layout[token]

    def _opening(self, kind: Kind, speaker: str, source: str | None) -> tuple[str | int, ...]:
        """Return what precedes the text of an element."""
        if kind != "dialogue":
            return (self._layout_id(_KIND_TOKENS[kind]),)
        id_ = self.speaker_id(speaker, source)
        return (self.cue, speaker, self.says) if id_ is None else (id_,)
