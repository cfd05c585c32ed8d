"""How a run executes: sandboxes, lifecycle hooks, skills. Shared by instances, runs and packs."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from sympozium_core.resources.fields import (
    Count,
    Duration,
    EnvironmentName,
    LabelName,
    ObjectName,
    OptionalSecretName,
    Positive,
    Quantity,
    Text,
    ToolPattern,
)
from sympozium_core.resources.strictness import Strict


class ResourceClaim(Strict):
    name: Text
    request: str | None = None


class ResourceAmounts(Strict):
    """Requests and limits of a container, by resource name (``cpu``, ``memory``)."""

    limits: dict[str, Quantity] = {}
    requests: dict[str, Quantity] = {}
    claims: Annotated[
        list[ResourceClaim], Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]})
    ] = []
    """Dynamic resource allocation claims of the pod."""


class LocalReference(Strict):
    name: OptionalSecretName = ""
    """Name of a Secret in the same namespace."""


class SeccompProfile(Strict):
    type: Text
    """Such as ``RuntimeDefault``."""


class Capabilities(Strict):
    drop: list[Text] = []


class SecurityContext(Strict):
    read_only_root_filesystem: bool | None = None
    run_as_non_root: bool | None = None
    capabilities: Capabilities | None = None
    seccomp_profile: SeccompProfile | None = None


class Sandbox(Strict):
    """A container beside the agent, in which its commands run."""

    enabled: bool
    image: str | None = None
    resources: ResourceAmounts | None = None


class RunSandbox(Sandbox):
    security_context: SecurityContext | None = None


class WarmPool(Strict):
    """Pods that are started before there is a run for them."""

    size: Count = 2
    runtime_class: LabelName | None = None
    resources: ResourceAmounts | None = None


class AgentSandbox(Strict):
    """Kernel isolation by runtime class."""

    enabled: bool
    runtime_class: LabelName | None = None
    """Name of a RuntimeClass, such as ``gvisor`` or ``kata``."""
    warm_pool: WarmPool | None = None


class RunAgentSandbox(Strict):
    enabled: bool
    runtime_class: LabelName | None = None
    warm_pool_ref: ObjectName | None = None
    resources: ResourceAmounts | None = None


class EnvironmentVariable(Strict):
    name: EnvironmentName
    value: str


class AccessRule(Strict):
    """As in a Kubernetes Role."""

    api_groups: list[str]
    resources: list[Text]
    verbs: list[Text]


class Hook(Strict):
    """A program that runs once a run, before or after the agent, in a pod of its own."""

    name: LabelName
    image: Text
    """Not used where runs are processes of this machine; there the hook needs a command."""
    command: list[str] = []
    """Instead of the image's own."""
    args: list[str] = []
    env: list[EnvironmentVariable] = []
    """Beside what every hook is told: AGENT_RUN_ID and others, which cannot be set here."""
    timeout: Duration | None = None
    """From the start of its container; 5m when nobody says more."""


class Lifecycle(Strict):
    """Hooks around the agent, one after another; what a run declares replaces the whole of its instance's."""

    pre_run: list[Hook] = []
    """One that fails ends the run; one that writes to /ipc/control/skip ends it as skipped. Neither asks a model."""
    post_run: list[Hook] = []
    """When the agent's outcome is known, which they cannot change; not when the run was cancelled or skipped."""
    rbac: list[AccessRule] = []
    """Rights of the hooks in the run's namespace, while one of them runs. Whoever writes them must hold them."""


class SkillReference(Strict):
    """One skill of an agent: a SkillPack, a ConfigMap with instructions, or both."""

    skill_pack_ref: ObjectName | None = None
    config_map_ref: ObjectName | None = None
    params: dict[str, str] = {}
    """Environment of the skill's sidecar, each with the prefix ``SKILL_``."""


class RunLimits(Strict):
    """What one run may use. The gateway counts tokens, turns and fetches, the bridge tool calls; the agent's own counters have no say."""

    max_tokens: Positive | None = None
    """Of questions and answers of all model calls together; the call that passes it is answered, the next is not."""
    max_turns: Positive | None = None
    """Answers of the model; 50 when nobody says more."""
    max_tool_calls: Count | None = None
    """200 when nobody says more."""
    max_fetches: Count | None = None
    """Calls of `fetch_url` that the gateway carries out or refuses; 100 when nobody says more."""


class ToolPolicy(Strict):
    """Which tools may be used, by name or pattern; `deny` beats `allow`, without `allow`, or with an empty one, all are allowed."""

    allow: list[ToolPattern] | None = None
    deny: list[ToolPattern] = []


class AccessControl(Strict):
    """Who may speak to an agent through a channel; denied beats allowed, and an empty list of allowed allows all."""

    allowed_senders: list[str] = []
    denied_senders: list[str] = []
    allowed_chats: list[str] = []
    deny_message: str | None = None
    """What a refused sender is answered; nothing when it is not there."""


FreeForm = Annotated[dict[str, Any], Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})]
"""An object of any shape."""
