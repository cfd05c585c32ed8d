"""SympoziumInstance: one agent, that is its model, its prompt, its skills and its bounds. Runs refer to it.

Normal form: the v0.8.0 spelling, but the system prompt is `spec.systemPrompt`. What else `spelling` brings into it:
`spec.provider{name, model, baseURL, apiKeySecret}` (to `agents.default` and the first of `authRefs`), `memory.systemPrompt`, `policy` (to
`policyRef`), `skills: [name]`, and `skillConfig` (to the `params` of each skill, lists joined by commas).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sympozium_core.resources.conditions import Condition
from sympozium_core.resources.execution import AccessControl, AgentSandbox, Lifecycle, LocalReference, Sandbox, SkillReference
from sympozium_core.resources.fields import (
    Count,
    HeaderName,
    LabelName,
    ObjectName,
    OptionalSecretName,
    Positive,
    SecretName,
    ServerURL,
    Text,
    Time,
    ToolPattern,
    ToolPrefix,
)
from sympozium_core.resources.strictness import Loose, Resource, Strict


class Subagents(Strict):
    """Bounds on runs that a run starts."""

    max_depth: Count = 2
    max_concurrent: Count = 5
    max_children_per_agent: Count = 3


class AgentDefaults(Strict):
    """What a run of this instance gets unless it says otherwise."""

    model: Text
    """The model's name at the provider, such as ``gpt-4o``."""
    base_url: Annotated[Text | None, Field(alias="baseURL")] = None
    """Where the provider's API is, when it is not at the provider's usual address."""
    thinking: str | None = None
    """How long the model may think: off, low, medium or high."""
    sandbox: Sandbox | None = None
    agent_sandbox: AgentSandbox | None = None
    subagents: Subagents | None = None
    node_selector: dict[str, str] = {}
    lifecycle: Lifecycle | None = None


class Agents(Strict):
    default: AgentDefaults


class AuthReference(Strict):
    """Which Secret holds the key of which provider. The first of the list is the one that models are asked with."""

    provider: str = ""
    """Entry point name of the provider, such as ``openai``; empty means that the Secret's keys tell."""
    secret: OptionalSecretName = ""
    """Empty for a provider without a key."""


class ChannelSecret(Strict):
    provider: str | None = None
    secret: SecretName


class Channel(Strict):
    """One way in which people reach the agent."""

    type: Text
    """Entry point name of the channel, such as ``telegram``."""
    config_ref: ChannelSecret | None = None
    access_control: AccessControl | None = None


class Memory(Strict):
    enabled: bool = True
    max_size_kb: Annotated[Positive, Field(alias="maxSizeKB")] = 256
    """Of the contents and tags of all notes that the backend keeps."""
    backend: LabelName | None = None
    """Entry point name of what keeps the notes: ``sqlite`` where nothing is said. What another backend has kept stays in the volume, unread."""


class Observability(Strict):
    enabled: bool = False
    otlp_endpoint: str | None = None
    otlp_protocol: Literal["grpc", "http/protobuf"] | None = None
    service_name: str | None = None
    headers: dict[str, str] = {}
    headers_secret_ref: SecretName | None = None
    sampling_ratio: str | None = None
    """From ``"0"`` to ``"1"``."""
    resource_attributes: dict[str, str] = {}


class McpServerBinding(Strict):
    """Tools of an MCP server: of the MCPServer of that name, in this namespace or the system's, or of any server by its URL."""

    name: ObjectName
    url: ServerURL | None = None
    """Over streamable HTTP."""
    tools_prefix: ToolPrefix
    timeout: Positive = 30
    """Seconds for one call; of an MCPServer, what it says itself holds where that is less."""
    auth_secret: SecretName | None = None
    """Goes to `url`, as ``Authorization: Bearer``. An MCPServer has headers of its own."""
    auth_key: str | None = None
    """Of that Secret: ``token``, where nothing is said."""
    headers: dict[HeaderName, str] = {}
    """For `url`."""
    tools_allow: list[ToolPattern] = []
    """By the server's own names; an MCPServer's own lists hold as well."""
    tools_deny: list[ToolPattern] = []


class RateLimit(Strict):
    requests_per_minute: Positive = 60
    burst_size: Positive = 10


class WebEndpoint(Strict):
    enabled: bool = False
    hostname: str | None = None
    auth_secret_ref: SecretName | None = None
    rate_limit: RateLimit | None = None


class InstanceSpec(Strict):
    agents: Agents
    auth_refs: list[AuthReference] = []
    system_prompt: str | None = None
    """Who the agent is and how it works; a run may give its own."""
    harness: ObjectName | None = None
    """The program in the agent's container: name of an installed harness; by default the core's own, ``runner``."""
    skills: list[SkillReference] = []
    """In the order that decides which of several servers gets an untargeted call."""
    policy_ref: ObjectName | None = None
    """A SympoziumPolicy in the same namespace."""
    channels: list[Channel] = []
    memory: Memory | None = None
    mcp_servers: list[McpServerBinding] = []
    observability: Observability | None = None
    web_endpoint: WebEndpoint | None = None
    image_pull_secrets: list[LocalReference] = []

    @property
    def model(self) -> str:
        return self.agents.default.model

    @property
    def provider(self) -> str:
        """Empty when the instance does not say."""
        return self.auth_refs[0].provider if self.auth_refs else ""

    @property
    def secret(self) -> str:
        """Name of the Secret with the model's key; empty for none."""
        return self.auth_refs[0].secret if self.auth_refs else ""


class ChannelStatus(Loose):
    type: str
    status: str
    last_health_check: Time | None = None
    message: str | None = None


class WebEndpointStatus(Loose):
    status: str
    url: str | None = None
    auth_secret_name: str | None = None


class InstanceStatus(Loose):
    phase: str | None = None
    """Pending, Running, Serving or Error."""
    active_agent_pods: int | None = None
    total_agent_runs: int | None = None
    channels: list[ChannelStatus] | None = None
    web_endpoint: WebEndpointStatus | None = None
    conditions: list[Condition] | None = None


class SympoziumInstance(Resource):
    """An agent: which model answers, with which prompt, skills, channels and policy."""

    spec: InstanceSpec
    status: InstanceStatus | None = None
