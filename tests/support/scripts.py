"""Scripts for hypothesis: ordinary ones, and such as look like what they are not."""

from hypothesis import strategies as st

from scriptforge.screenplay.script import KINDS, Element, Script, normalise

PHRASES = [
    "jerry", "so i said", "INT. DINER", "CUT TO:", "FADE OUT.", "setting", "(aside)", "[setting: diner]",
    "9: 15", "http://example.org", "!", ".", "..", ">", "@", ":", "：", "\n", "    ", "C-3PO", "我", "\x85",
]  # fmt: skip
texts = st.text(max_size=40) | st.lists(st.sampled_from(PHRASES), max_size=5).map("".join)
normal_elements = (
    st.builds(Element, st.sampled_from(KINDS), texts, texts)
    .map(normalise)
    .filter(lambda element: element is not None)
)

titles = st.sampled_from(["", "The Soup", "title: a title", "*Bold* & <plain>", "我"])
scripts = st.builds(Script.from_elements, titles, st.lists(normal_elements, max_size=8))
