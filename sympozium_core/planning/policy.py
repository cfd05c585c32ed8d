"""One effective policy out of a SympoziumPolicy: template first, then its fields; a run's own toolPolicy only narrows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sympozium_core.contracts.plan import Action, ToolPolicy, ToolRule
from sympozium_core.names import Tool

DEFAULT_POLICY = "default"
"""The policy of whoever names none."""

_TEMPLATE_DEFAULT: Mapping[str, Action] = {"Permissive": "allow", "Default": "allow", "Restrictive": "deny"}
_TEMPLATE_RULES: Mapping[str, tuple[tuple[Tool, Action], ...]] = {"Default": ((Tool.EXECUTE_COMMAND, "ask"),)}
_ISOLATING_TEMPLATES = ("Default", "Restrictive")
_GATED_TOOLS: Mapping[str, tuple[Tool, ...]] = {
    "code-execution": (Tool.EXECUTE_COMMAND,),
    "file-access": (Tool.READ_FILE, Tool.WRITE_FILE, Tool.EDIT_FILE, Tool.LIST_DIRECTORY, Tool.GREP_SEARCH),
}


@dataclass(frozen=True)
class EffectivePolicy:
    """What holds for one run, with the reasons kept in words."""

    name: str
    template: str
    tools: ToolPolicy
    isolation_required: bool
    """The sandbox must keep every promise: `process` will not do."""
    runtime_class: str = ""
    """A kernel sandbox that the policy demands."""
    max_depth: int | None = None
    max_concurrent: int | None = None
    max_cpu: str = ""
    max_memory: str = ""
    allowed_models: tuple[str, ...] = ()
    """Globs; empty allows all."""
    notes: tuple[str, ...] = ()
    """Permissions of the policy that nothing uses in this version."""


def effective_policy(name: str, spec: Mapping[str, Any]) -> EffectivePolicy:
    """`spec` is a SympoziumPolicy's spec in normal form (`resources.policy`)."""
    template = spec.get("template") or ""
    sandbox = spec.get("sandboxPolicy") or {}
    subagents = spec.get("subagentPolicy") or {}
    kernel = sandbox.get("agentSandboxPolicy") or {}
    return EffectivePolicy(
        name=name,
        template=template,
        tools=_tools(name, template, spec),
        isolation_required=template in _ISOLATING_TEMPLATES or bool(sandbox.get("required")) or bool(kernel.get("required")),
        runtime_class=(kernel.get("defaultRuntimeClass") or "") if kernel.get("required") else "",
        max_depth=subagents.get("maxDepth"),
        max_concurrent=subagents.get("maxConcurrent"),
        max_cpu=str(sandbox.get("maxCPU") or ""),
        max_memory=str(sandbox.get("maxMemory") or ""),
        allowed_models=tuple((spec.get("modelPolicy") or {}).get("allowedModels") or ()),
        notes=_notes(name, spec),
    )


def narrow(policy: ToolPolicy, tool_policy: Mapping[str, Any] | None, whose: str) -> ToolPolicy:
    """`policy` with an AgentRun's or persona's ``toolPolicy {allow, deny}`` on top: deny beats allow, and neither can widen."""
    if not tool_policy:
        return policy
    allow, deny = tool_policy.get("allow") or [], tool_policy.get("deny") or []
    rules = [ToolRule(tool, "deny", f"{whose}.toolPolicy.deny lists {tool}") for tool in deny]
    default: Action = "allow"
    because = ""
    if allow:
        rules += [ToolRule(tool, "allow", f"{whose}.toolPolicy.allow lists {tool}") for tool in allow]
        default, because = "deny", f"{whose}.toolPolicy.allow does not list it"
    own = ToolPolicy(default, because, tuple(rules))
    return ToolPolicy(policy.default, policy.because, policy.rules, (*policy.narrowed_by, own))


def _tools(name: str, template: str, spec: Mapping[str, Any]) -> ToolPolicy:
    gating = spec.get("toolGating") or {}
    rules = [
        ToolRule(rule["tool"], rule["action"], f"policy {name}: a rule says {rule['action']} for {rule['tool']}")
        for rule in gating.get("rules") or []
    ]
    gates = spec.get("featureGates") or {}
    for gate, tools in _GATED_TOOLS.items():
        if gates.get(gate) is False:
            rules += [ToolRule(tool, "deny", f"policy {name}: the feature gate {gate} is off") for tool in tools]
    rules += [
        ToolRule(tool, action, f"policy {name}: template {template} says {action} for {tool}")
        for tool, action in _TEMPLATE_RULES.get(template, ())
    ]
    default: Action = gating.get("defaultAction") or _TEMPLATE_DEFAULT.get(template, "allow")
    source = "toolGating.defaultAction" if gating.get("defaultAction") else f"template {template or 'Permissive'}"
    return ToolPolicy(default, f"policy {name}: {source} is {default}", tuple(rules))


def _notes(name: str, spec: Mapping[str, Any]) -> tuple[str, ...]:
    """A restriction always holds; a permission that nothing uses yet is said, so that nobody waits for it."""
    network = spec.get("networkPolicy") or {}
    sandbox = spec.get("sandboxPolicy") or {}
    found = []
    if network.get("denyAll") is False or network.get("allowedEgress"):
        found.append(f"policy {name} permits network access; runs have none in this version")
    if sandbox.get("allowHostMounts"):
        found.append(f"policy {name} permits host mounts; runs have none in this version")
    return tuple(found)
