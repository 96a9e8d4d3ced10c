# SPDX-License-Identifier: LGPL-3.0-or-later
"""Signals that ask a training to stop: it finishes its step, saves and says how to go on."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

__all__ = ["StopRequest"]

# signal -> exit code of the command; a time limit of a queue is no failure, Ctrl-C is an interruption
EXIT_CODES = {"SIGTERM": 0, "SIGUSR1": 0, "SIGINT": 130}


class StopRequest:
    """While it is entered, notes the first signal; a second one of Ctrl-C interrupts at once.

    Signals are the business of the main thread: in another one nothing is changed.

    Attributes
    ----------
    name
        The signal that came, None while there was none.
    """

    def __init__(self) -> None:
        self.name: str | None = None
        self._before: dict[int, Any] = {}

    @property
    def exit_code(self) -> int:
        """Exit code of the command: 0 if nobody asked to stop."""
        return 0 if self.name is None else EXIT_CODES[self.name]

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for name in EXIT_CODES:
                number = getattr(signal, name, None)
                if number is not None:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.name is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.name = self.name or signal.Signals(number).name
