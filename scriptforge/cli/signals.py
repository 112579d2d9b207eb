"""Handlers for Ctrl-C and SIGTERM that work at any moment.

What a signal does depends on the phase that the process is in:

    BEFORE ──── with SIGNALS: ────> WORKING ──── end of the block ────> OVER
    is remembered, and raised       raises an exception                 exits the process at once
    when the work begins            in the main thread

In two places an exception must not be raised: an interrupted import leaves half a module behind, or the
imported library replaces or swallows the exception; and Python drops exceptions raised in a finaliser. There,
the signal is delivered again a moment later, by the system's timer:

    SIGINT, SIGTERM ────> stop ──────────────────> exception ────> the work ends
                           ^ │ in an import or         │
                           │ v a finaliser             │ dropped by Python
                          SIGALRM <────────────────────┘
"""

import os
import signal
import sys
from enum import Enum, auto
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, Self

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_HANDLED = (signal.SIGINT, signal.SIGTERM)
_SECONDS_UNTIL_REDELIVERY = 0.02
_IMPORT_SYSTEM = "<frozen importlib._bootstrap"
"""The beginning of the file names of Python's import system, in the frames of an import."""


class _Phase(Enum):
    """A phase of the process; see above."""

    BEFORE = auto()
    WORKING = auto()
    OVER = auto()


class Signals:
    """The signals that the process has received; in its `with` block, a signal stops the work."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._phase = _Phase.BEFORE

    @property
    def exit_code(self) -> int:
        """Return 130 after Ctrl-C, 143 after SIGTERM, and 0 if there was no signal."""
        return _exit_code(self.received)

    def install(self) -> None:
        """Install the handlers, except for signals that the parent process set to be ignored."""
        for number in _not_ignored():
            signal.signal(number, self.stop)
        if sys.platform != "win32":  # Windows has no SIGALRM, so imports can be interrupted
            signal.signal(signal.SIGALRM, self._stop_again)
        sys.unraisablehook = self._notice_dropped

    def __enter__(self) -> Self:
        self._phase = _Phase.WORKING
        if self.received is not None:
            _raise(self.received)
        return self

    def __exit__(self, *error: object) -> None:
        self._phase = _Phase.OVER
        if sys.platform != "win32" and self.received is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)  # else SIGALRM could end the process later

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Stop the work now, or within an import or a finaliser, as soon as that has ended.

        Raises:
            KeyboardInterrupt: the signal is SIGINT (Ctrl-C).
            SystemExit: the signal is SIGTERM.
        """
        self.received = number
        match self._phase:
            case _Phase.BEFORE:
                pass  # `__enter__` raises the exception
            case _Phase.WORKING:
                if _is_uninterruptible(frame):
                    self._redeliver()
                else:
                    _raise(number)
            case _Phase.OVER:
                os._exit(self.exit_code)

    def _redeliver(self) -> None:
        """Have SIGALRM deliver the signal again a moment later, while the work goes on."""
        if sys.platform != "win32" and self._phase is _Phase.WORKING:
            signal.setitimer(signal.ITIMER_REAL, _SECONDS_UNTIL_REDELIVERY)

    def _stop_again(self, number: int, frame: FrameType | None) -> None:
        """Deliver the signal to whoever handles it by now: an event loop does not survive an exception."""
        if self.received is not None:
            signal.raise_signal(self.received)

    def _notice_dropped(self, dropped: "UnraisableHookArgs") -> None:
        """Handle an exception that Python drops."""
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
        for number in _not_ignored():
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
        return _exit_code(self._received)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self._received is not None:
            SIGNALS.stop(number, frame)
        self._received = number


def _not_ignored() -> list[signal.Signals]:
    """Return the signals to handle: those that the parent process did not set to be ignored."""
    return [number for number in _HANDLED if signal.getsignal(number) is not signal.SIG_IGN]


def _exit_code(received: int | None) -> int:
    return 0 if received is None else 128 + received


def _is_uninterruptible(frame: FrameType | None) -> bool:
    """Return whether a frame is within an import or a finaliser; on Windows everything can be interrupted."""
    if sys.platform == "win32":
        return False
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORT_SYSTEM) or frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def _raise(number: int) -> NoReturn:
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(_exit_code(number))
