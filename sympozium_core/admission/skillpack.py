"""SkillPack: what its name may not go with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sympozium_core.admission.rights import sensitive
from sympozium_core.errors import Cause
from sympozium_core.planning.plan import SHELL_SKILL


def causes(pack: Mapping[str, Any]) -> list[Cause]:
    """`pack` is in normal form. The shell goes to every run that serves no commands of its own, so nobody is asked whether they may use it."""
    needs = sensitive(pack)
    if not needs or pack["metadata"].get("name") != SHELL_SKILL:
        return []
    return [
        Cause(
            "spec.sidecar",
            f"SkillPack {SHELL_SKILL!r} is attached to runs that do not name it, and would give them {', '.join(needs)}",
            "give the pack another name, and the agents that are to have it that skill",
        )
    ]
