"""SympoziumPolicy: what agents may do. Decided at admission and again for each tool call.

Normal form: the v0.8.0 spelling, and `template`. What else `spelling` brings into it: `requireApproval` (rules with action ask, before all
others), `allowedTools` (rules with action allow, after all others, and `defaultAction: deny`), `sandbox{enabled, runtimeClass}` (to
`sandboxPolicy.required` and `sandboxPolicy.agentSandboxPolicy`).

A field that is not there is open, not at a default: what then holds is the template's to say (`planning.policy`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sympozium_core.resources.conditions import Condition
from sympozium_core.resources.execution import RunLimits, SeccompProfile
from sympozium_core.resources.fields import (
    AddressRange,
    CallCondition,
    Count,
    Duration,
    HostPattern,
    LabelName,
    ObjectName,
    PathPrefix,
    Port,
    Quantity,
    Text,
    ToolPattern,
)
from sympozium_core.resources.label_selector import LabelSelector
from sympozium_core.resources.strictness import Loose, Resource, Strict

Action = Literal["allow", "ask", "deny"]
Template = Literal["Permissive", "Default", "Restrictive"]


class ToolGate(Strict):
    tool: ToolPattern
    action: Action
    """``ask`` waits for a person."""
    when: CallCondition | None = None
    """CEL: the rule is for the calls of which it is true. It sees ``args`` (the call's arguments), ``tool``, ``server``, and ``argv``: the words of an
    ``execute_command`` whose command is free of shell operators, and is then run without a shell; and of a tool of an MCP server ``annotations``:
    ``readOnly``, ``destructive``, ``idempotent`` and ``openWorld``, as the server says. Where it cannot be told (it fails, or looks at an ``argv``, or at
    ``annotations``, that are not there), the stricter outcome of both holds."""


class ToolGating(Strict):
    """The first rule that names a tool, and whose condition holds, decides, else the default."""

    default_action: Action | None = None
    rules: list[ToolGate] = []


class AgentSandboxPolicy(Strict):
    """Kernel isolation by runtime class."""

    required: bool
    default_runtime_class: LabelName | None = None
    """For runs that name none."""
    allowed_runtime_classes: list[LabelName] | None = None
    """Any, when it is not there."""


class SandboxPolicy(Strict):
    required: bool | None = None
    """Runs only where the runtime keeps every promise of isolation."""
    default_image: str | None = None
    max_cpu: Annotated[Quantity | None, Field(alias="maxCPU")] = None
    max_memory: Quantity | None = None
    allow_host_mounts: bool | None = None
    """Permits nothing by itself: `hostAccess` names the skills that may."""
    host_access: list[ObjectName] | None = None
    """Skills, by the names of their SkillPacks, whose sidecars may have the access to their node that the pack asks for."""
    seccomp_profile: SeccompProfile | None = None
    agent_sandbox_policy: AgentSandboxPolicy | None = None


class SubagentPolicy(Strict):
    max_depth: Count | None = None
    max_concurrent: Count | None = None


class EgressRule(Strict):
    host: Text
    port: Port | None = None


class FetchPlace(Strict):
    """A place that `fetch_url` may ask."""

    host: HostPattern
    """A name, an address, or ``*.example.com`` for every name below it."""
    port: Port | None = None
    """Every port, when it is not there."""
    methods: list[Literal["GET", "HEAD", "POST"]] = ["GET", "HEAD"]
    """GET has HEAD with it."""
    paths: list[PathPrefix] = []
    """Beginnings of paths, such as ``/api/``; every path, when there are none."""


class FetchRules(Strict):
    """What the gateway fetches for a run, whose own pod has no way out."""

    allow: list[FetchPlace] | None = None
    """Nothing but these. When it is not there: nothing where `denyAll` or the template closes the network, else whatever is public, to be read."""
    allowed_private: list[AddressRange] | None = None
    """Addresses beside the public ones."""


class NetworkPolicy(Strict):
    deny_all: bool | None = None
    """Also of what the gateway fetches: only what `fetch.allow` lists."""
    allow_dns: Annotated[bool | None, Field(alias="allowDNS")] = None
    allow_event_bus: bool | None = None
    allowed_egress: list[EgressRule] = []
    """What the pod itself reaches; says nothing of `fetch`."""
    fetch: FetchRules | None = None


class ModelPolicy(Strict):
    """Which models runs may ask; any, where a list is not there."""

    allowed_namespaces: list[LabelName] | None = None
    allowed_models: list[Text] | None = None
    """Names or patterns, such as ``gpt-4o*``."""
    allowed_private: list[AddressRange] | None = None
    """Addresses beside the public ones at which models may be asked, such as within a cluster; one machine's own loopback is open to them anyway."""


class McpPolicy(Strict):
    """Where the MCP servers of runs may be."""

    allowed_private: list[AddressRange] | None = None
    """Addresses beside the public ones, such as within a cluster; one machine's own loopback is open to them anyway, and so is what Sympozium runs."""


class ImagePolicy(Strict):
    allowed_registries: list[Text] | None = None
    """Prefixes of images, such as ``ghcr.io/acme``."""


class LifecyclePolicy(Strict):
    denied_resources: list[Text] = []
    """Kubernetes resources to which lifecycle hooks may have no rights."""


class Mandatory(Strict):
    """Of a policy in the control plane's own namespace: it holds for every run in the namespaces that it selects, beside the policy that the
    run's instance names. What either refuses is refused."""

    namespace_selector: LabelSelector = LabelSelector()
    """By the namespaces' labels, of which ``kubernetes.io/metadata.name`` is their name; all of them when it says nothing."""


class PolicyLimits(RunLimits):
    """The most that a run may use; a run may ask for less, and for more than what holds where nobody says anything."""

    timeout: Duration | None = None
    """The longest time limit of a run."""


class PolicyApprovals(Strict):
    """Of calls that wait for a person, where a rule says ask."""

    timeout: Duration | None = None
    """How long a call waits, 15m where nothing is said; never beyond the end of its run."""
    on_timeout: Literal["deny", "allow"] | None = None
    """What becomes of a call that nobody has decided in time, deny where nothing is said."""
    allow_self_approval: bool | None = None
    """Whether whoever asked for the run may decide its calls. Where nothing is said, only on a machine of one user, where there is nobody else."""


class PolicySpec(Strict):
    template: Template | None = None
    tool_gating: ToolGating | None = None
    sandbox_policy: SandboxPolicy | None = None
    subagent_policy: SubagentPolicy | None = None
    feature_gates: dict[str, bool] = {}
    """By name: code-execution, sub-agents, browser-automation, file-access. A gate that is not there is open."""
    network_policy: NetworkPolicy | None = None
    model_policy: ModelPolicy | None = None
    mcp_policy: McpPolicy | None = None
    image_policy: ImagePolicy | None = None
    lifecycle_policy: LifecyclePolicy | None = None
    limits: PolicyLimits | None = None
    approvals: PolicyApprovals | None = None
    mandatory: Mandatory | None = None


class PolicyStatus(Loose):
    bound_instances: int | None = None
    conditions: list[Condition] | None = None


class SympoziumPolicy(Resource):
    """What agents may do."""

    spec: PolicySpec
    status: PolicyStatus | None = None
