"""The output of a command: the result on stdout, everything else on stderr.

Colour and progress are for terminals alone; `NO_COLOR`, `--quiet` and `--json` turn them off. This module
does not depend on what a command does, and imports rich only when there is something to draw.
"""

import codecs
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import cycle
from typing import TYPE_CHECKING, Any, TextIO

import typer

from scriptforge.characters import UNSAFE, safe
from scriptforge.cli.message import as_message
from scriptforge.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

    from scriptforge.net.client import ProgressCallback

_SPINNER_DELAY, _SPINNER_INTERVAL = 0.05, 0.1  # seconds
_SPINNER_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_UNBOUNDED = 10_000  # columns: a table in a pipe is never cut
_LINE_BREAK = "␊"


def lines(texts: Iterable[str]) -> "RenderableType":
    """Return possibly untrusted texts, each on a line of its own; line breaks inside one are kept."""
    from rich.text import Text

    return Text("\n").join(Text(safe(text), overflow="fold") for text in texts)


def sections(parts: Mapping[str, "RenderableType"]) -> "RenderableType":
    """Return renderables one below the other, each under its heading; the heading `""` is left out."""
    from rich.console import Group
    from rich.text import Text

    drawn: list[RenderableType] = []
    for heading, part in parts.items():
        drawn += [""] if drawn else []
        drawn += [Text(safe(heading), style="bold"), part] if heading else [part]
    return Group(*drawn)


class Spinner:
    """A spinner on stderr, from shortly after the start of a command until its first output.

    The imports of a command take seconds on a slow machine, so the spinner itself needs none. There is one
    spinner in a process, which any output stops.
    """

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, stream: TextIO) -> None:
        """Start the spinner on a terminal, in a thread of its own."""
        self.stop()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._turn, args=(stream, self._stopped), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Remove the spinner, if there is one."""
        if self._thread is not None:
            self._stopped.set()
            self._thread.join()
            self._thread = None

    @staticmethod
    def _turn(stream: TextIO, stopped: threading.Event) -> None:
        if stopped.wait(_SPINNER_DELAY):
            return
        for frame in cycle(_SPINNER_FRAMES):
            drawn = f"{frame} Getting ready …"
            stream.write(f"\r{drawn}")
            stream.flush()
            if stopped.wait(_SPINNER_INTERVAL):
                break
        stream.write(f"\r{' ' * len(drawn)}\r")
        stream.flush()


SPINNER = Spinner()


def _as_json(data: Any) -> str:
    """Return a JSON document in which `UNSAFE` characters are escaped.

    If stdout is not UTF-8, all characters outside ASCII are escaped, too, since JSON must be UTF-8.
    """
    is_utf8 = codecs.lookup(getattr(sys.stdout, "encoding", None) or "utf-8").name == "utf-8"
    text = json.dumps(data, ensure_ascii=not is_utf8, indent=2, default=_as_object)
    return UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _as_object(instance: Any) -> dict[str, Any]:
    """Return a dataclass instance as a dict, for `json.dumps`, which then encodes the values in turn."""
    return {each.name: getattr(instance, each.name) for each in fields(instance)}


@dataclass(frozen=True)
class Output:
    """The output of a command, which on a terminal begins with a spinner.

    Args:
        as_json: print the result as JSON, without notes or progress.
        quiet: print the result without notes or progress.
    """

    as_json: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        if self._is_live:
            SPINNER.start(sys.stderr)

    def result(self, data: Any, render: "Callable[[], RenderableType]") -> None:
        """Print the result of the command: `data` as JSON, or what `render` returns.

        Args:
            data: the JSON document; its keys keep their order, and dataclass instances become objects.
            render: called only if JSON was not asked for. A string is printed as it is, or made `safe` for a
                terminal; anything else is drawn by rich.
        """
        SPINNER.stop()
        if self.as_json:
            sys.stdout.write(f"{_as_json(data)}\n")
            return
        rendered = render()
        if isinstance(rendered, str):
            self.stream([rendered, "\n"])
        else:
            self._draw(rendered)

    def stream(self, chunks: Iterable[str]) -> None:
        """Print a text chunk by chunk as it arrives: made `safe` for a terminal, unchanged for a pipe."""
        for chunk in chunks:
            SPINNER.stop()
            sys.stdout.write(safe(chunk) if sys.stdout.isatty() else chunk)
            sys.stdout.flush()

    def note(self, text: str) -> None:
        """Print one line on stderr, with a symbol for each line break; silenced by `quiet` and `as_json`."""
        self.block(text.replace("\n", _LINE_BREAK))

    def block(self, text: str) -> None:
        """Print text of our own on stderr, with its line breaks; silenced by `quiet` and `as_json`."""
        if not self._is_silent:
            _say(as_message(text))

    def warn(self, text: str) -> None:
        """Print a warning on stderr; never silenced."""
        told = as_message(text.replace("\n", _LINE_BREAK))
        _say(f"{self._styled('Warning:', typer.colors.YELLOW)} {told}")

    def error(self, message: str, hint: str) -> None:
        """Print on stderr what stopped the work and what to do, in two lines; never silenced."""
        _say(f"{self._styled('Error:', typer.colors.RED)} {as_message(_one_line(message))}")
        _say(as_message(_one_line(hint)))

    def confirm(self, question: str, hint: str) -> None:
        """Ask on a terminal whether to go on.

        Args:
            question: a question to answer with yes or no.
            hint: what to do if there is no terminal.

        Raises:
            UsageError: there is no terminal to ask on.
            Abort: the answer is no.
        """
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise UsageError(f"There is no terminal to ask on: {question}", hint)
        SPINNER.stop()
        typer.confirm(as_message(question), err=True, abort=True)

    @contextmanager
    def progress(self) -> "Iterator[ProgressCallback]":
        """Yield a callback that shows progress: bars on a terminal, elsewhere a line for each task."""
        if self._is_silent:
            yield lambda what, done, total: None
        elif self._is_live:
            with self._bars() as bars:
                yield bars
        else:
            yield self._lines()

    @contextmanager
    def live(self) -> "Iterator[Live | None]":
        """Yield a display that redraws itself; None if stderr is no terminal or no progress is wanted."""
        if not self._is_live:
            yield None
            return
        from rich.live import Live

        SPINNER.stop()
        with Live(console=self._console(sys.stderr), refresh_per_second=8, transient=True) as live:
            yield live

    @contextmanager
    def _bars(self) -> "Iterator[ProgressCallback]":
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        SPINNER.stop()
        with Bars(*columns, console=self._console(sys.stderr)) as bars:
            tasks: dict[str, Any] = {}

            def advance(what: str, done: int, total: int | None) -> None:
                if what not in tasks:
                    tasks[what] = bars.add_task(safe(what), total=total)
                bars.update(tasks[what], completed=done, total=total)

            yield advance

    def _lines(self) -> "ProgressCallback":
        begun: set[str] = set()

        def announce(what: str, done: int, total: int | None) -> None:
            if what not in begun:
                begun.add(what)
                self.note(f"{what} …")

        return announce

    def _draw(self, drawing: "RenderableType") -> None:
        """Draw on stdout; in a pipe, without trailing blanks."""
        SPINNER.stop()
        console = self._console(sys.stdout)
        with console.capture() as capture:
            console.print(drawing)
        lines = capture.get().splitlines()
        sys.stdout.writelines((line if console.is_terminal else line.rstrip()) + "\n" for line in lines)

    @property
    def _is_live(self) -> bool:
        """Return whether stderr is a terminal on which progress is wanted."""
        return not self._is_silent and _is_terminal(sys.stderr)

    @property
    def _is_silent(self) -> bool:
        return self.as_json or self.quiet

    def _styled(self, text: str, colour: str) -> str:
        return typer.style(text, fg=colour, bold=True) if _is_colourful(sys.stderr) else text

    def _console(self, stream: TextIO) -> "Console":
        from rich.console import Console

        return Console(
            file=stream,
            force_terminal=_is_terminal(stream),
            no_color=not _is_colourful(stream) or self.quiet,
            width=None if _is_terminal(stream) else _UNBOUNDED,
            markup=False,
            emoji=False,
            highlight=False,
        )


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _is_colourful(stream: TextIO) -> bool:
    return _is_terminal(stream) and not os.environ.get("NO_COLOR")


def _say(line: str) -> None:
    """Write a line to `sys.stderr`; all messages are printed by this function.

    While rich shows a live display, it replaces `sys.stderr` and puts each line above the display.
    `typer.echo` would write below it, where the next redraw erases the line.
    """
    SPINNER.stop()
    try:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except OSError:  # stderr cannot be written to, so there is no way to say so
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _one_line(text: str) -> str:
    return " ".join(filter(None, map(str.strip, text.splitlines())))
