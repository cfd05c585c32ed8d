"""The end of a run from outside: a signal, ``control/cancel``, or the deadline. Everything that waits, waits for this too."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable

from sympozium_core.ipc.wake import Wake


class Stopped(Exception):
    """Raised in whatever waited when the run has to end; `reason` is Cancelled or Timeout."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Stop:
    """Set once, from a signal handler or any thread. Its descriptor becomes readable then, for `select.poll`."""

    def __init__(self) -> None:
        self.wake = Wake()
        self.descriptor = self.wake.descriptor
        self._because = ""
        self._deadline: float | None = None
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []

    def expire_at(self, epoch: float) -> None:
        """Sets the deadline in epoch seconds; kept on the monotonic clock, so that a clock that is set does not move it."""
        self._deadline = time.monotonic() + (epoch - time.time())

    def cancel(self, because: str) -> None:
        self._because = self._because or because
        self.wake.rouse()
        for listener in list(self._listeners):
            listener()

    @property
    def cancelled(self) -> bool:
        return bool(self._because)

    def listen(self, listener: Callable[[], None]) -> None:
        """`listener` is called on cancel, at once where that has been; it may run inside a signal handler."""
        self._listeners.append(listener)
        if self._because:
            listener()

    def remaining(self, most: float) -> float:
        """Seconds that may be waited now, at most `most`; never negative."""
        if self._deadline is None:
            return most
        return max(0.0, min(most, self._deadline - time.monotonic()))

    def check(self) -> None:
        """Raises Stopped if the run has to end."""
        if self._because:
            raise Stopped("Cancelled", f"the run was cancelled: {self._because}")
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise Stopped("Timeout", "the run's deadline has passed")

    def sleep(self, seconds: float) -> None:
        """Waits; raises Stopped as soon as the run has to end."""
        poller = select.poll()
        poller.register(self.descriptor, select.POLLIN)
        poller.poll(self.remaining(seconds) * 1000)
        self.check()

    def wait_readable(self, descriptor: int, seconds: float, *, write: bool = False) -> bool:
        """Whether `descriptor` became readable (or writable) within the time; raises Stopped as `sleep` does."""
        poller = select.poll()
        poller.register(self.descriptor, select.POLLIN)
        poller.register(descriptor, select.POLLOUT if write else select.POLLIN)
        # Rounded up, so that the last millisecond is slept and not spun.
        ready = poller.poll(int(self.remaining(seconds) * 1000) + 1)
        self.check()
        return any(number == descriptor for number, _ in ready)

    def close(self) -> None:
        self.wake.close()
