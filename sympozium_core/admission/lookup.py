"""What the rules may look up about the rest of the cluster, and about the rights of whoever writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from sympozium_core.contracts.cluster import User
from sympozium_core.errors import Cause
from sympozium_core.planning.inputs import HarnessSource, MemoryBackend, SandboxFacts
from sympozium_core.planning.policy import EffectivePolicy


class Governed(NamedTuple):
    """An instance and the policy that holds for its runs."""

    instance: Mapping[str, Any]
    policy_name: str
    policy: EffectivePolicy | None
    """None where there is none of that name."""


class Lookup(Protocol):
    """Objects come in normal form; None where there is none. Every method may raise `ApiError`."""

    async def sandbox(self) -> SandboxFacts:
        """The runtime that runs go to here."""

    async def governed(self, namespace: str, name: str) -> Governed | None:
        """The instance of that name with its policy."""

    async def policy(self, namespace: str, name: str) -> EffectivePolicy | None:
        """In the namespace, then in the system's, then among the built-in ones."""

    def harness(self, instance: Mapping[str, Any]) -> HarnessSource:
        """The agent's program that the instance names; its `problem` says why it cannot be had."""

    async def secret_exists(self, namespace: str, name: str) -> bool:
        """True also where this process may not look: a webhook on a cluster reads no Secrets."""

    async def skill_pack(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """As a SkillPack in the namespace or the system's, or as an installed package (then without a namespace)."""

    def memory_backend(self, name: str) -> MemoryBackend:
        """Of that name, or why there is none."""

    def hooks(self, run: Mapping[str, Any], instance: Mapping[str, Any]) -> list[Cause]:
        """What the plugins have against the run."""


@dataclass(frozen=True)
class Access:
    """One thing that a user may or may not do, as RBAC counts."""

    verb: str
    group: str
    resource: str
    """Plural, with its subresource: ``pods``, ``pods/log``."""
    namespace: str = ""
    """Empty: in every namespace, or of what belongs to none."""
    name: str = ""
    """Empty: of every name."""


class Rights(Protocol):
    async def may(self, user: User, access: Access) -> bool:
        """Whether the API server would let the user. Raises `ApiError` when it cannot be asked."""
