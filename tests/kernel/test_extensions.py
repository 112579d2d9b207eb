"""Extensions of words in the kernel and without it, beside trying each token with each spelling."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from support.kernels import all_kernels, computing_with

from scriptforge.generation.extensions import Extensions

_LETTERS = st.text("abé", min_size=1, max_size=5).map(str.encode)


@settings(max_examples=150, deadline=None)
@given(
    st.sets(_LETTERS, max_size=40).map(sorted),
    st.lists(_LETTERS | st.just(b" a") | st.just(b"\xc3"), min_size=1, max_size=20),
    st.text("abé", max_size=3).map(str.encode) | st.just(b"a\xc3"),
)
def test_tokens_that_lead_to_a_spelling_are_allowed(
    spellings: list[bytes], tokens: list[bytes], begun: bytes
) -> None:
    texts = dict(enumerate(tokens, 2))
    expected = {
        id_ for id_, token in texts.items() if any(each.startswith(begun + token) for each in spellings)
    }
    for loaded in (None, *all_kernels()):
        with computing_with(loaded):
            forbidden_V = np.ones(len(tokens) + 2, np.bool_)
            found = Extensions(spellings, texts).allow(begun, forbidden_V)
        assert set(np.flatnonzero(~forbidden_V)) == expected
        assert found == bool(expected)
