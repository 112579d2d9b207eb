"""The writing of one request: the decoding loop of its alternatives, and the events of each token.

The events of an alternative report that an element begins, gets more text, or is complete; for an element
that a person began, they contain only what is added. The module does not know queues or the network.
"""

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from scriptforge.copying import Index
from scriptforge.generation.assembly import new_copy_limit, new_decoder, new_loop
from scriptforge.generation.cast import ResolvedCast
from scriptforge.generation.element_stream import Added, Closed, ElementEvent, ElementStream, Opened
from scriptforge.generation.grammar import Boundary, Mask
from scriptforge.generation.prompt import Given
from scriptforge.screenplay.script import Element, normalise
from scriptforge.serve.prompt import EncodedRequest
from scriptforge.serve.runs import LoadedRun
from scriptforge.text_statistics import TextStatistics
from scriptforge.vocabulary import Vocabulary

Event: TypeAlias = dict[str, Any]
"""An event for the page, as a JSON object."""

MAX_TOKENS = 600
"""Maximum number of tokens drawn for each alternative."""

MAX_SECONDS = 30.0
"""Maximum seconds for writing a request."""


class Writing:
    """The alternatives of one request while they are written.

    Args:
        run: the run to write with.
        request: the request as token ids.
        index: index of the training text, if copying is limited.
    """

    def __init__(self, run: LoadedRun, request: EncodedRequest, index: Index | None = None) -> None:
        options, vocabulary = request.options, run.vocabulary
        assert options.seed is not None, "the caller has drawn one"
        seeds = range(options.seed, options.seed + options.count)
        limit = new_copy_limit(index, vocabulary, options)
        reader = new_decoder(run.model, vocabulary, options)
        statistics = _statistics_with(request.cast, run.statistics)
        self._loop = new_loop(reader, vocabulary, options, request.cast, seeds, statistics, limit)
        self._run = run
        self._vocabulary = vocabulary
        self._request = request
        self._alternatives = [
            Alternative(number, seed, request, vocabulary) for number, seed in enumerate(seeds)
        ]
        self._ends_line_V = _line_end_mask(vocabulary)
        self._ends = time.monotonic() + MAX_SECONDS

    def __iter__(self) -> Generator[list[Event], None, None]:
        """Write, and yield the events of each step; the first step includes those of the prompt."""
        request = self._request
        self._loop.follow(
            request.recent_ids, self._run.prefix_cache.state_after(request, request.options.count)
        )
        boundary: Boundary | None = None
        events: list[Event] = []
        for part in request.prompt:
            if isinstance(part, Given):
                boundary = part.boundary
                self._loop.give(part.ids)
                events += self._begin([part.ids] * len(self._alternatives))
            else:
                events += self._begin(self._loop.draw(part.choices))
        yield [*events, *self._step(self._exclusion_mask(boundary))]
        excluded_V = self._exclusion_mask(None)
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
        return [event for own_ids, each in pairs for event in each.begin(own_ids)]

    def _exclusion_mask(self, boundary: Boundary | None) -> Mask:
        """Return the tokens that must not follow: the end of a script, and those that `boundary` excludes."""
        excluded_V = np.zeros(self._vocabulary.size, np.bool_)
        if boundary:
            excluded_V |= boundary.excluded(self._vocabulary)
        if not self._vocabulary.plain:
            excluded_V[self._vocabulary.end] = True
        return excluded_V


class Alternative:
    """One of the alternatives of a request; converts ids, one at a time, to events.

    Args:
        number: number of the alternative, from 0.
        seed: seed that it is drawn with.
        request: the request, with the open element and the number of lines.
        vocabulary: vocabulary of the ids.

    Attributes:
        is_finished: whether it is as long as requested, or was cut off.
    """

    def __init__(self, number: int, seed: int, request: EncodedRequest, vocabulary: Vocabulary) -> None:
        self._number = number
        self._seed = seed
        self._stream = _LineStream(vocabulary) if vocabulary.plain else ElementStream(vocabulary)
        self._open = request.open
        self._continued: Element | None = None  # the element that a person began, while it is open
        self._added = ""  # to that element
        self._lines_left = request.options.lines or 1
        self._drawn = 0
        self.is_finished = False

    @property
    def needs_text(self) -> bool:
        """Return whether the element that a person began still lacks added text."""
        return self._continued is not None and not self._added.strip()

    def begin(self, ids: Sequence[int]) -> list[Event]:
        """Take ids of the prompt; there are no events for those of an element that is continued."""
        changes = [change for id_ in ids for change in self._stream.push(id_)]
        if self._open is None:
            return list(self._events(changes))
        self._continued = self._open
        return []

    def push(self, id_: int) -> list[Event]:
        """Take an id that was drawn."""
        self._drawn += 1
        events = list(self._events(self._stream.push(id_)))
        if not self.is_finished and self._drawn >= MAX_TOKENS:
            events += self.cut()
        return events

    def cut(self) -> list[Event]:
        """End the text here, because it is too long or took too long."""
        if self.is_finished:
            return []
        events = list(self._events(self._stream.close()))
        if not self.is_finished:
            events.append(self._finish())
        return events

    def _events(self, changes: Iterable[ElementEvent]) -> Iterator[Event]:
        """Yield the events of changes, up to the end of the last element that was requested."""
        for change in changes:
            match change:
                case Opened(kind, speaker):
                    yield {"n": self._number, "begin": {"kind": kind, "speaker": speaker}}
                case Added(text):
                    yield from self._add(text)
                case Closed(element):
                    yield from self._close(element)
                    if self.is_finished:
                        return

    def _add(self, text: str) -> Iterator[Event]:
        """Yield the event of more text, without the space that a continued element already ends with."""
        if self._continued is not None:
            if not self._added and (not self._continued.text or self._continued.text[-1].isspace()):
                text = text.lstrip()
            self._added += text
        if text:
            yield {"n": self._number, "add": text}

    def _close(self, element: Element | None) -> Iterator[Event]:
        """Yield the event of a complete element, if any is left of it; a continued one has what was added.

        A mark alone, such as a missing full stop, is not all that is written: another element follows.
        """
        least_left = 0
        if self._continued is not None:
            least_left = 0 if any(map(str.isalnum, self._added)) else 1
            element, self._continued = replace(self._continued, text=self._added.rstrip()), None
        if element is None:
            return
        about = {"kind": element.kind, "speaker": element.speaker, "text": element.text}
        yield {"n": self._number, "element": about}
        self._lines_left = max(self._lines_left - 1, least_left)
        if self._lines_left == 0:
            yield self._finish()

    def _finish(self) -> Event:
        """End the alternative, and return the event of it."""
        self.is_finished = True
        return {"n": self._number, "done": True, "seed": self._seed}


class _LineStream:
    """The counterpart of `ElementStream` for plain text: each line that is not blank is an action.

    Args:
        vocabulary: vocabulary of the ids, which is plain.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._end = vocabulary.end
        self._text_stream = vocabulary.text_stream()
        self._text = ""

    def push(self, id_: int) -> list[ElementEvent]:
        """Take the next id, and return what it changes, in order."""
        text = "\n" if id_ == self._end else self._text_stream.push(id_)
        *whole, rest = text.split("\n")
        events: list[ElementEvent] = []
        for line in whole:
            events += self._add(line)
            if self._text.strip():
                events += self.close()
        return events + self._add(rest)

    def close(self) -> list[ElementEvent]:
        """Close the line."""
        element = normalise(Element("action", self._text))
        self._text = ""
        return [Closed(element)]

    def _add(self, text: str) -> list[ElementEvent]:
        self._text += text
        return [Added(text)] if text else []


def _statistics_with(cast: ResolvedCast, statistics: TextStatistics) -> TextStatistics:
    """Return statistics in which those of a cast whose names are spelled are known, too.

    Otherwise nobody could speak where everybody in the training text has a token.
    """
    spelled = [member.name for member in cast.members if not member.cues]
    if not spelled or not statistics.names:
        return statistics
    return statistics._replace(names=(*statistics.names, *spelled))


def _line_end_mask(vocabulary: Vocabulary) -> Mask:
    """Return the tokens that end a line: layout tokens, and line breaks if the text is plain."""
    ends_V: Mask = ~vocabulary.is_text
    if vocabulary.plain:
        ends_V = ends_V | np.array(["\n" in text for text in vocabulary.token_texts], np.bool_)
    return ends_V
