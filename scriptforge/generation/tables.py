"""Grammar and vocabulary as JSON tables, for programs that have neither scriptforge nor `tokenizers`.

There are two such programs: the page of a Space, and the short one in the folder of an exported model. Tables
of bits and of small numbers are packed and encoded in base64.
"""

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scriptforge.generation.grammar import GrammarState, build_rules
from scriptforge.screenplay.name_line import CONTINUATION, MARKS
from scriptforge.vocabulary import Vocabulary
from scriptforge.vocabulary.word import JOIN, SPACE, SPACING


def encode_base64(numbers: NDArray[Any]) -> str:
    """Return the bytes of an array in base64."""
    return base64.b64encode(numbers.tobytes()).decode()


def grammar_tables(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the tables of the grammar, for P states and V tokens.

    Returns:
        `start`, the first state; `limits` and `run_limits`, P numbers each; `allowed` and `closing`, one bit
        for each state and token, most significant bit first: whether the token is allowed, and whether it is
        allowed once a limit has been reached; `next`, a little-endian 16-bit integer for each: the state
        after the token, or its bitwise complement where the length starts again from 0.
    """
    rules = build_rules(vocabulary)
    steps_PV = np.where(rules.resets_PV, ~rules.next_PV, rules.next_PV).astype("<i2")
    return {
        "start": int(GrammarState.OPENING),
        "limits": rules.limits,
        "run_limits": rules.run_limits,
        "allowed": encode_base64(np.packbits(rules.allowed_PV)),
        "closing": encode_base64(np.packbits(rules.allowed_PV & rules.closing_PV)),
        "next": encode_base64(steps_PV),
    }


def text_tables(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the tables that turn ids into a script that can be read back, and the speakers to choose from.

    Returns:
        `pieces`, the text of each token in UTF-8, with each byte given as the character of that number;
        `joint`, the separator between two pieces; `replace`, pairs of a pattern and its replacement in the
        whole text, to be applied in order; `speakers`, by name, the ids with which they begin a script.
    """
    is_word = vocabulary.level == "word"
    said = [token.encode() for token in vocabulary.tokens] if is_word else vocabulary.token_bytes
    line_break = b"\n" if vocabulary.plain else f"\n{CONTINUATION}".encode()
    pieces = [piece.replace(b"\n", line_break) for piece in said]
    pieces[: vocabulary.layout_size] = [each.encode() for each in _layout_pieces(vocabulary)]
    return {
        "pieces": [piece.decode("latin-1") for piece in pieces],
        "joint": " " if is_word else "",
        "replace": list(SPACING) if is_word else [],
        "speakers": {
            name: [*filter(None, [vocabulary.sources.get(token.source or "")]), token.id]
            for name in vocabulary.speakers
            for token in vocabulary.speaker_tokens_named(name)[:1]
        },
    }


def _layout_pieces(vocabulary: Vocabulary) -> list[str]:
    """Return the text of each layout token: the beginning of a line, with a mark if it is not dialogue."""
    if vocabulary.plain:
        return ["\n"]
    pieces = [""] * vocabulary.layout_size
    joined, space = (JOIN, SPACE) if vocabulary.level == "word" else ("", " ")
    for kind in ("heading", "action", "transition"):
        pieces[getattr(vocabulary, kind)] = f"\n{MARKS[kind]}"
    pieces[vocabulary.cue] = "\n"
    pieces[vocabulary.says] = f"{joined}:{space}"
    for token in vocabulary.speaker_tokens:
        pieces[token.id] = f"\n{token.name}:{space}"
    return pieces
