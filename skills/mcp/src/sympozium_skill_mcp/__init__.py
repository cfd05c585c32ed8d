"""The skill `mcp`: tools of MCP servers. The class is for the control plane; the tool server is `python -m sympozium_skill_mcp`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from sympozium_core.contracts.skill import Skill


class McpSkill(Skill):
    def module(self) -> str:
        return __name__

    def command(self) -> Sequence[str]:
        """With what is installed here, unlike other skills: it needs the MCP SDK."""
        return (sys.executable, "-P", "-m", __name__)
