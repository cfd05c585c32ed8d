"""Which kernel sandbox (gVisor, Kata: a RuntimeClass) a run gets, and why it may not have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sympozium_core.errors import Cause
from sympozium_core.planning.inputs import SandboxFacts, default_of
from sympozium_core.planning.policy import EffectivePolicy


def runtime_class(run: Mapping[str, Any], instance: Mapping[str, Any], policy: EffectivePolicy) -> str:
    """Its name; empty for none. The run's own word comes first, then its instance's, then the policy's default."""
    own, inherited = _asked(run, instance)
    if not (own or inherited).get("enabled") and not policy.runtime_class_required:
        return ""
    named = (asked.get("runtimeClass") for asked in (own, inherited) if asked.get("enabled"))
    return next(filter(None, named), policy.runtime_class)


def runtime_class_faults(
    run: Mapping[str, Any], instance: Mapping[str, Any], policy: EffectivePolicy, sandbox: SandboxFacts
) -> list[Cause]:
    """What is against it; the policy's reasons alone (`plan` says where a runtime has no such classes)."""
    own, inherited = _asked(run, instance)
    wanted = runtime_class(run, instance, policy)
    allowed = policy.allowed_runtime_classes
    if policy.runtime_class_required and "runtime-classes" not in sandbox.features:
        which = f"runtimeClass {wanted}" if wanted else "a kernel sandbox (runtimeClass)"
        return [
            Cause(
                "",
                f"policy {policy.name} demands {which}, and sandbox {sandbox.name!r} has none",
                "run on a cluster with that runtime class, or drop sandbox.runtimeClass from the policy",
            )
        ]
    if not wanted and ((own or inherited).get("enabled") or policy.runtime_class_required):
        whose = "demands" if policy.runtime_class_required else "has no default for"
        return [
            Cause(
                "spec.agentSandbox.runtimeClass",
                f"no runtime class is named, and policy {policy.name} {whose} a kernel sandbox",
                "name one that the cluster has (kubectl get runtimeclasses), such as gvisor",
            )
        ]
    if wanted and allowed is not None and wanted not in allowed:
        return [
            Cause(
                "spec.agentSandbox.runtimeClass",
                f"policy {policy.name} does not allow runtime class {wanted!r}",
                f"it allows {', '.join(allowed) or 'none'}",
            )
        ]
    return []


def _asked(run: Mapping[str, Any], instance: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """``agentSandbox`` of the run and of its instance."""
    return run["spec"].get("agentSandbox") or {}, default_of(instance).get("agentSandbox") or {}
