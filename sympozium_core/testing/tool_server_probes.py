"""What a suite of tool servers knows of the tools that it calls, and what every part of it shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pytest

Lack = Literal["example", "echo", "slow", "flood", "count", "wrong"]


@dataclass(frozen=True)
class Probe:
    """One call of a tool."""

    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Probes:
    """Calls with an effect that the suite knows."""

    example: Probe | None = None
    """Ends soon, with the status ok."""
    echo: Callable[[str], Probe] | None = None
    """Has the given text in its content."""
    slow: Probe | None = None
    """Goes on for 30 seconds or more, unless it is ended."""
    flood: Probe | None = None
    """Gives more than `layout.MAX_TOOL_RESULT` bytes."""
    count: Callable[[str], Probe] | None = None
    """Appends one line, the given word, to the file ``counted`` in the workspace."""
    wrong: Probe | None = None
    """Arguments that do not fit the tool's schema."""


class ServerChecks:
    """Declarations of a subclass of `tool_server.ToolServerContract`."""

    probes: ClassVar[Probes] = Probes()
    lacks: ClassVar[Mapping[Lack, str]] = {}
    """Probes that this server has no tool for, each with the reason."""

    def probe(self, kind: Lack) -> Any:
        """The probe of this kind; skips with the declared reason, fails where nothing is declared."""
        found = getattr(self.probes, kind)
        if found is None and kind in self.lacks:
            pytest.skip(f"no probe {kind}: {self.lacks[kind]}")
        assert found is not None, f"declare probes.{kind}, or say in lacks why no tool of this server can do it"
        return found
