"""Whether a run may be at all. The same function at admission and before planning; every reason at once."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from sympozium_core.contracts.sandbox import ALL_PROMISES
from sympozium_core.errors import Cause
from sympozium_core.planning.fetching import model_address_faults
from sympozium_core.planning.inputs import SandboxFacts, default_of, model_of
from sympozium_core.planning.lifecycle import declared, denials, lifecycle_faults
from sympozium_core.planning.limits import limit_faults
from sympozium_core.planning.mandatory import parts_of
from sympozium_core.planning.policy import EffectivePolicy
from sympozium_core.planning.runtime_class import runtime_class_faults
from sympozium_core.resources import quantities


def review_run(
    run: Mapping[str, Any], instance: Mapping[str, Any], policy: EffectivePolicy, sandbox: SandboxFacts
) -> list[Cause]:
    """Every reason why `policy` refuses this run; empty when it may be. All objects in normal form. Where several policies hold, each says why by
    its own name; what they leave no room for together is found last."""
    found = [cause for part in parts_of(policy) for cause in _by(part, run, instance, sandbox)]
    found += lifecycle_faults(declared(run, instance), sandbox)
    found += model_address_faults(run, instance, policy, sandbox)
    if found or not policy.parts:
        return found
    return runtime_class_faults(run, instance, policy, sandbox)


def _by(policy: EffectivePolicy, run: Mapping[str, Any], instance: Mapping[str, Any], sandbox: SandboxFacts) -> list[Cause]:
    return [
        *_isolation(policy, sandbox),
        *runtime_class_faults(run, instance, policy, sandbox),
        *_model(run, instance, policy),
        *_tools(run, policy),
        *_resources(run, instance, policy),
        *_depth(run, policy),
        *limit_faults(run, policy),
        *denials(declared(run, instance), policy, sandbox),
    ]


def _isolation(policy: EffectivePolicy, sandbox: SandboxFacts) -> list[Cause]:
    missing = sorted(ALL_PROMISES - sandbox.promises)
    if not policy.isolation_required or not missing:
        return []
    return [
        Cause(
            "",
            f"policy {policy.name} demands an isolating sandbox, and {sandbox.name!r} does not isolate {', '.join(missing)}",
            "install bubblewrap and its driver, or use a policy with template: Permissive",
        )
    ]


def _model(run: Mapping[str, Any], instance: Mapping[str, Any], policy: EffectivePolicy) -> list[Cause]:
    model = model_of(run, instance).model
    if not policy.allowed_models or any(fnmatchcase(model, allowed) for allowed in policy.allowed_models):
        return []
    return [
        Cause(
            "spec.model.model",
            f"policy {policy.name} does not allow model {model!r}",
            f"it allows {', '.join(policy.allowed_models)}",
        )
    ]


def _tools(run: Mapping[str, Any], policy: EffectivePolicy) -> list[Cause]:
    """A run that asks for a tool by name and cannot have it is refused now, not surprised later."""
    found = []
    for index, tool in enumerate((run["spec"].get("toolPolicy") or {}).get("allow") or []):
        decision = policy.tools.decide(tool)
        if decision.action == "deny":
            found.append(
                Cause(f"spec.toolPolicy.allow[{index}]", f"{tool} is denied: {decision.because}", "remove it from the list")
            )
    return found


def _resources(run: Mapping[str, Any], instance: Mapping[str, Any], policy: EffectivePolicy) -> list[Cause]:
    wanted = resources_of(run, instance)
    found = []
    for key, limit, field in (("cpu", policy.max_cpu, "maxCPU"), ("memory", policy.max_memory, "maxMemory")):
        if limit and wanted.get(key) and quantities.amount(wanted[key]) > quantities.amount(limit):
            found.append(
                Cause(
                    f"spec.sandbox.resources.{key}",
                    f"{wanted[key]} is more than policy {policy.name} allows",
                    f"at most {field} {limit}",
                )
            )
    return found


def _depth(run: Mapping[str, Any], policy: EffectivePolicy) -> list[Cause]:
    depth = (run["spec"].get("parent") or {}).get("spawnDepth") or 0
    if policy.max_depth is None or depth <= policy.max_depth:
        return []
    return [
        Cause("spec.parent.spawnDepth", f"{depth} is deeper than policy {policy.name} allows", f"at most {policy.max_depth}")
    ]


def resources_of(run: Mapping[str, Any], instance: Mapping[str, Any]) -> Mapping[str, str]:
    """``{cpu, memory}`` quantities that the run asks for: its own sandbox's, its kernel sandbox's, the instance's, else none."""
    spec = run["spec"]
    for sandbox in (spec.get("sandbox"), spec.get("agentSandbox"), default_of(instance).get("sandbox")):
        resources = (sandbox or {}).get("resources")
        if resources:
            found: Mapping[str, str] = resources.get("limits") or resources.get("requests") or {}
            return found
    return {}
