"""How seldom a process that serves for long looks for cycles of garbage: a look at all that it has loaded holds everybody up for about 20 ms."""

from __future__ import annotations

import gc

YOUNG = 20_000
"""New containers that cause a look at the young ones; with Python's own 700, answering one model call causes several."""


def collect_seldom() -> None:
    """Leaves out for good what is there now, modules above all. Called once, when a process has loaded what it needs."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)
