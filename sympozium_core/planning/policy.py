"""One effective policy out of a SympoziumPolicy: template first, then its fields; a run's own toolPolicy only narrows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sympozium_core.contracts.fetching import READING, FetchPolicy, FetchRule
from sympozium_core.contracts.tool_policy import Action, ToolPolicy, ToolRule
from sympozium_core.names import Tool

DEFAULT_POLICY = "default"
"""The policy of whoever names none."""

_TEMPLATE_DEFAULT: Mapping[str, Action] = {"Permissive": "allow", "Default": "allow", "Restrictive": "deny"}
_TEMPLATE_RULES: Mapping[str, tuple[tuple[Tool, Action], ...]] = {"Default": ((Tool.EXECUTE_COMMAND, "ask"),)}
_NO_FETCHES = FetchPolicy("", ())
_ISOLATING_TEMPLATES = ("Default", "Restrictive")
GATED_TOOLS: Mapping[str, tuple[Tool, ...]] = {
    "code-execution": (Tool.EXECUTE_COMMAND,),
    "file-access": (Tool.READ_FILE, Tool.WRITE_FILE, Tool.EDIT_FILE, Tool.LIST_DIRECTORY, Tool.GREP_SEARCH),
}


@dataclass(frozen=True)
class Destination:
    """A place that a policy lets runs reach, as it writes it."""

    host: str
    """A name, an address or a CIDR."""
    port: int | None
    """TCP; None: every port."""


@dataclass(frozen=True)
class ApprovalFields:
    """The policy's `approvals` as it writes them; what is empty is open (`planning.approvals` says what then holds)."""

    timeout: str = ""
    on_timeout: str = ""
    allow_self: bool | None = None


@dataclass(frozen=True)
class EffectivePolicy:
    """What holds for one run, with the reasons kept in words."""

    name: str
    template: str
    tools: ToolPolicy
    isolation_required: bool
    """The sandbox must keep every promise: `process` will not do."""
    runtime_class_required: bool = False
    """Runs only in a kernel sandbox."""
    runtime_class: str = ""
    """The kernel sandbox of runs that need one and name none."""
    allowed_runtime_classes: tuple[str, ...] | None = None
    """Those that a run may name; None allows all."""
    max_depth: int | None = None
    max_concurrent: int | None = None
    max_cpu: str = ""
    max_memory: str = ""
    allowed_models: tuple[str, ...] = ()
    """Globs; empty allows all."""
    allowed_registries: tuple[str, ...] | None = None
    """Where the images of sidecars and hooks may come from: registries or paths in them; None allows all."""
    denied_resources: tuple[str, ...] = ()
    """Kubernetes resources to which lifecycle hooks may have no rights."""
    allowed_egress: tuple[Destination, ...] = ()
    """What runs may reach besides the event bus, where the runtime can open it."""
    network_open: bool = False
    """The policy does not deny the network at large."""
    host_mounts: bool = False
    """The policy says that mounts of the node's files are permitted; which skills have them is said by `host_access`."""
    host_access: tuple[str, ...] = ()
    """Skills that may touch the node."""
    host_access_said: bool = False
    """Whether the policy says anything of that: then what it does not name is closed, also where another policy names it."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """The most that a run may use: ``maxTokens``, ``maxTurns``, ``maxToolCalls``; what is not there is open."""
    timeout: str = ""
    """The longest time limit of a run."""
    fetch: FetchPolicy = _NO_FETCHES
    """What its runs may have fetched; `fetch_private` is not in it yet."""
    fetch_private: tuple[str, ...] | None = None
    """CIDRs; None where the policy says nothing of them, so that another one may."""
    model_private: tuple[str, ...] | None = None
    """As `fetch_private`, for models."""
    mcp_private: tuple[str, ...] | None = None
    """As `fetch_private`, for MCP servers."""
    network_limited: bool = False
    """It says something of the network: what it does not list is closed, also where another policy lists it."""
    namespace: str = ""
    """Where it was found; empty for one that is built in."""
    approvals: ApprovalFields = ApprovalFields()
    """Of the calls for which `tools` says ask."""
    parts: tuple[EffectivePolicy, ...] = ()
    """Where several policies hold: each by itself, the one that the instance names first. Each gives its own reasons (`mandatory.both`)."""


def effective_policy(name: str, spec: Mapping[str, Any], namespace: str = "") -> EffectivePolicy:
    """`spec` is a SympoziumPolicy's spec in normal form (`resources.policy`)."""
    template = spec.get("template") or ""
    sandbox = spec.get("sandboxPolicy") or {}
    subagents = spec.get("subagentPolicy") or {}
    kernel = sandbox.get("agentSandboxPolicy") or {}
    network = spec.get("networkPolicy") or {}
    limits = spec.get("limits") or {}
    approvals = spec.get("approvals") or {}
    return EffectivePolicy(
        name=name,
        namespace=namespace,
        template=template,
        tools=_tools(name, template, spec),
        isolation_required=template in _ISOLATING_TEMPLATES or bool(sandbox.get("required")) or bool(kernel.get("required")),
        runtime_class_required=bool(kernel.get("required")),
        runtime_class=kernel.get("defaultRuntimeClass") or "",
        allowed_runtime_classes=_listed(kernel.get("allowedRuntimeClasses")),
        max_depth=subagents.get("maxDepth"),
        max_concurrent=subagents.get("maxConcurrent"),
        max_cpu=str(sandbox.get("maxCPU") or ""),
        max_memory=str(sandbox.get("maxMemory") or ""),
        allowed_models=tuple((spec.get("modelPolicy") or {}).get("allowedModels") or ()),
        allowed_registries=_listed((spec.get("imagePolicy") or {}).get("allowedRegistries")),
        denied_resources=tuple((spec.get("lifecyclePolicy") or {}).get("deniedResources") or ()),
        allowed_egress=tuple(Destination(rule["host"], rule.get("port")) for rule in network.get("allowedEgress") or ()),
        network_open=network.get("denyAll") is False,
        fetch=_fetch(name, template, network),
        fetch_private=_listed((network.get("fetch") or {}).get("allowedPrivate")),
        model_private=_listed((spec.get("modelPolicy") or {}).get("allowedPrivate")),
        mcp_private=_listed((spec.get("mcpPolicy") or {}).get("allowedPrivate")),
        network_limited=bool(network),
        host_mounts=bool(sandbox.get("allowHostMounts")),
        host_access=tuple(sandbox.get("hostAccess") or ()),
        host_access_said=sandbox.get("hostAccess") is not None or sandbox.get("allowHostMounts") is False,
        limits={name: most for name, most in limits.items() if name != "timeout"},
        timeout=limits.get("timeout") or "",
        approvals=ApprovalFields(
            approvals.get("timeout") or "", approvals.get("onTimeout") or "", approvals.get("allowSelfApproval")
        ),
    )


def _fetch(name: str, template: str, network: Mapping[str, Any]) -> FetchPolicy:
    """A list is all that may be fetched. Without one it is what the network at large is: closed by `denyAll`, and by a template that isolates
    unless `denyAll` is false."""
    places = (network.get("fetch") or {}).get("allow")
    denied = network.get("denyAll")
    if places is None:
        closed = template in _ISOLATING_TEMPLATES if denied is None else denied
        return FetchPolicy(name, () if closed else None)
    return FetchPolicy(
        name,
        tuple(
            FetchRule(place["host"], place.get("port"), tuple(place.get("methods", READING)), tuple(place.get("paths") or ()))
            for place in places
        ),
    )


def _listed(values: Sequence[str] | None) -> tuple[str, ...] | None:
    """A list that is not there is open, one that is empty allows nothing."""
    return None if values is None else tuple(values)


def run_tools(policy: EffectivePolicy, run: Mapping[str, Any]) -> ToolPolicy:
    """What holds for a run's tools: the policy, and what the run itself says."""
    return narrow(policy.tools, run["spec"].get("toolPolicy"), "this run's spec")


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
    rules = [_rule(name, rule) for rule in gating.get("rules") or []]
    gates = spec.get("featureGates") or {}
    for gate, tools in GATED_TOOLS.items():
        if gates.get(gate) is False:
            rules += [ToolRule(tool, "deny", f"policy {name}: the feature gate {gate} is off") for tool in tools]
    rules += [
        ToolRule(tool, action, f"policy {name}: template {template} says {action} for {tool}")
        for tool, action in _TEMPLATE_RULES.get(template, ())
    ]
    default: Action = gating.get("defaultAction") or _TEMPLATE_DEFAULT.get(template, "allow")
    source = "toolGating.defaultAction" if gating.get("defaultAction") else f"template {template or 'Permissive'}"
    return ToolPolicy(default, f"policy {name}: {source} is {default}", tuple(rules))


def _rule(name: str, rule: Mapping[str, Any]) -> ToolRule:
    when = rule.get("when") or ""
    because = f"policy {name}: a rule says {rule['action']} for {rule['tool']}" + (f" when {when}" if when else "")
    return ToolRule(rule["tool"], rule["action"], because, when)
