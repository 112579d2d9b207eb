"""Ctrl-C and SIGTERM, at whatever moment they come.

A signal becomes an exception in what the main thread is doing. Some of that cannot be left so: an import
would leave half a module behind, and libraries turn what happens while they are imported into errors of their
own, or into nothing; what a finaliser raises is dropped. There, the signal comes again a moment later. Before
the work has begun it is remembered, and once the work is over it ends the process at once.
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
    """The signals that the process has received; `with` them, what is done can be stopped by one."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._state: Literal["before", "within", "over"] = "before"

    @property
    def exit_code(self) -> int:
        """Return 130 after Ctrl-C, 143 after SIGTERM, and 0 where no signal was to stop the work."""
        return 0 if self.received is None else 128 + self.received

    def listen(self) -> None:
        """Take the signals from here on, but for those that whoever started the process wants ignored."""
        for number in _HANDLED:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self.stop)
        if sys.platform != "win32":  # which knows no alarm: an import may be broken off there
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
            signal.setitimer(signal.ITIMER_REAL, 0)  # else it would end the process when nobody listens

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Stop the work, now or, where that must not be left, as soon as it has been.

        Raises:
            KeyboardInterrupt: the signal is Ctrl-C.
            SystemExit: it is another one.
        """
        self.received = number
        if self._state == "over":
            os._exit(self.exit_code)
        if self._state == "within":
            if sys.platform == "win32" or not _must_not_be_left(frame):
                _raise(number)
            self._come_again()

    def _come_again(self) -> None:
        if sys.platform != "win32" and self._state == "within":
            signal.setitimer(signal.ITIMER_REAL, _MOMENT)

    def _stop_again(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            self.stop(self.received, frame)

    def _notice_dropped(self, dropped: "UnraisableHookArgs") -> None:
        if self.received is not None and isinstance(dropped.exc_value, KeyboardInterrupt | SystemExit):
            self._come_again()
        else:
            sys.__unraisablehook__(dropped)


SIGNALS = Signals()
"""Those of this process."""


class Interrupts:
    """Remember the first Ctrl-C or SIGTERM instead of stopping; the second one stops at once.

    A signal that whoever started the process wants ignored stays so.
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
        """Return 130 after Ctrl-C, 143 after SIGTERM, and 0 where no signal came."""
        return 0 if self._received is None else 128 + self._received

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self._received is not None:
            SIGNALS.stop(number, frame)
        self._received = number


def _must_not_be_left(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORTING) or frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def _raise(number: int) -> NoReturn:
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
