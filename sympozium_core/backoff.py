"""How long to wait before trying again: exponential, bounded, with jitter so that many who failed together do not return together."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class BackOff:
    """All times in seconds. `jitter` 0.2 means that a wait is up to a fifth shorter than computed, never longer."""

    first: float = 0.02
    factor: float = 2.0
    longest: float = 60.0
    jitter: float = 0.2

    def delay(self, failures: int) -> float:
        """The wait after so many failures in a row, counted from 1."""
        exponent = min(max(failures, 1) - 1, 64)
        return min(self.first * self.factor**exponent, self.longest) * (1 - self.jitter * random.random())


class Attempts:
    """Counts failures in a row of one thing that is tried again and again."""

    def __init__(self, back_off: BackOff) -> None:
        self._back_off = back_off
        self.failures = 0

    def failed(self) -> float:
        """Counts one more and says how long to wait."""
        self.failures += 1
        return self._back_off.delay(self.failures)

    def succeeded(self) -> None:
        self.failures = 0
