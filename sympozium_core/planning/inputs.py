"""What planning reads, gathered beforehand by whoever has a cluster: plain data, so that planning stays a pure function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sympozium_core.contracts.plan import ModelRef
from sympozium_core.contracts.sandbox import Promise
from sympozium_core.planning.policy import EffectivePolicy


@dataclass(frozen=True)
class SkillSource:
    """A skill that a run attaches, found as a SkillPack resource or an installed package."""

    name: str
    pack: Mapping[str, Any]
    """The SkillPack in normal form."""
    params: Mapping[str, str]
    command: tuple[str, ...] = ()
    """How an installed package starts its tool server here; empty for none."""


@dataclass(frozen=True)
class SandboxFacts:
    """The runtime that would hold the run."""

    name: str
    promises: frozenset[Promise]
    runtime_classes: bool = False
    """Can place a pod in a named runtime class (gVisor, Kata)."""


@dataclass(frozen=True)
class RunInputs:
    """`run` and `instance` are whole objects in normal form."""

    run: Mapping[str, Any]
    instance: Mapping[str, Any]
    policy: EffectivePolicy
    sandbox: SandboxFacts
    skills: tuple[SkillSource, ...] = ()
    missing_skills: tuple[str, ...] = ()
    agent_command: tuple[str, ...] = ()
    bridge_command: tuple[str, ...] = ()
    bridge_hooks: tuple[str, ...] = ()
    """Entry points of the installed plugins that the bridge loads, sorted by name."""


def skill_refs(run: Mapping[str, Any], instance: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The skills of a run in order: its own (an empty list is none), else its instance's."""
    own = run["spec"].get("skills")
    return list(own if own is not None else instance["spec"].get("skills") or [])


def model_of(run: Mapping[str, Any], instance: Mapping[str, Any]) -> ModelRef:
    """The run's model, field by field falling back on the instance's. The first authRef counts."""
    own = run["spec"].get("model") or {}
    default = (instance["spec"].get("agents") or {}).get("default") or {}
    auth = (instance["spec"].get("authRefs") or [{}])[0]
    provider = own.get("provider") or auth.get("provider") or ""
    same_provider = not own.get("provider") or own["provider"] == auth.get("provider")
    return ModelRef(
        provider=provider,
        model=own.get("model") or default.get("model") or "",
        base_url=own.get("baseURL") or ((default.get("baseURL") or "") if same_provider else ""),
        secret=own.get("authSecretRef") or ((auth.get("secret") or "") if same_provider else ""),
    )
