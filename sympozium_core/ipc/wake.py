"""Ends a wait of `select.poll` from elsewhere: another thread, a signal handler, or the signal itself."""

from __future__ import annotations

import contextlib
import os
import signal


class Wake:
    """`descriptor` is readable from when it is roused until it is cleared."""

    def __init__(self) -> None:
        self.descriptor, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def rouse(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it is readable then
            os.write(self._writer, b"\0")

    def by_signals(self) -> None:
        """Every signal of this process that has a handler rouses it; for the main thread, and one per process. One that comes just before a wait
        begins interrupts nothing, and its handler would run only when the wait has ended by itself."""
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    def clear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.descriptor, 4096)

    def close(self) -> None:
        os.close(self.descriptor)
        os.close(self._writer)
