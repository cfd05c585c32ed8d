"""What the rules may look up about the rest of the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sympozium_core.errors import Cause
from sympozium_core.planning.inputs import SandboxFacts
from sympozium_core.planning.policy import EffectivePolicy


class Lookup(Protocol):
    """Objects come in normal form; None where there is none."""

    async def sandbox(self) -> SandboxFacts:
        """The runtime that runs go to here."""

    async def instance(self, namespace: str, name: str) -> Mapping[str, Any] | None: ...

    async def policy(self, namespace: str, name: str) -> EffectivePolicy | None:
        """In the namespace, then in the system's, then among the built-in ones."""

    async def secret_exists(self, namespace: str, name: str) -> bool: ...

    async def skill_exists(self, namespace: str, name: str) -> bool:
        """As a SkillPack in the namespace or the system's, or as an installed package."""

    def hooks(self, run: Mapping[str, Any], instance: Mapping[str, Any]) -> list[Cause]:
        """What the plugins have against the run."""
