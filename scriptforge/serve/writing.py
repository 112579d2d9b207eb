"""The writing of one request: the decoding loop of its alternatives, and the events of each token.

The events of an alternative say that an element begins, gets more text, or is complete; of an element that a
person began, they have only what is added. The module knows nothing of queues and the network.
"""

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from scriptforge.copying import Index
from scriptforge.generation.assembly import new_copy_limit, new_decoder, new_loop
from scriptforge.generation.grammar import Boundary, Mask
from scriptforge.generation.prompt import Given
from scriptforge.screenplay.script import Element, Kind, normalise
from scriptforge.serve.prompt import EncodedRequest
from scriptforge.serve.runs import OpenRun
from scriptforge.vocabulary import Vocabulary

Event: TypeAlias = dict[str, Any]
"""A message for the page, as a JSON object."""

MAX_TOKENS = 600
"""Maximum number of tokens that are drawn for each alternative."""

MAX_SECONDS = 30.0
"""Maximum seconds that a request may be written."""


class Writing:
    """The alternatives of one request, as they are written.

    Args:
        run: the run to write with.
        question: the request as token ids.
        index: index of the training text, if copying is limited.
    """

    def __init__(self, run: OpenRun, question: EncodedRequest, index: Index | None = None) -> None:
        options, vocabulary = question.options, run.vocabulary
        assert options.seed is not None, "whoever asks has drawn one"
        seeds = range(options.seed, options.seed + options.count)
        limit = new_copy_limit(index, vocabulary, options)
        reader = new_decoder(run.model, vocabulary, options)
        self._loop = new_loop(reader, vocabulary, options, question.cast, seeds, run.statistics, limit)
        self._run = run
        self._vocabulary = vocabulary
        self._question = question
        self._alternatives = [
            Alternative(number, seed, question, vocabulary) for number, seed in enumerate(seeds)
        ]
        self._ends_line_V = _ending_a_line(vocabulary)
        self._ends = time.monotonic() + MAX_SECONDS

    def __iter__(self) -> Generator[list[Event], None, None]:
        """Write, and yield the events of each step; the first step includes those of the prompt."""
        question = self._question
        self._loop.follow(
            question.recent_ids, self._run.prefix_cache.state_after(question, question.options.count)
        )
        boundary: Boundary | None = None
        events: list[Event] = []
        for part in question.prompt:
            if isinstance(part, Given):
                boundary = part.boundary
                self._loop.give(part.ids)
                events += self._begin([part.ids] * len(self._alternatives))
            else:
                events += self._begin(self._loop.draw(part.choices))
        yield [*events, *self._step(self._excluded(boundary))]
        excluded_V = self._excluded(None)
        with self._run.model.active_writer():
            while not all(each.is_finished for each in self._alternatives):
                yield self._step(excluded_V)

    def _step(self, excluded_V: Mask) -> list[Event]:
        """Draw one more token for each alternative that is not finished."""
        needs_text_B = np.array([each.needs_text for each in self._alternatives])
        if needs_text_B.any():
            excluded = excluded_V | (needs_text_B[:, None] & self._ends_line_V)
        else:
            excluded = excluded_V
        ids = self._loop.propose(excluded=excluded)
        pairs = list(zip(ids, self._alternatives, strict=True))
        self._loop.take([None if each.is_finished else id_ for id_, each in pairs])
        events = [event for id_, each in pairs if not each.is_finished for event in each.push(id_)]
        if time.monotonic() > self._ends:
            events += [event for each in self._alternatives for event in each.cut()]
        return events

    def _begin(self, ids: Sequence[Sequence[int]]) -> list[Event]:
        pairs = zip(ids, self._alternatives, strict=True)
        return [event for own, each in pairs for event in each.begin(own)]

    def _excluded(self, boundary: Boundary | None) -> Mask:
        """Return the tokens that must not come: the end of a script, and those that `boundary` excludes."""
        excluded_V = np.zeros(self._vocabulary.size, np.bool_)
        if boundary:
            excluded_V |= boundary.excluded(self._vocabulary)
        if not self._vocabulary.plain:
            excluded_V[self._vocabulary.end] = True
        return excluded_V


class Alternative:
    """One of the alternatives of a request: turns ids, one at a time, into events.

    Args:
        number: number of the alternative, from 0.
        seed: seed that it is drawn with.
        question: the request, which has the open element and the number of lines.
        vocabulary: vocabulary of the ids.

    Attributes:
        is_finished: whether it is as long as requested, or was cut off.
    """

    def __init__(self, number: int, seed: int, question: EncodedRequest, vocabulary: Vocabulary) -> None:
        self._number = number
        self._seed = seed
        self._vocabulary = vocabulary
        self._openings = _openings(vocabulary)
        self._continued = question.open
        self._lines_left = question.options.lines or 1
        self._drawn = 0
        self._stream = vocabulary.text_stream()
        self._open: _OpenElement | None = _OpenElement("action") if vocabulary.plain else None
        self._name = ""  # as far as it is spelled after a generic cue, while no element is open
        self._drops_space = False  # in a continued element that ends with a space, until text comes
        self.is_finished = False

    @property
    def needs_text(self) -> bool:
        """Return whether nothing was added yet to the element that a person began."""
        return self._open is not None and self._open.is_continued and not self._open.text.strip()

    def begin(self, ids: Sequence[int]) -> list[Event]:
        """Take ids of the prompt; there are no events for those of an element that is continued."""
        if self._continued is None:
            return [event for id_ in ids for event in self._take(id_)]
        self._continue(self._continued, ids)
        return []

    def push(self, id_: int) -> list[Event]:
        """Take an id that was drawn."""
        self._drawn += 1
        events = list(self._take(id_))
        if not self.is_finished and self._drawn >= MAX_TOKENS:
            events += self.cut()
        return events

    def cut(self) -> list[Event]:
        """End the text here, because it has become too long or taken too long."""
        if self.is_finished:
            return []
        events = list(self._close())
        if not self.is_finished:
            events.append(self._finish())
        return events

    def _continue(self, element: Element, ids: Sequence[int]) -> None:
        """Take the ids of an element that a person began, so that text is added to it."""
        for id_ in ids:
            if self._vocabulary.is_text[id_]:
                self._stream.push(id_)
            else:
                self._stream = self._vocabulary.text_stream()
        self._open = _OpenElement(element.kind, element.speaker, is_continued=True)
        self._drops_space = element.text[-1:].isspace() or not element.text

    def _take(self, id_: int) -> Iterator[Event]:
        return self._take_plain(id_) if self._vocabulary.plain else self._take_script(id_)

    def _take_plain(self, id_: int) -> Iterator[Event]:
        """Take an id of plain text, where each line that is not blank is an element."""
        text = "\n" if id_ == self._vocabulary.end else self._stream.push(id_)
        *whole, rest = text.split("\n")
        for line in whole:
            yield from self._extend(line)
            if self._open and self._open.text.strip():
                yield from self._close()
                if self.is_finished:
                    return
                self._open = _OpenElement("action")
        yield from self._extend(rest)

    def _take_script(self, id_: int) -> Iterator[Event]:
        """Take an id of a script, where layout tokens open elements and end the ones before."""
        if self._vocabulary.is_text[id_]:
            yield from self._extend(self._stream.push(id_))
        elif id_ == self._vocabulary.says:
            yield self._open_element("dialogue", self._name + self._stream.finish())
        else:
            yield from self._extend(self._stream.finish())
            yield from self._close()
            if self.is_finished:
                return
            if id_ in self._openings:
                yield self._open_element(*self._openings[id_])
            else:
                self._begin_text()

    def _begin_text(self) -> None:
        """Begin the text of an element, or the name after a generic cue."""
        self._stream = self._vocabulary.text_stream()
        self._name = ""

    def _open_element(self, kind: Kind, speaker: str) -> Event:
        """Begin an element, and return the event of it."""
        self._begin_text()
        self._open = _OpenElement(kind, speaker)
        return {"n": self._number, "begin": {"kind": kind, "speaker": speaker}}

    def _extend(self, text: str) -> Iterator[Event]:
        """Add text to the open element, or to the name if there is none."""
        if self._open is None:
            self._name += text
            return
        if self._drops_space and text:
            text = text.lstrip()
            self._drops_space = not text
        if text:
            self._open.text += text
            yield {"n": self._number, "add": text}

    def _close(self) -> Iterator[Event]:
        """Yield the event of the element that is complete now, if one was open and has text."""
        if self._open is None:
            return
        element, self._open = self._open.completed(), None
        if element is None:
            return
        about = {"kind": element.kind, "speaker": element.speaker, "text": element.text}
        yield {"n": self._number, "element": about}
        self._lines_left -= 1
        if self._lines_left <= 0:
            yield self._finish()

    def _finish(self) -> Event:
        """End the alternative, and return the event of it."""
        self.is_finished = True
        return {"n": self._number, "done": True, "seed": self._seed}


@dataclass(slots=True)
class _OpenElement:
    """The element that is being written.

    Attributes:
        kind: its kind.
        speaker: who says it; empty unless it is dialogue.
        text: the text that was drawn so far.
        is_continued: whether a person began it, so that `text` is only what is added.
    """

    kind: Kind
    speaker: str = ""
    text: str = ""
    is_continued: bool = False

    def completed(self) -> Element | None:
        """Return the element in normal form, None if nothing is left; of a continued one, what was added."""
        if self.is_continued:
            return Element(self.kind, self.text.rstrip(), self.speaker)
        return normalise(Element(self.kind, self.text, self.speaker))


def _ending_a_line(vocabulary: Vocabulary) -> Mask:
    """Return the tokens that end a line: layout tokens, and line breaks if the text is plain."""
    ends_V: Mask = ~vocabulary.is_text
    if vocabulary.plain:
        ends_V = ends_V | np.array(["\n" in text for text in vocabulary.token_texts], np.bool_)
    return ends_V


def _openings(vocabulary: Vocabulary) -> dict[int, tuple[Kind, str]]:
    """Return kind and speaker of the element that each layout token opens; none if the text is plain."""
    if vocabulary.plain:
        return {}
    return {
        vocabulary.heading: ("heading", ""),
        vocabulary.action: ("action", ""),
        vocabulary.transition: ("transition", ""),
        **{token.id: ("dialogue", token.name) for token in vocabulary.speaker_tokens},
    }
