"""Handlers for Ctrl-C and SIGTERM that work at any moment.

A signal raises an exception in the main thread. In two places it must not: an interrupted import leaves half
a module behind, or the imported library replaces or swallows the exception; and Python drops exceptions
raised in a finaliser. There, the signal is delivered again a moment later. A signal before the work begins is
remembered, and one after its end exits the process at once.
"""

import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_HANDLED = (signal.SIGINT, signal.SIGTERM)
_MOMENT = 0.02  # seconds
_IMPORTING = "<frozen importlib._bootstrap"


class Signals:
    """The signals that the process has received; in its `with` block, a signal stops the work."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._state: Literal["before", "within", "over"] = "before"

    @property
    def exit_code(self) -> int:
        """Return 130 after Ctrl-C, 143 after SIGTERM, and 0 if there was no signal."""
        return 0 if self.received is None else 128 + self.received

    def install(self) -> None:
        """Install the handlers, except for signals that the parent process set to be ignored."""
        for number in _HANDLED:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self.stop)
        if sys.platform != "win32":  # Windows has no SIGALRM, so imports can be interrupted
            signal.signal(signal.SIGALRM, self._stop_again)
        sys.unraisablehook = self._notice_dropped

    def __enter__(self) -> Self:
        self._state = "within"
        if self.received is not None:
            _raise(self.received)
        return self

    def __exit__(self, *error: object) -> None:
        self._state = "over"
        if sys.platform != "win32" and self.received is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)  # else SIGALRM could end the process later

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Stop the work now, or within an import or a finaliser, as soon as that has ended.

        Raises:
            KeyboardInterrupt: the signal is SIGINT (Ctrl-C).
            SystemExit: the signal is SIGTERM.
        """
        self.received = number
        if self._state == "over":
            os._exit(self.exit_code)
        if self._state == "within":
            if sys.platform == "win32" or not _is_uninterruptible(frame):
                _raise(number)
            self._redeliver()

    def _redeliver(self) -> None:
        if sys.platform != "win32" and self._state == "within":
            signal.setitimer(signal.ITIMER_REAL, _MOMENT)

    def _stop_again(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            self.stop(self.received, frame)

    def _notice_dropped(self, dropped: "UnraisableHookArgs") -> None:
        if self.received is not None and isinstance(dropped.exc_value, KeyboardInterrupt | SystemExit):
            self._redeliver()
        else:
            sys.__unraisablehook__(dropped)


SIGNALS = Signals()
"""The signals of this process."""


class Interrupts:
    """A context in which the first Ctrl-C or SIGTERM is only remembered; the second one stops at once.

    A signal that is ignored outside of it stays ignored.
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in _HANDLED:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def requested(self) -> bool:
        """Return whether a signal asked to stop."""
        return self._received is not None

    @property
    def exit_code(self) -> int:
        """Return 130 after Ctrl-C, 143 after SIGTERM, and 0 if no signal came."""
        return 0 if self._received is None else 128 + self._received

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self._received is not None:
            SIGNALS.stop(number, frame)
        self._received = number


def _is_uninterruptible(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORTING) or frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def _raise(number: int) -> NoReturn:
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
