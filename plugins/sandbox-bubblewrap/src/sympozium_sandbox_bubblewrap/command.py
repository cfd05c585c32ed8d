"""The agent's own process, as the relay follows it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from typing import NoReturn


class Command:
    def __init__(self, pid: int, forwarded: Iterable[int]) -> None:
        self._pid = pid
        self._status: int | None = None
        signal.signal(signal.SIGCHLD, lambda *_: None)  # Wakes the relay.
        for number in forwarded:
            signal.signal(number, self._forward)

    def _forward(self, number: int, _: object) -> None:
        if self._status is None:
            os.kill(self._pid, number)

    def ended(self) -> bool:
        if self._status is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            self._status = status if pid else None
        return self._status is not None

    def end_alike(self) -> NoReturn:
        """Ends this process with the same code, or by the same signal."""
        code = os.waitstatus_to_exitcode(self._status or 0)
        if code < 0:
            if -code not in (signal.SIGKILL, signal.SIGSTOP):
                signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
            os._exit(128 - code)
        os._exit(code)
