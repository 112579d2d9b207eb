"""Text from ids that come one at a time. Knows nothing of layout.

The decoder that ships with the library does the same but cannot be told that no more will come, which loses
the last bytes of a text that stops within a character.
"""

from collections.abc import Sequence

from tokenizers import Tokenizer

_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"


class TextStream:
    """Joins to what decoding all ids at once gives, in pieces that are never taken back.

    A character whose bytes are several tokens is kept until its last one has come; at word level
    the space before a word comes with that word.

    Args:
        tokenizer: what to decode with.
        token_texts: what each token says by itself, by id.
    """

    def __init__(self, tokenizer: Tokenizer, token_texts: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._token_texts = token_texts
        self._said: list[int] = []  # the ids of the last piece: what precedes decides on the space
        self._kept: list[int] = []

    def push(self, id_: int) -> str:
        """Takes the next id and gives the text that is now certain, which may be empty."""
        self._kept.append(id_)
        text = self._text_kept()
        if not text or text.endswith(_INCOMPLETE):
            return ""
        self._said, self._kept = self._kept, []
        return text

    def finish(self) -> str:
        """Gives what was kept, a character left incomplete as `�`; nothing may be pushed after it."""
        return self._text_kept()

    def _text_kept(self) -> str:
        is_one = len(self._said) == 1
        before = self._token_texts[self._said[0]] if is_one else self._tokenizer.decode(self._said)
        text = self._tokenizer.decode(self._said + self._kept)
        return text[len(before) :]
