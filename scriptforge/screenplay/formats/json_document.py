"""One script as one JSON document, for other programs.

    {
      "title": "Exact Change",
      "elements": [
        {"kind": "dialogue", "speaker": "DEE", "text": "Any cars?"}
      ]
    }

An element has a line of its own, so that two drafts can be compared line by line. Reading is the table's
business: the elements are turns.
"""

import json
from collections.abc import Iterator

from scriptforge.screenplay.script import Element, Script


def write(script: Script) -> Iterator[str]:
    """Lays out a script as JSON.

    Args:
        script: its elements in normal form.

    Yields:
        Lines without line ends.
    """
    yield "{"
    yield f'  "title": {_json(script.title)},'
    elements = [f"    {_render(element)}" for element in script.elements]
    if not elements:
        yield '  "elements": []'
    else:
        yield '  "elements": ['
        yield from (f"{element}," for element in elements[:-1])
        yield elements[-1]
        yield "  ]"
    yield "}"


def _render(element: Element) -> str:
    return _json({"kind": element.kind, "speaker": element.speaker, "text": element.text})


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
