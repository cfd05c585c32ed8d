"""MCPServer: a server of the Model Context Protocol, run here or elsewhere. One spelling only: v0.8.0's."""

from __future__ import annotations

from typing import Literal

from sympozium_core.resources.conditions import Condition
from sympozium_core.resources.execution import ResourceAmounts
from sympozium_core.resources.fields import Count, LabelName, Port, Positive, SecretName, Text, ToolPattern
from sympozium_core.resources.strictness import Loose, Resource, Strict


class SecretReference(Strict):
    name: SecretName


class McpDeployment(Strict):
    """How to run the server."""

    image: Text
    cmd: str | None = None
    args: list[str] = []
    port: Port = 8080
    env: dict[str, str] = {}
    secret_refs: list[SecretReference] = []
    """Secrets whose keys become the server's environment."""
    resources: ResourceAmounts | None = None
    service_account_name: LabelName | None = None


class McpServerSpec(Strict):
    transport_type: Literal["stdio", "http"]
    tools_prefix: Text
    """Put before the name of every tool of this server."""
    url: Text | None = None
    """Where a server is that runs elsewhere."""
    deployment: McpDeployment | None = None
    timeout: Positive = 30
    """Seconds for one call."""
    replicas: Count = 1
    tools_allow: list[ToolPattern] = []
    """Without any, all tools are offered."""
    tools_deny: list[ToolPattern] = []


class McpServerStatus(Loose):
    ready: bool | None = None
    url: str | None = None
    tool_count: int | None = None
    tools: list[str] | None = None
    conditions: list[Condition] | None = None


class MCPServer(Resource):
    """A server of the Model Context Protocol."""

    spec: McpServerSpec
    status: McpServerStatus | None = None
