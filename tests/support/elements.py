"""Reading ids back as script elements, by the rules of the layout alone: what encoding is compared with."""

import numpy as np
from numpy.typing import ArrayLike

from scriptforge.screenplay.script import Element, Kind
from scriptforge.vocabulary import Vocabulary


def decode_elements(vocabulary: Vocabulary, ids: ArrayLike) -> list[Element]:
    """Return the elements that ids lay out.

    Any ids are read: an element that breaks off is given as far as it goes, and text before the first kind
    token or after an `<end>` is an action.

    Args:
        vocabulary: what the ids are of.
        ids: shape (tokens,).
    """
    kinds: dict[int, tuple[Kind, str]] = {
        token.id: ("dialogue", token.name) for token in vocabulary.speaker_tokens
    }
    cue = says = None
    if not vocabulary.plain:
        cue, says = vocabulary.cue, vocabulary.says
        kinds |= {
            vocabulary.heading: ("heading", ""),
            vocabulary.action: ("action", ""),
            vocabulary.transition: ("transition", ""),
        }
    ids_T = np.asarray(ids, dtype=np.int64)
    head, *rest = np.split(ids_T, np.flatnonzero(~vocabulary.is_text[ids_T]))
    parts = [(vocabulary.end, head), *((int(part[0]), part[1:]) for part in rest)]
    elements: list[Element] = []
    before = None
    for opening, text_ids in parts:
        text = vocabulary.decode(text_ids)
        if opening == says and before == cue:
            elements[-1] = Element("dialogue", text, elements[-1].speaker)
        elif opening == cue:
            elements.append(Element("dialogue", "", text))
        elif opening in kinds:
            kind, speaker = kinds[opening]
            elements.append(Element(kind, text, speaker))
        elif text:
            elements.append(Element("action", text))
        before = opening
    return elements
