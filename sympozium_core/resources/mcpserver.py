"""MCPServer: a server of the Model Context Protocol, run here or elsewhere. One spelling only: v0.8.0's, and what came after it."""

from __future__ import annotations

from typing import Literal

from sympozium_core.resources.conditions import Condition
from sympozium_core.resources.execution import ResourceAmounts
from sympozium_core.resources.fields import (
    Count,
    HeaderName,
    LabelName,
    PathPrefix,
    Port,
    Positive,
    SecretName,
    ServerURL,
    Text,
    ToolPattern,
    ToolPrefix,
)
from sympozium_core.resources.strictness import Loose, Resource, Strict


class SecretReference(Strict):
    name: SecretName


class SecretKey(Strict):
    name: SecretName
    key: Text


class HeaderSource(Strict):
    secret_key_ref: SecretKey
    """One value of a Secret in the server's namespace."""


class McpHeader(Strict):
    """A header of every request to the server."""

    name: HeaderName
    value: str | None = None
    """What it says; before the Secret's value, where there is one, such as ``"Bearer "``."""
    value_from: HeaderSource | None = None


class McpDeployment(Strict):
    """How to run the server: on a cluster a Deployment with a Service, on one machine a process."""

    image: Text | None = None
    """Of the container, on a cluster."""
    cmd: str | None = None
    """Program to start; on a cluster the image's own where it is not there, with stdio always needed."""
    args: list[str] = []
    port: Port = 8080
    """On which the server listens. On one machine it is told a free one, in ``PORT``."""
    path: PathPrefix | None = None
    """Of its address: ``/mcp`` where nothing is said, with sse ``/sse``."""
    env: dict[str, str] = {}
    secret_refs: list[SecretReference] = []
    """Secrets whose keys become the server's environment."""
    resources: ResourceAmounts | None = None
    service_account_name: LabelName | None = None


class McpServerSpec(Strict):
    transport_type: Literal["stdio", "http", "sse"]
    """http is streamable HTTP; sse the older way over HTTP; stdio a program that the control plane starts and speaks to."""
    tools_prefix: ToolPrefix
    """Put before the name of every tool of this server, with ``_`` between them."""
    url: ServerURL | None = None
    """Where a server is that runs elsewhere."""
    deployment: McpDeployment | None = None
    headers: list[McpHeader] = []
    """Added by the gateway; no run's pod has them."""
    timeout: Positive = 30
    """Seconds for one call."""
    replicas: Count = 1
    suspended: bool = False
    """Nothing is asked of the server, and what is run here is stopped."""
    tools_allow: list[ToolPattern] = []
    """By the server's own names. Without any, all tools are offered."""
    tools_deny: list[ToolPattern] = []


class ToolAnnotations(Loose):
    """What the server says of a tool, and what MCP takes for granted where it says nothing."""

    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None
    open_world: bool | None = None


class McpTool(Loose):
    name: str
    """The server's own."""
    offered_as: str | None = None
    """As agents and policies know it; empty for one that toolsAllow or toolsDeny leaves out."""
    description: str | None = None
    annotations: ToolAnnotations | None = None


class McpServerStatus(Loose):
    ready: bool | None = None
    url: str | None = None
    tool_count: int | None = None
    """Tools on offer."""
    tools: list[str] | None = None
    """The names of all tools, as the server has them."""
    tool_details: list[McpTool] | None = None
    protocol: str | None = None
    """Version of MCP that the server and Sympozium agreed on."""
    software: str | None = None
    """What the server calls itself."""
    conditions: list[Condition] | None = None
    """Deployed, Ready and Suspended."""


class MCPServer(Resource):
    """A server of the Model Context Protocol."""

    spec: McpServerSpec
    status: McpServerStatus | None = None
