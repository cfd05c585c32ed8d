"""A skill that pip installs: a SkillPack resource, and how to start its tool server where there is no container image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any


class Skill(ABC):
    """Loaded by the control plane only; the tool server itself is a process of its own (see `sympozium_core.sidecar`)."""

    @abstractmethod
    def pack(self) -> Mapping[str, Any]:
        """The SkillPack object in its JSON form, without a namespace. `metadata.name` equals the entry point's name."""

    def command(self) -> Sequence[str]:
        """Command line of the tool server in this environment; empty when the skill is instructions only.

        The server finds its volume at ``/ipc``, or where ``SYMPOZIUM_IPC`` says.
        """
        return ()
