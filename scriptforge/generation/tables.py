"""A grammar and a vocabulary as tables in JSON, for programs that have neither scriptforge nor `tokenizers`.

Two such programs exist: the page of a Space, and the short one that lies beside an exported model. Tables of
bits and of small numbers are packed and written in base64.
"""

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scriptforge.generation.grammar import GrammarState, build_rules
from scriptforge.screenplay.name_line import CONTINUATION, MARKS
from scriptforge.vocabulary import Vocabulary
from scriptforge.vocabulary.word import JOIN, SPACE, SPACING


def packed(numbers: NDArray[Any]) -> str:
    """Return numbers, in the order of their bytes, as base64."""
    return base64.b64encode(numbers.tobytes()).decode()


def grammar_tables(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return what the grammar looks up, for P states and V tokens.

    Returns:
        `start`, the first state; `limits` and `run_limits`, P numbers each; `allowed` and `closing`, a bit
        for each state and token, the highest of a byte first: what may come, and what may come where a limit
        has been reached; `next`, 16 bits for each, the lowest first: the state after it, as its complement
        where the length is counted anew.
    """
    rules = build_rules(vocabulary)
    steps_PV = np.where(rules.resets_PV, ~rules.next_PV, rules.next_PV).astype("<i2")
    return {
        "start": int(GrammarState.OPENING),
        "limits": rules.limits,
        "run_limits": rules.run_limits,
        "allowed": packed(np.packbits(rules.allowed_PV)),
        "closing": packed(np.packbits(rules.allowed_PV & rules.closing_PV)),
        "next": packed(steps_PV),
    }


def text_tables(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return what turns ids into a script that can be read back, and who can be asked to speak.

    Returns:
        `pieces`, what each token writes, in UTF-8 whose bytes are given as the characters of those numbers;
        `joint`, what stands between two pieces; `replace`, pairs of a pattern and what takes its place in the
        whole text, in this order; `speakers`, by name, the ids that let them begin a script.
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
    """Return what each layout token writes: it opens a line, and marks what nobody says."""
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
