"""What goes wrong here is said in one line, with what to do."""

from __future__ import annotations


class MachineError(Exception):
    """The cluster cannot be built, brought up or used. The message says why and what to do."""
