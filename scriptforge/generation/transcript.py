"""Ids converted back to text one by one: what has been written so far, and what may be shown of it.

What has been shown never changes; in the end it is what the screenplay writer makes of the elements. The
module does not depend on models.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from scriptforge.errors import UsageError
from scriptforge.generation.element_stream import Added, Closed, ElementEvent, ElementStream, Opened
from scriptforge.options import DEFAULT_LINES, GenerateOptions
from scriptforge.screenplay.name_line import CONTINUATION, render_line
from scriptforge.screenplay.script import Element, normalise, visible_text
from scriptforge.vocabulary import Vocabulary


class Transcript(ABC):
    """The text of one sequence so far.

    Attributes:
        elements: finished elements, in normal form; empty in plain text.
        lines: number of finished lines: elements in a script, non-blank lines in plain text.
        turns: number of finished lines of dialogue; 0 in plain text.
    """

    def __init__(self) -> None:
        self.elements: list[Element] = []
        self.lines = self.turns = 0

    @property
    @abstractmethod
    def is_between_lines(self) -> bool:
        """Return whether the last line is finished, and the next one has no text yet."""

    @abstractmethod
    def push(self, id_: int) -> str:
        """Take the next id and return the text that can now be shown, which may be empty."""


def new_transcript(vocabulary: Vocabulary) -> Transcript:
    """Return an empty transcript for the kind of text that the vocabulary was made for."""
    return PlainTranscript(vocabulary) if vocabulary.plain else ScriptTranscript(vocabulary)


def cut_back(ids: Sequence[int], lines: int, vocabulary: Vocabulary) -> list[int]:
    """Return the ids of a text without its last lines, ending as a saved text does.

    Where a token of plain text ends a line and begins another, one more line is removed.

    Raises:
        UsageError: the text has no more lines than are to be removed.
    """
    transcript = new_transcript(vocabulary)
    stops: list[tuple[int, int]] = []
    for place, id_ in enumerate((*ids, vocabulary.end)):
        before = transcript.lines
        transcript.push(id_)
        if transcript.lines > before and transcript.is_between_lines:
            # A layout token opens the next line, and will be drawn again; a line break belongs to its line.
            stops.append((transcript.lines, place + bool(vocabulary.is_text[id_])))
    kept = [stop for count, stop in stops if count <= transcript.lines - lines]
    if not kept:
        raise UsageError(
            f"The saved script has {transcript.lines} lines, of which {lines} cannot be cut off.",
            f"Cut off {transcript.lines - 1} or fewer, or start again without --continue.",
        )
    return list(ids[: kept[-1]])


class ScriptTranscript(Transcript):
    """The transcript of a script: one element a line, as `name: text`; an `<end>` is not shown.

    Args:
        vocabulary: vocabulary of the ids.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self._stream = ElementStream(vocabulary)
        self._draft: _Draft | None = None

    @property
    def is_between_lines(self) -> bool:
        """See `Transcript.is_between_lines`."""
        return not self._stream.name and (self._draft is None or not self._draft.has_text)

    def push(self, id_: int) -> str:
        """See `Transcript.push`."""
        return "".join(map(self._show, self._stream.push(id_)))

    def _show(self, event: ElementEvent) -> str:
        match event:
            case Opened():
                self._draft = _Draft(event)
                return ""
            case Added(text):
                assert self._draft is not None
                return self._draft.extend(text)
            case Closed(element):
                draft, self._draft = self._draft, None
                return self._close(draft, element) if draft and element else ""

    def _close(self, draft: "_Draft", element: Element) -> str:
        gap = "\n" if element.kind == "heading" and self.elements else ""
        self.elements.append(element)
        self.lines += 1
        self.turns += element.kind == "dialogue"
        return f"{gap}{draft.show()}\n"


class _Draft:
    """An element that is being written, and how much of it has been shown.

    Nearly every piece is appended to the last line, which is done without looking at the text before it.
    """

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._text = ""
        # Spaces at the end of the last line; None if the next piece cannot be appended to it as it is.
        self._spaces: str | None = None
        self._shown = 0  # characters
        self._take_up()

    @property
    def element(self) -> Element | None:
        """Return the element in normal form; None if nothing is left of it."""
        return normalise(Element(self._opened.kind, self._text, self._opened.speaker))

    @property
    def has_text(self) -> bool:
        """Return whether it has anything but white space."""
        return bool(self._said)

    def extend(self, text: str) -> str:
        """Append to the text, and return what may now be shown."""
        if not text:
            return ""
        self._text += text
        if self._spaces is None or not text.isprintable():
            self._take_up()
            return self.show() if self._shown or self._is_settled() else ""
        ink = text.rstrip(" ")
        if not ink:
            self._spaces += text
            return ""
        news, self._spaces = self._spaces + ink, text[len(ink) :]
        self._said += news
        if self._shown:
            self._shown += len(news)
            return news
        return self.show() if self._is_settled() else ""

    def show(self) -> str:
        """Return the part of the element that has not been shown yet."""
        element = self.element
        if element is None:
            return ""
        said = element.text.replace("\n", f"\n{CONTINUATION}")
        news = said[self._shown :] if self._shown else render_line(element)
        self._shown = len(said)
        return news

    def _take_up(self) -> None:
        """Compute from the whole text what is said, and whether the next piece can be appended to it."""
        element = self.element
        self._kind, self._speaker = (element.kind, element.speaker) if element else ("action", "")
        self._said = element.text if element else ""
        visible = visible_text(self._text)
        spaces = visible[len(visible.rstrip()) :]
        self._spaces = spaces if visible.strip() and not spaces.strip(" ") else None

    def _is_settled(self) -> bool:
        """Return whether the writer would lay out the beginning in the same way, whatever follows.

        A line in capitals may still become one that looks like a transition, `JERRY: GO TO:`, and one that
        opens with a bracket may close with one. Other elements are short, and shown when they are complete.
        """
        if self._kind != "dialogue" or self._speaker.startswith("["):
            return False
        first_line, line_break, _ = self._said.partition("\n")
        return bool(line_break) or any(map(str.islower, first_line))


class PlainTranscript(Transcript):
    """The transcript of plain text; an `<end>` is shown as the line break that it implies, if any.

    Blank lines and white space at the start of a line are shown once something follows them.

    Args:
        vocabulary: vocabulary of the ids.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self._vocabulary = vocabulary
        self._stream = vocabulary.text_stream()
        self._held = ""
        self._is_line_open = False

    @property
    def is_between_lines(self) -> bool:
        """See `Transcript.is_between_lines`."""
        return not self._is_line_open

    def push(self, id_: int) -> str:
        """See `Transcript.push`."""
        if id_ != self._vocabulary.end:
            return self._show(self._stream.push(id_))
        shown = self._show(self._stream.finish())
        self._stream = self._vocabulary.text_stream()
        return shown + self._show("\n" if self._is_line_open else "")

    def _show(self, text: str) -> str:
        """Append to the text, and return what may now be shown.

        This is all up to the line break after the last visible character, or all if there is none; nothing if
        the line is blank so far.
        """
        self._held += text
        ink = len(self._held.rstrip())
        if not ink and not self._is_line_open:
            return ""
        line_end = self._held.find("\n", ink) + 1
        shown = self._held[: line_end or None]
        self._held = self._held[len(shown) :]
        ended = shown.split("\n")[:-1]
        blank = [not line.strip() for line in ended]
        if ended and self._is_line_open:
            blank[0] = False
        self.lines += blank.count(False)
        self._is_line_open = not line_end
        return shown


class SizedText:
    """One text while it is written, and whether it has the requested size.

    Args:
        options: generation options, of which those for the size are used.
        vocabulary: vocabulary of its ids.

    Attributes:
        latest: id drawn last.
        continues: whether it continues a saved text.
        is_finished: whether it has the requested size; further ids are ignored.
    """

    def __init__(self, options: GenerateOptions, vocabulary: Vocabulary) -> None:
        self._length = options.length or 1
        self._turns = options.turns or 0
        is_sized = options.length or options.turns or options.lines
        self._lines = (options.lines or 1) if is_sized else DEFAULT_LINES
        self._end = vocabulary.end
        self._transcript = new_transcript(vocabulary)
        self._past_lines = self._past_turns = self._drawn = 0
        self.continues = False
        self._text: list[str] = []
        self.latest = vocabulary.end
        self.is_finished = False

    @property
    def text(self) -> str:
        """Return the text without the saved text that it continues."""
        return "".join(self._text)

    @property
    def elements(self) -> tuple[Element, ...]:
        """Return the same as elements; empty for plain text."""
        return tuple(self._transcript.elements[self._past_lines :])

    def resume(self, ids: Sequence[int]) -> None:
        """Take the ids of a saved text, up to the end of a line."""
        for id_ in (*ids, self._end):
            self._transcript.push(id_)
        self.continues = True
        self._past_lines, self._past_turns = self._transcript.lines, self._transcript.turns

    def begin(self, ids: Sequence[int]) -> str:
        """Take ids of the prompt, and return the text that can now be shown."""
        news = "".join(map(self._transcript.push, ids))
        self._text.append(news)
        return news

    def push(self, ids: Sequence[int]) -> str:
        """Take ids that were drawn, and return the text that can now be shown."""
        return "".join(map(self._push, ids))

    def _push(self, id_: int) -> str:
        if self.is_finished:
            return ""
        self.latest = id_
        self._drawn += 1
        news = self._transcript.push(id_)
        self._text.append(news)
        self.is_finished = (
            self._drawn >= self._length
            and self._transcript.lines - self._past_lines >= self._lines
            and self._transcript.turns - self._past_turns >= self._turns
            and self._transcript.is_between_lines
        )
        return news
